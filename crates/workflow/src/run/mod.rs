//! Runs a workflow on this machine: jobs in the order of their needs, steps as processes or native actions.

mod checkout;
mod collect;
mod command;
mod composite;
mod context;
mod dry;
mod exec;
mod hash_files;
mod hear;
mod leg;
mod local;
mod lock;
mod mask;
mod post;
mod process;
mod refusal;
mod report;
mod reusable;
mod schedule;
mod setup;
mod shell;
mod stop;

pub(crate) use checkout::{Checkout, Git, copy};
pub(crate) use context::{Names, object, variables as variables_of};
pub(crate) use exec::{Fail, Left};
pub(crate) use hash_files::{find as find_files, walk as walk_files};
pub(crate) use leg::{Leg, own_steps};
pub(crate) use post::{Post, PostWork};

pub use exec::Kind;
pub use mask::Masker;
pub use process::{Ended, Process};
pub use report::{Annotation, Artifact, JobReport, Report, RunResult, StepReport};
pub use schedule::run;
pub use setup::{News, Setup, Sink};
pub use stop::Stop;
