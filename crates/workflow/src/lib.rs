//! GitHub Actions workflows: read, evaluate, explain, run natively.
//!
//! - [`Workflow::read`] makes values of a file, with every expression parsed; all that is wrong is said at once.
//! - [`Event::starts`] says whether a workflow is for what happened.
//! - [`explain::explain`] says without running it what it does for which event, and where its traps are.
//! - [`run::run`] runs it: jobs in the order of their needs, scripts as processes, known actions natively. What the
//!   native ones stand on comes through the trait [`engine::Engine`].
//!
//! Nothing here reads the environment or prints: the caller gives a [`run::Setup`] and hears through a [`run::Sink`].

mod actions;
pub mod availability;
pub mod convert;
pub mod engine;
mod event;
pub mod explain;
pub mod expr;
mod glob;
mod matrix;
mod model;
pub mod run;
mod source;
mod template;
pub mod yaml;

pub use actions::names as native_actions;
pub use event::Event;
pub use glob::{PatternError, Patterns};
pub use model::{
    Body, Call, CallOutput, Concurrency, Defaults, Entry, Filters, Input, InputType, Job, Permissions, Step,
    StepKind, Strategy, Trigger, Workflow,
};
pub use source::{Fault, Faults, Place, Source, Span};
pub use template::{Part, Template, Tree, holds};
