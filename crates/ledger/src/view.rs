//! Reading a log: its newest entry, entries by number, and the way back.

use wharf_oci::{Descriptor, Digest, digest};
use wharf_registry::{Document, Name, Store};

use crate::entry::{Entry, EntryError, embedded};
use crate::name::{LogName, TagRole};
use crate::record::Record;

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// The entry's digest: the parent of the next one.
    pub digest: Digest,
    /// What it says.
    pub record: Record,
    /// The entry's index as it is stored.
    pub document: Document,
    /// The images that it names: the release, then the rollback target.
    pub images: Vec<Descriptor>,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The newest entry.
    pub entry: Latest,
    /// What the hint names, if there is one.
    pub hint: Option<Digest>,
    /// The hint names an entry that stands in no slot.
    pub stray: Option<Box<Latest>>,
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
    /// A slot in the middle of a log is empty.
    #[error("the log `{log}` in {place} has no entry {seq} any more")]
    Gap {
        /// The registry and repository.
        place: String,
        /// The log.
        log: LogName,
        /// The slot that is empty.
        seq: u64,
    },
}

impl ViewError {
    pub(crate) fn store(place: &str, source: wharf_registry::Error) -> Self {
        Self::Store { place: place.into(), source: Box::new(source) }
    }
}

/// The newest entry of `log`, or `None` where nothing was ever written.
///
/// # Errors
///
/// When the registry fails, or an entry is damaged.
pub async fn latest(store: &dyn Store, log: &LogName) -> Result<Option<Latest>, ViewError> {
    Ok(head(store, log).await?.map(|head| head.entry))
}

/// Where `log` ends, or `None` where nothing was ever written.
///
/// The head tag is only a hint that a crashed or slow writer leaves behind: what it names must stand in its
/// slot, and the slots after it are probed until one is empty.
///
/// # Errors
///
/// When the registry fails, or an entry is damaged.
pub async fn head(store: &dyn Store, log: &LogName) -> Result<Option<Head>, ViewError> {
    let hint = entry(store, &log.head()).await?;
    let Some(hint) = hint else {
        return match without_hint(store, log).await? {
            0 => Ok(None),
            seq => Ok(Some(Head { entry: at(store, log, seq).await?, hint: None, stray: None })),
        };
    };
    let seq = hint.record.seq;
    let (here, after) = futures_util::future::join(taken(store, log, seq), taken(store, log, seq + 1)).await;
    let (here, after) = (here?, after?);
    let named = Some(hint.digest.clone());
    let stands = here.as_ref() == Some(&hint.digest);
    if after.is_none() && stands {
        return Ok(Some(Head { entry: hint, hint: named, stray: None }));
    }
    let last = match (after, here) {
        (Some(_), _) => gallop(store, log, seq + 1).await?,
        (None, Some(_)) => seq,
        (None, None) => without_hint(store, log).await?,
    };
    if last == 0 {
        return Ok(None);
    }
    let stray = if stands { None } else { Some(Box::new(hint)) };
    Ok(Some(Head { entry: at(store, log, last).await?, hint: named, stray }))
}

/// The number of the newest slot, found without the hint; 0 where there is none.
async fn without_hint(store: &dyn Store, log: &LogName) -> Result<u64, ViewError> {
    if taken(store, log, 1).await?.is_some() {
        return gallop(store, log, 1).await;
    }
    // The first slots may be gone since a checkpoint; the list of tags is slow and knows.
    Ok(tags(store).await?.iter().filter_map(|tag| slot_of(log, tag)).max().unwrap_or(0))
}

fn slot_of(log: &LogName, tag: &str) -> Option<u64> {
    match LogName::read_tag(tag)? {
        (of, TagRole::Slot(seq)) if of == *log => Some(seq),
        _ => None,
    }
}

/// The store's tags; a repository that does not exist has none.
pub(crate) async fn tags(store: &dyn Store) -> Result<Vec<String>, ViewError> {
    match store.tags().await {
        Err(error) if matches!(error.cause(), wharf_registry::Cause::NotFound { .. }) => Ok(Vec::new()),
        tags => tags.map_err(|source| ViewError::store(&store.place(), source)),
    }
}

/// The names of all logs with an entry in the store, sorted.
///
/// # Errors
///
/// When the registry fails.
pub async fn logs(store: &dyn Store) -> Result<Vec<LogName>, ViewError> {
    let mut logs: Vec<LogName> = tags(store)
        .await?
        .iter()
        .filter_map(|tag| match LogName::read_tag(tag)? {
            (log, TagRole::Head | TagRole::Slot(_)) => Some(log),
            _ => None,
        })
        .collect();
    logs.sort();
    logs.dedup();
    Ok(logs)
}

