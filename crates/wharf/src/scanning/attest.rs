//! The result of a scan beside the image that it is about: an in-toto statement as a referrer of the digest.
//!
//! What others build on: `promote` asks [`newest`] for a fresh, passing result, and `watch` takes the inventory to match it against
//! new advisories. The forms are documented in `docs/scan.md`; any client that lists referrers can read them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use wharf_oci::{Descriptor, Digest, Manifest, MediaType};
use wharf_registry::{Condition, Document, Name, Store};
use wharf_scan::{Inventory, Kind, Policy, Report};

use crate::commands::registry_failure;
use crate::exit::Failure;
use crate::signing;

/// The type of the artifact, to filter referrers by.
pub(crate) const ARTIFACT: &str = "application/vnd.wharf.scan.v1";
/// The in-toto statement.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// The inventory, as `wharf scan --json` writes packages.
const INVENTORY: &str = "application/vnd.wharf.inventory.v1+json";
/// in-toto's vetted predicate for the results of vulnerability scanners; what it has no place for stands under `wharf`.
pub(crate) const PREDICATE: &str = "https://in-toto.io/attestation/vulns/v0.2";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The annotation by which cosign and others tell predicates apart.
const PREDICATE_ANNOTATION: &str = "in-toto.io/predicate-type";
const VERDICT_ANNOTATION: &str = "dev.wharf.scan.verdict";
const CREATED: &str = "org.opencontainers.image.created";

/// A result that lies beside an image.
#[derive(Debug, Clone)]
pub(crate) struct Attested {
    /// `pass`, `fail` or `unjudged`.
    pub(crate) verdict: String,
    /// When it was made.
    pub(crate) time: Timestamp,
    /// The advisories that were known.
    pub(crate) ids: Vec<String>,
    /// Those of them that stood against it.
    pub(crate) stopping: Vec<String>,
    /// What the image consists of.
    pub(crate) inventory: Inventory,
}

/// The statement about a report.
pub(crate) fn statement(
    report: &Report,
    policy: &Policy,
    subject: &Digest,
    time: &str,
    as_of: Option<&str>,
) -> Value {
    let vulnerabilities = report.findings.iter().filter(|finding| finding.kind == Kind::Vulnerability);
    let results: Vec<Value> = vulnerabilities
        .map(|finding| {
            let score = finding.advisory.as_ref().and_then(|advisory| advisory.score);
            let score = score.map_or_else(|| finding.severity.to_string(), |score| format!("{score:.1}"));
            json!({
                "id": finding.rule,
                "severity": [{ "method": finding.advisory.as_ref().map_or("none", |a| a.severity_source.as_str()), "score": score }],
                "annotations": [{
                    "purl": finding.package.as_ref().map(|package| package.purl.as_str()),
                    "fixed": finding.advisory.as_ref().and_then(|advisory| advisory.fixed.as_deref()),
                    "stops": policy.stops(finding),
                }],
            })
        })
        .collect();
    let verdict = policy.judge(report);
    let counts: serde_json::Map<String, Value> =
        report.counts().into_iter().map(|(severity, count)| (severity.to_string(), json!(count))).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": report.subject.name, "digest": { "sha256": subject.digest() } }],
        "predicateType": PREDICATE,
        "predicate": {
            "scanner": {
                "uri": "https://github.com/wharf-ship/wharf",
                "version": env!("CARGO_PKG_VERSION"),
                "db": { "uri": "https://osv.dev", "lastUpdate": as_of },
                "result": results,
            },
            "metadata": { "scanStartedOn": time, "scanFinishedOn": time },
            "wharf": { "verdict": verdict.outcome, "stopping": verdict.stopping, "unjudged": verdict.unjudged, "counts": counts },
        },
    })
}

/// Puts a statement and the inventory beside the image; gives the digest of the artifact.
async fn attach(
    store: &dyn Store,
    image: &Descriptor,
    statement: &Value,
    inventory: &Inventory,
) -> Result<Digest, wharf_registry::Error> {
    let text = |value: &Value| Bytes::from(value.to_string());
    let inventory = serde_json::to_value(inventory).unwrap_or_default();
    let (config, statement_bytes, inventory) = (Bytes::from_static(b"{}"), text(statement), text(&inventory));
    let blobs = [(EMPTY, config), (STATEMENT, statement_bytes), (INVENTORY, inventory)];
    let mut descriptors = Vec::new();
    for (media_type, bytes) in &blobs {
        let descriptor = Descriptor::of(*media_type, bytes);
        store.put_blob(&descriptor, bytes).await?;
        descriptors.push(descriptor);
    }
    let mut layers = descriptors.split_off(1);
    layers[0].annotations.insert(PREDICATE_ANNOTATION.into(), PREDICATE.into());
    let mut manifest = Manifest::new(descriptors.remove(0), layers);
    manifest.artifact_type = Some(MediaType::from(ARTIFACT));
    manifest.subject = Some(Descriptor::new(image.media_type.clone(), image.digest.clone(), image.size));
    manifest.annotations.extend(annotations(statement));
    let document = Document::of_manifest(&manifest);
    store.put_manifest(Name::Digest(&document.descriptor.digest), &document, Condition::Always).await?;
    Ok(document.descriptor.digest)
}

