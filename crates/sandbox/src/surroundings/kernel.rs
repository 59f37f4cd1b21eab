//! `/proc` and `/sys`, and what of them a confined process neither sees nor changes.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, lstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsmount, fsopen, mount, mount_bind, move_mount, open_tree,
};

use super::{Kept, kept};
use crate::Network;
use crate::report::{During, Failure, Step};
use crate::sys;

/// Docker's masked paths: what tells of the host or its hardware.
const MASKED: &[&CStr] = &[
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/interrupts",
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/latency_stats",
    c"/proc/sched_debug",
    c"/proc/scsi",
    c"/proc/timer_list",
    c"/proc/timer_stats",
    c"/sys/devices/virtual/powercap",
    c"/sys/firmware",
];

/// Docker's read-only paths: what changes the host.
const READONLY: &[&CStr] = &[c"/proc/bus", c"/proc/fs", c"/proc/irq", c"/proc/sys", c"/proc/sysrq-trigger"];

const CGROUPS: &CStr = c"/sys/fs/cgroup";

/// The file systems, once they are made and before they are attached.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Whether the host has one hierarchy of control groups, which a namespace can show a part of.
    unified_cgroups: bool,
    confined: bool,
    proc: Kept,
    sys: Kept,
}

impl Prepared {
    /// `confined`: `/sys` refuses writes.
    pub(super) fn new(confined: bool) -> Self {
        const CGROUP2_SUPER_MAGIC: u32 = 0x6367_7270;
        let unified_cgroups =
            rustix::fs::statfs(CGROUPS).is_ok_and(|found| found.f_type as u32 == CGROUP2_SUPER_MAGIC);
        Self { unified_cgroups, confined, proc: None, sys: None }
    }

    /// Makes them while the host's are still in sight, because the kernel gives a user namespace no
    /// more to see than what it sees already. Where that is not all of it (a container hides parts of
    /// its `/proc`; a `/sys` tells of all networks, so it takes a network of one's own), the host's
    /// own is what there is.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        let never = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let proc = match make(c"proc", never) {
            Err(Errno::PERM) => clone_tree(c"/proc"),
            made => made,
        };
        self.proc = kept(proc.during(Step::Proc)?);

        let readonly =
            if self.confined { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
        let sys = match make(c"sysfs", never | readonly) {
            Err(Errno::PERM) => clone_tree(c"/sys").and_then(|tree| {
                sys::set_mount_attributes(tree.as_fd(), readonly, true)?;
                Ok(tree)
            }),
            made => made,
        };
        self.sys = kept(sys.during(Step::Sys)?);
        Ok(())
    }

    pub(super) fn attach_proc(&mut self, network: &Network) -> Result<(), Failure> {
        top_directory(c"/proc").during(Step::TopDirectory)?;
        attach(self.proc.take(), c"/proc").during(Step::Proc)?;
        if !matches!(network, Network::Host) {
            open_network_to_users();
        }
        Ok(())
    }

    pub(super) fn attach_sys(&mut self) -> Result<(), Failure> {
        top_directory(c"/sys").during(Step::TopDirectory)?;
        attach(self.sys.take(), c"/sys").during(Step::Sys)?;
        if self.unified_cgroups {
            let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            flags.set(MountFlags::RDONLY, self.confined);
            mount(c"cgroup2", CGROUPS, c"cgroup2", flags, None).during(Step::Sys)?;
        }
        Ok(())
    }
}

/// A file system of the kernel, not attached yet.
fn make(kind: &CStr, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// As docker does in networks of its own: every user may open low ports and send pings. A kernel without
/// these settings, or a namespace without these ids, goes without.
fn open_network_to_users() {
    let settings: [(&CStr, &[u8]); 2] = [
        (c"/proc/sys/net/ipv4/ip_unprivileged_port_start", b"0"),
        (c"/proc/sys/net/ipv4/ping_group_range", b"0 2147483647"),
    ];
    for (setting, value) in settings {
        if let Ok(file) = rustix::fs::open(setting, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            let _ = rustix::io::write(file, value);
        }
    }
}

/// Makes a directory in `/` that a kernel file system goes on, and that stays behind as it does with
/// docker. A link in its place could put the file system anywhere in the image.
pub(super) fn top_directory(path: &CStr) -> Result<(), Errno> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => match FileType::from_raw_mode(lstat(path)?.st_mode) {
            FileType::Directory => Ok(()),
            _ => Err(Errno::NOTDIR),
        },
        made => made,
    }
}

/// Hides and protects what a confined process must not have. What the host lacks needs no hiding.
pub(super) fn mask() -> Result<(), Errno> {
    for path in MASKED {
        match mount_bind(c"/dev/null", *path) {
            Err(Errno::NOENT) => {}
            Err(Errno::NOTDIR) => mount(c"tmpfs", *path, c"tmpfs", MountFlags::RDONLY, None)?,
            masked => masked?,
        }
    }
    for path in READONLY {
        match clone_tree(path) {
            Err(Errno::NOENT) => {}
            tree => {
                let tree = tree?;
                sys::set_mount_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, true)?;
                attach(kept(tree), path)?;
            }
        }
    }
    Ok(())
}

fn clone_tree(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}

fn attach(tree: Kept, at: &CStr) -> Result<(), Errno> {
    let tree = tree.ok_or(Errno::BADF)?;
    move_mount(&*tree, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}
