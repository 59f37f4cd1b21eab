//! `wharf workflow convert`: the same pipeline as a `wharf.toml` and a workflow of five lines.

use std::path::PathBuf;

use anyhow::Context;
use wharf_workflow::convert::convert;
use wharf_workflow::explain::Surroundings;

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::settings::{document, project};
use crate::workflow::{self, Asked};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflow
    file: PathBuf,
}

/// Prints both files; nothing is written.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let workflow = workflow::read(&args.file)?;
    let directory = std::env::current_dir().context("finding the current folder")?;
    let captured = workflow::capture(&directory, &Asked { event: "push".into(), ..Asked::default() })?;
    let around =
        Surroundings { repository: captured.event.repository, default_branch: captured.default_branch };
    let converted = convert(&workflow, &around);
    // What is printed is read back first, so that it is never something that wharf would refuse.
    document::parse::<project::Project>(&converted.settings, std::path::Path::new(project::FILE_NAME))
        .map_err(|failure| failure.context("the converted settings do not read"))?;
    if globals.json {
        output::print_json(&converted)?;
    } else {
        let text = format!(
            "# --- wharf.toml\n{}\n# --- .github/workflows/wharf.yml\n{}",
            converted.settings, converted.workflow
        );
        output::print(&text)?;
    }
    Ok(Exit::Done)
}
