//! What the caches of `--cache-from` know.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use serde::Deserialize;
use wharf_oci::{Descriptor, Digest, Manifest, digest};
use wharf_registry::{Document, Layout, Name, Parsed, Store};

use super::CacheSource;
use super::document::{
    CREATED_AT, CacheConfig, CacheLayer, DIFF_ID, DocumentError, INLINE, INLINE_STEPS, MEDIA_TYPE, Record,
    STEPS_VERSION, Steps,
};
use crate::engine::Engine;
use crate::event::{Event, Events};
use crate::id::{Hasher, Id};
use crate::llb::{self, Node};
use crate::snapshot::{OUTLINE_MEDIA_TYPE, Origin};
use crate::state::{LayerRecord, place_of};

/// The most that is read of a cache config or an image config.
const CONFIG_MAX: u64 = 32 << 20;

/// What is known of steps from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    steps: HashMap<Id, Known>,
    /// What BuildKit wrote.
    records: Vec<Records>,
    /// Places where a layer turned out not to be.
    lost: Mutex<HashSet<String>>,
    /// Only steps with a layer count: something needs the files of one without.
    whole_only: AtomicBool,
}

/// What a cache knows of a step.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) result: Id,
    /// All that it is found by.
    pub(crate) keys: Vec<Id>,
    /// Its layer, and where it is; without one, only what follows the step is in the cache.
    pub(crate) layer: Option<(LayerRecord, Origin)>,
    pub(crate) created: i64,
}

impl Imports {
    /// Reads the caches side by side. One that cannot be read is a warning.
    pub(crate) fn read(engine: &Engine, sources: &[CacheSource], events: Events<'_>) -> Self {
        let caches = std::thread::scope(|scope| {
            let pending: Vec<_> = sources.iter().map(|source| scope.spawn(|| read(engine, source))).collect();
            let joined = pending.into_iter().map(|thread| thread.join());
            joined
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        let mut imports = Self::default();
        for (source, cache) in sources.iter().zip(caches) {
            match cache {
                Ok((caches, origin)) => {
                    for cache in caches {
                        if let Err(error) = engine.state.keep_outline_places(&cache.outlines(), &origin) {
                            events(Event::Warning { text: chain(&error) });
                        }
                        imports.add(&cache, &origin);
                        imports.records.extend(Records::of(cache, &origin));
                    }
                }
                Err(ImportError::Absent) => {
                    let text = format!("there is no cache at {source} yet");
                    events(Event::Note { text });
                }
                Err(error) => {
                    let text = format!("the cache at {source} is not used: {}", chain(&error));
                    events(Event::Warning { text });
                }
            }
        }
        imports
    }

    /// What is known of the step with the key `key`.
    pub(crate) fn step(&self, key: &Id) -> Option<Known> {
        let known = self.steps.get(key)?;
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.layer {
            Some((_, origin)) if lost.contains(&place_of(origin)) => None,
            None if self.whole_only.load(Ordering::Relaxed) => None,
            _ => Some(known.clone()),
        }
    }

    /// Whether there are records of BuildKit's.
    pub(crate) fn has_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// What BuildKit knows of the step `node`, if it started from the layers `below`.
    pub(crate) fn record(&self, node: &Arc<Node>, below: &[Digest]) -> Option<Known> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = self.records.iter().filter(|records| !lost.contains(&place_of(&records.origin)));
        usable.into_iter().find_map(|records| records.find(node, below))
    }

    /// Says that a layer is not where a cache says. Nothing more is expected to be there.
    pub(crate) fn forget(&self, blob: &Digest) {
        let layers = self.steps.values().filter_map(|known| known.layer.as_ref());
        let places =
            layers.filter(|(record, _)| record.blob.digest == *blob).map(|(_, origin)| place_of(origin));
        let records = self.records.iter().filter(|records| records.cache.blobs.contains_key(blob));
        let places: Vec<String> = places.chain(records.map(|records| place_of(&records.origin))).collect();
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
    }

    /// Says that the files of every step are needed.
    pub(crate) fn forget_results(&self) {
        self.whole_only.store(true, Ordering::Relaxed);
    }

    /// Takes up what a cache knows; what an earlier one knows counts.
    fn add(&mut self, cache: &Cache, origin: &Origin) {
        let Some(steps) = cache.config.steps.as_ref().filter(|steps| steps.version == STEPS_VERSION) else {
            return;
        };
        for step in &steps.steps {
            let Some(result) = Id::parse(&step.result) else { continue };
            let layer = match step.layer {
                Some(place) => match cache.layer(place) {
                    Some(record) => Some((record, origin.clone())),
                    None => continue,
                },
                None => None,
            };
            let keys: Vec<Id> = step.keys.iter().filter_map(|key| Id::parse(key)).collect();
            let known = Known { result, keys, layer, created: step.created };
            for key in known.keys.clone() {
                // Of two that know the same step, one with its layer is worth more.
                match self.steps.get(&key) {
                    Some(before) if before.layer.is_some() || known.layer.is_none() => {}
                    _ => drop(self.steps.insert(key, known.clone())),
                }
            }
        }
    }
}

/// A cache with records of BuildKit's.
#[derive(Debug)]
struct Records {
    cache: Cache,
    origin: Origin,
    by_digest: HashMap<String, Vec<usize>>,
}

impl Records {
    fn of(cache: Cache, origin: &Origin) -> Option<Self> {
        let mut by_digest: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, record) in cache.config.records.iter().enumerate() {
            by_digest.entry(record.digest.clone()).or_default().push(place);
        }
        (!by_digest.is_empty()).then(|| Self { cache, origin: origin.clone(), by_digest })
    }

