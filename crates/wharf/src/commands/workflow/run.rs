//! `wharf workflow run`: the workflow for one event, on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use wharf_workflow::Workflow;
use wharf_workflow::run::{Masker, Report, RunResult, Setup, Stop};

use crate::cli::{Globals, Progress};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::host;
use crate::workflow::{self, Asked, View, Wharf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The workflow, such as .github/workflows/docker-build.yml
    file: PathBuf,
    /// What happened: push, pull_request, release, schedule, workflow_dispatch …
    #[arg(long, value_name = "EVENT", default_value = "push")]
    event: String,
    /// To which ref: refs/heads/main, refs/tags/v1.2.3, refs/pull/42/merge [default: what is checked out]
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    /// The commit [default: the ref's]
    #[arg(long, value_name = "COMMIT")]
    sha: Option<String>,
    /// The branch that a pull request goes into [default: the default branch]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// The branch that a pull request comes from [default: what is checked out]
    #[arg(long, value_name = "BRANCH")]
    head: Option<String>,
    /// The event's activity type, such as opened or published
    #[arg(long, value_name = "TYPE")]
    action: Option<String>,
    /// The event document [default: made from what git knows]
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The repository [default: that of the remote `origin`]
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// The repository's default branch [default: origin/HEAD, main, master]
    #[arg(long, value_name = "BRANCH")]
    default_branch: Option<String>,
    /// Who did it
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only this job, and what it needs
    #[arg(long, value_name = "JOB")]
    job: Vec<String>,
    /// A secret; NAME alone takes it from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    secret: Vec<String>,
    /// Secrets, a NAME=VALUE per line
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
    /// A variable of the repository
    #[arg(long, value_name = "NAME=VALUE")]
    var: Vec<String>,
    /// An input of workflow_dispatch
    #[arg(long, value_name = "NAME=VALUE")]
    input: Vec<String>,
    /// Only the matrix jobs with this value
    #[arg(long, value_name = "KEY=VALUE")]
    matrix: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out actions that wharf does not know instead of refusing them
    #[arg(long)]
    skip_unknown: bool,
    /// Where artifacts, new files and the report go
    #[arg(long, value_name = "DIR", default_value = ".wharf/workflow")]
    out: PathBuf,
    /// Leave the jobs' folders where they are, and say where
    #[arg(long)]
    keep: bool,
}

/// Runs it; ends with 0 when all went well or it is not for the event, with 1 when a job failed.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let workflow = workflow::read(&args.file)?;
    let directory = std::env::current_dir().context("finding the current folder")?;
    let inputs = pairs(&args.input, "--input")?;
    let captured = workflow::capture(&directory, &asked(&args, &inputs))?;
    check_inputs(&workflow, &args.event, &inputs)?;
    check_jobs(&workflow, &args.job)?;
    let secrets = secrets(&args)?;
    let scratch = tempfile::Builder::new()
        .prefix("wharf-workflow-")
        .tempdir()
        .context("making a folder for the jobs")?;
    let results = directory.join(&args.out);
    prepare(&results)?;
    let view = View::new(globals.json, globals.progress == Progress::Quiet);
    let file = directory.join(&args.file);
    let setup = Setup {
        workflow_path: relative(&file, &captured.repository),
        workflow,
        event: captured.event,
        repository: captured.repository,
        is_git: captured.is_git,
        default_branch: captured.default_branch,
        secrets,
        vars: pairs(&args.var, "--var")?.into_iter().collect(),
        inputs: inputs.into_iter().collect(),
        env: workflow::environment(globals),
        shims: workflow::shims(scratch.path())?,
        scratch: scratch.path().to_owned(),
        results: results.clone(),
        state: host::data_dir(globals, rustix::process::getuid().as_raw()).join("workflow"),
        only_jobs: args.job,
        only_matrix: pairs(&args.matrix, "--matrix")?,
        skip_unknown: args.skip_unknown,
        dry_run: args.dry_run,
        run_id: u64::from(std::process::id()),
    };
    captured.notes.iter().for_each(|note| view.note(note));
    missing_secrets(&setup).iter().for_each(|note| view.note(note));
    let wharf = Wharf::new()?;
    let stop = Stop::default();
    watch(&wharf, &stop);
    let masker = Masker::default();
    let report = wharf_workflow::run::run(&setup, &wharf, &view, &masker, &stop);
    if args.keep {
        view.note(&format!("the jobs' folders are in {}", scratch.keep().display()));
    }
    finish(&report, &results, globals)
}

fn asked(args: &Args, inputs: &[(String, String)]) -> Asked {
    Asked {
        event: args.event.clone(),
        git_ref: args.git_ref.clone(),
        sha: args.sha.clone(),
        base: args.base.clone(),
        head: args.head.clone(),
        action: args.action.clone(),
        repository: args.repository.clone(),
        default_branch: args.default_branch.clone(),
        actor: args.actor.clone(),
        payload: args.payload.clone(),
        inputs: inputs.to_vec(),
    }
}

/// Prints the table or the document, keeps the report, and gives the exit code.
fn finish(report: &Report, results: &Path, globals: &Globals) -> Outcome {
    let document = serde_json::to_string_pretty(report)?;
    let keep = |name: &str, text: &str| {
        let path = results.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    };
    keep("report.json", &document)?;
    if !report.summary.is_empty() {
        keep("summary.md", &report.summary)?;
    }
    if globals.json {
        output::print(&format!("{document}\n"))?;
    } else if let Some(reason) = report.reason.as_ref().filter(|_| !report.runs) {
        output::print(&format!("{} does not run for this event: {reason}\n", report.file))?;
    } else {
        output::print(&format!("\n{}", workflow::table(report)))?;
        if !report.summary.is_empty() {
            output::print(&format!("\n{}", report.summary))?;
        }
    }
    match report.result {
        Some(RunResult::Failure) => {
            let text = workflow::outcome(report).unwrap_or_else(|| "the workflow failed".into());
            Err(Failure::gate(text))
        }
        Some(RunResult::Cancelled) => Err(Failure::new(
            Exit::Process(130),
            anyhow::anyhow!("the run was stopped, and with it everything that it had started"),
        )),
        _ => Ok(Exit::Done),
    }
}

