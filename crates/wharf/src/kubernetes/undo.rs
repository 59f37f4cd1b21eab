//! A rollout that failed is taken back: the image that ran before, an entry in the ledger with quarantine and hold,
//! and the configs.

use wharf_ledger::{Expectation, Kind, LogName, Placed, Release, Rollback, roll_back};

use super::Plan;
use crate::exit::Failure;
use crate::releases::failure::unreadable;
use crate::releases::place::Place;
use crate::releases::write::{self, How};
use crate::releases::{configs, operation, record};
use crate::world::World;

/// Takes `failed` back, and is the failure that says so: each part, done or not, as none stops the others.
pub(crate) fn after_failure(
    world: &World,
    place: &Place,
    log: &LogName,
    plan: &Plan,
    flags: &configs::Flags,
    failed: &Release,
    reason: &anyhow::Error,
) -> Failure {
    let cause = format!("rollout of {} failed: {reason:#}", failed.version);
    let mut said = format!("the {cause}");
    said.push_str(&match plan.put_back(world, &cause) {
        Ok(()) => format!("\n  kubernetes  {} is back", plan.what.previous),
        Err(error) => format!("\n  kubernetes  {} is not back: {error:#}", plan.what.previous),
    });
    match ledger(world, place, log, failed, &cause) {
        Ok(Some((placed, seq, digest))) => {
            let version = &placed.release.version;
            said.push_str(&format!("\n  ledger      {log} is back at {version}, entry {seq}, and held"));
            let carried = configs::plan(place, log, flags, &placed.release)
                .and_then(|configs| configs.carry_out(world, log, Some((seq, &digest))));
            match carried {
                Ok(carried) => said.push_str(&format!("\n{}", carried.render().trim_end())),
                Err(error) => said.push_str(&format!("\n  configs     not changed back: {:#}", error.error)),
            }
        }
        Ok(None) => said.push_str("\n  ledger      nothing ran before, so the entry stays"),
        Err(error) => said.push_str(&format!("\n  ledger      not rolled back: {:#}", error.error)),
    }
    Failure::gate(said.trim_end()).hint(format!(
        "see why the pods do not start: kubectl --namespace {} describe deployment {}; then wharf hold {} --env \
         {log} --release",
        plan.what.namespace,
        plan.what.deployment,
        place.name()
    ))
}

/// The entry that goes back to what ran before. If something else runs by now, it stays.
fn ledger(
    world: &World,
    place: &Place,
    log: &LogName,
    failed: &Release,
    cause: &str,
) -> Result<Option<(Placed, u64, wharf_oci::Digest)>, Failure> {
    let head = world.runtime.block_on(wharf_ledger::head(place.store.as_ref(), log)).map_err(unreadable)?;
    let state = head.and_then(|head| head.entry.record.state.as_deref().cloned());
    let Some(before) = state.and_then(|state| state.recent.first().cloned()) else { return Ok(None) };
    let about = format!("{} after its rollout", failed.digest);
    let op_id = operation(None, Kind::Rollback, log, &about);
    let asked = Rollback {
        record: record(log, Kind::Rollback, &op_id, Some(cause)),
        target: Some(before.clone()),
        expect: Some(Expectation::parse(failed.digest.as_ref())),
    };
    let decide = |situation: &wharf_ledger::Situation<'_>| roll_back(situation, &asked);
    let appended = write::append(world, place, log, &op_id, &How::default(), decide)?;
    let appended = write::or_refused(appended, place)?;
    Ok(Some((before, appended.record.seq, appended.digest)))
}
