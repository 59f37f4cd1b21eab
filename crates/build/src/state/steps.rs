//! Which layer a step with a certain key made.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use wharf_oci::{Descriptor, Digest};

use super::{State, StateError, now};
use crate::id::Id;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepRecord {
    /// What following steps name their parent by.
    pub(crate) result: Id,
    /// The layer it made.
    pub(crate) layer: LayerRecord,
    /// When it ran, nanoseconds since 1970.
    pub(crate) created: i64,
}

/// A layer in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The blob.
    pub(crate) blob: Descriptor,
    /// The digest of its tar stream.
    pub(crate) diff_id: Digest,
}

impl State {
    /// The result of the step with the key `key`.
    pub(crate) fn step(&self, key: &Id) -> Result<Option<StepRecord>, StateError> {
        let row = self.read(|db| {
            db.prepare_cached("SELECT result, layer, created FROM steps WHERE key = ?1")?
                .query_row([key.0], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get(2)?))
                })
                .optional()
        })?;
        // A row that cannot be read is as good as none: the step runs again and replaces it.
        Ok(row.and_then(|(result, layer, created)| {
            let result = Id::from_slice(&result)?;
            Some(StepRecord { result, layer: serde_json::from_str(&layer).ok()?, created })
        }))
    }

    /// Remembers the result of a step under each of `keys`, in place of what was known.
    pub(crate) fn keep_step(&self, keys: &[Id], record: &StepRecord) -> Result<(), StateError> {
        let Ok(layer) = serde_json::to_string(&record.layer) else { return Ok(()) };
        self.write(|db| {
            let mut insert = db.prepare_cached(
                "INSERT OR REPLACE INTO steps (key, result, layer, created, used) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for key in keys {
                insert.execute(params![key.0, record.result.0, layer, record.created, now()])?;
            }
            Ok(())
        })
    }

    /// The layers that steps made, when they ran (nanoseconds since 1970) and when each was last used (seconds).
    pub(crate) fn step_layers(&self) -> Result<Vec<(LayerRecord, i64, i64)>, StateError> {
        self.read(|db| {
            let mut query = db.prepare("SELECT layer, created, used FROM steps")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
            let rows: Vec<(String, i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
            Ok(rows
                .into_iter()
                .filter_map(|(layer, created, used)| {
                    Some((serde_json::from_str(&layer).ok()?, created, used))
                })
                .collect())
        })
    }

    /// Forgets every step that made the layer with this blob, and what the layer looks like.
    pub(crate) fn forget_layer(&self, blob: &str) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "DELETE FROM outlines WHERE diff_id IN (
                    SELECT json_extract(layer, '$.diff_id') FROM steps
                    WHERE json_extract(layer, '$.blob.digest') = ?1)",
                [blob],
            )?;
            db.execute("DELETE FROM steps WHERE json_extract(layer, '$.blob.digest') = ?1", [blob])?;
            Ok(())
        })
    }

    /// Everything that the step with this result is found by.
    pub(crate) fn keys_of(&self, result: &Id) -> Result<Vec<Id>, StateError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT key FROM steps WHERE result = ?1 ORDER BY key")?;
            let keys = query.query_map([result.0], |row| row.get::<_, Vec<u8>>(0))?;
            keys.map(|key| Ok(Id::from_slice(&key?))).filter_map(Result::transpose).collect()
        })
    }

    /// Says that the results under `keys` were used, so that pruning takes others first.
    pub(crate) fn touch_steps(&self, keys: &[Id]) -> Result<(), StateError> {
        self.write(|db| {
            let mut update = db.prepare_cached("UPDATE steps SET used = ?2 WHERE key = ?1 AND used < ?2")?;
            for key in keys {
                update.execute(params![key.0, now()])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::MediaType;

    use super::*;

    #[test]
    fn what_is_kept_is_found_again_by_another_process() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.db");
        let blob = Descriptor::of(MediaType::ImageLayerGzip, b"blob");
        let record = StepRecord {
            result: Id([1; 32]),
            layer: LayerRecord { diff_id: blob.digest.clone(), blob },
            created: 5,
        };
        let (one, other) = (State::open(&path).unwrap(), State::open(&path).unwrap());
        one.keep_step(&[Id([2; 32]), Id([3; 32])], &record).unwrap();
        other.touch_steps(&[Id([2; 32])]).unwrap();
        assert_eq!(other.step(&Id([2; 32])).unwrap(), Some(record.clone()));
        assert_eq!(other.step(&Id([3; 32])).unwrap(), Some(record));
        assert_eq!(other.step(&Id([4; 32])).unwrap(), None);
        assert_eq!(other.keys_of(&Id([1; 32])).unwrap(), [Id([2; 32]), Id([3; 32])]);
    }
}
