//! Where the compressed blocks are of the layer that a step made last.

use rusqlite::{OptionalExtension, params};
use wharf_layer::Blocks;
use wharf_oci::Digest;

use super::{State, StateError, now};
use crate::id::Id;

/// Blocks of steps that no build made anew during so many days are dropped when others are added.
const KEPT_DAYS: i64 = 30;

impl State {
    /// The blob that the step in this slot made last, and where its blocks are.
    pub(crate) fn blocks(&self, slot: &Id) -> Result<Option<(Digest, Blocks)>, StateError> {
        let row = self.read(|db| {
            db.prepare_cached("SELECT blob, places FROM blocks WHERE slot = ?1")?
                .query_row([slot.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()
        })?;
        Ok(row.and_then(|(blob, places)| Some((blob.parse().ok()?, Blocks::decode(&places)))))
    }

    /// Remembers the blocks of the blob that the step in this slot made.
    pub(crate) fn keep_blocks(&self, slot: &Id, blob: &Digest, blocks: &Blocks) -> Result<(), StateError> {
        self.write(|db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO blocks (slot, used, blob, places) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![slot.0, now(), blob.as_ref(), blocks.encode()])?;
            db.prepare_cached("DELETE FROM blocks WHERE used < ?1")?.execute([now() - KEPT_DAYS * 86_400])?;
            Ok(())
        })
    }
}