    fn find(&self, node: &Arc<Node>, below: &[Digest]) -> Option<Known> {
        let config = &self.cache.config;
        let found = llb::matches(node, config, &self.by_digest, &mut HashMap::new());
        let results = found.into_iter().flat_map(|record| {
            let record = &config.records[record];
            let whole = record.layers.iter().filter_map(|result| {
                Some((config.chain(usize::try_from(result.layer).ok()?), result.created_at.as_deref()))
            });
            let named = record.chains.iter().filter_map(|result| {
                let places = result.layers.iter().map(|place| usize::try_from(*place).ok());
                Some((places.collect::<Option<_>>()?, result.created_at.as_deref()))
            });
            whole.chain(named).collect::<Vec<(Vec<usize>, Option<&str>)>>()
        });
        results.into_iter().find_map(|(chain, created_at)| {
            let layers: Vec<LayerRecord> =
                chain.iter().map(|place| self.cache.layer(*place)).collect::<Option<_>>()?;
            let (top, rest) = layers.split_last()?;
            if rest.len() != below.len()
                || rest.iter().zip(below).any(|(layer, below)| layer.diff_id != *below)
            {
                return None;
            }
            let mut id = Hasher::new("result of BuildKit");
            for layer in &layers {
                id.text(layer.diff_id.as_ref());
            }
            let time = self.cache.created(*chain.last()?).or(created_at);
            let created = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
            Some(Known {
                result: id.finish(),
                keys: Vec::new(),
                layer: Some((top.clone(), self.origin.clone())),
                created: created.map_or(0, |time| i64::try_from(time.as_nanosecond()).unwrap_or_default()),
            })
        })
    }
}

/// A cache that was read.
#[derive(Debug)]
struct Cache {
    config: CacheConfig,
    blobs: HashMap<Digest, Descriptor>,
}

impl Cache {
    fn new(config: CacheConfig, blobs: impl IntoIterator<Item = Descriptor>) -> Self {
        Self { config, blobs: blobs.into_iter().map(|blob| (blob.digest.clone(), blob)).collect() }
    }

    /// The outlines of layers that it has, by the digests of the layers' tar streams.
    fn outlines(&self) -> Vec<(Digest, Descriptor)> {
        let blobs = self.blobs.values().filter(|blob| blob.media_type.as_ref() == OUTLINE_MEDIA_TYPE);
        blobs.filter_map(|blob| Some((blob.annotations.get(DIFF_ID)?.parse().ok()?, blob.clone()))).collect()
    }