/// The results of an earlier run go away; the folder hides from git.
fn prepare(results: &Path) -> Result<(), Failure> {
    let failed = || format!("preparing {}", results.display());
    for name in ["artifacts", "files", "sarif"] {
        let old = results.join(name);
        if old.exists() {
            std::fs::remove_dir_all(&old).with_context(failed)?;
        }
    }
    std::fs::create_dir_all(results).with_context(failed)?;
    if let Some(parent) = results.parent().filter(|parent| parent.ends_with(".wharf")) {
        std::fs::write(parent.join(".gitignore"), "*\n").with_context(failed)?;
    }
    Ok(())
}

/// Ctrl-C asks the run to stop; again, it stops at once.
fn watch(wharf: &Wharf, stop: &Stop) {
    let stop = stop.clone();
    wharf.runtime().spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            stop.ask();
        }
    });
}

fn pairs(texts: &[String], flag: &str) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        let (name, value) =
            text.split_once('=').or_else(|| text.split_once(':')).filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    let read =
        |text| pair(text).ok_or_else(|| Failure::usage(format!("{flag} is `{text}`: expected NAME=VALUE")));
    texts.iter().map(read).collect()
}

/// Files first, then the flags, which go before them.
fn secrets(args: &Args) -> Result<BTreeMap<String, String>, Failure> {
    let mut secrets = BTreeMap::new();
    for path in &args.secret_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading secrets from {}", path.display()))?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or_else(|| {
                Failure::usage(format!("{}:{}: a secret is NAME=VALUE", path.display(), at + 1))
            })?;
            secrets.insert(name.trim().to_owned(), unquoted(value.trim()));
        }
    }
    for text in &args.secret {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = std::env::var(text);
                let value = value.map_err(|_| {
                    Failure::usage(format!("--secret {text}: the environment has no such variable"))
                })?;
                (text.clone(), value)
            }
        };
        secrets.insert(name, value);
    }
    Ok(secrets)
}

/// A value in quotes; in double ones, `\n` is a line end.
fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match (inside('"'), inside('\'')) {
        (Some(text), _) => text.replace("\\n", "\n").replace("\\\"", "\""),
        (None, Some(text)) => text.to_owned(),
        (None, None) => value.to_owned(),
    }
}

/// Secrets that the workflow uses and nobody gave.
fn missing_secrets(setup: &Setup) -> Vec<String> {
    let mut missing: Vec<String> = Vec::new();
    for template in setup.workflow.templates() {
        for path in template.paths() {
            let [context, name, ..] = path.as_slice() else { continue };
            let given = setup.secrets.keys().any(|secret| secret.eq_ignore_ascii_case(name));
            if context == "secrets" && !given && name != "github_token" {
                let line = setup.workflow.source.place(template.span.start).line;
                let note = format!(
                    "the secret `{}` (line {line}) is not given, and so is empty as on GitHub; give it with --secret",
                    name.to_uppercase()
                );
                if !missing.iter().any(|known| known.split('`').nth(1) == note.split('`').nth(1)) {
                    missing.push(note);
                }
            }
        }
    }
    missing
}

fn check_jobs(workflow: &Workflow, jobs: &[String]) -> Result<(), Failure> {
    match jobs.iter().find(|job| workflow.job(job).is_none()) {
        Some(job) => {
            let known: Vec<&str> = workflow.jobs.iter().map(|job| job.id.as_str()).collect();
            Err(Failure::usage(format!("--job is `{job}`; the workflow has {}", known.join(", "))))
        }
        None => Ok(()),
    }
}

/// Inputs are known, of their type, and there where they must be.
fn check_inputs(workflow: &Workflow, event: &str, given: &[(String, String)]) -> Result<(), Failure> {
    let Some(trigger) = workflow.trigger("workflow_dispatch").filter(|_| event == "workflow_dispatch") else {
        return match given.first() {
            Some((name, _)) => {
                Err(Failure::usage(format!("--input {name}: only workflow_dispatch has inputs")))
            }
            None => Ok(()),
        };
    };
    for (name, value) in given {
        let input = trigger.inputs.iter().find(|input| input.name == *name);
        let input =
            input.ok_or_else(|| Failure::usage(format!("Unexpected inputs provided: [\"{name}\"]")))?;
        input.typed(value.as_str().into()).map_err(Failure::usage)?;
    }
    let missing = |input: &&wharf_workflow::Input| {
        input.required && input.default.is_none() && !given.iter().any(|(name, _)| *name == input.name)
    };
    match trigger.inputs.iter().find(missing) {
        Some(input) => Err(Failure::usage(format!("Required input '{}' not provided", input.name))
            .hint(format!("say --input {}=…", input.name))),
        None => Ok(()),
    }
}

fn relative(file: &Path, repository: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = real(file);
    match file.strip_prefix(real(repository)) {
        Ok(inside) => inside.display().to_string(),
        Err(_) => format!(".github/workflows/{}", file.file_name().unwrap_or_default().to_string_lossy()),
    }
}
