//! What copies put where when they were last made as a whole.

use rusqlite::{OptionalExtension, params};
use wharf_oci::Digest;

use super::{State, StateError, now};
use crate::id::Id;

/// Copies that no build made anew during so many days are dropped when others are added.
const KEPT_DAYS: i64 = 30;

impl State {
    /// The layer that the copy with this key made, and its listing.
    pub(crate) fn copy(&self, key: &Id) -> Result<Option<(Digest, Vec<u8>)>, StateError> {
        let row = self.read(|db| {
            db.prepare_cached("SELECT diff_id, listing FROM copies WHERE key = ?1")?
                .query_row([key.0], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
                .optional()
        })?;
        Ok(row.and_then(|(diff_id, listing)| Some((diff_id.parse().ok()?, listing))))
    }

    /// Remembers the layer that a copy made, and its listing.
    pub(crate) fn keep_copy(&self, key: &Id, diff_id: &Digest, listing: &[u8]) -> Result<(), StateError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO copies (key, used, diff_id, listing) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![key.0, now(), diff_id.as_ref(), listing])?;
            db.prepare_cached("DELETE FROM copies WHERE used < ?1")?.execute([now() - KEPT_DAYS * 86_400])?;
            Ok(())
        })
    }

    /// Says that a copy is of use, so that it is kept.
    pub(crate) fn touch_copy(&self, key: &Id) -> Result<(), StateError> {
        self.write(|db| {
            db.prepare_cached("UPDATE copies SET used = ?2 WHERE key = ?1")?
                .execute(params![key.0, now()])?;
            Ok(())
        })
    }
}
