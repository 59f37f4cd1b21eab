//! Writing the next entry of a log.
//!
//! The distribution spec has no compare-and-swap, so a writer claims the slot after the head under the
//! condition that it is empty, and reads it back. Where the registry decides that condition atomically
//! there is exactly one winner; where it does not, the one that is read back has won. A loser starts
//! over from the new head.

use bytes::Bytes;
use wharf_oci::{Descriptor, Digest};
use wharf_registry::{Cause, Condition, Document, Name, Store};

use crate::entry::{Entry, EntryError};
use crate::record::{FORMAT, LogName, Record};
use crate::view::{Latest, ViewError, latest};

/// How often a writer that lost a slot starts over before it gives up.
const ATTEMPTS: u32 = 8;

/// An entry that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry's digest.
    pub digest: Digest,
    /// What it says, with its place in the log.
    pub record: Record,
}

/// Why an entry was not written. Nothing names what was uploaded for it, so nothing is half-done.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The registry refused a part of the entry.
    #[error("the ledger entry `{tag}` cannot be written to {place}")]
    Store {
        /// The registry and repository.
        place: String,
        /// The entry's tag.
        tag: String,
        /// Why.
        #[source]
        source: Box<wharf_registry::Error>,
    },
    /// The record does not make an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Other writers were faster every time.
    #[error("other writers took the next place in the ledger in {place} {ATTEMPTS} times in a row")]
    Lost {
        /// The registry and repository.
        place: String,
    },
}

/// Appends `record` to `log`; its version, place and parent are filled in here. `release` is the descriptor
/// of the record's release, which must be in the store.
///
/// Idempotent by `op_id`: a record whose operation is already the newest entry is not written again.
///
/// # Errors
///
/// When the registry fails, or the slot was lost too often (a race: trying again is right).
pub async fn append(
    store: &dyn Store,
    log: &LogName,
    record: Record,
    release: &Descriptor,
) -> Result<Appended, AppendError> {
    for _ in 0..ATTEMPTS {
        let head = latest(store, log).await?;
        if let Some(done) = head.as_ref().filter(|head| head.record.op_id == record.op_id) {
            return Ok(Appended { digest: done.digest.clone(), record: done.record.clone() });
        }
        let entry = Entry::new(next(log, head.as_ref(), record.clone()), release)?;
        if claim(store, log, &entry).await? {
            move_head(store, log, &entry).await?;
            return Ok(Appended { digest: entry.index.0.digest, record: entry.record });
        }
    }
    Err(AppendError::Lost { place: store.place() })
}

/// The record in its place after `head`. Pure.
fn next(log: &LogName, head: Option<&Latest>, record: Record) -> Record {
    Record {
        v: FORMAT,
        log: log.clone(),
        seq: head.map_or(1, |head| head.record.seq + 1),
        parent: head.map(|head| head.digest.clone()),
        ..record
    }
}

/// Publishes the entry in its slot; `false` when another writer has it.
async fn claim(store: &dyn Store, log: &LogName, entry: &Entry) -> Result<bool, AppendError> {
    let slot = log.slot(entry.record.seq);
    let failed =
        |source| AppendError::Store { place: store.place(), tag: slot.clone(), source: Box::new(source) };
    for (descriptor, bytes) in &entry.blobs {
        store.put_blob(descriptor, &Bytes::from(bytes.clone())).await.map_err(failed)?;
    }
    let [manifest, index] = [&entry.manifest, &entry.index].map(|(descriptor, bytes)| Document {
        descriptor: descriptor.clone(),
        bytes: Bytes::from(bytes.clone()),
    });
    let by_digest = Name::Digest(&manifest.descriptor.digest);
    store.put_manifest(by_digest, &manifest, Condition::Always).await.map_err(failed)?;
    match store.put_manifest(Name::Tag(&slot), &index, Condition::Absent).await {
        Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => {}
        other => other.map_err(failed)?,
    }
    let there = store.head(Name::Tag(&slot)).await.map_err(failed)?;
    Ok(there.is_some_and(|there| there.digest == index.descriptor.digest))
}

/// Moves the hint. Losing this race is harmless: readers probe past it.
async fn move_head(store: &dyn Store, log: &LogName, entry: &Entry) -> Result<(), AppendError> {
    let (descriptor, bytes) = entry.index.clone();
    let document = Document { descriptor, bytes: Bytes::from(bytes) };
    store.put_manifest(Name::Tag(&log.head()), &document, Condition::Always).await.map_err(|source| {
        AppendError::Store { place: store.place(), tag: log.head(), source: Box::new(source) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::record;
    use wharf_oci::digest;

    #[test]
    fn the_first_entry_has_no_parent_and_every_other_names_the_one_before() {
        let log = LogName::ship();
        let first = next(&log, None, record(9, None, "a"));
        assert_eq!((first.seq, first.parent.clone()), (1, None));
        let head = Latest { digest: digest::sha256(b"first"), record: first };
        let second = next(&log, Some(&head), record(9, None, "b"));
        assert_eq!((second.seq, second.parent), (2, Some(digest::sha256(b"first"))));
    }
}
