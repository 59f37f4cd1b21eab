//! Signatures: the simple-signing payload of a digest, signed, under the `.sig` tag.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use wharf_oci::Digest;
use wharf_registry::Store;

use super::attach::{hang, list};
use super::{PrivateKey, PublicKey, signature_tag};
use crate::exit::Failure;

/// The media type of a payload.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation with the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What cosign's payloads call themselves.
const KIND: &str = "cosign container image signature";

/// A signature as it was found; whether it holds is another question.
pub(crate) struct Signature {
    /// The manifest that lists it.
    pub(crate) manifest: Digest,
    /// What the signer said beside the digest.
    pub(crate) annotations: Value,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Signature {
    /// Whether it is `key`'s over exactly this digest.
    pub(crate) fn holds(&self, digest: &Digest, key: &PublicKey) -> bool {
        let Ok(payload) = serde_json::from_slice::<Value>(&self.payload) else { return false };
        let critical = &payload["critical"];
        critical["type"] == KIND
            && critical["image"]["docker-manifest-digest"] == digest.as_ref()
            && key.verify(&self.payload, &self.signature)
    }
}

/// The payload that is signed for a digest.
fn payload(repository: &str, digest: &Digest, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let optional = if annotations.is_empty() { Value::Null } else { json!(annotations) };
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": KIND
        },
        "optional": optional
    });
    payload.to_string().into_bytes()
}

/// Signs a digest; returns the manifest with the signature.
pub(crate) async fn sign(
    store: &dyn Store,
    repository: &str,
    digest: &Digest,
    key: &PrivateKey,
    annotations: &BTreeMap<String, String>,
) -> Result<Digest, Failure> {
    let payload = payload(repository, digest, annotations);
    let signature = BASE64.encode(key.sign(&payload)?);
    let notes = BTreeMap::from([(SIGNATURE.to_owned(), signature)]);
    hang(store, &signature_tag(digest), PAYLOAD_TYPE, &payload, notes).await
}

/// The signatures of a digest.
pub(crate) async fn signatures(store: &dyn Store, digest: &Digest) -> Result<Vec<Signature>, Failure> {
    let found = list(store, &signature_tag(digest)).await?;
    Ok(found
        .into_iter()
        .filter_map(|hanging| {
            let signature = BASE64.decode(hanging.layer.annotations.get(SIGNATURE)?).ok()?;
            let payload: Value = serde_json::from_slice(&hanging.content).ok()?;
            let annotations = payload["optional"].clone();
            Some(Signature { manifest: hanging.manifest, annotations, payload: hanging.content, signature })
        })
        .collect())
}
