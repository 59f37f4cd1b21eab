//! The steps of builds that are over, as a cache tells them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wharf_oci::{Descriptor, Digest};

use super::document::{
    CREATED_AT, CacheConfig, CacheLayer, DIFF_ID, Record, RecordInput, RecordLayer, STEPS_VERSION, Step,
    Steps,
};
use crate::error::StepError;
use crate::id::Id;
use crate::llb::Node;
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

/// For each input of a record, the selectors and places that it links to.
type Links = Vec<Vec<(String, i64)>>;

/// A cache config and the layers it names.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) config: CacheConfig,
    /// The blobs, in the order of the config's layers, each once.
    pub(super) blobs: Vec<Descriptor>,
    /// Where the blobs that the store may lack come from.
    pub(super) layers: Vec<Arc<Layer>>,
    places: HashMap<(Digest, i64), usize>,
    /// The records by what they say.
    records: HashMap<(String, Links), usize>,
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
    let mut ordered: Vec<&Made> = made.iter().collect();
    // Steps come in the order in which they were done, which is not always the same.
    ordered.sort_by_key(|step| (step.chain.layers.len(), step.keys.iter().min().copied()));
    for step in ordered.into_iter().filter(|step| seen.insert(step.result)) {
        let Some(layer) = step.layer().filter(|_| !step.keys.is_empty()) else { continue };
        let place = match wanted(layer) && step.chain.layers.iter().all(|layer| !layer.is_absent()) {
            true => Some(collected.add(&step.chain.layers, convert)?),
            false => None,
        };
        if let Some(node) = &step.chain.node {
            let record = collected.record(node);
            collected.result(record, place, layer.created);
            if let Some(laid) = node.laid().filter(|_| place.is_some()) {
                let record = collected.record(laid);
                let alone = collected.add(std::slice::from_ref(layer), convert)?;
                collected.result(record, Some(alone), layer.created);
            }
        }
        steps.push(Step {
            keys: sorted(step.keys.iter().map(Id::to_string).collect()),
            result: step.result.to_string(),
            layer: place,
            created: layer.created.unwrap_or_default(),
        });
    }
    steps.sort_by(|one: &Step, other| one.keys.cmp(&other.keys));
    collected.config.steps = Some(Steps { version: STEPS_VERSION, steps });
    Ok(collected)
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys
}

impl Collected {
    /// The place of the topmost of `layers`, which are added.
    fn add(&mut self, layers: &[Arc<Layer>], convert: Convert<'_>) -> Result<usize, StepError> {
        let mut parent = -1;
        for layer in layers {
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

    /// The place of the record of `node`, which is added with those below it.
    fn record(&mut self, node: &Arc<Node>) -> usize {
        let mut inputs = Vec::new();
        for alternatives in &node.inputs {
            let words = alternatives
                .iter()
                .flat_map(|input| input.node.in_all_words().map(move |node| (input, node)));
            let links = words.map(|(input, node)| {
                let link = self.record(node);
                (input.selector.clone(), i64::try_from(link).unwrap_or(i64::MAX))
            });
            inputs.push(links.collect::<Vec<_>>());
        }
        let key = (node.digest.clone(), inputs.clone());
        if let Some(place) = self.records.get(&key) {
            return *place;
        }
        let link = |(selector, link)| RecordInput { selector, link };
        self.config.records.push(Record {
            digest: node.digest.clone(),
            inputs: inputs.into_iter().map(|links| links.into_iter().map(link).collect()).collect(),
            ..Record::default()
        });
        self.records.insert(key, self.config.records.len() - 1);
        self.config.records.len() - 1
    }

    /// Says that the step of a record made a layer.
    fn result(&mut self, record: usize, layer: Option<usize>, created: Option<i64>) {
        let results = &mut self.config.records[record].layers;
        if let Some(layer) = layer.and_then(|layer| i64::try_from(layer).ok())
            && results.iter().all(|known| known.layer != layer)
        {
            results.push(RecordLayer { layer, created_at: created.and_then(crate::image::rfc3339) });
        }
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
