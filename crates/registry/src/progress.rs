//! What transfers tell while they run.

use std::time::Duration;

use wharf_oci::Digest;

/// News of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// More bytes of a blob have travelled. `done` may fall back when a broken transfer has to begin again.
    Advanced {
        /// Which blob.
        digest: Digest,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A blob is where it should be.
    Finished {
        /// Which blob.
        digest: Digest,
        /// Its size in bytes.
        total: u64,
        /// How it got there.
        outcome: Outcome,
    },
    /// Something failed and will be tried again.
    Retrying {
        /// What, as in the error's first line.
        what: String,
        /// Why.
        cause: String,
        /// After this long.
        wait: Duration,
    },
    /// The registry has something to say (distribution-spec 1.1, `Warning` header).
    Warning {
        /// Which registry.
        registry: String,
        /// Its words.
        text: String,
    },
}

/// How a blob got where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was there already.
    Existing,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It travelled.
    Transferred,
}

/// Takes the news; called from the transferring task, so it should be quick.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);
