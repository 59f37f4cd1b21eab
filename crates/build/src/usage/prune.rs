//! Removing what was not used for longest.

use std::fs::{self, TryLockError};
use std::io;
use std::path::PathBuf;

use wharf_oci::Descriptor;

use super::inventory::{Found, inventory};
use super::{Item, ItemKind, open_lock};
use crate::engine::Engine;
use crate::error::BuildError;

/// What is to be removed.
#[derive(Debug, Clone, Default)]
pub struct PruneRequest {
    /// Only what was last used before this time, seconds since 1970.
    pub before: Option<i64>,
    /// Only these kinds; none named are all.
    pub kinds: Vec<ItemKind>,
    /// Only what is called, or starts, so.
    pub ids: Vec<String>,
    /// Stop as soon as what remains takes no more than this, bytes.
    pub keep_storage: u64,
    /// Only say what would go.
    pub dry_run: bool,
    /// Images that stay although no name leads to them: those that containers run on.
    pub keep: Vec<Descriptor>,
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// Another wharf is at work on the data directory.
    #[error("the data directory is in use by another wharf")]
    Busy,
    /// Something cannot be read or written.
    #[error("pruning `{}`", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store or the database cannot be used.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl PruneRequest {
    fn wants(&self, item: &Item) -> bool {
        self.before.is_none_or(|before| item.used < before)
            && (self.kinds.is_empty() || self.kinds.contains(&item.kind))
            && (self.ids.is_empty() || self.ids.iter().any(|id| item.id.starts_with(id.as_str())))
    }

    /// What goes, of `found`, which is sorted by its last use.
    fn choose<'a>(&self, found: &'a [Found]) -> Vec<&'a Found> {
        let mut left: u64 = found.iter().map(|found| found.item.size).sum();
        let mut chosen = Vec::new();
        for found in found.iter().filter(|found| self.wants(&found.item)) {
            // Without a size to keep, what takes no room goes as well.
            if self.keep_storage > 0 && left <= self.keep_storage {
                break;
            }
            left -= found.item.size;
            chosen.push(found);
        }
        chosen
    }
}

impl Engine {
    /// Removes what `request` asks for, least recently used first, and says what it was.
    ///
    /// # Errors
    /// [`PruneError::Busy`] while another wharf uses the data directory.
    pub fn prune(&self, request: &PruneRequest) -> Result<Vec<Item>, PruneError> {
        let fail = |source| PruneError::Io { path: self.data.clone(), source };
        let lock = open_lock(&self.data).map_err(fail)?;
        if !request.dry_run {
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(PruneError::Busy),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
        let inventory = inventory(self, &request.keep)?;
        let chosen = request.choose(&inventory.found);
        if !request.dry_run {
            for found in &chosen {
                self.remove(found)?;
            }
        }
        Ok(chosen.into_iter().map(|found| found.item.clone()).collect())
    }

    /// The record goes first: what is killed in between leaves files that nobody counts on, and the next
    /// prune finds them.
    fn remove(&self, found: &Found) -> Result<(), PruneError> {
        if found.item.kind == ItemKind::Step {
            let digest = format!("sha256:{}", found.item.id);
            self.state.forget_layer(&digest).map_err(BuildError::from)?;
        }
        for directory in &found.directories {
            let fail = |source| PruneError::Io { path: directory.clone(), source };
            // Under another name nobody takes a half-removed directory for a whole one.
            let doomed = self.data.join("work").join(format!("pruned-{}", uuid::Uuid::new_v4()));
            fs::rename(directory, &doomed).map_err(fail)?;
            fs::remove_dir_all(&doomed).map_err(fail)?;
        }
        for digest in &found.blobs {
            self.store.remove(digest).map_err(BuildError::from)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, kind: ItemKind, size: u64, used: i64) -> Found {
        let item = Item { id: id.into(), kind, size, used };
        Found { item, made: 0, blobs: Vec::new(), directories: Vec::new() }
    }

    fn chosen(request: &PruneRequest) -> Vec<String> {
        let found = [
            found("a", ItemKind::Step, 10, 1),
            found("b", ItemKind::CacheMount, 10, 2),
            found("c", ItemKind::Step, 10, 3),
        ];
        request.choose(&found).into_iter().map(|found| found.item.id.clone()).collect()
    }

    #[test]
    fn the_least_recently_used_goes_first_until_enough_is_free() {
        assert_eq!(chosen(&PruneRequest::default()), ["a", "b", "c"]);
        assert_eq!(chosen(&PruneRequest { keep_storage: 20, ..PruneRequest::default() }), ["a"]);
        assert_eq!(chosen(&PruneRequest { keep_storage: 15, ..PruneRequest::default() }), ["a", "b"]);
        assert!(chosen(&PruneRequest { keep_storage: 30, ..PruneRequest::default() }).is_empty());
    }

    #[test]
    fn filters_hold_together() {
        let steps = PruneRequest { kinds: vec![ItemKind::Step], ..PruneRequest::default() };
        assert_eq!(chosen(&steps), ["a", "c"]);
        assert_eq!(chosen(&PruneRequest { before: Some(3), ..steps.clone() }), ["a"]);
        assert_eq!(chosen(&PruneRequest { ids: vec!["c".into()], ..steps }), ["c"]);
    }
}
