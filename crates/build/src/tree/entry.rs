//! One file of a tree, as the kernel describes it.

use std::path::PathBuf;

use rustix::fs::{FileType, Stat};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

impl Kind {
    /// A byte that stands for the kind in digests.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Directory => b'd',
            Self::Symlink => b'l',
            Self::CharDevice => b'c',
            Self::BlockDevice => b'b',
            Self::Fifo => b'p',
            Self::Socket => b's',
        }
    }
}

/// A moment as the file system keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

impl Moment {
    /// Nanoseconds since 1970.
    pub(crate) fn as_nanos(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(self.nanoseconds)
    }
}

/// What stat(2) says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// The device that a device file stands for.
    pub(crate) rdev: u64,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) nlink: u64,
    pub(crate) mtime: Moment,
    pub(crate) ctime: Moment,
}

impl Meta {
    pub(crate) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }
}

impl From<&Stat> for Meta {
    fn from(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::RegularFile | FileType::Unknown => Kind::File,
        };
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            rdev: stat.st_rdev,
            dev: stat.st_dev,
            ino: stat.st_ino,
            nlink: stat.st_nlink,
            mtime: Moment { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as i64 },
            ctime: Moment { seconds: stat.st_ctime, nanoseconds: stat.st_ctime_nsec as i64 },
        }
    }
}

/// A file among those that were picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where, relative to what was picked; empty for that itself.
    pub(crate) path: PathBuf,
    pub(crate) meta: Meta,
    /// A directory that was not picked itself, but holds something that was.
    pub(crate) implied: bool,
}
