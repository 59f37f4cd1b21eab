//! Appending for the release verbs: the log begins where it must, races are tried again, and what happened is said.

use std::collections::BTreeMap;
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
use crate::signing::{self, PrivateKey};
use crate::world::World;

/// Names the key that `wharf sign` signs with. Where it is set, every entry is signed too.
const SIGN_KEY: &str = "WHARF_SIGN_KEY";

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
    // A key that cannot be read is found out before anything is written.
    let key = std::env::var(SIGN_KEY).ok().map(|path| PrivateKey::read(&path)).transpose()?;
    let work = append_decided(place.store.as_ref(), log, op_id, &options, decide);
    let appended = world.runtime.block_on(work).map_err(unwritten)?;
    if let Ok(appended) = &appended {
        if let Some(key) = &key {
            sign(world, place, log, appended, key)?;
        }
        for tag in &appended.stuck {
            world.progress.note(&format!(
                "warning: {} does not let the tag `{tag}` move; readers find the entry without it",
                place.name()
            ));
        }
    }
    Ok(appended)
}

/// Signs an entry, as a release is signed. Whoever dies before it leaves an entry that `wharf fsck` calls unsigned.
fn sign(
    world: &World,
    place: &Place,
    log: &LogName,
    appended: &Appended,
    key: &PrivateKey,
) -> Result<(), Failure> {
    let (store, repository) = (place.store.as_ref(), place.reference.name());
    let says = BTreeMap::from([("dev.wharf.entry".to_owned(), format!("{log}@{}", appended.record.seq))]);
    let work = async {
        let there = signing::signatures(store, &appended.digest).await?;
        if there.iter().any(|signature| signature.holds(&appended.digest, &key.public())) {
            return Ok(());
        }
        signing::sign(store, &repository, &appended.digest, key, &says).await.map(drop)
    };
    world.runtime.block_on(work).map_err(|failure: Failure| {
        failure.context(format!("entry {} of {log} is written, and signing it failed", appended.record.seq))
    })
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
