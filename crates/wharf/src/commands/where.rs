//! `wharf where`: which releases have a commit, a model or a vulnerability in them, and where they run.

use serde::Serialize;
use wharf_ledger::Latest;
use wharf_oci::Digest;
use wharf_registry::{Name, Parsed, Store};

use super::who::{Appearance, all_logs};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::describe::small_blob;
use crate::releases::place::{self, Place};
use crate::world::World;

#[derive(Debug, clap::Args)]
#[command(override_usage = "wharf where [OPTIONS] [REPO] <COMMIT|MODEL-SHA|CVE>")]
pub(crate) struct Args {
    /// The repository, unless wharf.toml says, and a commit, the digest of a model, or a CVE
    #[arg(value_names = ["REPO", "COMMIT|MODEL-SHA|CVE"], num_args = 1..=2, required = true)]
    what: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sought {
    /// A commit's or a digest's first digits.
    Digits(String),
    /// An advisory.
    Advisory(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    repository: String,
    sought: String,
    releases: Vec<Found>,
    /// Releases without a scan on file: nobody knows.
    unknown: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    version: String,
    digest: Digest,
    /// What it is in: `commit`, `model` or `scan`.
    by: String,
    runs_in: Vec<String>,
    appearances: Vec<Appearance>,
}

/// Answers; ends with 1 where nothing was found, so that scripts can ask.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let (repository, what) = match args.what.as_slice() {
        [what] => (None, what.clone()),
        [a, b] if b.contains('/') && !a.contains('/') => (Some(b.clone()), a.clone()),
        [a, b, ..] => (Some(a.clone()), b.clone()),
        [] => (None, String::new()),
    };
    let sought = sought(&what)?;
    let world = World::open(globals)?;
    let place = place::places(&world, repository.as_deref())?.remove(0);
    let answer = world.runtime.block_on(answer(&place, &what, &sought))?;
    let exit = if answer.releases.is_empty() { Exit::Gate } else { Exit::Done };
    if globals.json {
        output::print_json(&answer)?;
    } else {
        output::print(&render(&answer))?;
    }
    Ok(exit)
}

fn sought(what: &str) -> Result<Sought, Failure> {
    let digits = what.strip_prefix("sha256:").unwrap_or(what).to_lowercase();
    if digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Sought::Digits(digits));
    }
    let known = ["CVE-", "GHSA-", "PYSEC-", "OSV-", "DSA-", "DLA-", "RUSTSEC-", "ALPINE-", "DEBIAN-"];
    let upper = what.to_uppercase();
    if known.iter().any(|prefix| upper.starts_with(prefix)) {
        return Ok(Sought::Advisory(upper));
    }
    Err(Failure::usage(format!("`{what}` is no commit, no digest and no advisory"))
        .hint("at least six digits of a commit or a model's digest, or a name such as CVE-2024-1234"))
}

async fn answer(place: &Place, what: &str, sought: &Sought) -> Result<Answer, Failure> {
    let logs = all_logs(place).await?;
    let mut answer =
        Answer { repository: place.name(), sought: what.into(), releases: Vec::new(), unknown: Vec::new() };
    let mut seen: Vec<Digest> = Vec::new();
    let entries: Vec<&Latest> = logs.iter().flat_map(|(_, entries)| entries).collect();
    for entry in &entries {
        let Some(release) = &entry.record.release else { continue };
        if seen.contains(&release.digest) {
            continue;
        }
        seen.push(release.digest.clone());
        let about: Vec<&Latest> = entries
            .iter()
            .filter(|other| other.record.release.as_ref().is_some_and(|r| r.digest == release.digest))
            .copied()
            .collect();
        let by = match sought {
            Sought::Digits(digits) => about.iter().find_map(|entry| match_digits(entry, digits)),
            Sought::Advisory(id) => match scanned(place.store.as_ref(), &release.digest, id).await {
                Some(true) => Some("scan"),
                Some(false) => None,
                None => {
                    answer.unknown.push(release.version.clone());
                    None
                }
            },
        };
        let Some(by) = by else { continue };
        let runs_in = logs.iter().filter(|(_, entries)| {
            let state = entries.first().and_then(|newest| newest.record.state.as_deref());
            state
                .and_then(|s| s.current.as_ref())
                .is_some_and(|placed| placed.release.digest == release.digest)
        });
        answer.releases.push(Found {
            version: release.version.clone(),
            digest: release.digest.clone(),
            by: by.into(),
            runs_in: runs_in.map(|(log, _)| log.to_string()).collect(),
            appearances: about.into_iter().map(Appearance::of).collect(),
        });
    }
    Ok(answer)
}

fn match_digits(entry: &Latest, digits: &str) -> Option<&'static str> {
    let record = &entry.record;
    if record.commit.as_ref().is_some_and(|commit| commit.sha.starts_with(digits)) {
        return Some("commit");
    }
    record.model.as_ref().is_some_and(|model| model.digest.digest().starts_with(digits)).then_some("model")
}

/// Whether a scan that is attached to the release names the advisory; `None` where there is no scan.
async fn scanned(store: &dyn Store, digest: &Digest, id: &str) -> Option<bool> {
    let referrers = store.referrers(digest, None).await.ok()?;
    let mut any = false;
    for referrer in referrers {
        let words = format!("{:?} {:?}", referrer.artifact_type, referrer.annotations).to_lowercase();
        if !["scan", "vuln", "sarif"].iter().any(|word| words.contains(word)) {
            continue;
        }
        let document = store.manifest(Name::Digest(&referrer.digest)).await.ok()??;
        let Ok(Parsed::Manifest(manifest)) = document.parse() else { continue };
        for layer in &manifest.layers {
            let Some(bytes) = small_blob(store, layer).await else { continue };
            any = true;
            if names(&String::from_utf8_lossy(&bytes).to_uppercase(), id) {
                return Some(true);
            }
        }
    }
    any.then_some(false)
}

/// Whether the text has the advisory's name as a word of its own: CVE-2024-1 is not in CVE-2024-12.
fn names(text: &str, id: &str) -> bool {
    text.match_indices(id)
        .any(|(at, _)| !text[at + id.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
}

fn render(answer: &Answer) -> String {
    let mut text = String::new();
    if answer.releases.is_empty() {
        text.push_str(&format!("no release in {} has {}\n", answer.repository, answer.sought));
    }
    for found in &answer.releases {
        let runs = if found.runs_in.is_empty() {
            "runs nowhere".to_owned()
        } else {
            format!("runs in {}", found.runs_in.join(", "))
        };
        text.push_str(&format!("{} {} (by its {}), {runs}\n", found.version, found.digest, found.by));
        for appearance in &found.appearances {
            text.push_str(&appearance.line());
        }
    }
    if !answer.unknown.is_empty() {
        text.push_str(&format!("nobody knows of {}: no scan is attached\n", answer.unknown.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sought_is_told_apart() {
        assert_eq!(sought("sha256:ABCDEF12").unwrap(), Sought::Digits("abcdef12".into()));
        assert_eq!(sought("cve-2024-1").unwrap(), Sought::Advisory("CVE-2024-1".into()));
        assert!(sought("main").is_err());
    }

    #[test]
    fn an_advisorys_name_is_a_word_of_its_own() {
        assert!(names("\"CVE-2024-1\"", "CVE-2024-1"));
        assert!(!names("CVE-2024-12", "CVE-2024-1"));
    }
}
