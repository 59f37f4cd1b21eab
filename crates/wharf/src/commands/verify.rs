//! `wharf verify`: whether a release is signed by one of the keys.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use wharf_oci::Digest;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::describe::describe;
use crate::releases::place;
use crate::signing::{self, PublicKey};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The release: `registry/repo:tag` or `registry/repo@digest`
    #[arg(value_name = "REF")]
    release: String,
    /// A public key; one of several must fit
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// What the signature must also say, `name=value`
    #[arg(long, short, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
    /// An attestation of where the release comes from must be there too
    #[arg(long)]
    provenance: bool,
}

#[derive(Serialize)]
struct Report {
    repository: String,
    digest: Digest,
    verified: bool,
    signatures: usize,
    annotations: Vec<Value>,
    provenance: Option<Value>,
}

/// Checks; ends with 1 where no signature holds.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let (repository, wanted) = place::repository_and(std::slice::from_ref(&args.release))?;
    let keys = args.key.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
    let wanted_notes = super::sign::annotations(&args.annotation)?;
    let world = World::open(globals)?;
    let place = place::places(&world, repository.as_deref())?.remove(0);
    let store = place.store.as_ref();
    let work = async {
        let digest = describe(&place, &wanted).await?.release.digest;
        let signatures = signing::signatures(store, &digest).await?;
        let attestations = signing::attestations(store, &digest).await?;
        Ok::<_, Failure>((digest, signatures, attestations))
    };
    let (digest, signatures, attestations) = world.runtime.block_on(work)?;
    let says =
        |notes: &Value| wanted_notes.iter().all(|(name, value)| notes[name.as_str()] == value.as_str());
    let by_key = |signature: &&signing::Signature| keys.iter().any(|key| signature.holds(&digest, key));
    let holding: Vec<Value> = signatures
        .iter()
        .filter(by_key)
        .map(|signature| signature.annotations.clone())
        .filter(|notes| says(notes))
        .collect();
    let provenance = attestations
        .iter()
        .filter(|attestation| attestation.predicate_type() == signing::PROVENANCE)
        .find(|attestation| keys.iter().any(|key| attestation.holds(&digest, key)))
        .map(|attestation| attestation.statement.clone());
    if holding.is_empty() {
        let what = match signatures.len() {
            0 => "it is not signed".to_owned(),
            1 => "its one signature is by none of the keys, or says something else".to_owned(),
            n => format!("its {n} signatures are by none of the keys, or say something else"),
        };
        return Err(Failure::gate(format!("{}@{digest} is not verified: {what}", place.name()))
            .hint(format!("sign it: wharf sign --key FILE {}@{digest}", place.name())));
    }
    if args.provenance && provenance.is_none() {
        return Err(Failure::gate(format!("{}@{digest} has no provenance by one of the keys", place.name()))
            .hint(format!("attest it: wharf sign --provenance --key FILE {}@{digest}", place.name())));
    }
    let report = Report {
        repository: place.name(),
        digest,
        verified: true,
        signatures: holding.len(),
        annotations: holding,
        provenance,
    };
    if globals.json {
        output::print_json(&report)?;
    } else {
        let mut text =
            format!("verified {}@{}, {} signatures\n", report.repository, report.digest, report.signatures);
        if let Some(provenance) = &report.provenance {
            let commit =
                &provenance["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"];
            text.push_str(&format!("  built from  {}\n", commit.as_str().unwrap_or("an unknown commit")));
        }
        output::print(&text)?;
    }
    Ok(Exit::Done)
}
