//! Reading a log: its newest entry, and entries by number.

use wharf_oci::{Descriptor, Digest};
use wharf_registry::{Name, Store};

use crate::entry::{Entry, EntryError};
use crate::record::{LogName, Record};

/// The newest entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The entry's digest: the parent of the next one.
    pub digest: Digest,
    /// What it says.
    pub record: Record,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The registry did not answer as needed; the source says what was asked.
    #[error("the ledger in {place} cannot be read")]
    Store {
        /// The registry and repository.
        place: String,
        /// Why.
        #[source]
        source: Box<wharf_registry::Error>,
    },
    /// Something under the ledger's name is not the ledger's.
    #[error("the entry under `{tag}` in {place} is damaged")]
    Damaged {
        /// The registry and repository.
        place: String,
        /// The entry's tag.
        tag: String,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// An entry names something that the registry no longer has.
    #[error("the entry under `{tag}` in {place} is not whole: {missing} is gone")]
    Missing {
        /// The registry and repository.
        place: String,
        /// The entry's tag.
        tag: String,
        /// What is missing.
        missing: Digest,
    },
}

/// The newest entry of `log`, or `None` where nothing was ever written.
///
/// The head tag is only a hint that a crashed or slow writer leaves behind, so the slots after it are
/// probed until one is empty.
///
/// # Errors
///
/// When the registry fails, or an entry is damaged.
pub async fn latest(store: &dyn Store, log: &LogName) -> Result<Option<Latest>, ViewError> {
    let mut newest = entry(store, &log.head()).await?;
    loop {
        let next = newest.as_ref().map_or(1, |latest| latest.record.seq + 1);
        match entry(store, &log.slot(next)).await? {
            Some(entry) => newest = Some(entry),
            None => return Ok(newest),
        }
    }
}

/// The entry under `tag`, if there is one.
pub(crate) async fn entry(store: &dyn Store, tag: &str) -> Result<Option<Latest>, ViewError> {
    let place = store.place();
    let failed = |source| ViewError::Store { place: place.clone(), source: Box::new(source) };
    let damaged = |source| ViewError::Damaged { place: place.clone(), tag: tag.into(), source };
    let missing = |digest: &Digest| ViewError::Missing {
        place: place.clone(),
        tag: tag.into(),
        missing: digest.clone(),
    };

    let Some(index) = store.manifest(Name::Tag(tag)).await.map_err(failed)? else { return Ok(None) };
    let digest = index.descriptor.digest.clone();
    let manifest = Entry::record_manifest(&digest, &index.bytes).map_err(damaged)?;
    let document = store.manifest(Name::Digest(&manifest.digest)).await.map_err(failed)?;
    let document = document.ok_or_else(|| missing(&manifest.digest))?;
    let blob = Entry::record_blob(&manifest.digest, &document.bytes).map_err(damaged)?;
    let bytes = read_blob(store, &blob).await.map_err(failed)?;
    if !wharf_oci::digest::matches(&blob.digest, &bytes) {
        return Err(missing(&blob.digest));
    }
    Ok(Some(Latest { digest, record: Entry::read_record(&bytes).map_err(damaged)? }))
}

/// A record that claims to be larger than this is not read.
const MAX_RECORD: u64 = 4 << 20;

async fn read_blob(store: &dyn Store, descriptor: &Descriptor) -> wharf_registry::Result<Vec<u8>> {
    let mut stream = store.blob(descriptor).open(0).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() as u64 > descriptor.size.min(MAX_RECORD) {
            break; // The digest will not match, and the entry counts as damaged.
        }
    }
    Ok(bytes)
}
