//! Append-only release history in a registry: entries, append protocol, views. Decisions are pure.
//!
//! A log lives in the repository it is about, with nothing but the distribution spec: each entry is an
//! image index that names its record and the release, tagged with its place in the log. `docs/ledger.md`
//! is the specification; `crane` and `jq` are enough to read it.
//!
//! Invariants:
//! - an entry names the digest of the entry before it, so the log is a hash chain;
//! - an entry is published by one manifest PUT, after everything that it names;
//! - entries are never changed; what is wrong is said by a later entry.

mod append;
mod canonical;
mod entry;
mod record;
mod view;

pub use append::{AppendError, Appended, append};
pub use canonical::canonical_json;
pub use entry::{ENTRY_TYPE, Entry, EntryError, RECORD_TYPE};
pub use record::{Actor, Commit, Gate, Kind, LogName, LogNameError, Model, Record, Release, Verdict};
pub use view::{Latest, ViewError, latest};
