//! Writes what a build knows to where `--cache-to` says.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::json;
use wharf_layer::Family;
use wharf_oci::{Descriptor, MediaType, media};
use wharf_registry::{Condition, Document, Layout, Name, Store};

use super::blobs::source;
use super::document::{DIFF_ID, INLINE, INLINE_STEPS, MEDIA_TYPE, RecordChain, RecordLayer};
use super::steps::{Collected, collect};
use super::{CachePlace, CacheTarget, Made, import};
use crate::engine::Engine;
use crate::error::StepError;
use crate::event::{Event, Events};
use crate::output;
use crate::request::ImageOptions;
use crate::result::CacheExport;
use crate::snapshot::{Chain, Layer, OUTLINE_MEDIA_TYPE, Snapshots};
use crate::state::LayerRecord;

/// So many blobs are asked about at once; what travels is limited by the client's settings.
const BLOBS: usize = 32;

/// What a build has to tell.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) snapshots: &'a Snapshots<'a>,
    /// The steps, those that others start from first.
    pub(crate) made: &'a [Made],
    /// The layers of the images.
    pub(crate) chains: &'a [Chain],
    /// How the image is written.
    pub(crate) image: &'a ImageOptions,
}

/// Writes the caches. One that cannot be written is a warning, and said in the result.
pub(crate) fn export(told: &Told<'_>, targets: &[CacheTarget], events: Events<'_>) -> Vec<CacheExport> {
    let travelling = targets.iter().filter(|target| target.place != CachePlace::Inline);
    let write = |target: &CacheTarget| {
        let place = target.place.to_string();
        match write(told, target) {
            Ok(manifest) => CacheExport { place, manifest: Some(manifest), failure: None },
            Err(error) => {
                let failure = import::chain(&error);
                let text = format!("the cache was not written to {place}: {failure}");
                events(Event::Warning { text });
                CacheExport { place, manifest: None, failure: Some(failure) }
            }
        }
    };
    travelling.map(write).collect()
}

/// The steps whose layers are those of an image, for its config.
pub(crate) fn inline(made: &[Made], chain: &Chain) -> Result<BTreeMap<String, serde_json::Value>, StepError> {
    let as_it_is = |_: &Layer, record: &LayerRecord| Ok(record.clone());
    let collected = collect(made, &|layer| is_in(layer, std::slice::from_ref(chain)), &as_it_is)?;
    let place_in_image = |place: Option<usize>| {
        let digest = &collected.config.layers.get(place?)?.blob;
        chain.layers.iter().position(|layer| layer.record().is_ok_and(|record| record.blob.digest == *digest))
    };
    let mut steps = collected.config.steps.clone().unwrap_or_default();
    steps.steps.iter_mut().for_each(|step| step.layer = place_in_image(step.layer));
    let mut records = collected.config.records.clone();
    for record in &mut records {
        for RecordLayer { layer, created_at } in std::mem::take(&mut record.layers) {
            let place = usize::try_from(layer).ok();
            let Some(layer) = place_in_image(place).and_then(|place| i64::try_from(place).ok()) else {
                continue;
            };
            // In the image the layers lie upon each other; what does not start at its lowest is named in full.
            match place.map(|place| collected.config.chain(place).len()) {
                Some(1) if layer > 0 => record.chains.push(RecordChain { layers: vec![layer], created_at }),
                _ => record.layers.push(RecordLayer { layer, created_at }),
            }
        }
    }
    let records = STANDARD.encode(serde_json::to_vec(&records).unwrap_or_default());
    Ok([(INLINE_STEPS.to_owned(), json!(steps)), (INLINE.to_owned(), json!(records))].into())
}

fn is_in(layer: &Layer, chains: &[Chain]) -> bool {
    chains.iter().flat_map(|chain| &chain.layers).any(|other| std::ptr::eq(layer, Arc::as_ptr(other)))
}

fn write(told: &Told<'_>, target: &CacheTarget) -> Result<Descriptor, StepError> {
    let engine = told.snapshots.engine;
    let wanted = |layer: &Arc<Layer>| target.all_stages || is_in(layer, told.chains);
    let convert = |layer: &Layer, record: &LayerRecord| convert(told, target, layer, record);
    let collected = collect(told.made, &wanted, &convert)?;
    let outlines = outlines(told)?;
    match &target.place {
        CachePlace::Registry(reference) => {
            let repository = engine.client.repository(reference)?;
            let tag = reference.tag_or_latest().unwrap_or("latest");
            engine.runtime.block_on(put(engine, &repository, tag, &collected, &outlines, target))
        }
        CachePlace::Local { path, tag } => {
            let layout = Layout::open(path)?;
            engine.runtime.block_on(put(engine, &layout, tag, &collected, &outlines, target))
        }
        CachePlace::Inline => unreachable!("an inline cache is written with its image"),
    }
}

