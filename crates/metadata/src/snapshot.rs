//! The captured world: everything that decides tags and labels, as data.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::Model;

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// Everything that decides tags and labels, taken at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The working directory's repository; none outside of one.
    pub git: Option<Git>,
    /// What CI says happened; none on a laptop.
    pub event: Option<Event>,
    /// The model that the image serves, where there is one.
    pub model: Option<Model>,
    /// The time.
    pub clock: Clock,
}

/// The instant of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the snapshot was taken.
    pub now: Timestamp,
    /// `SOURCE_DATE_EPOCH`: the instant that `created` must say.
    pub source_date_epoch: Option<Timestamp>,
}

/// The state of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    /// The commit that HEAD names, in full.
    pub commit: String,
    /// The committer's date of that commit.
    pub commit_date: Option<Timestamp>,
    /// The branch that is checked out; none when HEAD is detached.
    pub branch: Option<String>,
    /// Tags that name the commit.
    pub tags: Vec<String>,
    /// Branches of remotes that end at the commit, without the remote's name, each once.
    pub remote_branches: Vec<String>,
    /// The branch that the remote calls its default (`origin/HEAD`).
    pub default_branch: Option<String>,
    /// Where the repository comes from (`remote.origin.url`), without credentials.
    pub remote: Option<String>,
    /// Whether tracked files differ from the commit.
    pub dirty: bool,
    /// Whether history is cut off, so that nothing older can be seen.
    pub shallow: bool,
}

/// A value, and the variable, field or command that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The value.
    pub value: String,
    /// Where it was read, as a person would look it up: `GITHUB_REF`, `event.pull_request.head.sha`.
    pub origin: String,
}

/// What CI says happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Which CI system, in its own spelling.
    pub system: &'static str,
    /// The event in GitHub's words: `push`, `pull_request`, `schedule`, `workflow_dispatch` ….
    pub name: Option<Fact>,
    /// The full ref: `refs/heads/…`, `refs/tags/…`, `refs/pull/N/merge`.
    pub reference: Option<Fact>,
    /// The commit.
    pub commit: Option<Fact>,
    /// When the commit was made.
    pub commit_date: Option<Timestamp>,
    /// The branch that a pull request goes into, or that a tag was pushed from.
    pub base: Option<Fact>,
    /// The repository's default branch.
    pub default_branch: Option<Fact>,
    /// The repository, as far as CI describes it.
    pub repository: Repository,
}

/// A repository as its forge describes it; empty where unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// The repository's name, without its owner.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// Its page.
    pub url: String,
    /// The SPDX id of its licence.
    pub license: String,
}
