//! Layers that were made from others for an output.

use rusqlite::{OptionalExtension, params};

use super::{LayerRecord, State, StateError, now};
use crate::id::Id;

impl State {
    /// The layer that a conversion gave.
    pub(crate) fn conversion(&self, key: &Id) -> Result<Option<LayerRecord>, StateError> {
        let row = self.read(|db| {
            db.query_row("SELECT layer FROM conversions WHERE key = ?1", [key.0], |row| {
                row.get::<_, String>(0)
            })
            .optional()
        })?;
        Ok(row.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Remembers the layer that a conversion gave.
    pub(crate) fn keep_conversion(&self, key: &Id, layer: &LayerRecord) -> Result<(), StateError> {
        let Ok(layer) = serde_json::to_string(layer) else { return Ok(()) };
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO conversions (key, layer, used) VALUES (?1, ?2, ?3)",
                params![key.0, layer, now()],
            )
        })?;
        Ok(())
    }
}
