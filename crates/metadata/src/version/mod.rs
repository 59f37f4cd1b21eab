//! Versions: how tags name them, and which of two is newer.

mod order;
pub(crate) mod pep440;
pub(crate) mod semver;

pub use order::Version;
