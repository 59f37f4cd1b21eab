//! One thing in a layer: what it is, where, and with which metadata.

use std::{collections::BTreeMap, path::PathBuf};

/// An entry of a layer, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, relative to the root of the image, without leading or trailing slash.
    pub path: PathBuf,
    /// What.
    pub kind: Kind,
    /// Owner, mode and the rest. Ignored for whiteouts, and for hard links, whose target has it.
    pub metadata: Metadata,
}

impl Entry {
    /// A regular file of `size` bytes, mode 0644, owned by root, at the epoch.
    pub fn file(path: impl Into<PathBuf>, size: u64) -> Self {
        Self::new(path, Kind::File { size }, 0o644)
    }

    /// A directory, mode 0755, owned by root, at the epoch.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::new(path, Kind::Directory, 0o755)
    }

    /// A symbolic link, owned by root, at the epoch.
    pub fn symlink(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::new(path, Kind::Symlink { target: target.into() }, 0o777)
    }

    /// A hard link to `target`, an earlier file of the same layer.
    pub fn hard_link(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self::new(path, Kind::HardLink { target: target.into() }, 0o644)
    }

    /// The removal of what lower layers have at `path`.
    pub fn whiteout(path: impl Into<PathBuf>) -> Self {
        Self::new(path, Kind::Whiteout, 0)
    }

    fn new(path: impl Into<PathBuf>, kind: Kind, mode: u32) -> Self {
        Self { path: path.into(), kind, metadata: Metadata { mode, ..Metadata::default() } }
    }
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of so many bytes.
    File {
        /// The length of its content.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The text of the link, as it is.
        target: PathBuf,
    },
    /// Another name for an earlier file of the same layer.
    HardLink {
        /// That file, relative to the root of the image.
        target: PathBuf,
    },
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// Lower layers' entry of this path, with all below it, is gone (`.wh.name`, image-spec layer.md).
    Whiteout,
    /// All that lower layers have in the directory of this path is gone (`.wh..wh..opq`).
    Opaque,
}

/// The number of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Owner, mode, time and extended attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with set-id and sticky bits, without the file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of last modification.
    pub mtime: Timestamp,
    /// Extended attributes by full name, `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// A moment: seconds since 1970, and the nanoseconds after that second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since the epoch, negative before it.
    pub seconds: i64,
    /// 0 to 999,999,999, counted forward even before the epoch.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// A whole second.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }
}