    fn created(&self, place: usize) -> Option<&str> {
        let blob = self.blobs.get(&self.config.layers.get(place)?.blob)?;
        blob.annotations.get(CREATED_AT).map(String::as_str)
    }

    fn layer(&self, place: usize) -> Option<LayerRecord> {
        let mut blob = self.blobs.get(&self.config.layers.get(place)?.blob)?.clone();
        let diff_id = blob.annotations.get(DIFF_ID)?.parse().ok()?;
        blob.annotations.clear();
        Some(LayerRecord { blob, diff_id })
    }
}

/// Why a cache is not used.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("it is not there")]
    Absent,
    #[error(transparent)]
    Registry(#[from] wharf_registry::Error),
    #[error(transparent)]
    Layout(#[from] wharf_registry::LayoutError),
    #[error("its cache config cannot be used")]
    Document(#[from] DocumentError),
    #[error("it is no manifest")]
    Manifest(#[from] serde_json::Error),
    #[error("{what} {digest} is damaged")]
    Damaged { what: &'static str, digest: Digest },
    #[error("{what} {digest} has {size} bytes, which is too much")]
    TooLarge { what: &'static str, digest: Digest, size: u64 },
}

fn read(engine: &Engine, source: &CacheSource) -> Result<(Vec<Cache>, Origin), ImportError> {
    match source {
        CacheSource::Registry(reference) => {
            let repository = engine.client.mirrored(reference)?;
            let name = match reference.digest() {
                Some(digest) => Name::Digest(digest),
                None => Name::Tag(reference.tag_or_latest().unwrap_or("latest")),
            };
            let caches = engine.runtime.block_on(read_store(&repository, name))?;
            Ok((caches, Origin::Registry(reference.clone())))
        }
        CacheSource::Local { path, tag, digest } => {
            let index = path.join("index.json");
            if !index.exists() {
                return Err(ImportError::Absent);
            }
            let layout = Layout::existing(path)?;
            let name = digest.as_ref().map_or(Name::Tag(tag), Name::Digest);
            let caches = engine.runtime.block_on(read_store(&layout, name))?;
            Ok((caches, Origin::Layout(layout)))
        }
    }
}

async fn read_store(store: &dyn Store, name: Name<'_>) -> Result<Vec<Cache>, ImportError> {
    let document = store.manifest(name).await?.ok_or(ImportError::Absent)?;
    match document.parse()? {
        Parsed::Manifest(manifest) => Ok(of_manifest(store, manifest).await?.into_iter().collect()),
        Parsed::Index(index) => {
            let is_config = |entry: &&Descriptor| entry.media_type.as_ref() == MEDIA_TYPE;
            if let Some(config) = index.manifests.iter().find(is_config) {
                let config = CacheConfig::parse(&read_blob(store, config, "its config").await?)?;
                return Ok(vec![Cache::new(config, index.manifests)]);
            }
            let mut caches = Vec::new();
            for entry in &index.manifests {
                let found = store.manifest(Name::Digest(&entry.digest)).await?;
                if let Some(Ok(Parsed::Manifest(manifest))) = found.as_ref().map(Document::parse) {
                    caches.extend(of_manifest(store, manifest).await?);
                }
            }
            Ok(caches)
        }
    }
}

/// The cache that a manifest is, or that is in the config of an image.
async fn of_manifest(store: &dyn Store, manifest: Manifest) -> Result<Option<Cache>, ImportError> {
    if manifest.config.media_type.as_ref() == MEDIA_TYPE {
        let config = CacheConfig::parse(&read_blob(store, &manifest.config, "its config").await?)?;
        return Ok(Some(Cache::new(config, manifest.layers)));
    }
    let config = read_blob(store, &manifest.config, "the image config").await?;
    of_image(&config, manifest.layers)
}

/// The inline cache of an image; most images have none.
fn of_image(config: &[u8], mut layers: Vec<Descriptor>) -> Result<Option<Cache>, ImportError> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        rootfs: RootFs,
        #[serde(flatten)]
        other: HashMap<String, serde_json::Value>,
    }
    #[derive(Deserialize, Default)]
    struct RootFs {
        #[serde(default)]
        diff_ids: Vec<String>,
    }
    let Ok(config) = serde_json::from_slice::<Config>(config) else { return Ok(None) };
    if config.rootfs.diff_ids.len() != layers.len() {
        return Ok(None);
    }
    let records = config.other.get(INLINE).and_then(|text| text.as_str());
    let records: Vec<Record> = match records.map(|text| STANDARD.decode(text)) {
        Some(Ok(json)) => serde_json::from_slice(&json).map_err(DocumentError::from)?,
        _ => Vec::new(),
    };
    let steps = config.other.get(INLINE_STEPS).and_then(|steps| Steps::deserialize(steps).ok());
    if records.is_empty() && steps.is_none() {
        return Ok(None);
    }
    let chained = layers.iter().enumerate().map(|(place, layer)| CacheLayer {
        blob: layer.digest.clone(),
        parent: i64::try_from(place).unwrap_or(i64::MAX) - 1,
        annotations: None,
    });
    let document = CacheConfig { layers: chained.collect(), records, steps };
    document.check()?;
    for (layer, diff_id) in layers.iter_mut().zip(config.rootfs.diff_ids) {
        layer.annotations.insert(DIFF_ID.into(), diff_id);
    }
    Ok(Some(Cache::new(document, layers)))
}

async fn read_blob(store: &dyn Store, blob: &Descriptor, what: &'static str) -> Result<Vec<u8>, ImportError> {
    let too_large = |size| ImportError::TooLarge { what, digest: blob.digest.clone(), size };
    if blob.size > CONFIG_MAX {
        return Err(too_large(blob.size));
    }
    let mut bytes = Vec::new();
    let mut pieces = store.blob(blob).open(0).await?;
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > CONFIG_MAX {
            return Err(too_large(bytes.len() as u64));
        }
    }
    match digest::matches(&blob.digest, &bytes) {
        true => Ok(bytes),
        false => Err(ImportError::Damaged { what, digest: blob.digest.clone() }),
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use wharf_oci::MediaType;

    use super::*;

    #[test]
    fn an_image_without_a_cache_is_none() {
        assert!(of_image(b"not json", Vec::new()).unwrap().is_none());
        assert!(of_image(br#"{"rootfs":{"diff_ids":[]}}"#, Vec::new()).unwrap().is_none());
        let one = vec![Descriptor::of(MediaType::ImageLayerGzip, b"layer")];
        assert!(of_image(br#"{"rootfs":{"diff_ids":[]}}"#, one).unwrap().is_none());
    }

    #[test]
    fn an_inline_cache_names_the_layers_of_its_image() {
        let layers = vec![Descriptor::of(MediaType::ImageLayerGzip, b"layer")];
        let diff_id = digest::sha256(b"tar");
        let key = "11".repeat(32);
        let config = serde_json::json!({
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            INLINE_STEPS: {"version": 1, "steps": [
                {"keys": [key], "result": "22".repeat(32), "layer": 0, "created": 5}]},
        });
        let cache = of_image(&serde_json::to_vec(&config).unwrap(), layers.clone()).unwrap().unwrap();
        let mut imports = Imports::default();
        let origin = Origin::Registry("example.com/a:1".parse().unwrap());
        imports.add(&cache, &origin);
        let known = imports.step(&Id::parse(&key).unwrap()).unwrap();
        assert_eq!(known.result, Id([0x22; 32]));
        assert_eq!(known.layer.unwrap().0, LayerRecord { blob: layers[0].clone(), diff_id });
        imports.forget(&layers[0].digest);
        assert!(imports.step(&Id::parse(&key).unwrap()).is_none());
    }
}
