//! The tags that follow a log: the environment's own, and the hint. They are conveniences that a crash leaves
//! behind; what counts is the log.

use wharf_oci::Digest;
use wharf_registry::{Cause, Condition, Document, Name, Store};

use crate::name::LogName;
use crate::view::{Head, Latest, ViewError};

/// How the environment's tag stands to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HumanTag {
    /// It names the release that the log says, or the log has none and neither has the tag.
    Right,
    /// It is not there.
    Absent,
    /// It names a release that ran here before: a writer stopped before it moved the tag.
    Behind(Digest),
    /// It names something that the log does not know: it was moved outside of wharf.
    Foreign(Digest),
}

/// How the environment's tag stands.
///
/// # Errors
///
/// When the registry fails.
pub async fn human_tag(store: &dyn Store, log: &LogName, newest: &Latest) -> Result<HumanTag, ViewError> {
    let Some(tag) = log.human() else { return Ok(HumanTag::Right) };
    let found = store.head(Name::Tag(tag)).await;
    let found = found.map_err(|source| ViewError::store(&store.place(), source))?.map(|found| found.digest);
    let state = newest.record.state.as_deref();
    let current = state.and_then(|state| state.current.as_ref()).map(|placed| &placed.release.digest);
    Ok(match (found, current) {
        (None, None) => HumanTag::Right,
        (None, Some(_)) => HumanTag::Absent,
        (Some(found), Some(current)) if found == *current => HumanTag::Right,
        (Some(found), _) => {
            let known = state.is_some_and(|state| state.recent.iter().any(|p| p.release.digest == found));
            if known { HumanTag::Behind(found) } else { HumanTag::Foreign(found) }
        }
    })
}

/// Points the environment's tag, then the hint, at `newest`. Returns the tags that the registry refuses to move:
/// readers find the way without them.
///
/// # Errors
///
/// When the registry fails.
pub async fn point(store: &dyn Store, log: &LogName, newest: &Latest) -> Result<Vec<String>, ViewError> {
    point_with(store, log, newest, None, true).await
}

/// [`point`], with the release's document where the caller has it, and without touching the environment's tag
/// where the entry did not change what runs.
pub(crate) async fn point_with(
    store: &dyn Store,
    log: &LogName,
    newest: &Latest,
    release: Option<&Document>,
    human: bool,
) -> Result<Vec<String>, ViewError> {
    let mut refused = Vec::new();
    let state = newest.record.state.as_deref();
    let current = state.and_then(|state| state.current.as_ref());
    if let (Some(tag), Some(current), true) = (log.human(), current, human) {
        let known = release.filter(|document| document.descriptor.digest == current.release.digest);
        let document = match known {
            Some(document) => Some(document.clone()),
            None => {
                let found = store.manifest(Name::Digest(&current.release.digest)).await;
                found.map_err(|source| ViewError::store(&store.place(), source))?
            }
        };
        // A release that is gone cannot be pointed at; `fsck` and `status` say so.
        if let Some(document) = document {
            put(store, tag, &document, &mut refused).await?;
        }
    }
    put(store, &log.head(), &newest.document, &mut refused).await?;
    Ok(refused)
}

async fn put(
    store: &dyn Store,
    tag: &str,
    document: &Document,
    refused: &mut Vec<String>,
) -> Result<(), ViewError> {
    match store.put_manifest(Name::Tag(tag), document, Condition::Always).await {
        Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => refused.push(tag.into()),
        result => result.map_err(|source| ViewError::store(&store.place(), source))?,
    }
    Ok(())
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// The tags that were moved to where the log is.
    pub moved: Vec<String>,
    /// What the environment's tag names, where somebody moved it outside of wharf. It is left alone.
    pub foreign: Option<Digest>,
}

/// Moves pointers that a crash left behind. A tag that was moved outside of wharf is left as it is.
///
/// # Errors
///
/// When the registry fails.
pub async fn repair(store: &dyn Store, log: &LogName, head: &Head) -> Result<Repaired, ViewError> {
    let newest = &head.entry;
    let mut repaired = Repaired::default();
    let human = match human_tag(store, log, newest).await? {
        HumanTag::Right => false,
        HumanTag::Absent | HumanTag::Behind(_) => true,
        HumanTag::Foreign(found) => {
            repaired.foreign = Some(found);
            false
        }
    };
    let hint = head.stray.is_none() && head.hint.as_ref() != Some(&newest.digest);
    if human || hint {
        let refused = point_with(store, log, newest, None, human).await?;
        let tags = log.human().filter(|_| human).map(str::to_owned).into_iter();
        let tags = tags.chain(hint.then(|| log.head()));
        repaired.moved = tags.filter(|tag| !refused.contains(tag)).collect();
    }
    Ok(repaired)
}
