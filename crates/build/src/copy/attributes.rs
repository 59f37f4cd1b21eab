//! Owners, modes and times of what is copied.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;
use wharf_layer::{OWNER_XATTR, Ownership};

use crate::plan::ModeChange;
use crate::tree::{CAPABILITY, Kind, Meta, Moment, Owners};

/// What becomes of the attributes of copied files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a> {
    /// The owner to give; `None` keeps that of the source.
    pub(crate) owner: Option<(u32, u32)>,
    /// The change of mode.
    pub(crate) mode: Option<&'a ModeChange>,
    /// Where owners are kept.
    pub(crate) ownership: Ownership,
}

impl Attributes<'_> {
    /// The mode of a file that has `mode` in the source.
    pub(super) fn mode(&self, mode: u32, is_dir: bool) -> u32 {
        self.mode.map_or(mode, |change| change.apply(mode, is_dir))
    }

    /// The owner of a file that is `meta` in a source whose owners count as `owners` says.
    pub(super) fn owner(&self, meta: &Meta, owners: Owners) -> (u32, u32) {
        self.owner.unwrap_or(match owners {
            Owners::Root => (0, 0),
            Owners::Kept => (meta.uid, meta.gid),
        })
    }

    /// Gives a directory that was just made, mode 0755, what this says of directories. Of those that are made on
    /// the way a mode in letters says nothing, and one in digits says the permissions only.
    pub(super) fn set_on_new_directory(&self, parent: impl AsFd, name: &OsStr) -> Result<(), Errno> {
        let parent = parent.as_fd();
        if let Some(owner) = self.owner {
            set_owner_at(parent, name, Kind::Directory, owner, self.ownership)?;
        }
        let change = self.mode.filter(|change| change.is_in_digits());
        let mode = Mode::from_raw_mode(change.map_or(0o755, |change| change.apply(0o755, true) & 0o777));
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
    }

    /// Gives the open file or directory the owner, the mode, the capabilities and the time of its source.
    pub(super) fn set_on_open(
        &self,
        file: BorrowedFd<'_>,
        meta: &Meta,
        owners: Owners,
        capability: &[u8],
    ) -> Result<(), Errno> {
        set_owner(file, self.owner(meta, owners), self.ownership)?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode(meta.mode, meta.is_dir())))?;
        if !capability.is_empty() {
            rustix::fs::fsetxattr(file, CAPABILITY, capability, XattrFlags::empty())?;
        }
        rustix::fs::futimens(file, &times(meta.mtime))
    }

    /// The same for what cannot be opened without effects: links, pipes, devices.
    pub(super) fn set_on_node(
        &self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        meta: &Meta,
        owners: Owners,
    ) -> Result<(), Errno> {
        set_owner_at(parent, name, meta.kind, self.owner(meta, owners), self.ownership)?;
        if meta.kind != Kind::Symlink {
            let mode = Mode::from_raw_mode(self.mode(meta.mode, false));
            rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
        }
        rustix::fs::utimensat(parent, name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// Sets the time of last modification of a directory entry.
pub(crate) fn set_time(parent: BorrowedFd<'_>, name: &OsStr, mtime: Moment) -> Result<(), Errno> {
    rustix::fs::utimensat(parent, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
}

/// The same by path; symbolic links are not followed.
pub(crate) fn set_time_of(path: &Path, mtime: Moment) -> Result<(), Errno> {
    rustix::fs::utimensat(CWD, path, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
}

/// The same for an open file or directory.
pub(crate) fn set_time_of_open(file: impl AsFd, mtime: Moment) -> Result<(), Errno> {
    rustix::fs::futimens(file, &times(mtime))
}

/// Gives `path` owner and time of the file that `meta` describes.
pub(crate) fn mirror(path: &Path, meta: &Meta) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    set_time_of(path, meta.mtime)
}

pub(super) fn times(mtime: Moment) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds as _ },
    }
}

/// A new file belongs to 0:0 already.
pub(super) fn set_owner(file: BorrowedFd<'_>, owner: (u32, u32), ownership: Ownership) -> Result<(), Errno> {
    match ownership {
        Ownership::Real => {
            rustix::fs::fchown(file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))
        }
        Ownership::Recorded => {
            let value = format!("{}:{}", owner.0, owner.1);
            rustix::fs::fsetxattr(file, OWNER_XATTR, value.as_bytes(), XattrFlags::empty())
        }
    }
}

fn set_owner_at(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    kind: Kind,
    owner: (u32, u32),
    ownership: Ownership,
) -> Result<(), Errno> {
    match (ownership, kind) {
        (Ownership::Real, _) => {
            let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
            rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        }
        (Ownership::Recorded, Kind::Directory) => {
            let flags =
                rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
            let directory =
                rustix::fs::openat(parent, name, flags | rustix::fs::OFlags::CLOEXEC, Mode::empty())?;
            set_owner(directory.as_fd(), owner, ownership)
        }
        // Links, pipes and devices cannot carry the attribute.
        (Ownership::Recorded, _) => Ok(()),
    }
}
