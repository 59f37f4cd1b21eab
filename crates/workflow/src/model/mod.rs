//! A workflow as values: what the file says, with every text parsed and every key known.

mod job;
mod keys;
mod step;
mod trigger;
mod workflow;

pub use job::{Body, Call, Concurrency, Job, Permissions, Strategy};
pub use step::{Defaults, Entry, Step, StepKind};
pub use trigger::{Filters, Input, InputType, Trigger};
pub use workflow::{CallOutput, Workflow};

#[cfg(test)]
mod tests;
