//! Advisories: OSV records, what they mean, and a database of them.

mod compact;
mod cvss;
mod database;
mod matching;
mod range;
mod record;
mod rustsec;
mod severity;
mod source;
#[cfg(test)]
mod tests;

pub use database::{Database, DatabaseError, Ecosystem};
pub(crate) use matching::{Match, display_id, fold};
pub(crate) use range::next_fix;
pub use record::Record;
pub(crate) use severity::rate;
