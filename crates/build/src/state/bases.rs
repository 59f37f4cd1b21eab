//! Which image the name of a base stood for when it was last asked for.

use rusqlite::{OptionalExtension, params};
use wharf_oci::{Descriptor, Platform};

use super::{State, StateError, now};

impl State {
    /// What `reference` stood for on `platform`.
    pub(crate) fn base(
        &self,
        reference: &str,
        platform: &Platform,
    ) -> Result<Option<Descriptor>, StateError> {
        let row = self.read(|db| {
            db.query_row(
                "SELECT manifest FROM bases WHERE reference = ?1 AND platform = ?2",
                params![reference, platform.to_string()],
                |row| row.get::<_, String>(0),
            )
            .optional()
        })?;
        Ok(row.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Remembers what `reference` stands for on `platform`.
    pub(crate) fn keep_base(
        &self,
        reference: &str,
        platform: &Platform,
        manifest: &Descriptor,
    ) -> Result<(), StateError> {
        let Ok(manifest) = serde_json::to_string(manifest) else { return Ok(()) };
        self.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO bases (reference, platform, manifest, used) VALUES (?1, ?2, ?3, ?4)",
                params![reference, platform.to_string(), manifest, now()],
            )
        })?;
        Ok(())
    }
}
