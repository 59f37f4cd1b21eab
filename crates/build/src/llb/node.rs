//! A step as BuildKit knows it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wharf_oci::{Digest, Platform, digest};

use super::json::{digest_of, object};
use crate::cache::document::CacheConfig;

/// The operation that lays files upon others.
const MERGE: &str = r#"{"Type":"buildkit.merge.v0","Merge":{"inputs":[{},{"input":1}]}}"#;

/// A step, an image or some files, by the digest that a record has for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// What a record says.
    pub(crate) digest: String,
    /// For each input, what it may be.
    pub(crate) inputs: Vec<Vec<Input>>,
    /// Other words for the same: an image is known by its manifest, too.
    pub(crate) also: Vec<Arc<Node>>,
}

/// One thing that an input may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The part of it that is looked at.
    pub(crate) selector: String,
    pub(crate) node: Arc<Node>,
}

impl Node {
    /// The first result of the operation with this digest.
    pub(crate) fn of_operation(operation: &Digest, inputs: Vec<Vec<Input>>) -> Arc<Self> {
        let digest = digest::sha256(format!("{operation}@0").as_bytes()).to_string();
        Arc::new(Self { digest, inputs, also: Vec::new() })
    }

    /// Files with this digest, wherever they come from.
    pub(crate) fn of_content(content: &Digest) -> Arc<Self> {
        let digest = digest::sha256(format!("{content}@-1").as_bytes()).to_string();
        Arc::new(Self { digest, inputs: Vec::new(), also: Vec::new() })
    }

    /// The image for `platform` with these layers.
    pub(crate) fn of_image<'a>(
        diff_ids: impl IntoIterator<Item = &'a Digest>,
        manifest: &Digest,
        platform: &Platform,
    ) -> Option<Arc<Self>> {
        let chain_id = diff_ids.into_iter().fold(None, |below: Option<Digest>, layer| {
            Some(match below {
                None => layer.clone(),
                Some(below) => digest::sha256(format!("{below} {layer}").as_bytes()),
            })
        })?;
        let by_manifest = digest_of(&object([
            ("Digest", json!(manifest)),
            ("OS", json!(platform.os)),
            ("Arch", json!(platform.architecture)),
            ("Variant", platform.variant.as_deref().map_or(Value::Null, |variant| json!(variant))),
        ]));
        let by_layers = Self::of_source(chain_id.as_ref());
        Some(Arc::new(Self {
            digest: by_layers.digest.clone(),
            inputs: Vec::new(),
            also: vec![Self::of_source(by_manifest.as_ref())],
        }))
    }

    /// What a source of images, files or repositories knows by `key`.
    pub(crate) fn of_source(key: &str) -> Arc<Self> {
        let source = digest::sha256(format!("buildkit.source.v0:{key}").as_bytes());
        Self::of_operation(&source, Vec::new())
    }

    /// It in all words that there are for it.
    pub(crate) fn in_all_words(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::once(self).chain(&self.also)
    }

    /// `upper` laid upon `lower`, whatever that is.
    pub(crate) fn of_merge(lower: Arc<Self>, upper: Arc<Self>) -> Arc<Self> {
        let input = |node| vec![Input { selector: String::new(), node }];
        Self::of_operation(&digest::sha256(MERGE.as_bytes()), vec![input(lower), input(upper)])
    }

    /// What is laid upon the rest, if it is that: its layer is the same wherever it lies.
    pub(crate) fn laid(&self) -> Option<&Arc<Self>> {
        let merge = digest::sha256(format!("{}@0", digest::sha256(MERGE.as_bytes())).as_bytes());
        let upper = self.inputs.get(1).filter(|_| self.digest == merge.as_ref())?;
        upper.first().map(|input| &input.node)
    }
}

/// The records of `config` that are `node`. `known` keeps what was found of nodes below it.
pub(crate) fn matches(
    node: &Arc<Node>,
    config: &CacheConfig,
    by_digest: &HashMap<String, Vec<usize>>,
    known: &mut HashMap<*const Node, Vec<usize>>,
) -> Vec<usize> {
    if let Some(found) = known.get(&Arc::as_ptr(node)) {
        return found.clone();
    }
    // For each input, the links that are right.
    let inputs: Vec<Vec<(String, usize)>> = node
        .inputs
        .iter()
        .map(|alternatives| {
            let links = alternatives.iter().flat_map(|input| {
                let words = input.node.in_all_words();
                let found: Vec<usize> =
                    words.flat_map(|node| matches(node, config, by_digest, known)).collect();
                found.into_iter().map(|record| (input.selector.clone(), record))
            });
            links.collect()
        })
        .collect();
    let candidates = by_digest.get(&node.digest).into_iter().flatten().copied();
    let is_right = |record: &usize| {
        let record = &config.records[*record];
        record.inputs.len() == inputs.len()
            && record.inputs.iter().zip(&inputs).all(|(links, right)| {
                links.iter().any(|link| {
                    right.iter().any(|(selector, record)| {
                        *selector == link.selector && usize::try_from(link.link) == Ok(*record)
                    })
                })
            })
    };
    let found: Vec<usize> = candidates.filter(is_right).collect();
    known.insert(Arc::as_ptr(node), found.clone());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in a cache that BuildKit (docker 28.5) wrote.
    #[test]
    fn an_image_is_known_by_its_layers_and_by_its_manifest() {
        let digest = |hex: &str| format!("sha256:{hex}").parse::<Digest>().unwrap();
        let manifest = digest("fc76ef2ba0542606c28da583e4d597fd2d4e4b7e8c5520ecbe40f7c5fea2d005");
        let layer = digest::sha256(b"layer");
        let image = Node::of_image([&layer], &manifest, &"linux/amd64".parse().unwrap()).unwrap();
        let words: Vec<&str> =
            image.in_all_words().map(|node| &node.digest["sha256:".len()..][..12]).collect();
        assert_eq!(words[1], "cda9a9e7ab8d");
        assert_ne!(words[0], words[1]);
    }
}
