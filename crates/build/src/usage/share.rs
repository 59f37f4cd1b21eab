//! Who is at work on the data directory, and since when.
//!
//! Each process has a locked file of its own there, whose time is when it began. The kernel drops the lock with
//! the process, so what a killed one left is told by its lock being free.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::engine::Engine;

/// Says that a data directory is in use, as long as it lives.
#[derive(Debug)]
pub struct Share {
    path: PathBuf,
    _lock: File,
}

impl Engine {
    /// Says that `data` is in use from now on: what is used there meanwhile is not pruned.
    ///
    /// # Errors
    /// Fails when the file that says so cannot be made.
    pub fn share(data: &Path) -> io::Result<Share> {
        let all = directory(data);
        fs::create_dir_all(&all)?;
        loop {
            let path = all.join(uuid::Uuid::new_v4().to_string());
            let lock = File::create(&path)?;
            lock.lock()?;
            // Before it was locked it looked like that of a dead process.
            if lock.metadata()?.nlink() > 0 {
                return Ok(Share { path, _lock: lock });
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // What stays is removed by the next prune.
        let _ = fs::remove_file(&self.path);
    }
}

/// When the oldest of those began that are at work on `data`.
pub(super) fn oldest(data: &Path) -> io::Result<Option<SystemTime>> {
    let entries = match fs::read_dir(directory(data)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut oldest: Option<SystemTime> = None;
    for entry in entries.flatten() {
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
            continue;
        }
        let began = file.metadata()?.modified()?;
        oldest = Some(oldest.map_or(began, |oldest| oldest.min(began)));
    }
    Ok(oldest)
}

fn directory(data: &Path) -> PathBuf {
    data.join("in-use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_lives_counts() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(oldest(temp.path()).unwrap(), None);
        let one = Engine::share(temp.path()).unwrap();
        let began = fs::metadata(&one.path).unwrap().modified().unwrap();
        let two = Engine::share(temp.path()).unwrap();
        assert_eq!(oldest(temp.path()).unwrap(), Some(began));
        drop(one);
        assert!(oldest(temp.path()).unwrap().unwrap() >= began);
        drop(two);
        File::create(directory(temp.path()).join("killed")).unwrap();
        assert_eq!(oldest(temp.path()).unwrap(), None);
        assert_eq!(fs::read_dir(directory(temp.path())).unwrap().count(), 0);
    }
}
