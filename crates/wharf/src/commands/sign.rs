//! `wharf sign`: a signature over a release's digest, in cosign's layout, and where it comes from.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use wharf_oci::Digest;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::describe::describe;
use crate::releases::place;
use crate::signing;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The release: `registry/repo:tag` or `registry/repo@digest`
    #[arg(value_name = "REF", required_unless_present = "generate_key")]
    release: Option<String>,
    /// The private key: a PEM file, or `env://NAME`
    #[arg(long, value_name = "FILE", env = "WHARF_SIGN_KEY", hide_env_values = true)]
    key: Option<String>,
    /// What else the signature says, `name=value`
    #[arg(long, short, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
    /// Attest where the release comes from too: SLSA v1 provenance, from the record of its ship
    #[arg(long)]
    provenance: bool,
    /// Make a key pair: NAME.key and NAME.pub
    #[arg(long, value_name = "NAME", conflicts_with = "release")]
    generate_key: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    repository: String,
    digest: Digest,
    signature: Digest,
    tag: String,
    provenance: Option<Digest>,
}

/// Signs.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if let Some(name) = &args.generate_key {
        return generate(name);
    }
    let typed = args.release.as_deref().unwrap_or_default();
    let (repository, wanted) = place::repository_and(&[typed.to_owned()])?;
    let Some(key) = &args.key else {
        return Err(Failure::usage("nothing to sign with")
            .hint("say --key FILE; `wharf sign --generate-key release` makes one"));
    };
    let key = signing::PrivateKey::read(key)?;
    let annotations = annotations(&args.annotation)?;
    let world = World::open(globals)?;
    let place = place::places(&world, repository.as_deref())?.remove(0);
    let work = async {
        let release = describe(&place, &wanted).await?;
        let digest = release.release.digest.clone();
        let store = place.store.as_ref();
        let provenance = match args.provenance {
            true => {
                let statement = signing::provenance(&release, &crate::actor::current());
                Some(signing::attest(store, &digest, &statement, BTreeMap::new(), &key).await?)
            }
            false => None,
        };
        let signature = signing::sign(store, &place.reference.name(), &digest, &key, &annotations).await?;
        let tag = signing::signature_tag(&digest);
        Ok::<_, Failure>(Report { repository: place.name(), digest, signature, tag, provenance })
    };
    let report = world.runtime.block_on(work)?;
    if globals.json {
        output::print_json(&report)?;
    } else {
        let mut text =
            format!("signed {}@{}\n  signature   {}\n", report.repository, report.digest, report.tag);
        if let Some(provenance) = &report.provenance {
            text.push_str(&format!("  provenance  {provenance}\n"));
        }
        output::print(&text)?;
    }
    Ok(Exit::Done)
}

/// `name=value` pairs.
pub(super) fn annotations(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    pairs
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => {
                Err(Failure::usage(format!("`{pair}` is no annotation"))
                    .hint("such as --annotation build=42"))
            }
        })
        .collect()
}

fn generate(name: &Path) -> Outcome {
    let (private, public) = signing::generate()?;
    let (key, lock) = (name.with_extension("key"), name.with_extension("pub"));
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&key);
    let mut file = file.with_context(|| format!("making {}", key.display()))?;
    std::io::Write::write_all(&mut file, private.as_bytes())
        .with_context(|| format!("writing {}", key.display()))?;
    std::fs::write(&lock, public).with_context(|| format!("writing {}", lock.display()))?;
    output::print(&format!("{}: keep it secret\n{}: give it away\n", key.display(), lock.display()))?;
    Ok(Exit::Done)
}
