//! One line of the ledger: who did what, when, with which bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wharf_oci::Digest;

/// The version of the record format that this crate writes.
pub(crate) const FORMAT: u32 = 1;

/// What a log is about: `ship` for what was shipped, else the name of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogName(String);

/// A name that cannot be part of the ledger's tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a log: 1 to 32 lower-case letters, digits and dashes")]
pub struct LogNameError(String);

impl LogName {
    /// The log of what was shipped, whatever environment it went to later.
    pub fn ship() -> Self {
        Self("ship".into())
    }

    /// The tag of the entry with number `seq`.
    pub fn slot(&self, seq: u64) -> String {
        format!("wharf.{self}.{seq:010}")
    }

    /// The tag that hints at the newest entry; it may lag behind.
    pub fn head(&self) -> String {
        format!("wharf.{self}.head")
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogName {
    type Err = LogNameError;

    fn from_str(text: &str) -> Result<Self, LogNameError> {
        let valid = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if valid { Ok(Self(text.into())) } else { Err(LogNameError(text.into())) }
    }
}

impl TryFrom<String> for LogName {
    type Error = LogNameError;

    fn try_from(text: String) -> Result<Self, LogNameError> {
        text.parse()
    }
}

impl From<LogName> for String {
    fn from(name: LogName) -> Self {
        name.0
    }
}

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
    /// What it was done with.
    pub release: Release,
    /// The commit that the release was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The model inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// What was checked, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Who.
    pub actor: Actor,
    /// When, RFC 3339 in UTC. For people: order is `seq`, never time.
    pub time: String,
    /// What this version of the format does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// What an entry says was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A release was built, checked and published.
    Ship,
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

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The CI system's actor, the git user, or the login name.
    pub name: String,
    /// The address of the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_sort_as_numbers_do_and_are_valid_tags() {
        let log = LogName::ship();
        assert_eq!(log.slot(42), "wharf.ship.0000000042");
        assert!(log.slot(9) < log.slot(10));
        assert!(wharf_oci::is_valid_tag(&log.slot(u64::MAX)) && wharf_oci::is_valid_tag(&log.head()));
    }

    #[test]
    fn names_that_would_break_a_tag_are_refused() {
        for bad in ["", "Prod", "a.b", "a/b", &"a".repeat(33)] {
            assert!(bad.parse::<LogName>().is_err(), "{bad:?}");
        }
    }
}
