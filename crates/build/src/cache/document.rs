//! The cache config: layers by index, and records that say which step gives which of them.
//!
//! The format is BuildKit's. Its records name steps by BuildKit's own keys; wharf's steps are beside them in
//! a member that BuildKit's reader passes over, as it does with every member that it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_oci::Digest;

/// The media type of a cache config.
pub const MEDIA_TYPE: &str = "application/vnd.buildkit.cacheconfig.v0";
/// The annotation of a layer's descriptor with the digest of its tar stream.
pub const DIFF_ID: &str = "containerd.io/uncompressed";
/// The annotation of a layer's descriptor with the time it was made.
pub const CREATED_AT: &str = "buildkit/createdat";
/// The member of an image config with BuildKit's records: an inline cache.
pub const INLINE: &str = "moby.buildkit.cache.v0";
/// The member of an image config with wharf's steps.
pub const INLINE_STEPS: &str = "dev.wharf.cache.v1";
/// The version of [`Steps`] that is read and written.
pub const STEPS_VERSION: u32 = 1;

/// A cache config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheConfig {
    /// Layers, each on top of another.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<CacheLayer>,
    /// What BuildKit finds steps by.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// What wharf finds steps by.
    #[serde(default, rename = "dev.wharf.steps", skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
}

/// A layer of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheLayer {
    /// The blob.
    pub blob: Digest,
    /// The layer below, or -1. BuildKit leaves a zero out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parent: i64,
    /// What BuildKit says of the layer where no manifest does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<serde_json::Value>,
}

/// What BuildKit knows of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its results.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<RecordLayer>,
    /// Results that are no chain of `layers`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<RecordChain>,
    /// What the step does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// What each of its inputs may be.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Vec<RecordInput>>,
}

/// A result of a record: a layer with those below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLayer {
    /// Its place among the layers.
    pub layer: i64,
    /// When it was made.
    #[serde(default, rename = "createdAt", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// A result of a record: layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChain {
    /// Their places.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<i64>,
    /// When it was made.
    #[serde(default, rename = "createdAt", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// One thing that an input may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordInput {
    /// The part of it that is looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// The place of its record.
    pub link: i64,
}

/// What wharf knows of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Another version is passed over.
    pub version: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

/// What wharf knows of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is found by, in hexadecimal digits.
    pub keys: Vec<String>,
    /// What the keys of following steps name it by.
    pub result: String,
    /// The place of its layer; without one, only what follows it is in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// When it ran, nanoseconds since 1970.
    pub created: i64,
}

/// Why a document is no cache config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not written as one.
    #[error("it is no cache config")]
    Malformed(#[from] serde_json::Error),
    /// It points at something that is not in it.
    #[error("it points at {what} {place}, which is not in it")]
    Dangling {
        /// A layer or a record.
        what: &'static str,
        /// The place it points at.
        place: i64,
    },
    /// Its layers or records go round in a circle.
    #[error("its {what} lead back to themselves")]
    Loop {
        /// Layers or records.
        what: &'static str,
    },
}

impl CacheConfig {
    /// Reads a cache config. What is read holds together: every place is there, and nothing goes in circles.
    ///
    /// # Errors
    /// Fails when it does not.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let config: Self = serde_json::from_slice(bytes)?;
        config.check()?;
        Ok(config)
    }

    /// Whether it holds together.
    ///
    /// # Errors
    /// Fails when it does not.
    pub fn check(&self) -> Result<(), DocumentError> {
        let layer = |place: i64| within(place, self.layers.len(), "layer");
        let parents = self.layers.iter().map(|layer| layer.parent).filter(|parent| *parent != -1);
        parents.map(layer).collect::<Result<Vec<_>, _>>()?;
        for record in &self.records {
            record.layers.iter().try_for_each(|result| layer(result.layer).map(drop))?;
            let chained = record.chains.iter().flat_map(|chain| &chain.layers);
            chained.copied().try_for_each(|place| layer(place).map(drop))?;
            for input in record.inputs.iter().flatten() {
                within(input.link, self.records.len(), "record")?;
            }
        }
        let steps = self.steps.iter().flat_map(|steps| &steps.steps).filter_map(|step| step.layer);
        for place in steps {
            layer(i64::try_from(place).unwrap_or(i64::MAX))?;
        }
        let below = |place: usize| usize::try_from(self.layers[place].parent).ok().into_iter().collect();
        check_circles(self.layers.len(), "layers", &below)?;
        let inputs = |place: usize| -> Vec<usize> {
            let links = self.records[place].inputs.iter().flatten();
            links.filter_map(|input| usize::try_from(input.link).ok()).collect()
        };
        check_circles(self.records.len(), "records", &inputs)
    }

    /// The layer at `place` with those below it, lowest first.
    pub fn chain(&self, place: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut next = Some(place);
        while let Some(place) =
            next.filter(|place| *place < self.layers.len() && chain.len() < self.layers.len())
        {
            chain.push(place);
            next = usize::try_from(self.layers[place].parent).ok();
        }
        chain.reverse();
        chain
    }
}

