//! Climbing the ladder: from an ordinary process to one with namespaces of its own.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, chdir, chroot, fchdir, getcwd, getgid, getpid, getuid, pidfd_open,
    set_dumpable_behavior,
};
use rustix::thread::CapabilitySet;

use crate::ids::IdMap;
use crate::sandbox::Host;
use crate::subids::Mapping;
use crate::warden::Warden;
use crate::{Refusal, Rung, Sandbox, Unavailable, capability, sys};

/// Moves the calling process into namespaces of its own, by the best rung the host allows. The process
/// must have a single thread; afterwards it is root in those namespaces, and threads started later
/// are in them, too. Its working directory stays. It can no longer be traced by its own user.
///
/// # Errors
/// Fails when no rung can be reached, with the reason per rung; the process is then as it was.
pub fn enter() -> Result<Sandbox, Unavailable> {
    let caller = (getuid().as_raw(), getgid().as_raw());
    let mut refusals = Vec::new();
    for rung in [Rung::Root, Rung::SubIds, Rung::SingleId, Rung::Chroot, Rung::Files] {
        match climb(rung, caller) {
            Ok((warden, ids)) => {
                let oom_score = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
                let oom_score = oom_score.trim_end().parse().unwrap_or(0);
                return Ok(Sandbox::new(Host { rung, refusals, caller, ids, warden, oom_score }));
            }
            Err(reason) => refusals.push(Refusal { rung, reason }),
        }
    }
    Err(Unavailable { refusals })
}

fn climb(rung: Rung, (uid, gid): (u32, u32)) -> Result<(Warden, IdMap), String> {
    single_thread()?;
    let warden = match rung {
        Rung::Root => as_root(),
        Rung::SubIds => with_subids(uid, gid),
        Rung::SingleId => with_single_id(uid, gid),
        Rung::Chroot => with_chroot(),
        Rung::Files => with_files(),
    }?;
    // A child sees the processes of its sandbox, and they see it, before it has become the command and
    // while it still is, by its memory, this process with all its secrets. So nobody without the right
    // to trace any process may look into it, even with the same user id.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| format!("prctl: {errno}"))?;
    // Were it ignored, as some supervisors leave it, the kernel would not keep how a child ended.
    sys::reset_signal(libc::SIGCHLD);
    let ids = IdMap::current().map_err(|error| format!("reading the ids of this process: {error}"))?;
    Ok((warden, ids))
}

/// Namespaces belong to threads, and a process with several cannot move into a user namespace at all.
fn single_thread() -> Result<(), String> {
    let threads = fs::read_dir("/proc/self/task").map_err(|error| format!("/proc/self/task: {error}"))?;
    match threads.count() {
        1 => Ok(()),
        threads => {
            Err(format!("this process has {threads} threads, and only one with a single thread can enter"))
        }
    }
}

fn as_root() -> Result<Warden, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("not running as root".to_owned());
    }
    if !capability::has(CapabilitySet::SYS_ADMIN) {
        return Err("the capability CAP_SYS_ADMIN is missing".to_owned());
    }
    sys::unshare(libc::CLONE_NEWNS).map_err(|errno| format!("unshare: {errno}"))?;
    let stay_private = || {
        if needs_new_root()? {
            mount_new_root()?
        } else {
            make_everything_private()?
        }
        Warden::start(|| Ok(()))
    };
    stay_private().map_err(|error| format!("making mounts private: {error}"))
}

fn with_subids(uid: u32, gid: u32) -> Result<Warden, String> {
    if capability::has(CapabilitySet::SETUID | CapabilitySet::SETGID) {
        let mapping = Mapping::of_everything().map_err(|error| format!("/proc/self/uid_map: {error}"))?;
        return in_user_namespace(|warden| {
            mapping.write(warden).map_err(|error| format!("mapping every id: {error}"))
        });
    }
    let mapping = Mapping::of_subids(uid, gid)?;
    in_user_namespace(|warden| mapping.write_with_helpers(warden))
}

fn with_single_id(uid: u32, gid: u32) -> Result<Warden, String> {
    let mapping = Mapping::single(uid, gid);
    in_user_namespace(|warden| {
        mapping.write_unprivileged(warden).map_err(|error| format!("mapping one id: {error}"))
    })
}

fn with_chroot() -> Result<Warden, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("not running as root".to_owned());
    }
    if !capability::has(CapabilitySet::SYS_CHROOT) {
        return Err("the capability CAP_SYS_CHROOT is missing".to_owned());
    }
    warden()
}

fn with_files() -> Result<Warden, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("not running as root".to_owned());
    }
    if !capability::has(CapabilitySet::CHOWN | CapabilitySet::FOWNER | CapabilitySet::DAC_OVERRIDE) {
        return Err("one of CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE is missing".to_owned());
    }
    warden()
}

fn warden() -> Result<Warden, String> {
    Warden::start(|| Ok(())).map_err(|error| format!("starting the warden: {error}"))
}

/// Lets the warden make the namespaces, maps ids from outside, and only then follows it in: until
/// everything has worked, this process has not changed.
fn in_user_namespace(map: impl FnOnce(Pid) -> Result<(), String>) -> Result<Warden, String> {
    let here = getcwd(Vec::new()).map_err(|errno| format!("finding the working directory: {errno}"))?;
    let warden = Warden::start(|| {
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
        make_everything_private()
    })
    .map_err(|error| format!("making a user namespace: {error}{}", hint()))?;
    map(warden.pid())?;
    let follow = || {
        let pidfd = pidfd_open(warden.pid(), PidfdFlags::empty())?;
        sys::join(pidfd.as_fd(), libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
        // Joining a mount namespace moves a process to its root.
        chdir(&here)
    };
    follow().map_err(|errno| format!("entering the user namespace: {errno}"))?;
    Ok(warden)
}

/// Settings of the host that are known to forbid user namespaces.
fn hint() -> String {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim_end() == value);
    let settings = [
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    let found = settings.iter().find(|(name, value)| is(&format!("/proc/sys/{name}"), value));
    found
        .map(|(name, value)| format!(" (the host sets {}={value})", name.replace('/', ".")))
        .unwrap_or_default()
}

fn make_everything_private() -> Result<(), Errno> {
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

/// Whether `/` is not the root of a mount that could be exchanged for another: in a chroot, or on the
/// kernel's own initial file system.
fn needs_new_root() -> io::Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let root = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/"));
    Ok(root.is_none_or(|line| line.contains(" - rootfs ")))
}

/// Mounts the directory that is `/` on itself and moves there. Its own namespace's real root has to
/// become private first, or the mount would be seen outside; joining that very namespace leads there.
fn mount_new_root() -> Result<(), Errno> {
    let here = getcwd(Vec::new())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root: OwnedFd = rustix::fs::open(c"/", flags, Mode::empty())?;
    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    sys::join(me.as_fd(), libc::CLONE_NEWNS)?;
    make_everything_private()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&root, c"", flags)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, c"", &root, c"", flags)?;
    fchdir(&tree)?;
    chroot(c".")?;
    chdir(&here)
}
