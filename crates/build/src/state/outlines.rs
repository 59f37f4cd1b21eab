//! The outlines of layers, or where they can be had.

use rusqlite::{Connection, OptionalExtension, params};
use wharf_oci::{Descriptor, Digest};

use super::origins::{origin_at, place};
use super::{State, StateError, now};
use crate::snapshot::Origin;

/// Outlines that no build asked for during so many days are dropped when others are added.
const KEPT_DAYS: i64 = 30;

/// What is known of an outline.
#[derive(Debug, Clone)]
pub(crate) enum Outlined {
    /// It, as bytes; none at all say that the layer has no outline.
    Known(Vec<u8>),
    /// Where it can be had.
    At(Box<Descriptor>, Origin),
}

impl State {
    /// What is known of the outline of a layer.
    pub(crate) fn outline(&self, diff_id: &Digest) -> Result<Option<Outlined>, StateError> {
        type Row = (Option<Vec<u8>>, Option<String>, Option<String>);
        let row: Option<Row> = self.read(|db| {
            db.prepare_cached("SELECT names, blob, place FROM outlines WHERE diff_id = ?1")?
                .query_row([diff_id.as_ref()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })?;
        Ok(row.and_then(|row| match row {
            (Some(names), ..) => Some(Outlined::Known(names)),
            (None, Some(blob), Some(place)) => {
                Some(Outlined::At(Box::new(serde_json::from_str(&blob).ok()?), origin_at(&place)?))
            }
            _ => None,
        }))
    }

    /// Remembers the outline of a layer.
    pub(crate) fn keep_outline(&self, diff_id: &Digest, names: &[u8]) -> Result<(), StateError> {
        self.write(|db| {
            db.prepare_cached("INSERT OR REPLACE INTO outlines (diff_id, names, used) VALUES (?1, ?2, ?3)")?
                .execute(params![diff_id.as_ref(), names, now()])?;
            forget_unused(db)
        })
    }

    /// Remembers where outlines can be had that are not here.
    pub(crate) fn keep_outline_places(
        &self,
        outlines: &[(Digest, Descriptor)],
        origin: &Origin,
    ) -> Result<(), StateError> {
        self.write(|db| {
            let transaction = db.unchecked_transaction()?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO outlines (diff_id, blob, place, used) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (diff_id) DO UPDATE SET blob = ?2, place = ?3, used = ?4 WHERE names IS NULL",
            )?;
            for (diff_id, blob) in outlines {
                let Ok(blob) = serde_json::to_string(blob) else { continue };
                insert.execute(params![diff_id.as_ref(), blob, place(origin), now()])?;
            }
            drop(insert);
            transaction.commit()
        })
    }

    /// Says that outlines were used, so that they are kept.
    pub(crate) fn touch_outline(&self, diff_id: &Digest) -> Result<(), StateError> {
        self.write(|db| {
            // Half the time for which it is kept; a use in every build would write in every build.
            db.prepare_cached("UPDATE outlines SET used = ?2 WHERE diff_id = ?1 AND used < ?3")?
                .execute(params![diff_id.as_ref(), now(), now() - KEPT_DAYS * 86_400 / 2])?;
            Ok(())
        })
    }
}

fn forget_unused(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM outlines WHERE used < ?1")?.execute([now() - KEPT_DAYS * 86_400])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use wharf_oci::{MediaType, digest};

    use super::*;

    #[test]
    fn an_outline_that_is_here_is_not_looked_for_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::open(&temp.path().join("state.db")).unwrap();
        let [here, there, nowhere] = [b"1", b"2", b"3"].map(|bytes| digest::sha256(bytes));
        let blob = Descriptor::of(MediaType::ImageLayerZstd, b"names");
        let origin = Origin::Registry("example.com/a:cache".parse().unwrap());
        state.keep_outline(&here, b"names").unwrap();
        state
            .keep_outline_places(&[(here.clone(), blob.clone()), (there.clone(), blob.clone())], &origin)
            .unwrap();
        state.touch_outline(&here).unwrap();
        assert!(matches!(state.outline(&here).unwrap(), Some(Outlined::Known(names)) if names == b"names"));
        assert!(matches!(state.outline(&there).unwrap(), Some(Outlined::At(at, _)) if *at == blob));
        assert!(state.outline(&nowhere).unwrap().is_none());
        state.keep_outline(&there, b"").unwrap();
        assert!(matches!(state.outline(&there).unwrap(), Some(Outlined::Known(names)) if names.is_empty()));
    }
}