/// The newest result beside an image; `None` where there is none that can be read.
pub(crate) async fn newest(
    store: &dyn Store,
    image: &Digest,
) -> Result<Option<Attested>, wharf_registry::Error> {
    let mut newest: Option<Attested> = None;
    for descriptor in store.referrers(image, Some(ARTIFACT)).await? {
        let Some(document) = store.manifest(Name::Digest(&descriptor.digest)).await? else { continue };
        let Ok(wharf_registry::Parsed::Manifest(manifest)) = document.parse() else { continue };
        let [statement, inventory, ..] = manifest.layers.as_slice() else { continue };
        let (statement, inventory) = (read(store, statement).await?, read(store, inventory).await?);
        let found = understand(&statement, &inventory, image);
        if let Some(found) =
            found.filter(|found| newest.as_ref().is_none_or(|newest| found.time > newest.time))
        {
            newest = Some(found);
        }
    }
    Ok(newest)
}

/// Attaches a result, unless one that says the same is there and of today: shipping an unchanged image again adds nothing.
pub(crate) async fn refresh(
    store: &dyn Store,
    image: &Descriptor,
    attestation: &Attestation,
) -> Result<(), Failure> {
    let said = |pointer: &str| attestation.statement.pointer(pointer).cloned().unwrap_or_default();
    let results = said("/predicate/scanner/result");
    let ids: Vec<&str> =
        results.as_array().into_iter().flatten().filter_map(|result| result["id"].as_str()).collect();
    let is_fresh = |old: &Attested| {
        let age = crate::world::now().duration_since(old.time);
        old.ids == ids && said("/predicate/wharf/verdict") == old.verdict.as_str() && age.as_hours() < 12
    };
    let newest = newest(store, &image.digest).await.map_err(registry_failure)?;
    if newest.is_some_and(|old| is_fresh(&old)) && signing::key_of_environment()?.is_none() {
        return Ok(());
    }
    deposit(store, image, attestation).await.map(drop)
}

/// Attaches a result, and a signed one beside it where the environment names a key. Gives the digest of the artifact.
async fn deposit(
    store: &dyn Store,
    image: &Descriptor,
    attestation: &Attestation,
) -> Result<Digest, Failure> {
    let attached = attach(store, image, &attestation.statement, &attestation.inventory);
    let attached = attached.await.map_err(registry_failure)?;
    if let Some(key) = signing::key_of_environment()? {
        let annotations = annotations(&attestation.statement);
        signing::attest(store, &image.digest, &attestation.statement, annotations, &key).await?;
    }
    Ok(attached)
}

/// What a reader of lists sees: the verdict, and of when it is.
fn annotations(statement: &Value) -> BTreeMap<String, String> {
    let said =
        |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    BTreeMap::from([
        (PREDICATE_ANNOTATION.to_owned(), PREDICATE.to_owned()),
        (VERDICT_ANNOTATION.to_owned(), said("/predicate/wharf/verdict")),
        (CREATED.to_owned(), said("/predicate/metadata/scanFinishedOn")),
    ])
}

/// The longest document of an artifact.
const MAX_DOCUMENT: u64 = 64 << 20;

async fn read(store: &dyn Store, blob: &Descriptor) -> Result<Vec<u8>, wharf_registry::Error> {
    use futures_util::TryStreamExt;
    if blob.size > MAX_DOCUMENT {
        return Ok(Vec::new());
    }
    let source = store.blob(blob);
    let mut stream = source.open(0).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > blob.size {
            return Ok(Vec::new());
        }
    }
    // What is not what it should be is no statement.
    let intact = wharf_oci::digest::matches(&blob.digest, &bytes);
    Ok(if intact { bytes } else { Vec::new() })
}

/// A statement about this very image.
fn understand(statement: &[u8], inventory: &[u8], image: &Digest) -> Option<Attested> {
    let statement: Value = serde_json::from_slice(statement).ok()?;
    if statement.pointer("/subject/0/digest/sha256")?.as_str()? != image.digest() {
        return None;
    }
    let results = statement.pointer("/predicate/scanner/result")?.as_array()?;
    Some(Attested {
        verdict: statement.pointer("/predicate/wharf/verdict")?.as_str()?.to_owned(),
        time: statement.pointer("/predicate/metadata/scanFinishedOn")?.as_str()?.parse().ok()?,
        ids: results.iter().filter_map(|result| Some(result["id"].as_str()?.to_owned())).collect(),
        stopping: stopping(results),
        inventory: serde_json::from_slice(inventory).ok()?,
    })
}

fn stopping(results: &[Value]) -> Vec<String> {
    let stops = |result: &&Value| {
        let said = result["annotations"].as_array().into_iter().flatten();
        said.into_iter().any(|annotation| annotation["stops"] == true)
    };
    results.iter().filter(stops).filter_map(|result| Some(result["id"].as_str()?.to_owned())).collect()
}

/// Attaches the result of a scan to an image in a registry.
pub(crate) fn publish(
    world: &crate::world::World,
    to: &wharf_oci::Reference,
    image: &Descriptor,
    attestation: &Attestation,
) -> Result<Digest, Failure> {
    let store = world.client.repository(to)?;
    world.runtime.block_on(deposit(&store, image, attestation))
}

/// What is attached.
#[derive(Debug, Clone)]
pub(crate) struct Attestation {
    pub(crate) statement: Value,
    pub(crate) inventory: Inventory,
}

impl Attestation {
    /// Of a report about the image with this digest.
    pub(crate) fn new(report: &Report, policy: &Policy, subject: &Digest, as_of: Option<&str>) -> Self {
        let time = super::format::now();
        Self {
            statement: statement(report, policy, subject, &time, as_of),
            inventory: report.inventory.clone(),
        }
    }
}
