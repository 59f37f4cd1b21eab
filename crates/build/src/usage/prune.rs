//! Removing what was not used for longest.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use wharf_oci::Descriptor;

use super::inventory::{Found, inventory};
use super::{Item, ItemKind, share};
use crate::engine::Engine;
use crate::error::BuildError;
use crate::work::WorkDirectory;

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

impl PruneRequest {
    fn wants(&self, item: &Item) -> bool {
        self.before.is_none_or(|before| item.used < before)
            && (self.kinds.is_empty() || self.kinds.contains(&item.kind))
            && (self.ids.is_empty() || self.ids.iter().any(|id| item.id.starts_with(id.as_str())))
    }

    /// What goes, of `found`, which is sorted by its last use; and what would go, were it not `busy`.
    fn choose<'a>(
        &self,
        found: &'a [Found],
        busy: &dyn Fn(&Found) -> bool,
    ) -> (Vec<&'a Found>, Vec<&'a Found>) {
        let mut left: u64 = found.iter().map(|found| found.item.size).sum();
        let (mut chosen, mut spared) = (Vec::new(), Vec::new());
        for found in found.iter().filter(|found| self.wants(&found.item)) {
            // Without a size to keep, what takes no room goes as well.
            if self.keep_storage > 0 && left <= self.keep_storage {
                break;
            }
            if busy(found) {
                spared.push(found);
            } else {
                left -= found.item.size;
                chosen.push(found);
            }
        }
        (chosen, spared)
    }
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// It, in the order in which it went.
    pub removed: Vec<Item>,
    /// What would have gone, but for another wharf that is using it or may be.
    pub in_use: Vec<Item>,
}

/// Why something could not be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
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

impl Engine {
    /// Removes what `request` asks for, least recently used first, and says what it was. What another wharf has
    /// used since it began stays.
    ///
    /// # Errors
    /// Fails when something cannot be read or removed; what was removed before stays removed.
    pub fn prune(&self, request: &PruneRequest) -> Result<Pruned, PruneError> {
        let fail = |source| PruneError::Io { path: self.data.clone(), source };
        let now = SystemTime::now();
        let since = share::oldest(&self.data).map_err(fail)?.unwrap_or(now).min(now);
        let work = WorkDirectory::create(&self.data.join("work"))?;
        let inventory = inventory(self, &request.keep)?;
        let (chosen, spared) = request.choose(&inventory.found, &|found| found.is_used_since(self, since));
        let mut pruned = Pruned::default();
        pruned.in_use.extend(spared.into_iter().map(|found| found.item.clone()));
        for found in chosen {
            let gone = request.dry_run || self.remove(found, since, &work)?;
            if gone { &mut pruned.removed } else { &mut pruned.in_use }.push(found.item.clone());
        }
        Ok(pruned)
    }

    /// Removes an item, unless it was used since `since`. The record of a step goes last: without its layer it
    /// means nothing.
    fn remove(&self, found: &Found, since: SystemTime, work: &WorkDirectory) -> Result<bool, PruneError> {
        if found.item.kind == ItemKind::CacheMount {
            return remove_cache_mount(found, work);
        }
        for digest in &found.blobs {
            let aside = work.path("blob");
            if !self.store.take_away(digest, &aside, since).map_err(BuildError::from)? {
                return Ok(false);
            }
            // Another prune may have been faster.
            if let Err(source) = fs::remove_file(&aside)
                && source.kind() != io::ErrorKind::NotFound
            {
                return Err(PruneError::Io { path: aside, source });
            }
        }
        for directory in &found.directories {
            if !take_away(directory, since, work)? {
                return Ok(false);
            }
        }
        if found.item.kind == ItemKind::Step {
            let digest = format!("sha256:{}", found.item.id);
            self.state.forget_layer(&digest).map_err(BuildError::from)?;
        }
        Ok(true)
    }
}

impl Found {
    /// Whether somebody has used it since `since`, as far as can be seen.
    fn is_used_since(&self, engine: &Engine, since: SystemTime) -> bool {
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let blobs = self.blobs.iter().map(|digest| modified(&engine.store.path(digest)));
        let directories = self.directories.iter().map(|path| match self.item.kind {
            ItemKind::CacheMount => modified(&path.with_extension("lock")),
            _ => fs::metadata(path).and_then(|metadata| metadata.accessed()),
        });
        blobs.chain(directories).flatten().any(|time| time >= since)
    }
}

/// Removes a snapshot, unless somebody has used it since `since`. It is looked at when nobody can reach it any
/// more, so whoever comes later does not find it, and whoever came in time finds it again.
fn take_away(directory: &Path, since: SystemTime, work: &WorkDirectory) -> Result<bool, PruneError> {
    let fail = |source| PruneError::Io { path: directory.to_owned(), source };
    let aside = work.path("snapshot");
    match fs::rename(directory, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        result => result.map_err(fail)?,
    }
    if fs::metadata(&aside).and_then(|metadata| metadata.accessed()).map_err(fail)? >= since {
        fs::rename(&aside, directory).map_err(fail)?;
        return Ok(false);
    }
    fs::remove_dir_all(&aside).map_err(fail)?;
    Ok(true)
}

/// Removes a cache mount that no step holds.
fn remove_cache_mount(found: &Found, work: &WorkDirectory) -> Result<bool, PruneError> {
    for directory in &found.directories {
        let fail = |source| PruneError::Io { path: directory.clone(), source };
        let path = directory.with_extension("lock");
        let lock = File::options().write(true).create(true).truncate(false).open(path).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let aside = work.path("cache");
        match fs::rename(directory, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(fail)?,
        }
        drop(lock);
        fs::remove_dir_all(&aside).map_err(fail)?;
    }
    Ok(true)
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
        request.choose(&found, &|_| false).0.into_iter().map(|found| found.item.id.clone()).collect()
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
