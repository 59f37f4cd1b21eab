//! `wharf status`: what runs where, from which commit, with which model; and what was shipped last.

use std::path::PathBuf;

use serde::Serialize;
use wharf_ledger::{LogName, Record};
use wharf_oci::digest;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::failure::unreadable;
use crate::releases::overview::{self, Environment};
use crate::releases::place::{self, Place};
use crate::releases::{configs, page};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository to ask; else every push target of wharf.toml
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// Write a page to look at: one file, without anything from elsewhere
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A repository: its environments, and what was shipped there last.
#[derive(Serialize)]
struct Row {
    repository: String,
    environments: Vec<Environment>,
    /// The newest entry of the log of ships.
    entry: Option<String>,
    /// What it says.
    record: Option<Record>,
}

/// Asks each repository's ledger.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let env = args.env.as_deref().map(place::environment).transpose()?;
    let world = World::open(globals)?;
    let places = place::places(&world, args.repository.as_deref())?;
    if let Some(file) = &args.html {
        let page = page::of_places(&world, &places)?;
        std::fs::write(file, page)
            .map_err(|error| Failure::from(error).context(format!("writing {}", file.display())))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for place in &places {
        rows.push(ask(&world, place, env.as_ref())?);
    }
    if let (Some(env), false) = (&env, rows.iter().any(|row| !row.environments.is_empty())) {
        return Err(place::unknown_environment(&world, &places[0], env));
    }
    if globals.json {
        output::print_json(&rows)?;
    } else {
        output::print(&rows.iter().map(render).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Exit::Done)
}

fn ask(world: &World, place: &Place, env: Option<&LogName>) -> Result<Row, Failure> {
    let store = place.store.as_ref();
    let asked = async {
        let logs = match env {
            Some(env) => vec![env.clone()],
            None => wharf_ledger::logs(store).await.map_err(unreadable)?,
        };
        let mut environments = Vec::new();
        for log in logs.iter().filter(|log| !log.is_ship()) {
            environments.extend(overview::environment(store, log).await?);
        }
        let shipped = wharf_ledger::latest(store, &LogName::ship()).await.map_err(unreadable)?;
        Ok::<_, Failure>((environments, shipped))
    };
    let (mut environments, shipped) = world.runtime.block_on(asked)?;
    for environment in &mut environments {
        environment.drift.extend(configs::drift(place, environment)?);
    }
    let entry = shipped
        .as_ref()
        .map(|newest| format!("{}@{} {}", newest.record.log, newest.record.seq, newest.digest));
    Ok(Row { repository: place.name(), environments, entry, record: shipped.map(|newest| newest.record) })
}

fn render(row: &Row) -> String {
    let mut text = format!("{}\n", row.repository);
    for environment in &row.environments {
        text.push_str(&environment_lines(environment));
    }
    text.push_str(&shipped_lines(row));
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    text.push_str(&format!("    {name:<9} {value}\n"));
}

fn environment_lines(environment: &Environment) -> String {
    let mut text = format!("  {}\n", environment.env);
    match (&environment.version, &environment.digest) {
        (Some(version), Some(digest)) => {
            let verified = if environment.verified { "verified" } else { "not verified" };
            line(&mut text, "version", &format!("{version}, {verified}"));
            line(&mut text, "digest", digest.as_ref());
        }
        _ => line(&mut text, "version", "nothing was promoted yet"),
    }
    if let Some(commit) = &environment.commit {
        line(&mut text, "commit", commit);
    }
    if let Some(model) = &environment.model {
        line(
            &mut text,
            "model",
            &format!("{} {model}", environment.model_path.as_deref().unwrap_or("model")),
        );
    }
    if let (Some(since), Some(by)) = (&environment.since, &environment.by) {
        line(&mut text, "since", &format!("{since} ({}), by {by}", super::images::ago(since)));
    }
    let entry = &environment.entry;
    let reason = entry.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let short = digest::short(&entry.digest, 12);
    line(&mut text, "entry", &format!("{}@{} {short}, {}{reason}", environment.env, entry.seq, entry.kind));
    if let Some(target) = &environment.rollback_target {
        let verified = if target.verified { "verified" } else { "never verified" };
        line(&mut text, "rollback", &format!("goes to {}, {verified}", target.version));
    }
    if let Some(hold) = &environment.hold {
        line(&mut text, "held", &format!("since entry {} by {}: {}", hold.seq, hold.by, hold.reason));
    }
    for entry in &environment.quarantine {
        let what = format!("{} {}: {}", entry.version, digest::short(&entry.digest, 12), entry.reason);
        line(&mut text, "bad", &what);
    }
    for drift in &environment.drift {
        line(&mut text, "drift", drift);
    }
    for fork in &environment.forks {
        line(&mut text, "fork", fork);
    }
    for tag in &environment.repaired {
        line(&mut text, "repaired", &format!("the tag `{tag}`, which a stopped command had left behind"));
    }
    text
}

fn shipped_lines(row: &Row) -> String {
    let Some((record, release)) = row.record.as_ref().and_then(|r| Some((r, r.release.as_ref()?))) else {
        return "  nothing was shipped here yet\n".into();
    };
    let mut text = "  shipped last\n".to_owned();
    line(&mut text, "version", &release.version);
    line(&mut text, "digest", release.digest.as_ref());
    line(&mut text, "tags", &release.tags.join(", "));
    if let Some(commit) = &record.commit {
        let dirty = if commit.dirty { " with uncommitted changes" } else { "" };
        let from = commit.git_ref.as_deref().map(|r| format!(" on {r}")).unwrap_or_default();
        line(&mut text, "commit", &format!("{}{from}{dirty}", commit.sha));
    }
    if let Some(model) = &record.model {
        line(&mut text, "model", &format!("{} {}", model.path, model.digest));
    }
    for gate in &record.gates {
        let verdict = format!("{:?}", gate.verdict).to_lowercase();
        line(&mut text, "gate", &format!("{} {verdict}: {}", gate.name, gate.detail));
    }
    line(&mut text, "by", &format!("{}, {}", record.actor.name, super::images::ago(&record.time)));
    let entry = row.entry.as_deref().unwrap_or_default();
    let short = entry.split_once(' ').and_then(|(at, text)| Some((at, text.parse().ok()?)));
    if let Some((at, entry)) = short {
        line(&mut text, "entry", &format!("{at} {}", digest::short(&entry, 12)));
    }
    text
}
