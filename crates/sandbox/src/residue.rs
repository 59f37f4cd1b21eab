//! Taking back the mount points that a child had to make, once it has ended.
//!
//! A layer must hold what the command did, not what wharf did to run it: an empty `/etc/resolv.conf` where
//! the image has none, and the copies of the directories around it that overlayfs makes for its sake. The
//! command may have changed any of it meanwhile, even into links out of the layer, so nothing is removed
//! that is not exactly as it was left, and no link is followed.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_OMIT, openat2, statat,
    unlinkat, utimensat,
};

use crate::Error;
use crate::report::{DirectoryState, Modified, Trace};

/// What to take back, and from which directory.
#[derive(Debug, Default)]
pub(crate) struct Residue {
    layer: PathBuf,
    traces: Vec<Trace>,
}

impl Residue {
    pub(crate) fn new(layer: PathBuf, traces: Vec<Trace>) -> Self {
        Self { layer, traces }
    }

    /// Removes what is unchanged. Nothing else uses the layer any more.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        if self.traces.is_empty() {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let layer = rustix::fs::open(&self.layer, flags, Mode::empty())
            .map_err(|errno| Error::Path { path: self.layer.clone(), source: errno.into() })?;
        let unchanged: Vec<bool> = self.traces.iter().map(|trace| self.is_unchanged(&layer, trace)).collect();
        for (trace, unchanged) in self.traces.iter().zip(unchanged).rev() {
            match trace {
                Trace::Made { path, .. } => remove_stub(&layer, path),
                Trace::Passed { path, own, state } if unchanged => restore(&layer, path, *own, state),
                Trace::Passed { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether a directory is still as the child left it.
    fn is_unchanged(&self, layer: &OwnedFd, trace: &Trace) -> bool {
        let Trace::Passed { path, state, .. } = trace else { return false };
        let Some(found) = Place::find(layer, path).and_then(|place| place.stat()) else { return false };
        (found.st_mode, found.st_uid, found.st_gid) == (state.mode, state.uid, state.gid)
            && self.times_left(path, state).any(|left| left == modified(&found))
    }

    /// The modification times that our own doings may have left on a directory.
    fn times_left<'a>(&'a self, path: &'a [u8], state: &'a DirectoryState) -> impl Iterator<Item = Modified> {
        let by_making = self.traces.iter().filter_map(move |trace| match trace {
            Trace::Made { path: made, parent_modified } => {
                let slash = made.iter().rposition(|byte| *byte == b'/')?;
                (made[..slash] == *path).then_some(*parent_modified)
            }
            Trace::Passed { .. } => None,
        });
        by_making.chain(std::iter::once(state.modified))
    }
}

/// Removes an empty directory or an empty file.
fn remove_stub(layer: &OwnedFd, path: &[u8]) {
    let Some(place) = Place::find(layer, path) else { return };
    let Some(found) = place.stat() else { return };
    let _ = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => unlinkat(&place.parent, place.name, AtFlags::REMOVEDIR),
        FileType::RegularFile if found.st_size == 0 => unlinkat(&place.parent, place.name, AtFlags::empty()),
        _ => Ok(()),
    };
}

/// Gives a directory its time back, or removes it if it is only a copy that overlayfs made.
fn restore(layer: &OwnedFd, path: &[u8], own: bool, state: &DirectoryState) {
    let Some(place) = Place::find(layer, path) else { return };
    // Only an empty directory can be removed, so what the command put there keeps it alive.
    if !own && unlinkat(&place.parent, place.name, AtFlags::REMOVEDIR).is_ok() {
        return;
    }
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: state.modified.0, tv_nsec: state.modified.1 as _ },
    };
    let _ = utimensat(&place.parent, place.name, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// A name in a directory of the layer.
struct Place<'a> {
    parent: OwnedFd,
    name: &'a Path,
}

impl<'a> Place<'a> {
    fn find(layer: &OwnedFd, path: &'a [u8]) -> Option<Self> {
        let path = Path::new(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)));
        let here = Path::new(".");
        let name = path.file_name().map_or(here, Path::new);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(here);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let parent = openat2(layer, parent, flags, Mode::empty(), resolve).ok()?;
        Some(Self { parent, name })
    }

    fn stat(&self) -> Option<Stat> {
        statat(&self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

fn modified(found: &Stat) -> Modified {
    (found.st_mtime, found.st_mtime_nsec as i64)
}
