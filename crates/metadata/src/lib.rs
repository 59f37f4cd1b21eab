//! What is being built and why: git state, CI event, tag and label rules, version order.
//!
//! Everything here is pure over a captured [`Snapshot`]: no clock, no environment, no file, no network.
//!
//! Invariants:
//! - every tag that [`resolve`] gives is valid under the distribution grammar;
//! - the same snapshot and rules give the same [`Metadata`].

pub mod action;
pub mod ci;
mod evaluate;
mod javascript;
mod label;
mod model;
mod moment;
mod publish;
#[cfg(test)]
mod recordings;
mod resolve;
mod rules;
mod snapshot;
mod subject;
mod template;
mod version;

pub use model::{Artifact, Model};
pub use publish::{Decision, Overrides, Present, Release, decide};
pub use resolve::{Explained, Metadata, Motion, Tag, resolve};
pub use rules::{Rules, RulesError};
pub use snapshot::{Clock, Event, Fact, Git, Repository, Snapshot, Variables};
pub use version::Version;
