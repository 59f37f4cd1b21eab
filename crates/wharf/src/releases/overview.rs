//! What is in an environment, as `wharf status`, the page and the other verbs show it.

use serde::Serialize;
use wharf_ledger::{Fork, Head, Hold, HumanTag, LogName, Placed, Quarantined, State};
use wharf_oci::Digest;
use wharf_registry::Store;

use super::failure::unreadable;
use crate::exit::Failure;

/// An environment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Environment {
    /// Its name.
    pub(crate) env: String,
    /// What runs: the version; none where nothing does.
    pub(crate) version: Option<String>,
    /// What runs: the digest.
    pub(crate) digest: Option<Digest>,
    /// The commit that it was built from.
    pub(crate) commit: Option<String>,
    /// The digest of the model inside.
    pub(crate) model: Option<Digest>,
    /// The model's path.
    pub(crate) model_path: Option<String>,
    /// Since when.
    pub(crate) since: Option<String>,
    /// By whom.
    pub(crate) by: Option<String>,
    /// Whether it was seen at work there.
    pub(crate) verified: bool,
    /// The newest entry of the log.
    pub(crate) entry: Entry,
    /// Why promotions are held.
    pub(crate) hold: Option<Hold>,
    /// What must not be promoted.
    pub(crate) quarantine: Vec<Quarantined>,
    /// Where a rollback goes.
    pub(crate) rollback_target: Option<Target>,
    /// Where the tag, the log and the configs disagree.
    pub(crate) drift: Vec<String>,
    /// Entries beside the log.
    pub(crate) forks: Vec<String>,
    /// Pointers that a crash left behind and that were moved.
    pub(crate) repaired: Vec<String>,
    /// How entries are committed: `T1`, `T2` or `T3`.
    pub(crate) tier: String,
    /// Everything that the newest entry says of the environment.
    #[serde(skip)]
    pub(crate) state: State,
}

/// An entry, named.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) seq: u64,
    /// What it says was done.
    pub(crate) kind: String,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// A release that a rollback goes to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    /// Its version.
    pub(crate) version: String,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Whether it was seen at work there.
    pub(crate) verified: bool,
}

impl Target {
    pub(crate) fn of(placed: &Placed) -> Self {
        Self {
            version: placed.release.version.clone(),
            digest: placed.release.digest.clone(),
            verified: placed.verified.is_some(),
        }
    }
}

/// Looks at an environment; `None` where it does not exist. Pointers that a crash left behind are moved, as far as
/// that is allowed.
pub(crate) async fn environment(store: &dyn Store, log: &LogName) -> Result<Option<Environment>, Failure> {
    let Some(head) = wharf_ledger::head(store, log).await.map_err(unreadable)? else { return Ok(None) };
    let announced = wharf_ledger::announced(store, log).await.map_err(unreadable)?;
    let forks = wharf_ledger::forks(store, log, &head, &announced).await.map_err(unreadable)?;
    let tag = wharf_ledger::human_tag(store, log, &head.entry).await.map_err(unreadable)?;
    let mut repaired = Vec::new();
    if forks.is_empty() {
        // Who may only read cannot repair, and need not.
        repaired = wharf_ledger::repair(store, log, &head).await.map(|done| done.moved).unwrap_or_default();
    }
    let mut drift = tag_drift(log, &head, &tag, &repaired);
    drift.extend(lagging_hint(log, &head, &repaired));
    Ok(Some(of(log, &head, drift, &forks, repaired)))
}

fn of(log: &LogName, head: &Head, drift: Vec<String>, forks: &[Fork], repaired: Vec<String>) -> Environment {
    let record = &head.entry.record;
    let state = record.state.as_deref().cloned().unwrap_or_else(|| State::new(wharf_ledger::Tier::Atomic));
    let current = state.current.as_ref();
    Environment {
        env: log.to_string(),
        version: current.map(|placed| placed.release.version.clone()),
        digest: current.map(|placed| placed.release.digest.clone()),
        commit: current.and_then(|placed| Some(placed.commit.as_ref()?.sha.clone())),
        model: current.and_then(|placed| Some(placed.model.as_ref()?.digest.clone())),
        model_path: current.and_then(|placed| Some(placed.model.as_ref()?.path.clone())),
        since: current.map(|placed| placed.since.clone()),
        by: current.map(|placed| placed.by.clone()),
        verified: current.is_some_and(|placed| placed.verified.is_some()),
        entry: Entry {
            seq: record.seq,
            kind: record.kind.to_string(),
            digest: head.entry.digest.clone(),
            reason: record.reason.clone(),
        },
        hold: state.hold.clone(),
        quarantine: state.quarantine.clone(),
        rollback_target: state.rollback_target().map(Target::of),
        drift,
        forks: forks.iter().map(ToString::to_string).collect(),
        repaired,
        tier: state.tier.name().into(),
        state,
    }
}

fn tag_drift(log: &LogName, head: &Head, tag: &HumanTag, repaired: &[String]) -> Vec<String> {
    let name = log.to_string();
    let ledger = head.entry.record.state.as_deref().and_then(|state| state.current.as_ref());
    let says = ledger.map_or_else(
        || "nothing".to_owned(),
        |current| format!("{} ({})", current.release.version, current.release.digest),
    );
    match tag {
        HumanTag::Foreign(found) => {
            vec![format!("moved outside wharf: the tag `{name}` names {found}, and the ledger says {says}")]
        }
        _ if repaired.contains(&name) => Vec::new(),
        HumanTag::Behind(found) => {
            vec![format!("the tag `{name}` is behind: it names {found}, and the ledger says {says}")]
        }
        HumanTag::Absent => vec![format!("the tag `{name}` is gone, and the ledger says {says}")],
        HumanTag::Right => Vec::new(),
    }
}

fn lagging_hint(log: &LogName, head: &Head, repaired: &[String]) -> Option<String> {
    let lags = head.hint.as_ref() != Some(&head.entry.digest) && head.stray.is_none();
    (lags && !repaired.contains(&log.head())).then(|| format!("the hint `{}` is behind the log", log.head()))
}
