//! Attestations: in-toto statements in signed DSSE envelopes, under the `.att` tag.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use wharf_oci::Digest;
use wharf_registry::Store;

use super::attach::{hang, list};
use super::{PrivateKey, PublicKey, attestation_tag};
use crate::exit::Failure;

const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// An attestation as it was found; whether it holds is another question.
pub(crate) struct Attestation {
    /// What it says.
    pub(crate) statement: Value,
    payload: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Attestation {
    /// What kind of statement it is.
    pub(crate) fn predicate_type(&self) -> &str {
        self.statement["predicateType"].as_str().unwrap_or_default()
    }

    /// Whether it is about `digest`, and signed by `key`.
    pub(crate) fn holds(&self, digest: &Digest, key: &PublicKey) -> bool {
        let algorithm = digest.algorithm().to_string();
        let about = self.statement["subject"].as_array().is_some_and(|subjects| {
            subjects.iter().any(|subject| subject["digest"][algorithm.as_str()] == digest.digest())
        });
        let message = encoding(&self.payload);
        about && self.signatures.iter().any(|signature| key.verify(&message, signature))
    }
}

/// What is signed: the type and the payload with their lengths (DSSE, "pre-authentication encoding").
fn encoding(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {STATEMENT_TYPE} {} ", STATEMENT_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Attests `statement` about a digest, with annotations for those who look before they read; returns the manifest with the
/// attestation.
pub(crate) async fn attest(
    store: &dyn Store,
    digest: &Digest,
    statement: &Value,
    annotations: BTreeMap<String, String>,
    key: &PrivateKey,
) -> Result<Digest, Failure> {
    let payload = statement.to_string().into_bytes();
    let signature = key.sign(&encoding(&payload))?;
    let envelope = json!({
        "payloadType": STATEMENT_TYPE,
        "payload": BASE64.encode(&payload),
        "signatures": [{"keyid": "", "sig": BASE64.encode(signature)}]
    });
    let predicate = statement["predicateType"].as_str().unwrap_or_default().to_owned();
    let mut notes = annotations;
    notes.insert("dev.cosignproject.cosign/signature".to_owned(), String::new());
    notes.insert("predicateType".to_owned(), predicate);
    hang(store, &attestation_tag(digest), ENVELOPE_TYPE, envelope.to_string().as_bytes(), notes).await
}

/// The attestations of a digest.
pub(crate) async fn attestations(store: &dyn Store, digest: &Digest) -> Result<Vec<Attestation>, Failure> {
    let found = list(store, &attestation_tag(digest)).await?;
    Ok(found.into_iter().filter_map(|hanging| open(&hanging.content)).collect())
}

fn open(envelope: &[u8]) -> Option<Attestation> {
    let envelope: Value = serde_json::from_slice(envelope).ok()?;
    if envelope["payloadType"] != STATEMENT_TYPE {
        return None;
    }
    let payload = BASE64.decode(envelope["payload"].as_str()?).ok()?;
    let statement = serde_json::from_slice(&payload).ok()?;
    let signatures = envelope["signatures"].as_array()?.iter();
    let signatures = signatures.filter_map(|one| BASE64.decode(one["sig"].as_str()?).ok()).collect();
    Some(Attestation { statement, payload, signatures })
}
