//! What a build will do and what image comes out of it, worked out before anything is done.
//!
//! The plan of a Dockerfile is a pure function of the Dockerfile, the options and the configs of its
//! base images: no file of the context is read and nothing is run. It says, stage by stage, which
//! operations change the file system, and it already holds the config and the history of the finished
//! image, as BuildKit's Dockerfile frontend would write them.
//!
//! Invariants:
//! - a plan holds only the stages that the target reaches, each after everything it uses;
//! - every word in it is expanded, every path absolute, every `from` resolved: whoever executes it
//!   needs neither the Dockerfile nor the build arguments;
//! - planning the same request against the same base images gives the same plan.

mod args;
mod base;
mod checks;
mod config;
mod contexts;
mod copy;
mod declare;
mod env;
mod error;
mod git;
mod graph;
mod history;
mod mode;
mod model;
mod op;
mod outline;
mod path;
mod planner;
mod request;
mod run;
mod signal;
mod stage;
mod state;
#[cfg(test)]
mod tests;
mod text;

use outline::Notes;
use wharf_dockerfile::Dockerfile;
use wharf_dockerfile::lint::Finding;

pub use error::{Location, PlanError, Problem, ResolveError};

pub use mode::ModeChange;
pub use model::{Base, HistoryLine, Plan, Stage, StageId, Step};
pub use op::{
    BindMount, CacheMount, CopyOp, CopySource, EnvVar, FileOwner, GitSource, Mount, Op, Parents, PinnedImage,
    RunOp, Script, SecretMount, Source, SshMount, TmpfsMount, WorkdirOp,
};
pub use outline::{Argument, Outline, Wanted};
pub use request::{BaseImage, BaseRef, ContextKind, Request, Resolve};
pub use wharf_dockerfile::{Network, NoCache, Security, Sharing};

/// Works out what a build of `dockerfile` does and what image it gives.
///
/// # Errors
/// Whatever BuildKit refuses before it runs the first step.
pub fn plan(dockerfile: &Dockerfile, request: &Request, resolve: Resolve) -> Result<Plan, PlanError> {
    let (plan, findings) = planner::make(dockerfile, request, resolve, &Notes::default());
    plan.map(|plan| Plan { findings, ..plan })
}

/// Runs the checks: what [`plan`] would find, also where it fails. Without a target it looks at every stage.
pub fn check(
    dockerfile: &Dockerfile,
    request: &Request,
    resolve: Resolve,
) -> (Vec<Finding>, Option<PlanError>) {
    let request = Request { check_only: true, ..request.clone() };
    let (plan, findings) = planner::make(dockerfile, &request, resolve, &Notes::default());
    (findings, plan.err().filter(|error| !matches!(*error.problem, Problem::Lint { .. })))
}

/// What can be given to a build of the target.
///
/// # Errors
/// As [`plan`], but nobody is asked for permission.
pub fn outline(dockerfile: &Dockerfile, request: &Request, resolve: Resolve) -> Result<Outline, PlanError> {
    // With a name, even an empty one, only what the target reaches is looked at.
    let target = request.target.clone().or_else(|| Some(String::new()));
    let request = Request { check_only: true, target, ..request.clone() };
    let notes = Notes::default();
    match planner::make(dockerfile, &request, resolve, &notes).0 {
        Err(error) if !matches!(*error.problem, Problem::Lint { .. }) => return Err(error),
        _ => {}
    }
    notes.outline(dockerfile, &request)
}

/// The name that differs from `given` by at most two letters, upper and lower case alike.
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let given = given.to_lowercase();
    let distance = |name: &str| strsim::levenshtein(&given, &name.to_lowercase());
    let close = names.filter(|name| name.len().abs_diff(given.len()) <= 2).map(|name| (distance(name), name));
    close.filter(|(distance, _)| (1..=2).contains(distance)).min().map(|(_, name)| name.to_owned())
}
