//! What a run is given, and to whom it tells what goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::event::Event;
use crate::model::Workflow;

/// Everything that a run is given.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The workflow.
    pub workflow: Workflow,
    /// Its path in the repository.
    pub workflow_path: String,
    /// What happened.
    pub event: Event,
    /// Where the commit is.
    pub repository: PathBuf,
    /// Whether that is a git repository.
    pub is_git: bool,
    /// The repository's default branch.
    pub default_branch: String,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Variables of the repository by name.
    pub vars: BTreeMap<String, String>,
    /// Inputs of `workflow_dispatch`.
    pub inputs: BTreeMap<String, String>,
    /// What every process sees.
    pub env: BTreeMap<String, String>,
    /// A folder with a `docker` in it, which goes before `PATH`.
    pub shims: PathBuf,
    /// Where jobs work; it is the caller's to remove.
    pub scratch: PathBuf,
    /// Where artifacts, reports and other results go.
    pub results: PathBuf,
    /// Where caches and locks live from run to run.
    pub state: PathBuf,
    /// These jobs, and what they need; none is all.
    pub only_jobs: Vec<String>,
    /// Only the combinations that agree.
    pub only_matrix: Vec<(String, String)>,
    /// Unknown actions are skipped, not refused.
    pub skip_unknown: bool,
    /// Nothing is started.
    pub dry_run: bool,
    /// The run's number.
    pub run_id: u64,
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A job begins.
    JobStarted(&'a str),
    /// A step begins: job, step.
    StepStarted(&'a str, &'a str),
    /// A line of a step's output: job, text.
    Line(&'a str, &'a str),
    /// A step has ended: job, its report.
    StepEnded(&'a str, &'a super::StepReport),
    /// A job has ended.
    JobEnded(&'a super::JobReport),
}

/// Hears what goes on; secrets are hidden already.
pub trait Sink: Sync {
    /// One thing.
    fn tell(&self, news: News<'_>);
}
