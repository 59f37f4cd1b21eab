//! Owner, extended attributes, mode and times set on what an archive made.
//!
//! The order matters: writing and changing the owner both clear set-id bits and capabilities, and
//! everything changes the time.

use std::{ffi::OsStr, os::fd::AsFd, path::Path};

use rustix::{
    fs::{
        AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
        fremovexattr, fsetxattr, futimens, utimensat,
    },
    io::Errno,
};

use crate::{
    Error, Kind, Metadata, Ownership, Timestamp, inode,
    overlay::{OWNER_XATTR, format_owner},
};

/// Sets owner and extended attributes of an open file or directory. `path` is for messages.
pub(crate) fn set_owner(
    file: impl AsFd,
    metadata: &Metadata,
    ownership: Ownership,
    path: &Path,
) -> Result<(), Error> {
    let owner = (metadata.uid, metadata.gid);
    let set = match (ownership, owner) {
        (Ownership::Real, (uid, gid)) => fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))),
        (Ownership::Recorded, (0, 0)) => match fremovexattr(&file, OWNER_XATTR) {
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            result => result,
        },
        (Ownership::Recorded, owner) => {
            fsetxattr(&file, OWNER_XATTR, format_owner(owner).as_bytes(), XattrFlags::empty())
        }
    };
    set.map_err(Error::file("setting the owner of", path))?;
    for (name, value) in metadata.xattrs.iter().filter(|(name, _)| is_applied(name)) {
        match fsetxattr(&file, name.as_str(), value, XattrFlags::empty()) {
            // The file system has no such attributes, or an ordinary user may not set this one.
            Err(Errno::NOTSUP) => {}
            Err(Errno::PERM) if ownership == Ownership::Recorded => {}
            result => result.map_err(Error::file("setting an attribute of", path))?,
        }
    }
    Ok(())
}

/// Sets mode and time of an open file or directory, as the last thing that happens to it.
pub(crate) fn set_mode_and_time(file: impl AsFd, metadata: &Metadata, path: &Path) -> Result<(), Error> {
    fchmod(&file, mode(metadata)).map_err(Error::file("setting the mode of", path))?;
    futimens(&file, &times(metadata.mtime)).map_err(Error::file("setting the time of", path))
}

/// Sets what can be set on a symbolic link, device or pipe, which is not opened for it.
pub(crate) fn set_on_node(
    parent: impl AsFd,
    name: &OsStr,
    kind: &Kind,
    metadata: &Metadata,
    ownership: Ownership,
    path: &Path,
) -> Result<(), Error> {
    let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
    if ownership == Ownership::Real {
        chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::file("setting the owner of", path))?;
    }
    if !matches!(kind, Kind::Symlink { .. }) {
        chmodat(&parent, name, mode(metadata), AtFlags::empty())
            .map_err(Error::file("setting the mode of", path))?;
    }
    utimensat(&parent, name, &times(metadata.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::file("setting the time of", path))
}

/// Whether an archive may set this attribute: capabilities, access lists and what users keep for
/// themselves, but nothing that overlayfs, the security modules or wharf believe in.
fn is_applied(name: &str) -> bool {
    let is_users =
        name.starts_with("user.") && !name.starts_with("user.overlay.") && !name.starts_with("user.wharf.");
    is_users || name == inode::CAPABILITY || name.starts_with("system.posix_acl_")
}

fn mode(metadata: &Metadata) -> Mode {
    Mode::from_raw_mode(metadata.mode)
}

fn times(mtime: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_cannot_talk_to_overlayfs() {
        assert!(
            is_applied("security.capability")
                && is_applied("user.note")
                && is_applied("system.posix_acl_access")
        );
        for name in
            ["trusted.overlay.redirect", "user.overlay.opaque", OWNER_XATTR, "security.selinux", "trusted.x"]
        {
            assert!(!is_applied(name), "{name}");
        }
    }
}
