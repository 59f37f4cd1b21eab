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

mod error;
mod mode;
mod model;
mod op;
mod path;
mod request;

use wharf_dockerfile::Dockerfile;

pub use error::{Location, PlanError, Problem, ResolveError};

pub use mode::ModeChange;
pub use model::{Base, HistoryLine, Plan, Stage, StageId, Step};
pub use op::{
    BindMount, CacheMount, CopyOp, CopySource, EnvVar, FileOwner, GitSource, Mount, NetworkMode, Op, Parents,
    PinnedImage, RunOp, Script, SecretMount, Security, Sharing, Source, SshMount, TmpfsMount, WorkdirOp,
};
pub use request::{BaseImage, BaseRef, ContextKind, NoCache, Request};

/// Works out what a build of `dockerfile` does and what image it gives.
///
/// `resolve` is asked for the configs of base images, several at a time so that it may fetch them side by
/// side, and answers in the same order. It is called before anything else of the plan is known, so nothing
/// but manifests and configs need be fetched for it.
///
/// # Errors
/// Whatever BuildKit refuses before it runs the first step.
pub fn plan(
    dockerfile: &Dockerfile,
    request: &Request,
    resolve: &dyn Fn(&[BaseRef]) -> Vec<Result<BaseImage, ResolveError>>,
) -> Result<Plan, PlanError> {
    let _ = (dockerfile, request, resolve);
    Err(Problem::Instruction("not yet".into()).into())
}
