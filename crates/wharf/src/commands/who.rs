//! `wharf who`: what a digest, a tag or a version is, and where it ran.

use serde::Serialize;
use wharf_ledger::{Commit, Gate, Kind, Latest, LogName, Model, is_version};
use wharf_oci::Digest;
use wharf_registry::Name;

use crate::cli::Globals;
use crate::commands::registry_failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::describe;
use crate::releases::failure::unreadable;
use crate::releases::place::{self, Place, Wanted};
use crate::world::World;

#[derive(Debug, clap::Args)]
#[command(override_usage = "wharf who [OPTIONS] [REPO] <DIGEST|TAG|VERSION>")]
pub(crate) struct Args {
    /// The repository, unless wharf.toml says, and the release: `repo:tag`, or `repo` and a digest, tag or version
    #[arg(value_names = ["REPO", "DIGEST|TAG|VERSION"], num_args = 1..=2, required = true)]
    what: Vec<String>,
}

/// Who a release is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    repository: String,
    version: String,
    digest: Digest,
    tags: Vec<String>,
    commit: Option<Commit>,
    model: Option<Model>,
    gates: Vec<Gate>,
    shipped: Option<String>,
    /// Whether the registry still has it.
    present: bool,
    /// Where it runs now.
    runs_in: Vec<String>,
    /// What the logs say of it, newest first.
    appearances: Vec<Appearance>,
}

/// An entry about a release.
#[derive(Serialize)]
pub(super) struct Appearance {
    log: String,
    seq: u64,
    kind: Kind,
    time: String,
    by: String,
    run: Option<String>,
    reason: Option<String>,
}

impl Appearance {
    pub(super) fn of(entry: &Latest) -> Self {
        let record = &entry.record;
        Self {
            log: record.log.to_string(),
            seq: record.seq,
            kind: record.kind,
            time: record.time.clone(),
            by: record.actor.name.clone(),
            run: record.actor.run.clone(),
            reason: record.reason.clone(),
        }
    }

    pub(super) fn line(&self) -> String {
        let why = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!(
            "  {:<14} {:<10} {} by {}{why}\n",
            format!("{}@{}", self.log, self.seq),
            self.kind,
            self.time,
            self.by
        )
    }
}

/// Every log of a repository, read whole, newest entries first.
pub(super) async fn all_logs(place: &Place) -> Result<Vec<(LogName, Vec<Latest>)>, Failure> {
    let store = place.store.as_ref();
    let mut all = Vec::new();
    for log in wharf_ledger::logs(store).await.map_err(unreadable)? {
        if let Some(newest) = wharf_ledger::latest(store, &log).await.map_err(unreadable)? {
            let entries =
                wharf_ledger::history(store, &log, &newest, usize::MAX).await.map_err(unreadable)?;
            all.push((log, entries));
        }
    }
    Ok(all)
}

/// Answers.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let (repository, wanted) = place::repository_and(&args.what)?;
    let world = World::open(globals)?;
    let place = place::places(&world, repository.as_deref())?.remove(0);
    let answer = world.runtime.block_on(answer(&place, &wanted))?;
    if globals.json {
        output::print_json(&answer)?;
    } else {
        output::print(&render(&answer))?;
    }
    Ok(Exit::Done)
}

async fn answer(place: &Place, wanted: &Wanted) -> Result<Answer, Failure> {
    let logs = all_logs(place).await?;
    // A release that retention has deleted is still in the logs.
    let digest = match wanted {
        Wanted::Digest(digest) => digest.clone(),
        Wanted::Name(name) => match in_logs(&logs, name) {
            Some(digest) => digest,
            None => describe::describe(place, wanted).await?.release.digest,
        },
    };
    let present = place.store.head(Name::Digest(&digest)).await.map_err(registry_failure)?.is_some();
    let about =
        |entry: &&Latest| entry.record.release.as_ref().is_some_and(|release| release.digest == digest);
    let appearances: Vec<&Latest> = logs.iter().flat_map(|(_, entries)| entries).filter(about).collect();
    let runs_in = logs.iter().filter(|(_, entries)| {
        let state = entries.first().and_then(|newest| newest.record.state.as_deref());
        state.and_then(|state| state.current.as_ref()).is_some_and(|placed| placed.release.digest == digest)
    });
    let runs_in = runs_in.map(|(log, _)| log.to_string()).collect();
    let base =
        if present { Some(describe::describe(place, &Wanted::Digest(digest.clone())).await?) } else { None };
    let Some(known) = appearances
        .iter()
        .find_map(|entry| entry.record.release.clone())
        .or_else(|| Some(base.as_ref()?.release.clone()))
    else {
        return Err(Failure::usage(format!("{} knows nothing of {digest}", place.name()))
            .hint(format!("what was shipped there: wharf log {}", place.name())));
    };
    let commit = appearances.iter().find_map(|entry| entry.record.commit.clone());
    let model = appearances.iter().find_map(|entry| entry.record.model.clone());
    Ok(Answer {
        repository: place.name(),
        version: known.version,
        digest,
        tags: known.tags,
        commit: commit.or_else(|| base.as_ref()?.commit.clone()),
        model: model.or_else(|| base.as_ref()?.model.clone()),
        gates: appearances
            .iter()
            .map(|entry| entry.record.gates.clone())
            .find(|g| !g.is_empty())
            .unwrap_or_default(),
        shipped: appearances.iter().find(|e| e.record.log.is_ship()).map(|entry| entry.record.time.clone()),
        present,
        runs_in,
        appearances: appearances.into_iter().map(Appearance::of).collect(),
    })
}

fn in_logs(logs: &[(LogName, Vec<Latest>)], name: &str) -> Option<Digest> {
    let placed = logs.iter().filter_map(|(_, entries)| entries.first()?.record.state.as_deref());
    let placed = placed.flat_map(wharf_ledger::State::placed).find(|placed| is_version(placed, name));
    let bare = |text: &str| text.trim_start_matches('v').to_owned();
    let shipped = || {
        let releases = logs.iter().flat_map(|(_, entries)| entries).filter_map(|e| e.record.release.as_ref());
        releases.into_iter().find(|release| {
            bare(&release.version) == bare(name)
                || release.tags.iter().any(|tag| tag == name)
                || (name.len() >= 6 && release.digest.digest().starts_with(name))
        })
    };
    placed.map(|placed| placed.release.digest.clone()).or_else(|| shipped().map(|r| r.digest.clone()))
}

fn render(answer: &Answer) -> String {
    let mut text = format!("{} {}\n  digest   {}\n", answer.repository, answer.version, answer.digest);
    if !answer.present {
        text.push_str("  gone     the registry no longer has it\n");
    }
    if !answer.tags.is_empty() {
        text.push_str(&format!("  tags     {}\n", answer.tags.join(", ")));
    }
    if let Some(commit) = &answer.commit {
        text.push_str(&format!("  commit   {}\n", commit.sha));
    }
    if let Some(model) = &answer.model {
        text.push_str(&format!("  model    {} {}\n", model.path, model.digest));
    }
    let runs = if answer.runs_in.is_empty() { "nowhere".to_owned() } else { answer.runs_in.join(", ") };
    text.push_str(&format!("  runs in  {runs}\n"));
    for appearance in &answer.appearances {
        text.push_str(&appearance.line());
    }
    text
}
