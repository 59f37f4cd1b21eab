//! What a log adds up to: what runs, what ran, what is held and what is quarantined. Pure.
//!
//! Every entry carries the state that it leads to, so a reader needs the newest entry only; `wharf fsck` folds
//! the log again and compares.

use serde::{Deserialize, Serialize};
use wharf_oci::{Descriptor, Digest, MediaType};

use crate::record::{Commit, Kind, Model, Record, Release};
use crate::tier::Tier;

/// How many earlier releases a state names: as far back as a rollback goes without reading the log.
pub const RECENT: usize = 20;
/// How many operations a state remembers, so that one that is run again is known.
const OPERATIONS: usize = 32;

/// An environment at one entry of its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How entries are committed here.
    pub tier: Tier,
    /// What runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Placed>,
    /// What ran before, newest first, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Placed>,
    /// Why nothing may be promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What must not be promoted here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Quarantined>,
    /// The newest operations and their entries, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
}

/// A release in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The entry that put it there last.
    pub seq: u64,
    /// The release.
    pub release: Release,
    /// The media type of its manifest or index.
    pub media_type: String,
    /// The size of its manifest or index.
    pub size: u64,
    /// What it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The model inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Since when, by the writer's clock.
    pub since: String,
    /// Who put it there.
    pub by: String,
    /// The entry that saw it at work here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<u64>,
}

/// A stop for promotions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The entry that holds.
    pub seq: u64,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub since: String,
}

/// A digest that must not be promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// What.
    pub digest: Digest,
    /// Its version.
    pub version: String,
    /// Since which entry.
    pub seq: u64,
    /// Why.
    pub reason: String,
}

/// An operation that the log has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The command's name for it.
    pub id: String,
    /// Its entry.
    pub seq: u64,
}

impl Placed {
    /// The release as an entry of an index.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(MediaType::from(self.media_type.as_str()), self.release.digest.clone(), self.size)
    }
}

impl State {
    /// The state of a log that begins under `tier`.
    pub fn new(tier: Tier) -> Self {
        Self {
            tier,
            current: None,
            recent: Vec::new(),
            hold: None,
            quarantine: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Why `digest` must not be promoted.
    pub fn quarantined(&self, digest: &Digest) -> Option<&Quarantined> {
        self.quarantine.iter().find(|entry| entry.digest == *digest)
    }

    /// The entry of an operation.
    pub fn operation(&self, id: &str) -> Option<u64> {
        self.operations.iter().find(|operation| operation.id == id).map(|operation| operation.seq)
    }

    /// The current release and those before it, newest first.
    pub fn placed(&self) -> impl Iterator<Item = &Placed> {
        self.current.iter().chain(&self.recent)
    }

    /// What a rollback goes to without being told: the newest earlier release that was verified here and is
    /// not quarantined. Where nothing was ever verified it is the one before, and `verified` says which.
    pub fn rollback_target(&self) -> Option<&Placed> {
        let current = self.current.as_ref().map(|placed| &placed.release.digest);
        let mut fit = self.recent.iter().filter(|placed| {
            Some(&placed.release.digest) != current && self.quarantined(&placed.release.digest).is_none()
        });
        let first = fit.clone().next();
        fit.find(|placed| placed.verified.is_some()).or(first)
    }

    /// The digests that must not be promoted.
    pub fn quarantine_digests(&self) -> Vec<Digest> {
        self.quarantine.iter().map(|entry| entry.digest.clone()).collect()
    }

    /// The state after `record`, whose release has `descriptor`.
    pub fn after(mut self, record: &Record, descriptor: Option<&Descriptor>) -> Self {
        match record.kind {
            Kind::Promote | Kind::Rollback => {
                if let (Some(release), Some(descriptor)) = (&record.release, descriptor) {
                    self.place(record, release, descriptor);
                }
                if record.kind == Kind::Rollback {
                    self.hold = Some(hold(record, "a rollback"));
                }
            }
            Kind::Hold => self.hold = Some(hold(record, "somebody's decision")),
            Kind::Unhold => self.hold = None,
            Kind::Observe => {
                let seen = record.release.as_ref().map(|release| &release.digest);
                if let Some(current) =
                    self.current.as_mut().filter(|current| Some(&current.release.digest) == seen)
                {
                    current.verified = Some(record.seq);
                }
            }
            Kind::Ship | Kind::Genesis | Kind::Checkpoint => {}
        }
        self.quarantine_as(record);
        self.operations.push(Operation { id: record.op_id.clone(), seq: record.seq });
        let surplus = self.operations.len().saturating_sub(OPERATIONS);
        self.operations.drain(..surplus);
        self
    }

    fn place(&mut self, record: &Record, release: &Release, descriptor: &Descriptor) {
        // A release that was verified here stays so when it comes back.
        let verified = self
            .placed()
            .find(|placed| placed.release.digest == release.digest)
            .and_then(|placed| placed.verified);
        let next = Placed {
            seq: record.seq,
            release: release.clone(),
            media_type: descriptor.media_type.to_string(),
            size: descriptor.size,
            commit: record.commit.clone(),
            model: record.model.clone(),
            since: record.time.clone(),
            by: record.actor.name.clone(),
            verified,
        };
        let before = self.current.replace(next);
        self.recent.retain(|placed| placed.release.digest != release.digest);
        if let Some(before) = before.filter(|before| before.release.digest != release.digest) {
            self.recent.retain(|placed| placed.release.digest != before.release.digest);
            self.recent.insert(0, before);
        }
        self.recent.truncate(RECENT);
    }

    /// The record's list is the whole list; what is new in it is quarantined by this entry.
    fn quarantine_as(&mut self, record: &Record) {
        self.quarantine.retain(|entry| record.quarantine.contains(&entry.digest));
        for digest in &record.quarantine {
            if self.quarantined(digest).is_none() {
                let version = self.placed().find(|placed| placed.release.digest == *digest);
                let version = version.map(|placed| placed.release.version.clone());
                self.quarantine.push(Quarantined {
                    digest: digest.clone(),
                    version: version.unwrap_or_else(|| "unknown".into()),
                    seq: record.seq,
                    reason: record
                        .reason
                        .clone()
                        .unwrap_or_else(|| format!("{} {}", record.kind, record.seq)),
                });
            }
        }
    }
}

fn hold(record: &Record, default: &str) -> Hold {
    Hold {
        seq: record.seq,
        reason: record.reason.clone().unwrap_or_else(|| default.into()),
        by: record.actor.name.clone(),
        since: record.time.clone(),
    }
}
