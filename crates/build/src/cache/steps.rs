//! The steps of builds that are over, as a cache tells them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wharf_oci::{Descriptor, Digest};

use super::document::{CREATED_AT, CacheConfig, CacheLayer, DIFF_ID, STEPS_VERSION, Step, Steps};
use crate::error::StepError;
use crate::id::Id;
use crate::snapshot::{Chain, Layer};
use crate::state::LayerRecord;

/// A step that was done or found.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// What it is found by.
    pub(crate) keys: Vec<Id>,
    /// What the keys of following steps name it by.
    pub(crate) result: Id,
    /// The layers it started from and its own on top.
    pub(crate) chain: Chain,
}

impl Made {
    fn layer(&self) -> Option<&Arc<Layer>> {
        self.chain.layers.last()
    }
}

/// How the blob of a layer is written in a cache.
pub(super) type Convert<'a> = &'a dyn Fn(&Layer, &LayerRecord) -> Result<LayerRecord, StepError>;

/// A cache config and the layers it names.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) config: CacheConfig,
    /// The blobs, in the order of the config's layers, each once.
    pub(super) blobs: Vec<Descriptor>,
    /// Where the blobs that the store may lack come from.
    pub(super) layers: Vec<Arc<Layer>>,
    places: HashMap<(Digest, i64), usize>,
}

/// Everything that a cache says of `made`. Layers are in it where `wanted` says so; where a layer is lost, or
/// only the result of its step is known, the step is in it without.
pub(super) fn collect(
    made: &[Made],
    wanted: &dyn Fn(&Arc<Layer>) -> bool,
    convert: Convert<'_>,
) -> Result<Collected, StepError> {
    let mut collected = Collected::default();
    let mut steps = Vec::new();
    let mut seen = HashSet::new();
    for step in made.iter().filter(|step| seen.insert(step.result)) {
        let Some(layer) = step.layer().filter(|_| !step.keys.is_empty()) else { continue };
        let place = match wanted(layer) && step.chain.layers.iter().all(|layer| !layer.is_absent()) {
            true => Some(collected.add(&step.chain, convert)?),
            false => None,
        };
        steps.push(Step {
            keys: sorted(step.keys.iter().map(Id::to_string).collect()),
            result: step.result.to_string(),
            layer: place,
            created: layer.created.unwrap_or_default(),
        });
    }
    // Steps come in the order in which they were done, which is not always the same.
    steps.sort_by(|one: &Step, other| one.keys.cmp(&other.keys));
    collected.config.steps = Some(Steps { version: STEPS_VERSION, steps });
    Ok(collected)
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys
}

impl Collected {
    /// The place of the topmost layer of `chain`, which is added with those below it.
    fn add(&mut self, chain: &Chain, convert: Convert<'_>) -> Result<usize, StepError> {
        let mut parent = -1;
        for layer in &chain.layers {
            let record = convert(layer, layer.record()?)?;
            let key = (record.blob.digest.clone(), parent);
            let place = match self.places.get(&key) {
                Some(place) => *place,
                None => {
                    let place = self.config.layers.len();
                    self.config.layers.push(CacheLayer {
                        blob: record.blob.digest.clone(),
                        parent,
                        annotations: None,
                    });
                    self.describe(layer, record);
                    self.places.insert(key, place);
                    place
                }
            };
            parent = i64::try_from(place).unwrap_or(i64::MAX);
        }
        Ok(usize::try_from(parent).unwrap_or_default())
    }

    fn describe(&mut self, layer: &Arc<Layer>, record: LayerRecord) {
        if self.blobs.iter().any(|known| known.digest == record.blob.digest) {
            return;
        }
        let mut blob = record.blob;
        blob.annotations = [(DIFF_ID.to_owned(), record.diff_id.to_string())].into();
        if let Some(created) = layer.created.and_then(crate::image::rfc3339) {
            blob.annotations.insert(CREATED_AT.into(), created);
        }
        self.blobs.push(blob);
        self.layers.push(layer.clone());
    }
}
