//! Appending for the release verbs: the log begins where it must, races are tried again, and what happened is said.

use std::sync::Arc;
use std::time::Instant;

use wharf_ledger::{
    Appended, Arbiter, ArbiterError, Decision, Head, Kind, LogName, Options, Refusal, Situation, Tier,
    append_decided, begin,
};
use wharf_registry::{Document, Store};

use super::failure::{refused, unwritten};
use super::git_ref::GitRef;
use super::place::Place;
use crate::commands::registry_failure;
use crate::exit::Failure;
use crate::world::World;

/// How an entry is to be written.
#[derive(Default)]
pub(crate) struct How<'a> {
    /// The release's document, where it is at hand.
    pub(crate) document: Option<&'a Document>,
    /// Where the log ends, where that was just looked up.
    pub(crate) looked: Option<(Instant, &'a Head)>,
    /// Look for forks: promotions do.
    pub(crate) look_for_forks: bool,
    /// Go on without the commit point of tier T2.
    pub(crate) emergency: bool,
}

/// Appends what `decide` wants. A refusal that changes nothing is the inner error.
pub(crate) fn append(
    world: &World,
    place: &Place,
    log: &LogName,
    op_id: &str,
    how: &How<'_>,
    decide: impl FnMut(&Situation<'_>) -> Decision<Refusal>,
) -> Result<Result<Appended, Refusal>, Failure> {
    let arbiters =
        |remote: &str| -> Result<Arc<dyn Arbiter>, ArbiterError> { Ok(Arc::new(GitRef::new(remote, log)?)) };
    let options = Options {
        arbiters: Some(&arbiters),
        emergency: how.emergency,
        looked: how.looked,
        document: how.document,
        look_for_forks: how.look_for_forks,
    };
    let work = append_decided(place.store.as_ref(), log, op_id, &options, decide);
    let appended = world.runtime.block_on(work).map_err(unwritten)?;
    if let Ok(appended) = &appended {
        for tag in &appended.stuck {
            world.progress.note(&format!(
                "warning: {} does not let the tag `{tag}` move; readers find the entry without it",
                place.name()
            ));
        }
    }
    Ok(appended)
}

/// Whether a refusal only says that there is nothing to do.
pub(crate) fn is_nothing_to_do(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Already { .. } | Refusal::NotHeld(_))
}

/// The entry, or the failure that a refusal is.
pub(crate) fn or_refused(result: Result<Appended, Refusal>, place: &Place) -> Result<Appended, Failure> {
    result.map_err(|refusal| refused(refusal, &place.name()))
}

/// Begins a log: tries the registry, and records what it can promise. Another writer's beginning is as good.
pub(crate) fn begin_log(
    world: &World,
    place: &Place,
    log: &LogName,
    tier: Option<Tier>,
) -> Result<Result<Begun, Refusal>, Failure> {
    let (tier, why) = match tier {
        Some(tier) => (tier, "as asked for".to_owned()),
        None => {
            let store: Arc<dyn Store> = place.store.clone();
            let nonce = uuid::Uuid::new_v4().simple().to_string();
            let probe = wharf_ledger::probe(&store, log, &nonce[..12]);
            let probed = world.runtime.block_on(probe).map_err(registry_failure)?;
            (probed.tier, probed.why)
        }
    };
    let op_id = uuid::Uuid::new_v4().to_string();
    let mut record = super::record(log, Kind::Genesis, &op_id, None);
    record.reason = Some(format!("{tier}: {why}"));
    let appended =
        append(world, place, log, &op_id, &How::default(), |situation| begin(situation, &record, &tier))?;
    Ok(appended.map(|appended| Begun { tier, why, appended }))
}

/// A log that has begun.
pub(crate) struct Begun {
    /// Its tier.
    pub(crate) tier: Tier,
    /// What the probe saw.
    pub(crate) why: String,
    /// Its first entry.
    pub(crate) appended: Appended,
}
