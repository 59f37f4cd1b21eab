//! The ledger record of a ship.

use std::collections::BTreeMap;

use serde_json::Value;
use wharf_ledger::{Commit, Gate, Kind, LogName, Model, Record, Release};
use wharf_metadata::Snapshot;
use wharf_oci::Digest;

use super::plan::{Plan, Target};
use crate::actor;
use crate::publishing::Moves;

/// What the record says beside the plan.
pub(super) struct Facts<'a> {
    /// This run of wharf.
    pub(super) op_id: &'a str,
    /// What was published.
    pub(super) digest: &'a Digest,
    /// What was checked.
    pub(super) gates: &'a [Gate],
    /// The model inside.
    pub(super) model: Option<&'a Model>,
}

/// The record for one target; its place in the log is filled in when it is appended.
pub(super) fn record(
    plan: &Plan,
    target: &Target,
    moves: &Moves,
    snapshot: &Snapshot,
    facts: &Facts<'_>,
) -> Record {
    let now = snapshot.clock.now.to_string();
    let mut record = Record::new(LogName::ship(), Kind::Ship, facts.op_id, actor::current(), now);
    record.release = Some(Release {
        name: target.repository.to_string(),
        version: plan.version.clone(),
        digest: facts.digest.clone(),
        tags: moves.tags.clone(),
    });
    record.commit = commit(snapshot);
    record.model = facts.model.cloned();
    record.gates = facts.gates.to_vec();
    record.other = insisted(moves);
    record
}

/// What only happened because somebody insisted, for whoever reads the history later.
fn insisted(moves: &Moves) -> BTreeMap<String, Value> {
    let overridden = Some(&moves.overridden).filter(|reasons| !reasons.is_empty());
    overridden.map(|reasons| ("overridden".to_owned(), reasons.clone().into())).into_iter().collect()
}

/// The commit that was built.
pub(super) fn commit(snapshot: &Snapshot) -> Option<Commit> {
    let event = snapshot.event.as_ref();
    let git = snapshot.git.as_ref();
    let of_event = event.and_then(|event| event.commit.as_ref()).map(|fact| fact.value.clone());
    Some(Commit {
        sha: of_event.or_else(|| git.map(|git| git.commit.clone()))?,
        git_ref: event
            .and_then(|event| event.reference.as_ref())
            .map(|fact| fact.value.clone())
            .or_else(|| git.and_then(|git| git.branch.as_ref()).map(|branch| format!("refs/heads/{branch}"))),
        dirty: git.is_some_and(|git| git.dirty),
        source: git.and_then(|git| git.remote.clone()),
    })
}
