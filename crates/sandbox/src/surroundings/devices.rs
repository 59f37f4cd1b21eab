//! `/dev`: the devices that every program expects, and nothing of the host's hardware.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdir, mknodat, symlink};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, move_mount, open_tree};

use super::kernel::top_directory;
use super::{Kept, kept};
use crate::ids::IdMap;
use crate::report::{During, Failure, Step};
use crate::{Error, path};

/// Name, major and minor number.
const NODES: [(&CStr, u32, u32); 6] = [
    (c"/dev/null", 1, 3),
    (c"/dev/zero", 1, 5),
    (c"/dev/full", 1, 7),
    (c"/dev/random", 1, 8),
    (c"/dev/urandom", 1, 9),
    (c"/dev/tty", 5, 0),
];

const LINKS: [(&CStr, &CStr); 6] = [
    (c"/proc/self/fd", c"/dev/fd"),
    (c"/proc/self/fd/0", c"/dev/stdin"),
    (c"/proc/self/fd/1", c"/dev/stdout"),
    (c"/proc/self/fd/2", c"/dev/stderr"),
    (c"/proc/kcore", c"/dev/core"),
    (c"pts/ptmx", c"/dev/ptmx"),
];

/// The group `tty` in every distribution.
const TTY: u32 = 5;

/// Mount options, and where no device can be made, the host's.
#[derive(Debug)]
pub(super) struct Prepared {
    pts_options: CString,
    shm_options: CString,
    host: [Kept; NODES.len()],
}

impl Prepared {
    pub(super) fn new(shm_size: u64, ids: &IdMap) -> Result<Self, Error> {
        let group = if ids.has_group(TTY) { format!(",gid={TTY}") } else { String::new() };
        let pts_options = format!("newinstance,ptmxmode=0666,mode=0620{group}");
        Ok(Self {
            pts_options: path::c_string(pts_options, "a mount option")?,
            shm_options: path::c_string(format!("mode=1777,size={shm_size}"), "a mount option")?,
            host: [const { None }; NODES.len()],
        })
    }

    /// Opens the host's devices, for a namespace that may make none. It owns no right to change their
    /// modes either, or binding them would let it change them for everybody.
    pub(super) fn open_host(&mut self) -> Result<(), Errno> {
        for ((name, ..), node) in NODES.iter().zip(&mut self.host) {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            *node = kept(open_tree(CWD, *name, flags)?);
        }
        Ok(())
    }

    /// Mounts and fills it. Returns the directory itself: the one place that is surely writable, in
    /// memory, and no part of the image.
    pub(super) fn mount(&mut self) -> Result<OwnedFd, Failure> {
        top_directory(c"/dev").during(Step::TopDirectory)?;
        self.fill().during(Step::Dev)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(c"/dev", flags, Mode::empty()).during(Step::Dev)
    }

    fn fill(&mut self) -> Result<(), Errno> {
        let private = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount(c"tmpfs", c"/dev", c"tmpfs", MountFlags::NOSUID, c"mode=755,size=65536k")?;
        for ((name, major, minor), host) in NODES.iter().zip(&mut self.host) {
            let everybody = Mode::from_raw_mode(0o666);
            match host.take() {
                None => {
                    mknodat(CWD, *name, FileType::CharacterDevice, everybody, makedev(*major, *minor))?;
                }
                Some(node) => {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    rustix::fs::open(*name, flags, everybody)?;
                    move_mount(&*node, c"", CWD, *name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
                }
            }
        }
        for (target, link) in LINKS {
            symlink(target, link)?;
        }
        let directory = Mode::from_raw_mode(0o755);
        mkdir(c"/dev/pts", directory)?;
        mount(c"devpts", c"/dev/pts", c"devpts", private, self.pts_options.as_c_str())?;
        mkdir(c"/dev/shm", directory)?;
        mount(c"shm", c"/dev/shm", c"tmpfs", private | MountFlags::NODEV, self.shm_options.as_c_str())?;
        mkdir(c"/dev/mqueue", directory)?;
        mount(c"mqueue", c"/dev/mqueue", c"mqueue", private | MountFlags::NODEV, None)
    }
}
