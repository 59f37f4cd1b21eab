//! `wharf meta --github-action`: the drop-in for docker/metadata-action.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use wharf_metadata::Variables;
use wharf_metadata::action::{CommitDate, Inputs, Job, Outputs, Source, outputs};

use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::print;
use crate::snapshot::forge::Forge;
use crate::snapshot::{checkout, event_document, variables};

/// Reads the step's inputs, works out its outputs, and writes them. Nothing is written where anything fails.
pub(super) fn run() -> Outcome {
    let variables = variables()?;
    match make(&variables).and_then(|outputs| write(&variables, &outputs)) {
        Ok(()) => Ok(Exit::Done),
        Err(failure) => {
            let causes: Vec<String> = failure.error.chain().map(ToString::to_string).collect();
            print(&format!("::error::{}\n", escaped(&causes.join(": "))))?;
            Err(failure)
        }
    }
}

fn make(variables: &Variables) -> Result<Outputs, Failure> {
    let inputs = Inputs::read(variables).or_usage()?;
    inputs.check().or_usage()?;
    let payload = payload(variables)?;
    let mut job = match inputs.source {
        Source::Workflow => Job::of_workflow(variables, payload, &inputs).or_usage()?,
        Source::Git => {
            let found = checkout::read(Path::new(".")).or_usage()?;
            Job::of_git(variables, payload, &found.reference, &found.commit, &found.date).or_usage()?
        }
    };
    let repository = ask_forge(variables, &inputs, &mut job)?;
    outputs(&inputs, &job, &repository, crate::world::now().as_millisecond()).or_usage()
}

/// The event; an empty one where the file is missing, as the action takes it.
fn payload(variables: &Variables) -> Result<Value, Failure> {
    match variables.get("GITHUB_EVENT_PATH").filter(|path| !path.is_empty()).map(Path::new) {
        Some(path) if path.exists() => event_document(path),
        Some(path) => {
            print(&format!("GITHUB_EVENT_PATH {} does not exist\n", path.display()))?;
            Ok(Value::Object(Default::default()))
        }
        None => Ok(Value::Object(Default::default())),
    }
}

/// The forge's description of the repository, and the commit's date where the event does not give it.
fn ask_forge(variables: &Variables, inputs: &Inputs, job: &mut Job) -> Result<Value, Failure> {
    let fallback = variables.get("GITHUB_TOKEN").map_or("", String::as_str);
    let token = if inputs.github_token.is_empty() { fallback } else { &inputs.github_token };
    let forge = Forge::new(variables, token)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (repository, date) = runtime.block_on(async {
        let date = async {
            match job.commit_date {
                CommitDate::Unknown => forge.commit_date(&job.repository, job.commit()).await,
                CommitDate::Known(_) => None,
            }
        };
        tokio::join!(forge.repository(&job.repository), date)
    });
    if let Some(date) = date {
        job.commit_date = CommitDate::parse(&date);
    }
    repository.or_hint("the token in `github-token` needs to read the repository's contents")
}

fn write(variables: &Variables, outputs: &Outputs) -> Result<(), Failure> {
    let mut values = outputs.texts.clone();
    let directory = bake_directory(variables)?;
    for file in &outputs.bake_files {
        let path = directory.join(file.file_name);
        std::fs::write(&path, &file.content).with_context(|| format!("writing {}", path.display()))?;
        values.push((file.output, path.display().to_string()));
    }
    append(
        variables,
        "GITHUB_OUTPUT",
        "set-output",
        values.iter().map(|(name, value)| ((*name).to_owned(), value)),
    )?;
    if outputs.export {
        let name =
            |output: &str| format!("DOCKER_METADATA_OUTPUT_{}", output.replace('-', "_").to_uppercase());
        append(
            variables,
            "GITHUB_ENV",
            "set-env",
            values.iter().map(|(output, value)| (name(output), value)),
        )?;
    }
    log(outputs)
}

/// A new directory for the bake files, which stays for the steps that follow.
fn bake_directory(variables: &Variables) -> Result<PathBuf, Failure> {
    let parent = variables.get("RUNNER_TEMP").filter(|path| !path.is_empty()).map(PathBuf::from);
    let parent = parent.unwrap_or_else(std::env::temp_dir);
    let directory =
        tempfile::Builder::new().prefix("docker-actions-toolkit-").rand_bytes(6).tempdir_in(&parent);
    Ok(directory.with_context(|| format!("making a directory in {}", parent.display()))?.keep())
}

/// Appends values to the file that a variable names, or gives them to the runner as commands where there is none.
fn append<'a>(
    variables: &Variables,
    file: &str,
    command: &str,
    values: impl Iterator<Item = (String, &'a String)>,
) -> Result<(), Failure> {
    let Some(path) = variables.get(file).filter(|path| !path.is_empty()) else {
        let lines = values.map(|(name, value)| format!("\n::{command} name={name}::{}\n", escaped(value)));
        return print(&lines.collect::<String>());
    };
    let mut text = String::new();
    for (name, value) in values {
        let delimiter = format!("ghadelimiter_{}", uuid::Uuid::new_v4());
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    let opened = OpenOptions::new().append(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.with_context(|| format!("writing to {path}, which {file} names"))?)
}

/// What a person sees in the step's log.
fn log(outputs: &Outputs) -> Result<(), Failure> {
    let mut text = String::new();
    for warning in &outputs.warnings {
        text.push_str(&format!("::warning::{}\n", escaped(warning)));
    }
    for (title, output) in [
        ("Docker image version", "version"),
        ("Docker tags", "tags"),
        ("Docker labels", "labels"),
        ("JSON output", "json"),
    ] {
        let value = outputs.texts.iter().find(|(name, _)| *name == output);
        let value = value.map_or("", |(_, value)| value.as_str());
        text.push_str(&format!("::group::{title}\n{value}\n::endgroup::\n"));
    }
    print(&text)
}

/// Data of a workflow command.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
