//! What may be done in an environment, decided over its newest entry. Pure: nothing here asks a registry, so it
//! is asked again whenever another writer was faster.

use wharf_oci::{Descriptor, Digest, digest};

use crate::append::{Decision, Draft, Situation};
use crate::record::{Kind, Record};
use crate::state::{Hold, Placed, Quarantined, State};
use crate::tier::Tier;

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was ever promoted there.
    #[error("nothing was ever promoted to {0}")]
    Empty(String),
    /// The log has begun; there is nothing to begin.
    #[error("{log} has begun already, on {tier}")]
    Begun {
        /// The log.
        log: String,
        /// Its tier.
        tier: Tier,
    },
    /// The environment runs something else than the caller thinks.
    #[error("{log} runs {found}, not {expected}")]
    Unexpected {
        /// The log.
        log: String,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The digest is quarantined.
    #[error("{} ({}) is quarantined in {log} since entry {}: {}", .entry.version, digest::short(&.entry.digest, 12), .entry.seq, .entry.reason)]
    Quarantined {
        /// The log.
        log: String,
        /// Since when and why.
        entry: Box<Quarantined>,
    },
    /// Promotions are held.
    #[error("promotions to {log} are held since entry {} by {}: {}", .hold.seq, .hold.by, .hold.reason)]
    Held {
        /// The log.
        log: String,
        /// Since when and why.
        hold: Box<Hold>,
    },
    /// There are two sides, and which one counts is not known.
    #[error("{log} has forked: {fork}")]
    Forked {
        /// The log.
        log: String,
        /// What was found.
        fork: String,
    },
    /// The release runs already.
    #[error("{} runs in {log} already, since entry {}", .current.release.version, .current.seq)]
    Already {
        /// The log.
        log: String,
        /// What runs.
        current: Box<Placed>,
    },
    /// There is nothing before the current release.
    #[error("{0} has no earlier release to go back to that is not quarantined")]
    NothingBefore(String),
    /// Nothing holds promotions.
    #[error("promotions to {0} are not held")]
    NotHeld(String),
}

/// A promotion that is asked for.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// Who, when, why, with what evidence; the release in it goes to the environment.
    pub record: Record,
    /// The release's descriptor.
    pub release: Descriptor,
    /// What must run now.
    pub expect: Option<Expectation>,
}

/// What a caller thinks that an environment runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    Nothing,
    /// A digest, or its first digits.
    Digest(String),
    /// A version.
    Version(String),
}

impl Expectation {
    /// As it was typed: `none`, a digest or its first digits, or a version.
    pub fn parse(text: &str) -> Self {
        let hex = text.strip_prefix("sha256:");
        let digits = hex.unwrap_or(text);
        let is_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match text {
            "none" => Self::Nothing,
            _ if is_hex && (hex.is_some() || digits.len() >= 12) => Self::Digest(digits.into()),
            _ => Self::Version(text.into()),
        }
    }

    fn holds(&self, current: Option<&Placed>) -> bool {
        match (self, current) {
            (Self::Nothing, None) => true,
            (Self::Digest(digits), Some(placed)) => {
                placed.release.digest.digest().starts_with(digits.as_str())
            }
            (Self::Version(version), Some(placed)) => is_version(placed, version),
            _ => false,
        }
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Digest(text) | Self::Version(text) => f.write_str(text),
        }
    }
}

/// Whether `text` names the placed release: its version, with or without `v`, or one of its tags.
pub fn is_version(placed: &Placed, text: &str) -> bool {
    let bare = |text: &str| text.strip_prefix('v').unwrap_or(text).to_owned();
    let release = &placed.release;
    bare(&release.version) == bare(text) || release.tags.iter().any(|tag| tag == text)
}

/// A log's first entry.
///
/// # Errors
///
/// When it has begun.
pub fn begin(situation: &Situation<'_>, record: &Record, tier: &Tier) -> Decision<Refusal> {
    match situation.state() {
        Some(state) => Err(Refusal::Begun { log: record.log.to_string(), tier: state.tier.clone() }),
        None => Ok(Draft { record: record.clone(), release: None, begins: Some(tier.clone()) }),
    }
}

/// A release goes to an environment.
///
/// # Errors
///
/// When it is quarantined, the environment is held or forked, runs something unexpected, or runs it already.
pub fn promote(situation: &Situation<'_>, asked: &Promotion) -> Decision<Refusal> {
    let log = asked.record.log.to_string();
    let state = situation.state().ok_or_else(|| Refusal::Empty(log.clone()))?;
    unforked(situation, &log)?;
    let digest = &asked.release.digest;
    if let Some(entry) = state.quarantined(digest) {
        return Err(Refusal::Quarantined { log, entry: Box::new(entry.clone()) });
    }
    expected(state, asked.expect.as_ref(), &log)?;
    if let Some(current) = state.current.as_ref().filter(|current| current.release.digest == *digest) {
        return Err(Refusal::Already { log, current: Box::new(current.clone()) });
    }
    if let Some(hold) = &state.hold {
        return Err(Refusal::Held { log, hold: Box::new(hold.clone()) });
    }
    let record = Record {
        kind: Kind::Promote,
        from: state.current.as_ref().map(|current| current.release.digest.clone()),
        quarantine: state.quarantine_digests(),
        ..asked.record.clone()
    };
    Ok(Draft { record, release: Some(asked.release.clone()), begins: None })
}

