//! The last rung: a host that allows no namespaces and no mounts, as a container without added capabilities.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arena;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use arena::{Arena, Caller, Ended, alone, enter_and_run};
use rustix::thread::{CapabilitySet, CapabilitySets};
use wharf_sandbox::{Mount, Network, Root, Rung, Spec, User};

/// What docker leaves to root.
const DOCKER: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL);

/// Makes this process what it would be in a container: no calls that make namespaces or mounts, and few of
/// root's capabilities.
fn be_contained() {
    let forbidden = [
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
    ];
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let any_bit = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let line = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let permission_denied = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // Numbers and the lower halves of arguments; clone with a flag of a namespace is forbidden, too.
    let mut program = vec![line(load, 0, 0, 0)];
    for call in forbidden {
        program.push(line(equal, call as u32, 0, 1));
        program.push(line(answer, permission_denied, 0, 0));
    }
    program.push(line(equal, libc::SYS_clone3 as u32, 0, 1));
    program.push(line(answer, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0));
    program.push(line(equal, libc::SYS_clone as u32, 0, 3));
    program.push(line(load, 16, 0, 0));
    program.push(line(any_bit, 0x7e02_0000, 0, 1));
    program.push(line(answer, permission_denied, 0, 0));
    program.push(line(answer, libc::SECCOMP_RET_ALLOW, 0, 0));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter and what it points to are valid for the time of the call.
    let loaded = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert_eq!(loaded, 0, "{}", std::io::Error::last_os_error());
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !DOCKER.contains(capability)
            && rustix::thread::remove_capability_from_bounding_set(capability).is_err()
        {
            break;
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: DOCKER, permitted: DOCKER, inheritable: none };
    rustix::thread::set_capabilities(None, sets).unwrap();
}

fn contained(name: &str, body: impl FnOnce(&Arena)) {
    alone(Caller::Root, name, || {
        be_contained();
        enter_and_run(Rung::Chroot, name, body);
    });
}

