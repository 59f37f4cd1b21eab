//! `/proc` and `/sys`, and what of them a confined process neither sees nor changes.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, lstat};
use rustix::io::Errno;
use rustix::mount::{
    MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, move_mount, open_tree,
};

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

/// What is known and open before `/` changes.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Whether the host has one hierarchy of control groups, which a namespace can show a part of.
    unified_cgroups: bool,
    /// The host's own, for a user namespace that the kernel refuses new ones.
    host_proc: Option<OwnedFd>,
    host_sys: Option<OwnedFd>,
}

impl Prepared {
    pub(super) fn new() -> Self {
        const CGROUP2_SUPER_MAGIC: u32 = 0x6367_7270;
        let unified_cgroups =
            rustix::fs::statfs(CGROUPS).is_ok_and(|found| found.f_type as u32 == CGROUP2_SUPER_MAGIC);
        Self { unified_cgroups, host_proc: None, host_sys: None }
    }

    pub(super) fn open_host(&mut self) -> Result<(), Errno> {
        self.host_proc = Some(clone_tree(c"/proc")?);
        self.host_sys = Some(clone_tree(c"/sys")?);
        Ok(())
    }

    pub(super) fn mount_proc(&mut self, network: Network) -> Result<(), Failure> {
        top_directory(c"/proc").during(Step::TopDirectory)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match (mount(c"proc", c"/proc", c"proc", flags, None), self.host_proc.take()) {
            // In a container that hides parts of its /proc, a namespace may not have a whole one.
            (Err(Errno::PERM), Some(host)) => attach(host, c"/proc"),
            (mounted, _) => mounted,
        }
        .during(Step::Proc)?;
        if network == Network::Isolated {
            open_network_to_users();
        }
        Ok(())
    }

    /// Read-only if `confined`. A user namespace may have a new one only together with a new network.
    pub(super) fn mount_sys(&mut self, confined: bool) -> Result<(), Failure> {
        top_directory(c"/sys").during(Step::TopDirectory)?;
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        flags.set(MountFlags::RDONLY, confined);
        match (mount(c"sysfs", c"/sys", c"sysfs", flags, None), self.host_sys.take()) {
            (Err(Errno::PERM), Some(host)) => attach_readonly(host, c"/sys"),
            (mounted, _) => mounted,
        }
        .during(Step::Sys)?;
        if self.unified_cgroups {
            mount(c"cgroup2", CGROUPS, c"cgroup2", flags, None).during(Step::Sys)?;
        }
        Ok(())
    }
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
            tree => attach_readonly(tree?, path)?,
        }
    }
    Ok(())
}

fn clone_tree(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}

fn attach_readonly(tree: OwnedFd, at: &CStr) -> Result<(), Errno> {
    use std::os::fd::AsFd;
    sys::set_mount_attributes(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, true)?;
    attach(tree, at)
}

fn attach(tree: OwnedFd, at: &CStr) -> Result<(), Errno> {
    move_mount(tree, c"", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}