fn within(place: i64, count: usize, what: &'static str) -> Result<usize, DocumentError> {
    usize::try_from(place).ok().filter(|place| *place < count).ok_or(DocumentError::Dangling { what, place })
}

/// Removes what nothing more is needed for, until nothing is left; what stays goes in circles.
fn check_circles(
    count: usize,
    what: &'static str,
    needs: &dyn Fn(usize) -> Vec<usize>,
) -> Result<(), DocumentError> {
    let mut waiting = vec![0usize; count];
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, waiting) in waiting.iter_mut().enumerate() {
        for need in needs(place) {
            *waiting += 1;
            needed_by.entry(need).or_default().push(place);
        }
    }
    let mut free: Vec<usize> = (0..count).filter(|place| waiting[*place] == 0).collect();
    let mut done = 0;
    while let Some(place) = free.pop() {
        done += 1;
        for next in needed_by.get(&place).into_iter().flatten() {
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                free.push(*next);
            }
        }
    }
    if done == count { Ok(()) } else { Err(DocumentError::Loop { what }) }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Go writes `null` for a list without members.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As BuildKit writes it: a missing parent is the first layer, and -1 is none.
    const WRITTEN: &str = r#"{
        "layers": [
            {"blob": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "parent": -1},
            {"blob": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}
        ],
        "records": [
            {"digest": "sha256:1", "inputs": null},
            {"digest": "sha256:2", "inputs": [[{"selector": "sha256:3", "link": 0}]],
             "layers": [{"layer": 1, "createdAt": "2024-01-02T03:04:05Z"}]}
        ]
    }"#;

    #[test]
    fn what_buildkit_writes_is_read() {
        let config = CacheConfig::parse(WRITTEN.as_bytes()).unwrap();
        assert_eq!(config.chain(1), [0, 1]);
        assert_eq!(config.records[1].inputs[0][0].link, 0);
        assert_eq!(config.steps, None);
        let again = serde_json::to_vec(&config).unwrap();
        assert_eq!(CacheConfig::parse(&again).unwrap(), config);
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let blob = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let wrong = [
            "7".to_owned(),
            format!(r#"{{"layers":[{{"blob":"{blob}"}}]}}"#), // its own parent
            format!(r#"{{"layers":[{{"blob":"{blob}","parent":7}}]}}"#),
            r#"{"records":[{"layers":[{"layer":0}]}]}"#.to_owned(),
            r#"{"records":[{"inputs":[[{"link":-1}]]}]}"#.to_owned(),
            r#"{"records":[{"inputs":[[{"link":1}]]},{"inputs":[[{"link":0}]]}]}"#.to_owned(),
            r#"{"dev.wharf.steps":{"version":1,"steps":[{"keys":[],"result":"","layer":3,"created":0}]}}"#
                .to_owned(),
        ];
        for text in wrong {
            assert!(CacheConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = CacheConfig::parse(&bytes);
        }

        #[test]
        fn any_places_are_read_without_panic(parents: Vec<i64>, links: Vec<i64>, layer: i64) {
            let blob = wharf_oci::digest::sha256(b"");
            let config = CacheConfig {
                layers: parents
                    .into_iter()
                    .map(|parent| CacheLayer { blob: blob.clone(), parent, annotations: None })
                    .collect(),
                records: vec![Record {
                    layers: vec![RecordLayer { layer, created_at: None }],
                    inputs: vec![links.into_iter().map(|link| RecordInput { selector: String::new(), link }).collect()],
                    ..Record::default()
                }],
                steps: None,
            };
            if config.check().is_ok() {
                (0..config.layers.len()).for_each(|place| drop(config.chain(place)));
            }
        }
    }
}
