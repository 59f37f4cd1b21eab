//! One line of the ledger: who did what, when, with which bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_oci::Digest;

use crate::name::LogName;
use crate::state::State;

/// The version of the record format that this crate writes.
pub(crate) const FORMAT: u32 = 1;

/// The content of an entry. Unknown fields of later versions are kept, so that a rewritten record is not a
/// poorer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format's version.
    pub v: u32,
    /// The log it is part of.
    pub log: LogName,
    /// Its place in the log, from 1.
    pub seq: u64,
    /// The digest of the entry before it; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Digest>,
    /// The command that wrote it; the same operation twice is one entry.
    pub op_id: String,
    /// What was done.
    pub kind: Kind,
    /// What it was done with: the release that runs once the entry stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// What ran before, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// The commit that the release was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The model inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// What was checked before the release was published, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What speaks for the release where it was promoted, and what was looked for and missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// The commit that carried the release into the deployment configs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_commit: Option<String>,
    /// Who.
    pub actor: Actor,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, RFC 3339 in UTC. For people: order is `seq`, never time.
    pub time: String,
    /// Digests that must not be promoted here, this entry's included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Digest>,
    /// Entries that lost a fork and are given up by this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolves: Vec<String>,
    /// The environment once this entry stands: the log up to here, folded. `wharf fsck` folds it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<State>>,
    /// What this version of the format does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Record {
    /// A record of `kind` with nothing in it but who and when. Its place is given when it is appended.
    pub fn new(
        log: LogName,
        kind: Kind,
        op_id: impl Into<String>,
        actor: Actor,
        time: impl Into<String>,
    ) -> Self {
        Self {
            v: FORMAT,
            log,
            seq: 0,
            parent: None,
            op_id: op_id.into(),
            kind,
            release: None,
            from: None,
            commit: None,
            model: None,
            gates: Vec::new(),
            evidence: Vec::new(),
            config_commit: None,
            actor,
            reason: None,
            time: time.into(),
            quarantine: Vec::new(),
            resolves: Vec::new(),
            state: None,
            other: BTreeMap::new(),
        }
    }
}

/// What an entry says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A release was built, checked and published.
    Ship,
    /// The log began; how its entries are committed was settled.
    Genesis,
    /// A release was put into the environment.
    Promote,
    /// An earlier release was put back.
    Rollback,
    /// Promotions stop until further notice.
    Hold,
    /// They go on.
    Unhold,
    /// The release was seen at work: it is verified.
    Observe,
    /// The state so far, for readers; also what closes a fork.
    Checkpoint,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ship => "ship",
            Self::Genesis => "genesis",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::Observe => "observe",
            Self::Checkpoint => "checkpoint",
        })
    }
}

/// An image digest with a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The repository as people write it.
    pub name: String,
    /// The version that its tags carry.
    pub version: String,
    /// What it is: the digest of its manifest or index.
    pub digest: Digest,
    /// The tags it was published under.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its full hash.
    pub sha: String,
    /// The ref that was built, such as `refs/heads/main`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The tree had changes that no commit has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    /// Where the repository is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// The model inside a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The artifact's path in the project.
    pub path: String,
    /// The artifact's digest.
    pub digest: Digest,
}

/// A check that may stop a ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// `smoke`, `scan`, …
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// In a few words, why.
    pub detail: String,
}

/// What came of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was green.
    Passed,
    /// It was red, and somebody decided to go on.
    Overridden,
    /// It was not run.
    Skipped,
}

/// Something that speaks for a release, or the lack of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// `scan`, `smoke`, `sbom`, `provenance`, `signature`, `staging`, `approval`.
    pub kind: String,
    /// What was found.
    pub verdict: Standing,
    /// The document that says so, in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// In a few words.
    pub detail: String,
}

/// How a piece of evidence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It speaks for the release.
    Passed,
    /// It speaks against it.
    Failed,
    /// It is too old to say anything.
    Stale,
    /// There is none.
    Missing,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The CI system's actor, the git user, or the login name.
    pub name: String,
    /// The address of the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}
