//! A step as BuildKit knows it.

use std::collections::HashMap;
use std::sync::Arc;

use wharf_oci::{Digest, digest};

use crate::cache::document::CacheConfig;

/// A step, an image or some files, by the digest that a record has for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// What a record says.
    pub(crate) digest: String,
    /// For each input, what it may be.
    pub(crate) inputs: Vec<Vec<Input>>,
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
        Arc::new(Self { digest: digest::sha256(format!("{operation}@0").as_bytes()).to_string(), inputs })
    }

    /// Files with this digest, wherever they come from.
    pub(crate) fn of_content(content: &Digest) -> Arc<Self> {
        let digest = digest::sha256(format!("{content}@-1").as_bytes()).to_string();
        Arc::new(Self { digest, inputs: Vec::new() })
    }

    /// An image with these layers.
    pub(crate) fn of_image<'a>(diff_ids: impl IntoIterator<Item = &'a Digest>) -> Option<Arc<Self>> {
        let chain_id = diff_ids.into_iter().fold(None, |below: Option<Digest>, layer| {
            Some(match below {
                None => layer.clone(),
                Some(below) => digest::sha256(format!("{below} {layer}").as_bytes()),
            })
        })?;
        let source = digest::sha256(format!("buildkit.source.v0:{chain_id}").as_bytes());
        Some(Self::of_operation(&source, Vec::new()))
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
                let found = matches(&input.node, config, by_digest, known);
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
