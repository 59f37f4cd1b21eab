//! Which rung a process gets, and that every rung works in odd surroundings.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arena;

use std::fs;
use std::path::Path;

use arena::{Arena, Caller, alone, enter_and_run};
use rustix::fs::{CWD, FileType, Mode, makedev};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, UnshareFlags};
use wharf_sandbox::{Error, Rung, Spec, User, enter};

on_every_rung! {
    better_rungs_are_refused_with_a_reason
    the_process_stays_what_it_was
}

fn better_rungs_are_refused_with_a_reason(arena: &Arena) {
    let reasons: Vec<_> = arena.sandbox.refusals().iter().map(|refusal| refusal.reason.as_str()).collect();
    match arena.sandbox.rung() {
        Rung::Root => assert!(reasons.is_empty(), "{reasons:?}"),
        Rung::SubIds => assert_eq!(reasons, ["not running as root"]),
        Rung::SingleId => {
            assert_eq!(reasons, ["not running as root", "/etc/subuid has no range for `54321`"]);
        }
        // It needs a host that forbids the others, and has tests of its own.
        Rung::Chroot | Rung::Files => panic!("{reasons:?}"),
    }
}

fn the_process_stays_what_it_was(arena: &Arena) {
    assert!(rustix::process::geteuid().is_root());
    let (uid, _) = arena.sandbox.caller();
    assert_eq!(uid == 0, arena.sandbox.rung() == Rung::Root);
    assert!(std::env::current_dir().unwrap().join("Cargo.toml").exists());
    let other = User { uid: 1000, gid: 1000, groups: vec![] };
    let spec = Spec { user: other, ..arena.shell("id -u") };
    match (arena.sandbox.rung(), arena.run(&spec)) {
        (Rung::SingleId, Err(Error::UnmappedId { kind: "user", id: 1000 })) => {}
        (Rung::Root | Rung::SubIds, Ok(ended)) => assert_eq!(ended.out, "1000\n"),
        (rung, result) => panic!("{rung}: {:?}", result.map(|ended| ended.out)),
    }
}

#[test]
fn several_threads_cannot_enter() {
    let refused = enter().unwrap_err();
    assert_eq!(refused.refusals.len(), 5);
    assert!(
        refused.to_string().contains("threads, and only one with a single thread can enter"),
        "{refused}"
    );
}

/// Gives the process mounts of its own, as a container has them.
fn own_mounts() {
    // SAFETY: descriptors stay shared, and there is no other thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}

/// Leaves one view of processes: where a chroot of the host has another that is whole, the kernel gives a new
/// one to anybody.
fn only_one_proc() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let others = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "proc" && place != "/proc").then_some(place)
    });
    others.for_each(|place| unmount(place, UnmountFlags::DETACH).unwrap());
}

fn become_ordinary() {
    rustix::thread::set_thread_groups(&[]).unwrap();
    let (uid, gid) = (rustix::fs::Uid::from_raw(54321), rustix::fs::Gid::from_raw(54321));
    rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
    rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
    // As after the exec that usually comes with becoming another user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
}

/// A root file system for the calling process itself, in a directory that is no mount point.
fn chroot_into(directory: &Path) {
    for name in ["proc", "dev", "tmp", "bin", "etc"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    fs::copy("/bin/busybox", directory.join("bin/busybox")).unwrap();
    let null = directory.join("dev/null");
    rustix::fs::mknodat(CWD, null, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 3))
        .unwrap();
    mount("proc", directory.join("proc"), "proc", MountFlags::empty(), None).unwrap();
    rustix::process::chroot(directory).unwrap();
    std::env::set_current_dir("/etc").unwrap();
}

#[test]
fn root_in_a_chroot() {
    let name = "root_in_a_chroot";
    // Removed by this process, which stays outside.
    let directory = tempfile::tempdir().unwrap();
    alone(Caller::Root, name, || {
        own_mounts();
        chroot_into(directory.path());
        enter_and_run(Rung::Root, name, |arena| {
            assert_eq!(std::env::current_dir().unwrap(), Path::new("/etc"));
            assert_eq!(arena.output("echo $$; ls /"), "1\nbin\ndev\netc\nproc\nroot\nsys\ntmp\n");
            assert!(Path::new("/bin/busybox").exists());
        });
    });
}

#[test]
fn an_ordinary_user_in_a_chroot_has_no_rung() {
    let directory = tempfile::tempdir().unwrap();
    alone(Caller::Root, "an_ordinary_user_in_a_chroot_has_no_rung", || {
        own_mounts();
        chroot_into(directory.path());
        become_ordinary();
        let refused = enter().unwrap_err();
        let [.., namespace, chroot, files] = refused.refusals.as_slice() else { panic!("{refused}") };
        assert_eq!(namespace.rung, Rung::SingleId);
        assert_eq!(namespace.reason, "making a user namespace: Operation not permitted (os error 1)");
        assert_eq!((chroot.rung, chroot.reason.as_str()), (Rung::Chroot, "not running as root"));
        assert_eq!((files.rung, files.reason.as_str()), (Rung::Files, "not running as root"));
        assert_eq!(rustix::process::getuid().as_raw(), 54321, "nothing has changed");
    });
}

#[test]
fn root_without_the_right_to_mount() {
    let name = "root_without_the_right_to_mount";
    alone(Caller::Root, name, || {
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::SYS_ADMIN);
        sets.permitted.remove(CapabilitySet::SYS_ADMIN);
        rustix::thread::set_capabilities(None, sets).unwrap();
        enter_and_run(Rung::SubIds, name, |arena| {
            assert_eq!(arena.sandbox.refusals()[0].reason, "the capability CAP_SYS_ADMIN is missing");
            let user = User { uid: 4711, gid: 4712, groups: vec![4713] };
            assert_eq!(arena.output_of(&Spec { user, ..arena.shell("id -u; id -g") }), "4711\n4712\n");
        });
    });
}

/// A container that hides parts of its `/proc` may not have a whole one in a namespace of its own.
#[test]
fn a_user_who_sees_a_part_of_proc() {
    let name = "a_user_who_sees_a_part_of_proc";
    alone(Caller::Root, name, || {
        own_mounts();
        only_one_proc();
        mount("tmpfs", "/proc/bus", "tmpfs", MountFlags::RDONLY, None).unwrap();
        become_ordinary();
        enter_and_run(Rung::SingleId, name, |arena| {
            assert_eq!(arena.output("cat /proc/self/comm; ls /proc/bus"), "cat\n");
            assert!(!arena.succeeds("echo 1 > /proc/sys/kernel/panic"));
        });
    });
}

#[test]
fn a_host_with_unified_control_groups() {
    let name = "a_host_with_unified_control_groups";
    alone(Caller::Root, name, || {
        own_mounts();
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MountFlags::empty(), None).unwrap();
        enter_and_run(Rung::Root, name, |arena| {
            let script = "test -f /sys/fs/cgroup/cgroup.procs && mkdir /sys/fs/cgroup/x";
            let ended = arena.run(&arena.shell(script)).unwrap();
            assert!(ended.err.contains("Read-only file system"), "{}", ended.err);
        });
    });
}
