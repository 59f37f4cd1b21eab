//! What speaks for a release: the gates of its ship, and what is attached to it in the registry.

use std::path::Path;

use wharf_ledger::{Evidence, LogName, Standing, Verdict};
use wharf_oci::{Descriptor, Digest};
use wharf_registry::{Name, Store};

use super::describe::Described;
use super::place::Place;
use super::policy::{Policy, is_fresh};
use super::{approvals, failure};
use crate::exit::{Failure, OrFail};
use crate::scanning::attest;
use crate::settings::project::Environment;
use crate::signing;

/// What an attached document is about.
struct Attached {
    kind: &'static str,
    descriptor: Descriptor,
    predicate: String,
    created: Option<String>,
}

/// Everything that is known, one line for each kind; what is missing is said too.
pub(crate) async fn gather(
    place: &Place,
    release: &Described,
    policy: &Policy,
    environment: Option<&Environment>,
) -> Result<Vec<Evidence>, Failure> {
    let store = place.store.as_ref();
    let attached = attached(store, &release.release.digest).await?;
    let keys = keys(place, environment)?;
    let signed = signed_scan(store, &release.release.digest, &keys).await?;
    let mut evidence = vec![
        signed.map_or_else(|| scan(release, &attached, policy), |signed| signed.evidence(policy)),
        gate("smoke", release, &attached),
        document("sbom", &attached),
        document("provenance", &attached),
        signature(store, &release.release.digest, &keys).await?,
    ];
    if let Some(from) = &policy.from {
        evidence.push(staging(store, from, &release.release.digest).await?);
    }
    if let Some(file) = environment.and_then(|environment| environment.approvals.as_deref()) {
        let directory = place.project.as_ref().map_or(Path::new("."), |project| &project.directory);
        let needed = environment.and_then(|environment| environment.approvers).unwrap_or(1);
        evidence.push(approval(&directory.join(file), release, needed)?);
    }
    Ok(evidence)
}

/// The in-toto statements about a manifest: referrers, and what cosign keeps under its `.att` tag.
async fn attached(store: &dyn Store, digest: &Digest) -> Result<Vec<Attached>, Failure> {
    let referrers = store.referrers(digest, None).await.map_err(crate::commands::registry_failure)?;
    let mut found: Vec<Attached> = referrers.into_iter().filter_map(understand).collect();
    let tag = signing::attestation_tag(digest);
    let document = store.manifest(Name::Tag(&tag)).await.map_err(crate::commands::registry_failure)?;
    if let Some(wharf_registry::Parsed::Manifest(manifest)) =
        document.and_then(|document| document.parse().ok())
    {
        found.extend(manifest.layers.into_iter().filter_map(understand));
    }
    // The last word counts, and lists are in no order.
    found.sort_by(|a, b| a.created.cmp(&b.created));
    Ok(found)
}

fn understand(descriptor: Descriptor) -> Option<Attached> {
    let note = |keys: &[&str]| keys.iter().find_map(|key| descriptor.annotations.get(*key)).cloned();
    let artifact = descriptor.artifact_type.as_ref().map(ToString::to_string).unwrap_or_default();
    let predicate =
        note(&["in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType"])
            .unwrap_or_else(|| artifact.clone());
    let text = predicate.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let kind = if has(&["slsa", "provenance"]) {
        "provenance"
    } else if has(&["spdx", "cyclonedx", "sbom"]) {
        "sbom"
    } else if has(&["vuln", "scan", "sarif"]) {
        "scan"
    } else if has(&["test-result", "smoke"]) {
        "smoke"
    } else {
        return None;
    };
    let created = note(&["org.opencontainers.image.created", "dev.wharf.created"]);
    Some(Attached { kind, predicate, created, descriptor })
}

/// Whether an attached document says of itself that it is against the release.
fn is_against(attached: &Attached) -> bool {
    let verdict = |key: &&str| attached.descriptor.annotations.get(*key).map(|text| text.to_lowercase());
    let verdict = ["dev.wharf.scan.verdict", "dev.wharf.verdict"].iter().find_map(verdict);
    verdict.is_some_and(|verdict| ["fail", "failed", "unjudged"].contains(&verdict.as_str()))
}

fn document(kind: &str, attached: &[Attached]) -> Evidence {
    match attached.iter().rev().find(|attached| attached.kind == kind) {
        Some(found) => Evidence {
            kind: kind.into(),
            verdict: if is_against(found) { Standing::Failed } else { Standing::Passed },
            digest: Some(found.descriptor.digest.clone()),
            detail: format!("attached: {}", found.predicate),
        },
        None => missing(kind, "none is attached"),
    }
}

fn missing(kind: &str, why: &str) -> Evidence {
    Evidence { kind: kind.into(), verdict: Standing::Missing, digest: None, detail: why.into() }
}

/// A gate of the ship, with the document that is attached where there is one.
fn gate(kind: &str, release: &Described, attached: &[Attached]) -> Evidence {
    let on_file = document(kind, attached);
    let Some(gate) = release.gates.iter().find(|gate| gate.name == kind) else {
        if on_file.verdict == Standing::Missing && release.shipped.is_none() {
            return missing(kind, "it was not shipped by wharf, and none is attached");
        }
        return on_file;
    };
    let verdict = match (gate.verdict, on_file.verdict) {
        (_, Standing::Failed) | (Verdict::Overridden, _) => Standing::Failed,
        (Verdict::Passed, _) => Standing::Passed,
        (Verdict::Skipped, verdict) => verdict,
    };
    let when = release.shipped.as_deref().unwrap_or_default();
    let said = format!("{:?}", gate.verdict).to_lowercase();
    let detail = format!("{said} at the ship of {when}: {}", gate.detail);
    Evidence { kind: kind.into(), verdict, digest: on_file.digest, detail }
}