/// The outlines of the layers of the images, as far as they are known here: who edits a line needs no more of the
/// layers below.
fn outlines(told: &Told<'_>) -> Result<Vec<(Descriptor, Bytes)>, StepError> {
    let mut outlines: Vec<(Descriptor, Bytes)> = Vec::new();
    for layer in told.chains.iter().flat_map(|chain| &chain.layers).filter(|layer| !layer.is_absent()) {
        let diff_id = &layer.record()?.diff_id;
        let known = told.snapshots.engine.outline_bytes(diff_id)?;
        let Some(bytes) = known.filter(|bytes| !bytes.is_empty()) else { continue };
        let mut blob = Descriptor::of(OUTLINE_MEDIA_TYPE, &bytes);
        blob.annotations = [(DIFF_ID.to_owned(), diff_id.to_string())].into();
        if outlines.iter().all(|(other, _)| other.annotations != blob.annotations) {
            outlines.push((blob, bytes.into()));
        }
    }
    Ok(outlines)
}

/// The layer as the cache wants it.
fn convert(
    told: &Told<'_>,
    target: &CacheTarget,
    layer: &Layer,
    record: &LayerRecord,
) -> Result<LayerRecord, StepError> {
    let is_new = layer.created.is_some();
    // What nobody asked for in another form travels as the image has it, and as it is where it lies elsewhere.
    let is_ours = is_new && told.snapshots.engine.store.has(&record.blob.digest);
    let as_it_comes = || match is_in(layer, told.chains) {
        true => Some(told.image.compression),
        false => target.compression_of_helpers(told.image.compression),
    };
    let wanted = target.compression.or_else(|| as_it_comes().filter(|_| is_ours));
    let Some(compression) = wanted else { return Ok(record.clone()) };
    if output::is_compressed_as(&record.blob, compression) || !(is_new || target.force_compression) {
        return Ok(record.clone());
    }
    told.snapshots.fetch(layer, &record.blob)?;
    let options = ImageOptions { compression, ..told.image.clone() };
    output::convert(told.snapshots.engine, record, &options, None)
}

/// Blobs first, side by side, then the config, then the manifest under its tag.
async fn put(
    engine: &Engine,
    store: &dyn Store,
    tag: &str,
    collected: &Collected,
    outlines: &[(Descriptor, Bytes)],
    target: &CacheTarget,
) -> Result<Descriptor, StepError> {
    let family = if target.oci_media_types { Family::Oci } else { Family::Docker };
    let blobs: Vec<Descriptor> = collected.blobs.iter().map(|blob| in_family(blob, family)).collect();
    let layers = blobs.iter().zip(&collected.layers).map(|(blob, layer)| {
        async move {
            let source = source(engine, layer, blob)?;
            store.put_blob(blob, source.as_ref()).await
        }
        .boxed()
    });
    let outlined = outlines.iter().map(|(blob, bytes)| store.put_blob(blob, bytes));
    stream::iter(layers.chain(outlined)).buffer_unordered(BLOBS).try_collect::<Vec<()>>().await?;
    let config = serde_json::to_vec(&collected.config).unwrap_or_default();
    let descriptor = Descriptor::of(MEDIA_TYPE, &config);
    store.put_blob(&descriptor, &Bytes::from(config)).await?;
    let blobs = blobs.into_iter().chain(outlines.iter().map(|(blob, _)| blob.clone())).collect();
    let document = manifest(blobs, descriptor, target);
    store.put_manifest(Name::Tag(tag), &document, Condition::Always).await?;
    Ok(document.descriptor)
}

fn in_family(blob: &Descriptor, family: Family) -> Descriptor {
    Descriptor { annotations: blob.annotations.clone(), ..crate::image::in_family(blob, family) }
}

/// The manifest of a cache.
fn manifest(blobs: Vec<Descriptor>, config: Descriptor, target: &CacheTarget) -> Document {
    let as_image = target.image_manifest && target.oci_media_types;
    let (media_type, document) = match (as_image, target.oci_media_types) {
        (true, _) => (
            MediaType::ImageManifest.to_string(),
            json!({"schemaVersion": 2, "mediaType": MediaType::ImageManifest, "config": config, "layers": blobs}),
        ),
        (false, oci) => {
            let media_type =
                if oci { MediaType::ImageIndex.to_string() } else { media::DOCKER_MANIFEST_LIST.to_owned() };
            let entries: Vec<&Descriptor> = blobs.iter().chain([&config]).collect();
            let document = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
            (media_type, document)
        }
    };
    Document::new(MediaType::from(media_type.as_str()), document.to_string().into_bytes())
}
