//! `wharf meta`: tags, labels and annotations from git and the CI event.

mod action;

use std::path::Path;

use wharf_metadata::{Metadata, Rules, Snapshot, resolve};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::settings::project::Project;

/// What `wharf meta` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stand in for docker/metadata-action: read its inputs from the environment and write its outputs
    #[arg(long)]
    github_action: bool,
}

pub(crate) fn run(args: Args, _globals: &Globals) -> Outcome {
    if args.github_action {
        return action::run();
    }
    Ok(Exit::Done)
}

/// What the project's own rules say.
pub(crate) fn of_project(
    project: &Project,
    snapshot: &Snapshot,
    directory: &Path,
) -> Result<Metadata, Failure> {
    let image = crate::ship::image_name(directory, project, snapshot)?;
    let labels = project.image.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let rules = Rules {
        images: vec![image.familiar_name()],
        tags: project.image.tags.clone(),
        flavor: project.image.flavor.clone(),
        labels: labels.collect(),
        annotations: Vec::new(),
    };
    resolve(snapshot, &rules).or_usage()
}
