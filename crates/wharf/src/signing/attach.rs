//! Small documents beside an image, as cosign keeps them: layers of a manifest under a tag made of the digest.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use wharf_oci::{Descriptor, Digest, Manifest, MediaType, digest};
use wharf_registry::{Condition, Document, Name, Parsed, Store};

use crate::commands::registry_failure;
use crate::exit::{Exit, Failure};
use crate::releases::describe::small_blob;

/// Two writers at once can overwrite one another's list, so what was written is read back, this often.
const ATTEMPTS: usize = 4;

/// A document that hangs on an image.
pub(super) struct Hanging {
    /// Its descriptor with its annotations.
    pub(super) layer: Descriptor,
    /// Its content.
    pub(super) content: Vec<u8>,
    /// The manifest that lists it.
    pub(super) manifest: Digest,
}

/// The documents under `tag`; those that cannot be read are left out.
pub(super) async fn list(store: &dyn Store, tag: &str) -> Result<Vec<Hanging>, Failure> {
    let Some((digest, manifest)) = manifest(store, tag).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for layer in manifest.layers {
        if let Some(content) = small_blob(store, &layer).await {
            found.push(Hanging { layer, content, manifest: digest.clone() });
        }
    }
    Ok(found)
}

async fn manifest(store: &dyn Store, tag: &str) -> Result<Option<(Digest, Manifest)>, Failure> {
    let found = store.manifest(Name::Tag(tag)).await.map_err(registry_failure)?;
    Ok(found.and_then(|document| match document.parse() {
        Ok(Parsed::Manifest(manifest)) => Some((document.descriptor.digest, manifest)),
        _ => None,
    }))
}

/// Hangs `content` under `tag`, beside what hangs there; returns the manifest's digest.
pub(super) async fn hang(
    store: &dyn Store,
    tag: &str,
    media_type: &str,
    content: &[u8],
    annotations: BTreeMap<String, String>,
) -> Result<Digest, Failure> {
    let mut layer = Descriptor::of(media_type, content);
    layer.annotations = annotations;
    put_blob(store, &layer, content).await?;
    for _ in 0..ATTEMPTS {
        let mut layers = manifest(store, tag).await?.map(|(_, manifest)| manifest.layers).unwrap_or_default();
        layers.retain(|known| known.digest != layer.digest || known.annotations != layer.annotations);
        layers.push(layer.clone());
        let config = config(&layers);
        let config_descriptor = Descriptor::of(MediaType::ImageConfig, &config);
        put_blob(store, &config_descriptor, &config).await?;
        let document = Document::of_manifest(&Manifest::new(config_descriptor, layers));
        store.put_manifest(Name::Tag(tag), &document, Condition::Always).await.map_err(registry_failure)?;
        let stands = manifest(store, tag).await?;
        if stands.is_some_and(|(_, manifest)| manifest.layers.contains(&layer)) {
            return Ok(document.descriptor.digest);
        }
    }
    let error = anyhow::anyhow!("other writers replaced the list under `{tag}` {ATTEMPTS} times in a row");
    Err(Failure::new(Exit::Race, error).hint("run the command again"))
}

async fn put_blob(store: &dyn Store, descriptor: &Descriptor, content: &[u8]) -> Result<(), Failure> {
    store.put_blob(descriptor, &Bytes::copy_from_slice(content)).await.map_err(registry_failure)
}

/// The config of a list of documents, in the form that cosign writes.
fn config(layers: &[Descriptor]) -> Vec<u8> {
    let ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let lines: Vec<_> = layers.iter().map(|_| json!({"created": "0001-01-01T00:00:00Z"})).collect();
    let config = json!({
        "architecture": "", "created": "0001-01-01T00:00:00Z", "history": lines, "os": "",
        "rootfs": {"type": "layers", "diff_ids": ids}, "config": {}
    });
    let bytes = config.to_string().into_bytes();
    debug_assert_ne!(digest::sha256(&bytes), digest::empty());
    bytes
}
