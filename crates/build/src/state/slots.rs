//! What each step of each Dockerfile was made of when it last ran, to say why it runs again.

use rusqlite::{OptionalExtension, params};

use super::{State, StateError};
use crate::id::Id;

/// What a step was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SlotRecord {
    /// The parts of its key: a label and the digest of the value.
    pub(crate) parts: Vec<(String, String)>,
    /// The files it used: the path and the start of the digest, as lines of text.
    pub(crate) files: Vec<u8>,
}

impl State {
    /// What the step in `slot` was made of.
    pub(crate) fn slot(&self, slot: &Id) -> Result<Option<SlotRecord>, StateError> {
        let row = self.read(|db| {
            db.query_row("SELECT parts, files FROM slots WHERE slot = ?1", [slot.0], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            })
            .optional()
        })?;
        Ok(row
            .and_then(|(parts, files)| Some(SlotRecord { parts: serde_json::from_str(&parts).ok()?, files })))
    }

    /// Remembers what the step in `slot` is made of.
    pub(crate) fn keep_slot(&self, slot: &Id, record: &SlotRecord) -> Result<(), StateError> {
        let Ok(parts) = serde_json::to_string(&record.parts) else { return Ok(()) };
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO slots (slot, parts, files) VALUES (?1, ?2, ?3)",
                params![slot.0, parts, record.files],
            )
        })?;
        Ok(())
    }
}
