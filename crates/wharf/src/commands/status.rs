//! `wharf status`: what was shipped last, from which commit, with which model.

use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;
use wharf_ledger::{Latest, LogName, Record, latest};
use wharf_oci::{Reference, digest};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::settings::{host, project};
use crate::ship::places;
use crate::world::World;

/// What `wharf status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository to ask; else every push target of wharf.toml
    repository: Option<String>,
}

#[derive(Serialize)]
struct Row {
    repository: String,
    entry: Option<String>,
    record: Option<Record>,
}

/// Asks each repository's ledger for its newest entry.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let repositories = match &args.repository {
        Some(repository) => vec![repository.parse().or_usage()?],
        None => from_project()?,
    };
    let world = World::open(globals)?;
    let mut rows = Vec::new();
    for repository in &repositories {
        rows.push(ask(&world, repository)?);
    }
    if globals.json {
        output::print_json(&rows)?;
    } else {
        output::print(&rows.iter().map(render).collect::<String>())?;
    }
    Ok(Exit::Done)
}

fn from_project() -> Result<Vec<Reference>, Failure> {
    let directory = std::env::current_dir()?;
    let project = project::read(&directory)?;
    let image = image(&directory, &project)?;
    let places = places(&project, &image, &host::variable)?;
    if places.is_empty() {
        return Err(Failure::usage("wharf.toml names no registry to ask")
            .hint("say which repository: wharf status registry.example/org/model"));
    }
    Ok(places)
}

fn image(directory: &Path, project: &project::Project) -> Result<Reference, Failure> {
    let snapshot = crate::snapshot::capture(directory, &std::env::vars().collect())?;
    crate::ship::image_name(directory, project, &snapshot)
}

fn ask(world: &World, repository: &Reference) -> Result<Row, Failure> {
    let store = world.client.repository(repository)?;
    let newest = world.runtime.block_on(latest(&store, &LogName::ship()));
    let newest = newest.map_err(|error| match error {
        wharf_ledger::ViewError::Store { source, .. } => super::registry_failure(*source),
        other => Failure::from(anyhow!(other)),
    })?;
    let entry =
        newest.as_ref().map(|Latest { record, digest }| format!("{}@{} {digest}", record.log, record.seq));
    Ok(Row { repository: repository.to_string(), entry, record: newest.map(|latest| latest.record) })
}

fn render(row: &Row) -> String {
    let Some(record) = &row.record else {
        return format!("{}\n  nothing was shipped here yet\n", row.repository);
    };
    let mut lines = vec![
        row.repository.clone(),
        format!("  version  {}", record.release.version),
        format!("  digest   {}", record.release.digest),
        format!("  tags     {}", record.release.tags.join(", ")),
    ];
    if let Some(commit) = &record.commit {
        let dirty = if commit.dirty { " with uncommitted changes" } else { "" };
        let from = commit.git_ref.as_deref().map(|r| format!(" on {r}")).unwrap_or_default();
        lines.push(format!("  commit   {}{from}{dirty}", commit.sha));
    }
    if let Some(model) = &record.model {
        lines.push(format!("  model    {} {}", model.path, model.digest));
    }
    for gate in &record.gates {
        lines.push(
            format!("  gate     {} {:?}: {}", gate.name, gate.verdict, gate.detail)
                .replace("Passed", "passed"),
        );
    }
    lines.push(format!("  by       {}, {}", record.actor.name, super::images::ago(&record.time)));
    let entry = row.entry.as_deref().unwrap_or_default();
    let short = entry.split_once(' ').and_then(|(at, text)| Some((at, text.parse().ok()?)));
    if let Some((at, entry)) = short {
        lines.push(format!("  entry    {at} {}", digest::short(&entry, 12)));
    }
    lines.join("\n") + "\n"
}
