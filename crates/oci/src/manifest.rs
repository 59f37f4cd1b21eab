//! Descriptors and the two documents made of them (OCI image-spec 1.1, `descriptor.md`, `manifest.md`,
//! `image-index.md`).
//!
//! These are for reading and for writing new documents. A document that already has a digest is moved
//! as the bytes it came in, never re-serialised: unknown fields would be lost and the digest would change.

use std::collections::BTreeMap;

use oci_spec::image::{Digest, MediaType};
use serde::{Deserialize, Serialize};

use crate::{Platform, digest};

/// A pointer to content: what it is, its digest and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes; content of another size is not to be trusted.
    pub size: u64,
    /// The platform an index entry is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of artifact that the content is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Other places the content may be had from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The content itself, base64, where the writer embedded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// A bare descriptor.
    pub fn new(media_type: impl Into<MediaType>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            data: None,
        }
    }

    /// The descriptor of `bytes`.
    pub fn of(media_type: impl Into<MediaType>, bytes: &[u8]) -> Self {
        Self::new(media_type, digest::sha256(bytes), bytes.len() as u64)
    }
}

/// The manifest of one image or artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is; OCI allows it to be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where this is no runnable image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The image config, or the artifact's.
    pub config: Descriptor,
    /// The layers, lowest first. BuildKit writes `null` for an image without layers, which reads as none.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI image manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::ImageManifest),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A list of manifests: one image for several platforms, or a ledger entry and what it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is; OCI allows it to be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The type of artifact, where this is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// What the index points at.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of `manifests`.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::ImageIndex),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The entry for `wanted`: the exact variant if it is there, else the best one that such a machine runs.
    /// Entries that are not images (attestations say the platform `unknown/unknown`) are passed over.
    pub fn for_platform(&self, wanted: &Platform) -> Option<&Descriptor> {
        self.manifests
            .iter()
            .filter_map(|d| Some((wanted.affinity(d.platform.as_ref()?)?, d)))
            .max_by_key(|(affinity, _)| *affinity)
            .map(|(_, d)| d)
    }
}

fn null_is_empty<'de, D>(deserializer: D) -> Result<Vec<Descriptor>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_layers_read_as_none() {
        let config = serde_json::to_string(&Descriptor::of(MediaType::ImageConfig, b"{}")).unwrap();
        let manifest: Manifest =
            serde_json::from_str(&format!(r#"{{"schemaVersion":2,"config":{config},"layers":null}}"#))
                .unwrap();
        assert!(manifest.layers.is_empty());
    }

    #[test]
    fn annotations_are_written_in_order() {
        let mut index = Index::new(vec![]);
        for key in ["zebra", "apple", "mango"] {
            index.annotations.insert(key.into(), "1".into());
        }
        let text = serde_json::to_string(&index).unwrap();
        assert!(text.ends_with(r#""annotations":{"apple":"1","mango":"1","zebra":"1"}}"#), "{text}");
    }

    #[test]
    fn the_exact_variant_wins_over_one_that_merely_runs() {
        let entry = |platform: &str| Descriptor {
            platform: Some(platform.parse().unwrap()),
            ..Descriptor::of(MediaType::ImageManifest, platform.as_bytes())
        };
        let index = Index::new(vec![entry("linux/arm/v6"), entry("linux/arm/v7"), entry("unknown/unknown")]);
        let pick = |p: &str| {
            index.for_platform(&p.parse().unwrap()).map(|d| d.platform.clone().unwrap().to_string())
        };
        assert_eq!(pick("linux/arm/v7").as_deref(), Some("linux/arm/v7"));
        assert_eq!(pick("linux/arm/v6").as_deref(), Some("linux/arm/v6"));
        assert_eq!(pick("linux/amd64"), None);
    }
}
