//! Advisories: OSV records, what they mean, and a database of them.

mod database;

pub use database::{Database, DatabaseError};
