//! `wharf meta`: tags, labels and annotations from git and the CI event.

mod action;
mod rules;
mod show;

use std::path::{Path, PathBuf};

use wharf_metadata::{Metadata, Snapshot, resolve};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::project::{self, Project};
use crate::{output, snapshot};

/// Work out tags, labels and annotations from git and the CI event
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stand in for docker/metadata-action: read its inputs from the environment and write its outputs
    #[arg(long)]
    github_action: bool,
    #[command(flatten)]
    rules: rules::Flags,
    /// How the result is printed
    #[arg(long, value_name = "HOW", default_value = "table")]
    format: show::Format,
    /// Say where each tag comes from, and why a rule gave none
    #[arg(long)]
    explain: bool,
    /// Fail where a rule gives a tag that no registry takes, instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// The target of `--format bake`
    #[arg(long, value_name = "TARGET", default_value = "docker-metadata-action")]
    bake_target: String,
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
}

pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if args.github_action {
        return action::run();
    }
    let directory = std::fs::canonicalize(&args.directory)
        .map_err(|error| Failure::usage(format!("the project {}: {error}", args.directory.display())))?;
    let project = project::read(&directory)?;
    let mut snapshot = snapshot::capture(&directory, &snapshot::variables()?)?;
    snapshot.model = snapshot::model::of_project(&directory, &project)?;
    let rules = rules::rules(&args.rules, &project, &directory, &snapshot)?;
    let metadata = resolve(&snapshot, &rules).or_usage()?;
    if args.strict {
        refuse_dropped(&metadata)?;
    }
    if metadata.tags.is_empty() && args.strict {
        return Err(no_tags());
    }
    warn(&snapshot, &metadata);
    let format = if globals.json { show::Format::Json } else { args.format };
    let shown = show::Shown {
        metadata: &metadata,
        snapshot: &snapshot,
        explain: args.explain,
        target: &args.bake_target,
    };
    if args.explain && !format.explains() {
        output::note(&shown.explanation());
    }
    output::print(&shown.render(format)?)?;
    Ok(Exit::Done)
}

/// A tag that would have been left out is an error, with the rule and what to do about it.
pub(crate) fn refuse_dropped(metadata: &Metadata) -> Result<(), Failure> {
    match metadata.dropped.as_slice() {
        [] => Ok(()),
        dropped => Err(Failure::usage(dropped.join("\n")).hint(
            "without `--strict` such a tag is left out; `wharf meta --explain` shows what each rule gives",
        )),
    }
}

/// The failure of a project whose rules give nothing.
pub(crate) fn no_tags() -> Failure {
    Failure::usage("no tag rule gives a tag for this commit")
        .hint("`wharf meta --explain` says what each rule made of it")
}

fn warn(snapshot: &Snapshot, metadata: &Metadata) {
    for warning in &metadata.warnings {
        output::note(&format!("warning: {warning}\n"));
    }
    if metadata.tags.is_empty() {
        output::note("warning: no tag rule gives a tag here; `--explain` says what each rule made of it\n");
    }
    let shallow = snapshot.git.as_ref().is_some_and(|git| git.shallow && git.tags.is_empty());
    if shallow && snapshot.event.is_none() && metadata.release.is_none() {
        output::note(
            "warning: this is a shallow clone, and tags may be missing; `git fetch --tags` brings them\n",
        );
    }
}

/// What the project's own rules say.
pub(crate) fn of_project(
    project: &Project,
    snapshot: &Snapshot,
    directory: &Path,
) -> Result<Metadata, Failure> {
    let rules = rules::rules(&rules::Flags::default(), project, directory, snapshot)?;
    resolve(snapshot, &rules).or_usage()
}
