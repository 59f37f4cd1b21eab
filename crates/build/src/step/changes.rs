//! `COPY` of files that were copied before: only what differs is written, on top of the snapshot of that copy.
//!
//! What the copy comes upon at its destination is the same as then (the same step, on the same layers), so writing
//! some of the entries gives what writing all of them would. Wherever that is not plain, nothing is given, and the
//! whole is copied: where something is removed that lower layers have, too, and where one entry takes the place of
//! another.

use std::path::PathBuf;

use super::copy::{is_archive_at, target, warn_of_change, workspace};
use super::inputs::Inputs;
use super::key::Parts;
use super::{Done, Request};
use crate::copy::{Listing, copy_to, place};
use crate::error::{Cause, StepError};
use crate::id::{Hasher, Id};
use crate::plan::{CopyOp, CopySource};
use crate::session::Session;
use crate::snapshot::make_delta;
use crate::tree::Pick;

/// What a copy is listed under: the same step on the same layers, whatever files it takes. `None` if it is not
/// listed.
pub(super) fn key(session: &Session<'_>, request: &Request<'_>, op: &CopyOp, parts: &Parts) -> Option<Id> {
    let is_path = |source: &CopySource| matches!(source, CopySource::Path { .. });
    // A flat snapshot is that of all layers together.
    let is_listed = op.sources.iter().all(is_path) && !session.engine.is_flat();
    is_listed.then(|| Hasher::new("listing").id(&request.slot).id(&parts.apart_from_files()).finish())
}

/// Copies what differs from the copy that is listed under `key`, if there is one that helps.
pub(super) fn copy(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &CopyOp,
    inputs: &mut Inputs,
    key: &Id,
) -> Result<Option<Done>, StepError> {
    let engine = session.engine;
    let Some((diff_id, listing)) = engine.state.copy(key)?.filter(|_| !request.no_cache) else {
        return Ok(None);
    };
    let (Some(before), Some(snapshot), Some(digests)) =
        (Listing::decode(&listing), engine.use_snapshot(&diff_id), inputs.digests())
    else {
        return Ok(None);
    };
    engine.state.touch_copy(key)?;

    let workspace = workspace(session, request, op, inputs)?;
    let Some(found) = inputs.found(session)? else { return Ok(None) };
    let source = found.files.tree();
    let is_archive = |pick| op.unpack && is_archive_at(source, pick);
    if found.picks.iter().flatten().any(is_archive) {
        return Ok(None);
    }
    let (changed, gone) = {
        let root = workspace.tree()?;
        let target = target(session, request, op, &root)?;
        let (mut now, mut digests) = (Listing::default(), digests.into_iter());
        let mut places = Vec::new();
        for (asked, picks) in op.sources.iter().zip(&found.picks) {
            let parents = matches!(asked, CopySource::Path { parents: Some(_), .. });
            for pick in picks {
                let dest = place(pick, &target)?;
                let listed = now.add(source, pick, &mut digests, &dest, &target.attributes);
                if !listed.map_err(Cause::file("reading", &pick.path))? {
                    return Ok(None);
                }
                places.push((pick, dest, parents));
            }
        }
        let changes = now.since(&before);
        let written = |(pick, dest, parents): (&Pick, PathBuf, bool)| {
            changes.of(pick, &dest).map(|pick| (pick, dest, parents))
        };
        let written: Vec<(Pick, PathBuf, bool)> = places.into_iter().filter_map(written).collect();
        let is_unknown = !changes.gone.is_empty() && workspace.sketch.is_some();
        if is_unknown || !now.is_worth_delta(written.iter().map(|(pick, ..)| pick)) {
            return Ok(None);
        }
        let size = written.iter().map(|(pick, ..)| pick.size()).sum();
        crate::space::require(root.path(), size, "copying the files")?;
        let mut changed = None;
        for (pick, dest, parents) in &written {
            changed = changed.or(copy_to(source, pick, dest, *parents, &target)?);
        }
        for path in &changes.gone {
            if root.meta(path).map_err(Cause::file("looking up", path))?.is_some() {
                return Ok(None);
            }
        }
        (changed, changes.gone)
    };
    warn_of_change(session, changed.as_deref());
    let (mut written, sketch) = workspace.close();
    if !make_delta(&written.upper, &gone, engine.opaque())? {
        return Ok(None);
    }
    written.beneath = Some(snapshot);
    if let Some(sketch) = sketch {
        for directory in written.directories() {
            session.snapshots.fill(&sketch, &sketch.repeats(directory))?;
        }
    }
    Ok(Some(Done { written, forget: changed.is_some(), listing: None }))
}