/// A script in a directory of its own, which is given, too.
fn shell(arena: &Arena, script: &str) -> (Spec, PathBuf) {
    let root = arena.directory();
    for name in ["bin", "etc", "tmp", "root"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for entry in fs::read_dir(arena.base.join("bin")).unwrap().flatten() {
        let to = root.join("bin").join(entry.file_name());
        match fs::read_link(entry.path()) {
            Ok(link) => std::os::unix::fs::symlink(link, to).unwrap(),
            Err(_) => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
    let args = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let env = vec![("PATH".to_owned(), "/bin".to_owned())];
    (Spec { env, ..Spec::new(Root::Dir(root.clone()), args) }, root)
}

fn run(arena: &Arena, spec: &Spec) -> Ended {
    arena.run(spec).unwrap()
}

#[test]
fn a_command_runs_in_its_root_and_leaves_what_it_wrote() {
    contained("a_command_runs_in_its_root_and_leaves_what_it_wrote", |arena| {
        let reasons: Vec<String> = arena.sandbox.refusals().iter().map(|r| r.to_owned().reason).collect();
        assert_eq!(reasons[0], "the capability CAP_SYS_ADMIN is missing");
        assert!(reasons[1].starts_with("making a user namespace: Operation not permitted"), "{reasons:?}");
        let (spec, root) = shell(
            arena,
            "echo hello > /tmp/out; echo no > /dev/null; head -c 3 /dev/zero | wc -c; ls -A / | sort",
        );
        assert_eq!(run(arena, &spec).out, "3\nbin\ndev\netc\nroot\ntmp\n");
        assert_eq!(fs::read_to_string(root.join("tmp/out")).unwrap(), "hello\n");
        assert!(!root.join("dev").exists(), "what was made for it is gone");
    });
}

#[test]
fn an_ordinary_user_is_what_it_is_and_cannot_come_back() {
    contained("an_ordinary_user_is_what_it_is_and_cannot_come_back", |arena| {
        let (mut spec, _) =
            shell(arena, "id -u; id -G; cat /root/x 2>&1; chroot / true 2>&1 | grep -c permitted");
        spec.user = User { uid: 1000, gid: 1001, groups: vec![1002] };
        let ended = run(arena, &spec);
        assert!(ended.out.starts_with("1000\n1001 1002\n") && ended.out.ends_with("\n1\n"), "{}", ended.out);
    });
}

#[test]
fn mounts_are_there_for_the_time_of_the_command() {
    contained("mounts_are_there_for_the_time_of_the_command", |arena| {
        let (mut spec, root) = shell(
            arena,
            "cat /etc/hosts /run/secrets/deep/key; stat -c %a /run/secrets/deep/key; cat /ro/f; echo new > /cache/g; \
             touch /scratch/x; ls /cache; test ! -e /etc/link/original",
        );
        fs::write(root.join("etc/hosts"), "original\n").unwrap();
        let before = fs::metadata(root.join("etc")).unwrap();
        let (cache, context) = (arena.directory(), arena.directory());
        fs::write(cache.join("old"), "").unwrap();
        fs::write(context.join("f"), "from outside\n").unwrap();
        let file = |target: &str, text: &str, mode| Mount::File {
            target: target.into(),
            contents: text.into(),
            mode,
            uid: 0,
            gid: 0,
            readonly: false,
        };
        let bind = |source: &PathBuf, target: &str, readonly| Mount::Bind {
            source: source.clone(),
            target: target.into(),
            readonly,
            recursive: false,
        };
        spec.mounts = vec![
            file("/etc/hosts", "mounted\n", 0o644),
            file("/run/secrets/deep/key", "secret\n", 0o400),
            bind(&context, "/ro", true),
            bind(&cache, "/cache", false),
            Mount::Tmpfs { target: "/scratch".into(), size: None, mode: 0o1777 },
        ];
        let ended = run(arena, &spec);
        assert_eq!(ended.out, "mounted\nsecret\n400\nfrom outside\ng\nold\n", "{}", ended.err);
        assert!(ended.status.success());
        assert_eq!(fs::read_to_string(root.join("etc/hosts")).unwrap(), "original\n");
        assert_eq!(fs::metadata(root.join("etc")).unwrap().mtime_nsec(), before.mtime_nsec());
        assert_eq!(fs::read_to_string(cache.join("g")).unwrap(), "new\n", "what was written to it is kept");
        let mut left: Vec<_> =
            fs::read_dir(&root).unwrap().flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["bin", "etc", "root", "tmp"]);
    });
}

#[test]
fn nothing_outlives_its_command() {
    contained("nothing_outlives_its_command", |arena| {
        let (spec, root) = shell(
            arena,
            "(trap '' TERM; setsid sleep 1000) > /dev/null 2>&1 & sleep 1000 > /dev/null 2>&1 & echo started",
        );
        assert_eq!(run(arena, &spec).out, "started\n");
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let its = fs::read_link(entry.path().join("root"));
            assert!(!its.is_ok_and(|its| its == root), "{} still runs", entry.path().display());
        }
    });
}

#[test]
fn links_of_the_image_lead_nowhere_else() {
    contained("links_of_the_image_lead_nowhere_else", |arena| {
        let outside = arena.directory();
        fs::set_permissions(&outside, PermissionsExt::from_mode(0o777)).unwrap();
        let (mut spec, root) = shell(arena, "cat /run/x/key");
        std::os::unix::fs::symlink(&outside, root.join("run")).unwrap();
        let target = "/run/x/key".into();
        spec.mounts = vec![Mount::File {
            target,
            contents: b"k\n".to_vec(),
            mode: 0o400,
            uid: 0,
            gid: 0,
            readonly: false,
        }];
        assert_eq!(run(arena, &spec).out, "k\n");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    });
}

#[test]
fn what_it_cannot_do_is_an_error_with_a_reason() {
    contained("what_it_cannot_do_is_an_error_with_a_reason", |arena| {
        let (spec, _) = shell(arena, "true");
        let refused = arena.run(&Spec { network: Network::Isolated, ..spec.clone() }).err().unwrap();
        assert!(refused.to_string().contains("cannot be kept from the network"), "{refused}");
        let refused = arena.run(&arena.shell("true")).err().unwrap();
        assert!(refused.to_string().contains("layers cannot be mounted"), "{refused}");
    });
}
