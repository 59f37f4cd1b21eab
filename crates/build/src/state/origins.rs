//! Where layers that the store lacks can be had: what caches told of them.

use rusqlite::{OptionalExtension, params};
use wharf_oci::Digest;
use wharf_registry::Layout;

use super::{State, StateError, now};
use crate::snapshot::Origin;

/// How a layout is told from a reference.
const LAYOUT: &str = "oci-layout://";

impl State {
    /// Where a blob can be had.
    pub(crate) fn origin(&self, blob: &Digest) -> Result<Option<Origin>, StateError> {
        let place = self.read(|db| {
            db.prepare_cached("SELECT place FROM origins WHERE blob = ?1")?
                .query_row([blob.as_ref()], |row| row.get::<_, String>(0))
                .optional()
        })?;
        Ok(place.and_then(|place| origin_at(&place)))
    }

    /// Remembers where a blob can be had.
    pub(crate) fn keep_origin(&self, blob: &Digest, origin: &Origin) -> Result<(), StateError> {
        self.write(|db| {
            db.prepare_cached("INSERT OR REPLACE INTO origins (blob, place, used) VALUES (?1, ?2, ?3)")?
                .execute(params![blob.as_ref(), place(origin), now()])
        })?;
        Ok(())
    }

    /// Forgets the place of a blob, and all else that was said to be there.
    pub(crate) fn forget_origin(&self, blob: &Digest) -> Result<(), StateError> {
        self.write(|db| {
            db.execute(
                "DELETE FROM origins WHERE place = (SELECT place FROM origins WHERE blob = ?1)",
                [blob.as_ref()],
            )
        })?;
        Ok(())
    }
}

/// An origin as text.
pub(crate) fn place(origin: &Origin) -> String {
    match origin {
        Origin::Registry(reference) => reference.to_string(),
        Origin::Layout(layout) => format!("{LAYOUT}{}", layout.root().display()),
    }
}

/// The origin that [`place`] made text of, if it is still there.
pub(super) fn origin_at(place: &str) -> Option<Origin> {
    match place.strip_prefix(LAYOUT) {
        Some(path) => Layout::existing(path).ok().map(Origin::Layout),
        None => place.parse().ok().map(Origin::Registry),
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::digest;

    use super::*;

    #[test]
    fn a_place_that_fails_is_forgotten_with_all_that_was_there() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::open(&temp.path().join("state.db")).unwrap();
        let origin = |name: &str| Origin::Registry(name.parse().unwrap());
        let [one, two, other] = [b"1", b"2", b"3"].map(|bytes| digest::sha256(bytes));
        state.keep_origin(&one, &origin("example.com/a:cache")).unwrap();
        state.keep_origin(&two, &origin("example.com/a:cache")).unwrap();
        state.keep_origin(&other, &origin("example.com/b:cache")).unwrap();
        let known = |blob| state.origin(blob).unwrap().as_ref().map(place);
        assert_eq!(known(&one).as_deref(), Some("example.com/a:cache"));
        state.forget_origin(&one).unwrap();
        assert_eq!((known(&one), known(&two)), (None, None));
        assert_eq!(known(&other).as_deref(), Some("example.com/b:cache"));
    }
}
