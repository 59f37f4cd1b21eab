//! Digests of files that were hashed before, so that an unchanged file is not read again.
//!
//! A digest is believed when device, inode, size, time of modification and time of change are all what they
//! were. The time of change cannot be set by programs, so a file that was replaced or rewritten is always
//! noticed, provided that its change can be told from the moment of hashing: a digest of a file that changed
//! less than [`SETTLED`] ago is not kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Meta;
use crate::id::Id;

/// How long ago a file must have changed for its digest to be kept: well above the grain of any clock that
/// file systems use.
const SETTLED: Duration = Duration::from_secs(1);
/// Digests that no build asked for during so many days are dropped when others are added.
const KEPT_DAYS: u32 = 30;
/// Bytes of one encoded digest.
const RECORD: usize = 76;

/// The digests of one context's files.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    known: HashMap<(u64, u64), Known>,
    changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    size: u64,
    mtime: i64,
    ctime: i64,
    used: u32,
    digest: Id,
}

impl Memo {
    /// What [`encode`](Self::encode) gave. Bytes that make no sense give an empty memo.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let known = bytes.chunks_exact(RECORD).filter_map(decode_record).collect();
        Self { files: Mutex::new(Files { known, changed: false }) }
    }

    /// The memo as bytes, if it holds anything that was not decoded.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let files = self.lock();
        if !files.changed {
            return None;
        }
        let oldest = today().saturating_sub(KEPT_DAYS);
        let mut bytes = Vec::with_capacity(files.known.len() * RECORD);
        for ((dev, ino), known) in files.known.iter().filter(|(_, known)| known.used >= oldest) {
            for number in [*dev, *ino, known.size, known.mtime as u64, known.ctime as u64] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(known.used.to_le_bytes());
            bytes.extend(known.digest.0);
        }
        Some(bytes)
    }

    /// The digest of the file that `meta` describes, if it is known and the file has not changed.
    pub(crate) fn get(&self, meta: &Meta) -> Option<Id> {
        let mut files = self.lock();
        let today = today();
        let known = files.known.get_mut(&(meta.dev, meta.ino)).filter(|known| known.describes(meta))?;
        // Half the time for which it is kept; a use on every day would rewrite the memo on every day.
        let stale = known.used + KEPT_DAYS / 2 < today;
        known.used = today;
        let digest = known.digest;
        files.changed |= stale;
        Some(digest)
    }

    /// Keeps the digest of the file that `meta` described at the time `seen`, before it was read.
    pub(crate) fn put(&self, meta: &Meta, seen: SystemTime, digest: Id) {
        let changed = u64::try_from(meta.ctime.as_nanos()).unwrap_or(0);
        let settled = UNIX_EPOCH + Duration::from_nanos(changed) + SETTLED;
        if settled > seen {
            return;
        }
        let (mtime, ctime) = (meta.mtime.as_nanos(), meta.ctime.as_nanos());
        let known = Known { size: meta.size, mtime, ctime, used: today(), digest };
        let mut files = self.lock();
        files.known.insert((meta.dev, meta.ino), known);
        files.changed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // Every change is a single insertion, so a panic elsewhere leaves nothing half done.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn describes(&self, meta: &Meta) -> bool {
        self.size == meta.size && self.mtime == meta.mtime.as_nanos() && self.ctime == meta.ctime.as_nanos()
    }
}

fn decode_record(record: &[u8]) -> Option<((u64, u64), Known)> {
    let number = |at: usize| Some(u64::from_le_bytes(record.get(at..at + 8)?.try_into().ok()?));
    let known = Known {
        size: number(16)?,
        mtime: number(24)? as i64,
        ctime: number(32)? as i64,
        used: u32::from_le_bytes(record.get(40..44)?.try_into().ok()?),
        digest: Id::from_slice(record.get(44..76)?)?,
    };
    Some(((number(0)?, number(8)?), known))
}

/// Days since 1970.
fn today() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_secs() / 86_400).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Kind, Moment};

    fn meta() -> Meta {
        let time = Moment { seconds: 1_700_000_000, nanoseconds: 5 };
        Meta {
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 3,
            rdev: 0,
            dev: 1,
            ino: 2,
            nlink: 1,
            mtime: time,
            ctime: time,
        }
    }

    #[test]
    fn a_digest_is_believed_only_while_nothing_has_changed() {
        let memo = Memo::default();
        memo.put(&meta(), SystemTime::now(), Id([7; 32]));
        let memo = Memo::decode(&memo.encode().unwrap());
        assert_eq!(memo.get(&meta()), Some(Id([7; 32])));
        assert!(memo.encode().is_none(), "nothing new");
        let later = Moment { seconds: 1_700_000_000, nanoseconds: 6 };
        assert_eq!(memo.get(&Meta { ctime: later, ..meta() }), None, "same size and mtime, changed since");
        assert_eq!(memo.get(&Meta { mtime: later, ..meta() }), None);
        assert_eq!(memo.get(&Meta { size: 4, ..meta() }), None);
        assert_eq!(memo.get(&Meta { ino: 3, ..meta() }), None);
    }

    #[test]
    fn a_file_that_may_still_change_unseen_is_not_kept() {
        let memo = Memo::default();
        let just_after = UNIX_EPOCH + Duration::new(1_700_000_000, 500);
        memo.put(&meta(), just_after, Id([7; 32]));
        assert_eq!(memo.get(&meta()), None);
    }
}
