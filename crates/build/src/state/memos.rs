//! The digests of the files of each context.

use rusqlite::{OptionalExtension, params};

use super::{State, StateError, now};

impl State {
    /// The encoded memo of the context at `context`.
    pub(crate) fn memo(&self, context: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.read(|db| {
            db.query_row("SELECT files FROM memos WHERE context = ?1", [context], |row| row.get(0)).optional()
        })
    }

    /// Keeps the encoded memo of the context at `context`.
    pub(crate) fn keep_memo(&self, context: &str, files: &[u8]) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO memos (context, files, used) VALUES (?1, ?2, ?3)",
                params![context, files, now()],
            )
        })?;
        Ok(())
    }
}
