//! What URLs gave when they were last asked.

use rusqlite::{OptionalExtension, params};
use wharf_oci::Digest;

use super::{State, StateError, now};

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Download {
    /// The sha256 digest of its bytes, by which it is found in the store.
    pub(crate) digest: Digest,
    /// The server's mark for this version.
    pub(crate) etag: Option<String>,
    /// When the server says it was changed, as it says it.
    pub(crate) modified: Option<String>,
}

impl State {
    /// What `url` gave.
    pub(crate) fn download(&self, url: &str) -> Result<Option<Download>, StateError> {
        let row = self.read(|db| {
            db.query_row("SELECT digest, etag, modified FROM downloads WHERE url = ?1", [url], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
        })?;
        Ok(row.and_then(|(digest, etag, modified)| {
            Some(Download { digest: digest.parse().ok()?, etag, modified })
        }))
    }

    /// Remembers what `url` gave.
    pub(crate) fn keep_download(&self, url: &str, download: &Download) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO downloads (url, digest, etag, modified, used) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![url, download.digest.to_string(), download.etag, download.modified, now()],
            )
        })?;
        Ok(())
    }
}