/// A rollback that is asked for.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// Who, when, why.
    pub record: Record,
    /// Where to, if not to the last verified release.
    pub target: Option<Placed>,
    /// What must run now.
    pub expect: Option<Expectation>,
}

/// An earlier release comes back; what ran is quarantined, and promotions are held.
///
/// # Errors
///
/// When there is nothing to go back to, something unexpected runs, or the log has forked and the target is not
/// known to both sides.
pub fn roll_back(situation: &Situation<'_>, asked: &Rollback) -> Decision<Refusal> {
    let log = asked.record.log.to_string();
    let state = situation.state().ok_or_else(|| Refusal::Empty(log.clone()))?;
    let current = state.current.as_ref().ok_or_else(|| Refusal::Empty(log.clone()))?;
    expected(state, asked.expect.as_ref(), &log)?;
    let target = match &asked.target {
        Some(target) => target,
        None => state.rollback_target().ok_or_else(|| Refusal::NothingBefore(log.clone()))?,
    };
    if target.release.digest == current.release.digest {
        return Err(Refusal::Already { log, current: Box::new(current.clone()) });
    }
    if let Some(entry) = state.quarantined(&target.release.digest) {
        return Err(Refusal::Quarantined { log, entry: Box::new(entry.clone()) });
    }
    for fork in situation.forks {
        let known = |state: &State| state.placed().any(|p| p.release.digest == target.release.digest);
        let other = fork.other_side().and_then(|entry| entry.record.state.as_deref());
        if !other.is_some_and(known) {
            return Err(Refusal::Forked { log, fork: fork.to_string() });
        }
    }
    let mut quarantine = state.quarantine_digests();
    quarantine.push(current.release.digest.clone());
    let record = Record {
        kind: Kind::Rollback,
        release: Some(target.release.clone()),
        from: Some(current.release.digest.clone()),
        commit: target.commit.clone(),
        model: target.model.clone(),
        quarantine,
        ..asked.record.clone()
    };
    Ok(Draft { record, release: Some(target.descriptor()), begins: None })
}

/// Something is said about what runs: held, released, seen at work. The record's kind says which.
///
/// # Errors
///
/// When nothing runs there, or a release of a hold that is not there is asked for.
pub fn remark(situation: &Situation<'_>, record: &Record, pardon: &[Digest]) -> Decision<Refusal> {
    let log = record.log.to_string();
    let state = situation.state().ok_or_else(|| Refusal::Empty(log.clone()))?;
    let current = state.current.as_ref();
    match record.kind {
        Kind::Observe => {
            let current = current.ok_or_else(|| Refusal::Empty(log.clone()))?;
            let seen = record.release.as_ref().map(|release| &release.digest);
            if let Some(seen) = seen.filter(|seen| **seen != current.release.digest) {
                return Err(Refusal::Unexpected {
                    log,
                    expected: digest::short(seen, 12).into(),
                    found: current.release.version.clone(),
                });
            }
        }
        Kind::Unhold if state.hold.is_none() && pardon.is_empty() => return Err(Refusal::NotHeld(log)),
        _ => {}
    }
    let quarantine =
        state.quarantine_digests().into_iter().filter(|digest| !pardon.contains(digest)).collect();
    let record = Record {
        release: current.map(|current| current.release.clone()),
        commit: current.and_then(|current| current.commit.clone()),
        model: current.and_then(|current| current.model.clone()),
        quarantine,
        ..record.clone()
    };
    Ok(Draft { record, release: current.map(Placed::descriptor), begins: None })
}

fn expected(state: &State, expect: Option<&Expectation>, log: &str) -> Result<(), Refusal> {
    match expect {
        Some(expect) if !expect.holds(state.current.as_ref()) => Err(Refusal::Unexpected {
            log: log.into(),
            expected: expect.to_string(),
            found: state.current.as_ref().map_or_else(
                || "nothing".into(),
                |current| format!("{} ({})", current.release.version, current.release.digest),
            ),
        }),
        _ => Ok(()),
    }
}

fn unforked(situation: &Situation<'_>, log: &str) -> Result<(), Refusal> {
    match situation.forks.first() {
        Some(fork) => Err(Refusal::Forked { log: log.into(), fork: fork.to_string() }),
        None => Ok(()),
    }
}