/// The last slot that is taken from `known` on, which is: steps that double, then halve.
async fn gallop(store: &dyn Store, log: &LogName, known: u64) -> Result<u64, ViewError> {
    let (mut low, mut step) = (known, 1);
    let mut high = loop {
        match taken(store, log, low + step).await? {
            Some(_) => (low, step) = (low + step, step * 2),
            None => break low + step,
        }
    };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match taken(store, log, middle).await? {
            Some(_) => low = middle,
            None => high = middle,
        }
    }
    Ok(low)
}

/// What the slot's tag names.
pub(crate) async fn taken(store: &dyn Store, log: &LogName, seq: u64) -> Result<Option<Digest>, ViewError> {
    let found = store.head(Name::Tag(&log.slot(seq))).await;
    Ok(found.map_err(|source| ViewError::store(&store.place(), source))?.map(|found| found.digest))
}

/// The entry in a slot that must be taken.
///
/// # Errors
///
/// When the registry fails, the entry is damaged, or the slot is empty.
pub async fn at(store: &dyn Store, log: &LogName, seq: u64) -> Result<Latest, ViewError> {
    let gap = || ViewError::Gap { place: store.place(), log: log.clone(), seq };
    entry(store, &log.slot(seq)).await?.ok_or_else(gap)
}

/// The entries before `newest`, newest first, `newest` included: at most `limit`, and none before a slot that
/// was removed after a checkpoint.
///
/// # Errors
///
/// When the registry fails, or an entry is damaged.
pub async fn history(
    store: &dyn Store,
    log: &LogName,
    newest: &Latest,
    limit: usize,
) -> Result<Vec<Latest>, ViewError> {
    const AT_ONCE: u64 = 8;
    let mut entries = vec![newest.clone()];
    let mut next = newest.record.seq.saturating_sub(1);
    while next > 0 && entries.len() < limit {
        let count = AT_ONCE.min(next).min((limit - entries.len()) as u64);
        let slots: Vec<String> = (next + 1 - count..=next).rev().map(|seq| log.slot(seq)).collect();
        let found = futures_util::future::join_all(slots.iter().map(|slot| entry(store, slot))).await;
        for found in found {
            match found? {
                Some(entry) => entries.push(entry),
                None => return Ok(entries),
            }
        }
        next -= count;
    }
    Ok(entries)
}

/// The entry under `tag`, if there is one.
///
/// # Errors
///
/// When the registry fails, or the entry is damaged.
pub async fn entry(store: &dyn Store, tag: &str) -> Result<Option<Latest>, ViewError> {
    let index = store.manifest(Name::Tag(tag)).await;
    match index.map_err(|source| ViewError::store(&store.place(), source))? {
        Some(index) => open(store, tag, index).await.map(Some),
        None => Ok(None),
    }
}

/// The entry of an index that was read under `tag`.
pub(crate) async fn open(store: &dyn Store, tag: &str, index: Document) -> Result<Latest, ViewError> {
    let place = store.place();
    let failed = |source| ViewError::store(&place, source);
    let damaged = |source| ViewError::Damaged { place: place.clone(), tag: tag.into(), source };
    let missing = |digest: &Digest| ViewError::Missing {
        place: place.clone(),
        tag: tag.into(),
        missing: digest.clone(),
    };

    let entry_digest = index.descriptor.digest.clone();
    let (manifest, images) = Entry::parts(&entry_digest, &index.bytes).map_err(damaged)?;
    let document = match embedded(&manifest) {
        Some(bytes) => bytes,
        None => {
            let found = store.manifest(Name::Digest(&manifest.digest)).await.map_err(failed)?;
            found.ok_or_else(|| missing(&manifest.digest))?.bytes.to_vec()
        }
    };
    let blob = Entry::record_blob(&manifest.digest, &document).map_err(damaged)?;
    let bytes = match embedded(&blob) {
        Some(bytes) => bytes,
        None => read_blob(store, &blob).await.map_err(failed)?,
    };
    if !digest::matches(&blob.digest, &bytes) {
        return Err(missing(&blob.digest));
    }
    let record = Entry::read_record(&bytes).map_err(damaged)?;
    Ok(Latest { digest: entry_digest, record, document: index, images })
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
