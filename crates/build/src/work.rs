//! Where a build keeps what is not finished, and how others know that it is still needed.
//!
//! Each build has a directory of its own with a locked file in it. The kernel drops the lock with the
//! process, so what a killed build left is told by the lock being free, and is removed by the next.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::BuildError;

const LOCK: &str = "lock";

/// A directory that is removed when it is dropped, or by the next build once this process is dead.
#[derive(Debug)]
pub(crate) struct WorkDirectory {
    path: PathBuf,
    next: AtomicU64,
    _lock: File,
}

impl WorkDirectory {
    /// Makes one below `all`, where every build has its own.
    pub(crate) fn create(all: &Path) -> Result<Self, BuildError> {
        let path = all.join(uuid::Uuid::new_v4().to_string());
        let fail = |source| BuildError::DataDirectory { path: path.clone(), source };
        let guard = lock_all(all).map_err(fail)?;
        fs::create_dir(&path).map_err(fail)?;
        let lock = File::create(path.join(LOCK)).map_err(fail)?;
        lock.lock().map_err(fail)?;
        drop(guard);
        Ok(Self { path, next: AtomicU64::new(0), _lock: lock })
    }

    /// A path in it that nothing else has, starting with `name`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new directory in it, whose name starts with `name`.
    pub(crate) fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next build.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Makes the directory that all builds share, and removes what dead ones left in it.
pub(crate) fn sweep(all: &Path) -> Result<(), BuildError> {
    let fail = |source| BuildError::DataDirectory { path: all.to_owned(), source };
    fs::create_dir_all(all).map_err(fail)?;
    let _guard = lock_all(all).map_err(fail)?;
    for entry in fs::read_dir(all).map_err(fail)?.flatten() {
        let alive = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !alive && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // Left-overs cost room and nothing else, so they do not stop a build.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Keeps the moment between making a directory and locking it from being mistaken for a death.
fn lock_all(all: &Path) -> io::Result<File> {
    let guard = File::options().write(true).create(true).truncate(false).open(all.join(LOCK))?;
    guard.lock()?;
    Ok(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_swept() {
        let temp = tempfile::tempdir().unwrap();
        sweep(temp.path()).unwrap();
        let held = WorkDirectory::create(temp.path()).unwrap();
        let orphan = temp.path().join("orphan");
        fs::create_dir_all(orphan.join("upper")).unwrap();
        fs::write(orphan.join(LOCK), "").unwrap();
        sweep(temp.path()).unwrap();
        assert!(held.path.exists() && !orphan.exists());
        let path = held.path.clone();
        drop(held);
        assert!(!path.exists());
    }
}
