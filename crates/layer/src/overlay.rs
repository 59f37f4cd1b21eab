//! The form in which overlayfs keeps a layer on disk, and how owners are kept where `chown` is refused.
//!
//! A removal is a character device 0:0, a directory that hides the lower ones carries an extended
//! attribute (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").

use std::str;

use crate::{Device, Kind};

/// Which extended attribute marks an opaque directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpaqueXattr {
    /// `trusted.overlay.opaque`, for mounts made by root.
    #[default]
    Trusted,
    /// `user.overlay.opaque`, for mounts made in a user namespace with the option `userxattr`.
    User,
}

impl OpaqueXattr {
    /// Both, since a store may be used as root today and in a user namespace tomorrow.
    pub(crate) const ALL: [Self; 2] = [Self::Trusted, Self::User];

    /// The name of the attribute; its value is `y`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// Where the owner of a file in a tree is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// In the inode.
    #[default]
    Real,
    /// In the extended attribute [`OWNER_XATTR`], because the namespace has a single id and `chown` to
    /// any other fails. A file without the attribute belongs to 0:0. Symbolic links, fifos and devices
    /// cannot carry it and always belong to 0:0.
    Recorded,
}

/// `uid:gid` in decimal, under [`Ownership::Recorded`].
pub const OWNER_XATTR: &str = "user.wharf.owner";

/// `c:major:minor` or `b:major:minor` in decimal, on an empty file that stands for a device which
/// `mknod` was not allowed to make.
pub const DEVICE_XATTR: &str = "user.wharf.device";

pub(crate) fn format_owner((uid, gid): (u32, u32)) -> String {
    format!("{uid}:{gid}")
}

pub(crate) fn parse_owner(value: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = str::from_utf8(value).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// `None` for what is no device.
pub(crate) fn format_device(kind: &Kind) -> Option<String> {
    let (letter, Device { major, minor }) = match kind {
        Kind::CharDevice(device) => ('c', device),
        Kind::BlockDevice(device) => ('b', device),
        _ => return None,
    };
    Some(format!("{letter}:{major}:{minor}"))
}

pub(crate) fn parse_device(value: &[u8]) -> Option<Kind> {
    let (letter, numbers) = str::from_utf8(value).ok()?.split_once(':')?;
    let (major, minor) = numbers.split_once(':')?;
    let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
    match letter {
        "c" => Some(Kind::CharDevice(device)),
        "b" => Some(Kind::BlockDevice(device)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_reads_back() {
        assert_eq!(parse_owner(format_owner((3_000_000_000, 7)).as_bytes()), Some((3_000_000_000, 7)));
        let null = Kind::CharDevice(Device { major: 1, minor: 3 });
        assert_eq!(format_device(&null).as_deref(), Some("c:1:3"));
        assert_eq!(parse_device(b"c:1:3"), Some(null));
        assert_eq!(format_device(&Kind::Fifo), None);
        for garbage in [&b""[..], b"1", b"1:", b"a:b", b"x:1:3", b"\xff:1"] {
            assert_eq!((parse_owner(garbage), parse_device(garbage)), (None, None));
        }
    }
}
