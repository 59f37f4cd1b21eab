//! What a workflow does, without running it: events against jobs, tags, pushes, permissions and secrets, and the traps
//! in it by line.

mod sarif;
mod scenario;
mod script;
mod simulate;
mod traps;

use serde::Serialize;

use crate::model::{Step, Workflow};
use crate::source::{Place, Span};

pub use sarif::sarif;

/// What is known of the repository.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// `owner/name`.
    pub repository: String,
    /// Its default branch.
    pub default_branch: String,
}

/// What a workflow does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Its name.
    pub workflow: String,
    /// Its file.
    pub file: String,
    /// What it does for each event.
    pub events: Vec<EventPlan>,
    /// What may go wrong.
    pub traps: Vec<Trap>,
}

/// What happens for one event.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPlan {
    /// `push`, `pull_request` ….
    pub event: String,
    /// The ref.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// Whether the workflow runs.
    pub runs: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Its jobs.
    pub jobs: Vec<JobPlan>,
}

/// What one job does for one event.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPlan {
    /// Its key.
    pub id: String,
    /// Whether it runs.
    pub runs: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Names that it gives to images; `{sha}` and `{short}` stand for the commit.
    pub tags: Vec<String>,
    /// Names that it pushes.
    pub pushes: Vec<String>,
    /// Registries that it logs in to.
    pub logins: Vec<String>,
    /// Caches that it exports to.
    pub caches: Vec<String>,
    /// Images that it scans.
    pub scans: Vec<String>,
    /// What its token may do.
    pub permissions: Vec<String>,
    /// Secrets that its steps use.
    pub secrets: Vec<String>,
}

/// Something that may go wrong.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trap {
    /// Which kind.
    pub rule: &'static str,
    /// `error`, `warning`, `note`.
    pub level: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Where, in bytes.
    #[serde(skip)]
    pub span: Span,
    /// What.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Explains a workflow.
pub fn explain(workflow: &Workflow, surroundings: &Surroundings) -> Explanation {
    let mut traps = traps::Traps::new(workflow);
    let mut events = Vec::new();
    for scenario in scenario::scenarios(workflow, surroundings) {
        let plan = simulate::simulate(workflow, &scenario, &mut traps);
        if !scenario.hidden {
            events.push(plan);
        }
    }
    traps.look(&events);
    Explanation {
        workflow: workflow.name.clone(),
        file: workflow.source.name.clone(),
        events,
        traps: traps.finish(),
    }
}

/// Names that a script pushes on the default branch.
pub(crate) fn plan_names(workflow: &Workflow, surroundings: &Surroundings, step: &Step) -> Vec<String> {
    let scenario = scenario::pushed(surroundings);
    simulate::pushes_of(workflow, &scenario, step)
}

#[cfg(test)]
mod tests;
