//! `wharf workflow explain`: what a workflow does for which event, and its traps, without running it.

use std::path::PathBuf;

use anyhow::Context;
use wharf_workflow::explain::{Explanation, Surroundings, explain, sarif};
use wharf_workflow::{Fault, Faults, Source};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, table};
use crate::workflow::{self, Asked};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflows
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the traps as SARIF; `-` writes to standard output
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// The repository [default: that of the remote `origin`]
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// The repository's default branch [default: origin/HEAD, main, master]
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<String>,
}

/// Explains; traps are no failure.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let directory = std::env::current_dir().context("finding the current folder")?;
    let asked = Asked {
        event: "push".into(),
        repository: args.repository.clone(),
        default_branch: args.default_branch.clone(),
        ..Asked::default()
    };
    let captured = workflow::capture(&directory, &asked)?;
    let around =
        Surroundings { repository: captured.event.repository, default_branch: captured.default_branch };
    let mut explained = Vec::new();
    for file in &args.files {
        let workflow = workflow::read(file)?;
        let explanation = explain(&workflow, &around);
        explained.push((workflow.source, explanation));
    }
    let explanations: Vec<Explanation> =
        explained.iter().map(|(_, explanation)| explanation.clone()).collect();
    if let Some(path) = &args.sarif {
        let log = serde_json::to_string_pretty(&sarif(&explanations))?;
        if path.as_os_str() == "-" {
            output::print(&format!("{log}\n"))?;
            return Ok(Exit::Done);
        }
        std::fs::write(path, log).with_context(|| format!("writing {}", path.display()))?;
    }
    if globals.json {
        match explanations.as_slice() {
            [one] => output::print_json(one)?,
            all => output::print_json(&all)?,
        }
        return Ok(Exit::Done);
    }
    for (source, explanation) in &explained {
        print(source, explanation)?;
    }
    Ok(Exit::Done)
}

fn print(source: &Source, explanation: &Explanation) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for event in &explanation.events {
        let name = format!("{} {}", event.event, event.git_ref);
        if let Some(reason) = &event.reason {
            rows.push([
                name,
                format!("does not run: {reason}"),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]);
            continue;
        }
        for (at, job) in event.jobs.iter().enumerate() {
            let name = if at == 0 { name.clone() } else { String::new() };
            let id = match &job.reason {
                Some(reason) => format!("{} (skipped: {reason})", job.id),
                None => job.id.clone(),
            };
            let shared = |tags: &[String]| if tags.is_empty() { "-".to_owned() } else { short(tags) };
            rows.push([
                name,
                id,
                shared(&job.tags),
                shared(&job.pushes),
                job.permissions.join(", "),
                job.secrets.join(", "),
            ]);
        }
    }
    let headings = ["EVENT", "JOB", "TAGS", "PUSHES", "PERMISSIONS", "SECRETS"];
    output::print(&format!(
        "{} ({})\n\n{}",
        explanation.workflow,
        explanation.file,
        table::render(headings, &rows)
    ))?;
    if explanation.traps.is_empty() {
        return output::print("\nno traps found\n");
    }
    output::print(&format!("\n{} traps:\n\n", explanation.traps.len()))?;
    for trap in &explanation.traps {
        let fault = Fault::new(trap.span, format!("{}: {} [{}]", trap.level, trap.message, trap.rule));
        let shown = Faults { source: source.clone(), faults: vec![fault] };
        output::print(&format!("{shown}\n  hint: {}\n\n", trap.advice))?;
    }
    Ok(())
}

/// Names with their image once: `docker.io/o/r:{a,b}` reads better than both in full.
fn short(names: &[String]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let at = name.rfind('/').map_or(0, |at| at + 1);
        let (image, tag) = name[at..]
            .split_once(':')
            .map_or((name.as_str(), ""), |(_, tag)| (&name[..name.len() - tag.len() - 1], tag));
        match groups.iter_mut().find(|(known, _)| *known == image) {
            Some((_, tags)) => tags.push(tag),
            None => groups.push((image, vec![tag])),
        }
    }
    let shown = groups.iter().map(|(image, tags)| match tags.as_slice() {
        [""] => (*image).to_owned(),
        [tag] => format!("{image}:{tag}"),
        tags => format!("{image}:[{}]", tags.join(" ")),
    });
    shown.collect::<Vec<_>>().join(", ")
}
