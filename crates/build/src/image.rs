//! From layers to an image: config, history, manifest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wharf_layer::Family;
use wharf_oci::{Descriptor, History, ImageConfig, Manifest, MediaType, media};
use wharf_registry::Layout;

use crate::annotation::{Annotation, AnnotationLevel};
use crate::error::{Cause, StepError};
use crate::plan::Stage;
use crate::request::ImageOptions;
use crate::result::{Image, ImageLayer};
use crate::state::LayerRecord;

/// A layer of the image to be.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) record: LayerRecord,
    /// When a step made it, nanoseconds since 1970; `None` for layers of a base image.
    pub(crate) created: Option<i64>,
}

/// Writes config and manifest of the image that `stage` gives with these layers; `more` goes into the config.
pub(crate) fn write(
    stage: &Stage,
    parts: &[Part],
    epoch: Option<i64>,
    options: &ImageOptions,
    more: &BTreeMap<String, serde_json::Value>,
    store: &Layout,
) -> Result<Image, StepError> {
    let mut config = stage.config.clone();
    config.other.extend(more.clone());
    config.rootfs.diff_ids = parts.iter().map(|part| part.record.diff_id.clone()).collect();
    let times: Vec<Option<String>> = parts.iter().map(|part| part.created.and_then(rfc3339)).collect();
    set_times(&mut config, &times, epoch);
    let config_type = match options.family {
        Family::Oci => MediaType::ImageConfig,
        Family::Docker => MediaType::from(media::DOCKER_CONFIG),
    };
    let config_blob = put(store, &config, config_type)?;
    let layers: Vec<Descriptor> =
        parts.iter().map(|part| in_family(&part.record.blob, options.family)).collect();
    let mut manifest = Manifest::new(config_blob.clone(), layers);
    let platform = Some(&stage.platform);
    manifest.annotations = Annotation::at(&options.annotations, AnnotationLevel::Manifest, platform);
    let manifest_type = match options.family {
        Family::Oci => MediaType::ImageManifest,
        Family::Docker => MediaType::from(media::DOCKER_MANIFEST),
    };
    manifest.media_type = Some(manifest_type.clone());
    let mut descriptor = put(store, &manifest, manifest_type)?;
    descriptor.platform = Some(stage.platform.clone());
    descriptor.annotations =
        Annotation::at(&options.annotations, AnnotationLevel::ManifestDescriptor, platform);
    let layers = layers_of(&config, &manifest, parts);
    Ok(Image {
        platform: stage.platform.clone(),
        descriptor,
        manifest,
        config,
        config_digest: config_blob.digest,
        layers,
    })
}

fn put(
    store: &Layout,
    document: &impl serde::Serialize,
    media_type: MediaType,
) -> Result<Descriptor, StepError> {
    let bytes = serde_json::to_vec(document)
        .map_err(|error| Cause::Refused(format!("the image cannot be described in JSON: {error}")))?;
    Ok(store.put(&bytes)?.descriptor(media_type))
}

/// Fills in the times that only the engine knows, as BuildKit's exporter does: a line that made a layer has
/// the time of that layer; another has that of the nearest layer before it, and the first lines that of the
/// first new layer.
fn set_times(config: &mut ImageConfig, layers: &[Option<String>], epoch: Option<i64>) {
    let mut layers = layers.iter();
    for line in config.history.iter_mut().filter(|line| !line.empty_layer) {
        let layer = layers.next().cloned().flatten();
        line.created = line.created.take().or(layer);
    }
    let mut time = first_new_time(&config.history);
    let mut is_new = false;
    for line in &mut config.history {
        match &line.created {
            Some(created) if is_new => time = Some(created.clone()),
            Some(_) => {}
            None => {
                is_new = true;
                line.created.clone_from(&time);
            }
        }
    }
    if let Some(epoch) = epoch.and_then(|epoch| Timestamp::from_second(epoch).ok()) {
        for line in &mut config.history {
            let time = line.created.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
            if time.is_none_or(|time| time > epoch) {
                line.created = Some(epoch.to_string());
            }
        }
        config.created = Some(epoch.to_string());
    } else {
        config.created = config.history.iter().rev().find_map(|line| line.created.clone());
    }
}

/// The time of the first line after the base's that has one, else the last time there is.
fn first_new_time(history: &[History]) -> Option<String> {
    let mut time = None;
    let mut missing = false;
    for line in history {
        match &line.created {
            Some(created) => {
                time = Some(created.clone());
                if missing {
                    break;
                }
            }
            None => missing = true,
        }
    }
    time
}

/// A time as Go writes it.
pub(crate) fn rfc3339(nanoseconds: i64) -> Option<String> {
    Some(Timestamp::from_nanosecond(nanoseconds.into()).ok()?.to_string())
}

/// The same blob with the media type that the other family has for it.
pub(crate) fn in_family(blob: &Descriptor, family: Family) -> Descriptor {
    const TYPES: [(&str, &str); 3] = [
        ("application/vnd.oci.image.layer.v1.tar", media::DOCKER_LAYER),
        ("application/vnd.oci.image.layer.v1.tar+gzip", media::DOCKER_LAYER_GZIP),
        ("application/vnd.oci.image.layer.v1.tar+zstd", media::DOCKER_LAYER_ZSTD),
    ];
    let known = blob.media_type.as_ref();
    let wanted =
        TYPES.iter().find(|(oci, docker)| *oci == known || *docker == known).map(
            |(oci, docker)| match family {
                Family::Oci => *oci,
                Family::Docker => *docker,
            },
        );
    let media_type = wanted.map_or_else(|| blob.media_type.clone(), MediaType::from);
    Descriptor { media_type, annotations: BTreeMap::new(), ..blob.clone() }
}

fn layers_of(config: &ImageConfig, manifest: &Manifest, parts: &[Part]) -> Vec<ImageLayer> {
    let lines = config.history.iter().filter(|line| !line.empty_layer);
    let mut created_by = lines.map(|line| line.created_by.clone().unwrap_or_default());
    let layer = |(blob, part): (&Descriptor, &Part)| ImageLayer {
        blob: blob.clone(),
        diff_id: part.record.diff_id.clone(),
        created_by: created_by.next().unwrap_or_default(),
        base: part.created.is_none(),
    };
    manifest.layers.iter().zip(parts).map(layer).collect()
}
