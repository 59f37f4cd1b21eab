//! What came of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::exec::Kind;

/// The run as a whole.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The workflow's name.
    pub workflow: String,
    /// Its file.
    pub file: String,
    /// The event.
    pub event: String,
    /// The ref.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The commit.
    pub sha: String,
    /// Whether the workflow is for this event.
    pub runs: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How it ended; none where it did not run.
    pub result: Option<RunResult>,
    /// The jobs.
    pub jobs: Vec<JobReport>,
    /// Errors, warnings and notices that steps gave.
    pub annotations: Vec<Annotation>,
    /// What was uploaded.
    pub artifacts: Vec<Artifact>,
    /// Files that jobs left in their workspace, as they are kept.
    pub files: Vec<String>,
    /// The steps' summaries, in Markdown.
    pub summary: String,
}

/// How a job or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Well.
    Success,
    /// Not well.
    Failure,
    /// It was stopped.
    Cancelled,
    /// It did not run.
    Skipped,
    /// Nothing was to be run.
    Planned,
}

impl RunResult {
    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
        }
    }
}

/// One job, or one of a matrix.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobReport {
    /// Its key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub result: RunResult,
    /// How long it took.
    pub seconds: f64,
    /// Why it did not run, or failed as a whole.
    pub reason: Option<String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its steps.
    pub steps: Vec<StepReport>,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// How deep inside of composite actions.
    pub depth: usize,
    /// Its line in the file.
    pub line: usize,
    /// The action, where it is one.
    pub uses: Option<String>,
    /// How it was carried out.
    pub kind: Kind,
    /// What came of it.
    pub outcome: RunResult,
    /// What counts: `continue-on-error` forgives.
    pub conclusion: RunResult,
    /// How long it took.
    pub seconds: f64,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// What went wrong, or why it did not run.
    pub message: Option<String>,
}

/// Something that a step wants to be seen.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    /// `error`, `warning`, `notice`.
    pub level: String,
    /// What.
    pub message: String,
    /// A heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The job.
    pub job: String,
    /// The step.
    pub step: String,
}

/// What a job uploaded.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// How many files it has.
    pub files: usize,
}
