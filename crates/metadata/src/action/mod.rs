//! docker/metadata-action, as a pure function: inputs, job and repository in, outputs out.
//!
//! Everything that people would call a mistake of the original is kept, because workflows rely on it:
//! `latest` may appear twice, tags may start with a dash or exceed 128 characters. The sane variant is
//! [`crate::resolve`].

mod documents;
mod inputs;
mod job;
mod outputs;

pub use inputs::{Inputs, Source};
pub use job::{CommitDate, Job, Named};
pub use outputs::{BakeFile, Outputs, outputs};

use crate::rules::RulesError;

/// Why the action fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// An input that cannot be read.
    #[error("the input `{input}` cannot be read")]
    Input {
        /// Its name.
        input: &'static str,
        /// What is wrong with it.
        #[source]
        source: RulesError,
    },
    /// `context` is neither `workflow` nor `git`.
    #[error("the input `context` is `{0}`; it must be `workflow` or `git`")]
    Source(String),
    /// `DOCKER_METADATA_SET_OUTPUT_ENV` is not a boolean.
    #[error("DOCKER_METADATA_SET_OUTPUT_ENV is `{0}`; it must be `true` or `false`")]
    SetOutputEnv(String),
    /// Nothing says which repository this is.
    #[error("neither GITHUB_REPOSITORY nor the event says which repository this is")]
    Repository,
    /// The event file holds `null`.
    #[error("the event file says nothing")]
    Payload,
    /// The event's commits are something else.
    #[error("`commits` of the event is not a list of commits")]
    Commits,
    /// A rule that cannot be applied.
    #[error(transparent)]
    Rules(#[from] RulesError),
}
