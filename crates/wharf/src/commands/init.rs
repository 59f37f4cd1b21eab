//! `wharf init`: what a project needs to be shipped, written from what is found in it.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::init::{self, Ci, Found};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Also write a pipeline for this CI system
    #[arg(long, value_name = "SYSTEM")]
    ci: Option<Ci>,
    /// Overwrite files that are there
    #[arg(long)]
    force: bool,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Writes what is missing; a file that is there stays as it is.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if !args.directory.is_dir() {
        return Err(Failure::usage(format!("{} is no directory", args.directory.display())));
    }
    let found = init::detect(&args.directory)?;
    let mut written = Vec::new();
    let mut kept = Vec::new();
    for (path, text) in init::files(&found, args.ci) {
        let full = args.directory.join(&path);
        if full.exists() && !args.force {
            kept.push(path);
            continue;
        }
        if args.dry_run && !globals.json {
            output::print(&format!("# --- {}\n{text}\n", path.display()))?;
        } else if !args.dry_run {
            let folder = full.parent().unwrap_or(&args.directory);
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            std::fs::write(&full, &text).with_context(|| format!("writing {}", full.display()))?;
        }
        written.push(path);
    }
    if globals.json {
        output::print_json(&json!({
            "found": {
                "name": found.name, "python": found.python, "framework": found.framework.map(init::Framework::name),
                "entry": found.entry, "model": found.model, "cuda": found.cuda,
            },
            "written": written, "kept": kept,
        }))?;
        return Ok(Exit::Done);
    }
    output::print(&format!("found {}\n", described(&found)))?;
    for path in &written {
        let word = if args.dry_run { "would write" } else { "wrote" };
        output::print(&format!("{word} {}\n", path.display()))?;
    }
    for path in &kept {
        output::print(&format!("kept {}, which was there; --force overwrites it\n", path.display()))?;
    }
    if !args.dry_run {
        output::print("next: set `name` and a [[push]] in wharf.toml, then `wharf ship --dry-run`\n")?;
    }
    Ok(Exit::Done)
}

fn described(found: &Found) -> String {
    let mut parts = vec![format!("Python {}", found.python)];
    parts.push(found.framework.map_or("no framework".into(), |framework| framework.name().to_owned()));
    parts.extend(found.entry.iter().map(|entry| format!("entry {entry}")));
    parts.extend(found.model.iter().map(|model| format!("model {}", model.display())));
    parts.push(if found.cuda { "CUDA".into() } else { "CPU".into() });
    parts.join(", ")
}