/// A scan counts while it is fresh: advisories are published every day.
fn scan(release: &Described, attached: &[Attached], policy: &Policy) -> Evidence {
    let mut evidence = gate("scan", release, attached);
    let newest = attached.iter().rev().find(|attached| attached.kind == "scan");
    let time = newest.and_then(|attached| attached.created.as_deref()).or(release.shipped.as_deref());
    let fresh = time.is_none_or(|time| is_fresh(time, crate::world::now(), policy.oldest_scan()));
    if evidence.verdict == Standing::Passed && !fresh {
        evidence.verdict = Standing::Stale;
        evidence.detail = format!("it is of {}, and may be {} old", time.unwrap_or_default(), hours(policy));
    }
    evidence
}

fn hours(policy: &Policy) -> String {
    let hours = policy.oldest_scan().as_hours();
    if hours % 24 == 0 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}

/// The keys that an environment trusts.
fn keys(place: &Place, environment: Option<&Environment>) -> Result<Vec<signing::PublicKey>, Failure> {
    let directory = place.project.as_ref().map_or(Path::new("."), |project| &project.directory);
    let paths = environment.map(|environment| environment.keys.as_slice()).unwrap_or_default();
    paths.iter().map(|path| signing::PublicKey::read(&directory.join(path))).collect()
}

/// The result of a scan in the words of somebody whom the environment trusts.
struct SignedScan {
    verdict: String,
    time: String,
}

/// The newest of them; it goes before what anybody may have attached.
async fn signed_scan(
    store: &dyn Store,
    digest: &Digest,
    keys: &[signing::PublicKey],
) -> Result<Option<SignedScan>, Failure> {
    if keys.is_empty() {
        return Ok(None);
    }
    let attested = signing::attestations(store, digest).await?.into_iter();
    let held = attested.filter(|attestation| {
        attestation.predicate_type() == attest::PREDICATE
            && keys.iter().any(|key| attestation.holds(digest, key))
    });
    let said = held.filter_map(|attestation| {
        let text = |pointer: &str| attestation.statement.pointer(pointer)?.as_str().map(str::to_owned);
        let verdict = text("/predicate/wharf/verdict")?;
        Some(SignedScan { verdict, time: text("/predicate/metadata/scanFinishedOn")? })
    });
    Ok(said.max_by(|a, b| a.time.cmp(&b.time)))
}

impl SignedScan {
    fn evidence(self, policy: &Policy) -> Evidence {
        let fresh = is_fresh(&self.time, crate::world::now(), policy.oldest_scan());
        let verdict = match (self.verdict.as_str(), fresh) {
            ("pass", true) => Standing::Passed,
            ("pass", false) => Standing::Stale,
            _ => Standing::Failed,
        };
        let detail = match verdict {
            Standing::Stale => format!("it is of {}, and may be {} old", self.time, hours(policy)),
            _ => format!("{} on {}, signed by a key of this environment", self.verdict, self.time),
        };
        Evidence { kind: "scan".into(), verdict, digest: None, detail }
    }
}

async fn signature(
    store: &dyn Store,
    digest: &Digest,
    keys: &[signing::PublicKey],
) -> Result<Evidence, Failure> {
    let signatures = signing::signatures(store, digest).await?;
    if signatures.is_empty() {
        return Ok(missing("signature", "it is not signed"));
    }
    let (verdict, detail) = if keys.is_empty() {
        // A signature that nobody checked proves nothing.
        (Standing::Missing, format!("{} signatures, and no key to check them with", signatures.len()))
    } else if signatures.iter().any(|signature| keys.iter().any(|key| signature.holds(digest, key))) {
        (Standing::Passed, "signed by a key of this environment".to_owned())
    } else {
        (Standing::Failed, "no signature is by a key of this environment".to_owned())
    };
    Ok(Evidence { kind: "signature".into(), verdict, digest: Some(signatures[0].manifest.clone()), detail })
}

/// Whether the release was in the environment before this one.
async fn staging(store: &dyn Store, from: &str, digest: &Digest) -> Result<Evidence, Failure> {
    let log = LogName::environment(from).or_usage()?;
    let newest = wharf_ledger::latest(store, &log).await.map_err(failure::unreadable)?;
    let state = newest.and_then(|newest| newest.record.state);
    let Some(state) = state else {
        return Ok(missing("staging", &format!("nothing was ever promoted to {from}")));
    };
    let evidence = |verdict, detail| Evidence { kind: "staging".into(), verdict, digest: None, detail };
    if let Some(entry) = state.quarantined(digest) {
        return Ok(evidence(Standing::Failed, format!("quarantined in {from}: {}", entry.reason)));
    }
    Ok(match state.placed().find(|placed| placed.release.digest == *digest) {
        Some(placed) if placed.verified.is_some() => {
            evidence(Standing::Passed, format!("ran in {from} since {}, verified there", placed.since))
        }
        Some(placed) => evidence(Standing::Passed, format!("ran in {from} since {}", placed.since)),
        None => evidence(Standing::Missing, format!("it was never in {from}")),
    })
}

fn approval(file: &Path, release: &Described, needed: usize) -> Result<Evidence, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(missing("approval", &format!("{} does not exist", file.display())));
        }
        Err(error) => return Err(Failure::from(error).context(format!("reading {}", file.display()))),
    };
    let names: Vec<String> = approvals::approvers(&text, &release.release).into_iter().collect();
    let verdict = if names.len() >= needed { Standing::Passed } else { Standing::Missing };
    let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let detail = format!("approved by {who}, and {needed} must");
    Ok(Evidence { kind: "approval".into(), verdict, digest: None, detail })
}
