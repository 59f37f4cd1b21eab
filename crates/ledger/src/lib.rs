//! Append-only release history in a registry: entries, append protocol, views. Decisions are pure.
//!
//! A log lives in the repository it is about, with nothing but the distribution spec: each entry is an
//! image index that names its record, the release and the rollback target, tagged with its place in the log.
//! `docs/ledger.md` is the specification; `crane` and `jq` are enough to read it.
//!
//! Invariants:
//! - an entry names the digest of the entry before it, so the log is a hash chain;
//! - an entry is published by one manifest PUT, after everything that it names;
//! - entries are never changed; what is wrong is said by a later entry;
//! - one slot has one winner, under what the log's [`Tier`] assumes; `tests/model.rs` tries every interleaving;
//! - what is decided is decided over the newest entry alone, without asking anybody.

mod append;
mod canonical;
mod check;
mod decide;
mod entry;
mod fork;
mod name;
mod pointers;
mod record;
mod state;
mod tier;
mod view;
mod writer;

pub use append::{
    AppendError, Appended, Arbiter, ArbiterError, ArbiterMaker, Decision, Draft, Options, Situation, append,
    append_decided,
};
pub use canonical::canonical_json;
pub use check::{Flaw, check_chain};
pub use decide::{Expectation, Promotion, Refusal, Rollback, begin, is_version, promote, remark, roll_back};
pub use entry::{ENTRY_TYPE, Entry, EntryError, RECORD_TYPE};
pub use fork::{Announced, Fork, announced, forks};
pub use name::{LogName, LogNameError, TagRole};
pub use pointers::{HumanTag, Repaired, human_tag, point, repair};
pub use record::{Actor, Commit, Evidence, Gate, Kind, Model, Record, Release, Standing, Verdict};
pub use state::{Hold, Operation, Placed, Quarantined, RECENT, State};
pub use tier::{Probed, Tier, probe};
pub use view::{Head, Latest, ViewError, at, entry, head, history, latest, logs};
pub use writer::{Ending, Pending, Saw, Step, Timing, Writer};
