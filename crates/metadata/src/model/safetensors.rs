//! safetensors: a length, then a JSON header whose `__metadata__` is free text.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Said, plain};

/// The header, without the tensors in it.
#[derive(Deserialize)]
struct Header {
    #[serde(default, rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
}

/// Keys under which names and versions are found; `modelspec.*` is the format's own convention.
const NAMES: [&str; 3] = ["name", "modelspec.title", "model_name"];
const VERSIONS: [&str; 3] = ["version", "modelspec.version", "model_version"];

pub(super) fn read(head: &[u8]) -> Said {
    let metadata = header(head).unwrap_or_default();
    let first = |keys: &[&str]| keys.iter().find_map(|key| metadata.get(*key)).map(|text| plain(text));
    Said {
        name: first(&NAMES).unwrap_or_default(),
        version: first(&VERSIONS).unwrap_or_default(),
        format: "safetensors".to_owned(),
    }
}

fn header(head: &[u8]) -> Option<BTreeMap<String, String>> {
    let (length, rest) = head.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header: Header = serde_json::from_slice(rest.get(..length)?).ok()?;
    Some(header.metadata)
}
