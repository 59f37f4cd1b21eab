//! What a process in a sandbox sees of the host, and what it may do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arena;

use arena::{Arena, lines};
use wharf_sandbox::{Mount, Network, Rung, Security, Spec, User};

on_every_rung! {
    it_is_process_1_and_sees_no_other
    names_and_ipc_are_its_own
    it_has_dockers_capabilities_and_filter
    privileged_calls_are_refused
    ordinary_calls_are_not_refused
    devices_are_the_minimal_set
    kernel_files_are_masked_and_read_only
    mounts_cannot_uncover_kernel_files
    the_mount_table_shows_nothing_of_the_host
    an_isolated_network_has_only_loopback
    the_hosts_network_can_be_reached
    insecure_lifts_the_restrictions
    no_descriptor_of_wharf_is_left_open
}

as_root! {
    a_user_has_no_capabilities
    set_id_programs_work
}

fn it_is_process_1_and_sees_no_other(arena: &Arena) {
    assert_eq!(arena.output("echo $$ /proc/[0-9]*"), "1 /proc/1\n");
    let session = arena.output("cat /proc/1/stat");
    assert_eq!(session.split(' ').nth(5), Some("1"), "leads a session of its own: {session}");
}

fn names_and_ipc_are_its_own(arena: &Arena) {
    let spec =
        Spec { hostname: "builder".to_owned(), ..arena.shell("hostname; cat /proc/sysvipc/shm | wc -l") };
    assert_eq!(arena.output_of(&spec), "builder\n1\n");
    let namespaces = arena.output("cd /proc/self/ns; for n in mnt pid uts ipc cgroup; do readlink $n; done");
    for (inside, name) in namespaces.lines().zip(["mnt", "pid", "uts", "ipc", "cgroup"]) {
        let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(inside, outside.to_str().unwrap());
    }
}

fn status(arena: &Arena, spec: &Spec, field: &str) -> String {
    let status = arena.output_of(spec);
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

const DOCKER: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

fn it_has_dockers_capabilities_and_filter(arena: &Arena) {
    // Without a shell, which would ignore signals of its own.
    let spec = || Spec { args: ["cat", "/proc/self/status"].map(str::to_owned).to_vec(), ..arena.shell("") };
    for (field, expected) in [
        ("CapEff", DOCKER),
        ("CapPrm", DOCKER),
        ("CapBnd", DOCKER),
        ("CapInh", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "0"),
        ("Seccomp", "2"),
        ("SigBlk", NONE),
        ("SigIgn", NONE),
        ("Umask", "0022"),
    ] {
        assert_eq!(status(arena, &spec(), field), expected, "{field}");
    }
}

fn a_user_has_no_capabilities(arena: &Arena) {
    let spec = || Spec {
        user: User { uid: 1000, gid: 1000, groups: vec![] },
        ..arena.shell("cat /proc/self/status")
    };
    assert_eq!(status(arena, &spec(), "CapEff"), NONE);
    assert_eq!(status(arena, &spec(), "CapPrm"), NONE);
    assert_eq!(status(arena, &spec(), "CapBnd"), DOCKER);
}

fn set_id_programs_work(arena: &Arena) {
    use std::os::unix::fs::PermissionsExt;
    let busybox = arena.base.join("bin/busybox");
    std::fs::set_permissions(busybox, PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::write(arena.base.join("etc/passwd"), "root::0:0::/root:/bin/sh\n").unwrap();
    let user = User { uid: 1000, gid: 1000, groups: vec![] };
    let spec = Spec { user, ..arena.shell("su -c 'cat /proc/self/status'") };
    assert_eq!(status(arena, &spec, "CapEff"), DOCKER);
}

fn privileged_calls_are_refused(arena: &Arena) {
    for script in [
        "mount -t tmpfs none /tmp",
        "umount /proc",
        "unshare -U true",
        "unshare -m true",
        "hostname other",
        "dmesg",
        "echo 1 > /proc/sys/kernel/panic",
        "ip link add dummy0 type dummy",
    ] {
        assert!(!arena.succeeds(script), "{script}");
    }
}

fn ordinary_calls_are_not_refused(arena: &Arena) {
    for script in [
        "mkdir /new && touch /new/file && mv /new /moved && rm -r /moved",
        "chown 0:0 /etc/group && chmod 600 /etc/group",
        "chroot / /bin/true",
        "setsid true & wait",
        "ulimit -n 512",
        "ln -s a /b && ln /etc/group /tmp/hard",
        "mkfifo /tmp/fifo 2>/dev/null || mknod /tmp/fifo p",
    ] {
        assert!(arena.succeeds(script), "{script}");
    }
    // Devices can be made by docker's default capabilities, but not from a user namespace.
    assert_eq!(arena.succeeds("mknod /tmp/null c 1 3"), arena.sandbox.rung() == Rung::Root);
}

fn devices_are_the_minimal_set(arena: &Arena) {
    let names = arena.output("ls /dev");
    let expected = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(lines(&names), expected.split(' ').collect::<Vec<_>>());
    let script = "echo gone > /dev/null && head -c 3 /dev/zero | wc -c && head -c 5 /dev/urandom | wc -c \
        && (echo x > /dev/full) 2>/dev/null || echo full && touch /dev/shm/x && ls /dev/pts && echo said > /dev/stdout";
    assert_eq!(arena.output(script), "3\n5\nfull\nptmx\nsaid\n");
    assert!(arena.output("df -k /dev/shm").contains(" 65536 "));
    let spec = Spec { shm_size: 1 << 20, ..arena.shell("df -k /dev/shm") };
    assert!(arena.output_of(&spec).contains(" 1024 "));
}

fn kernel_files_are_masked_and_read_only(arena: &Arena) {
    assert_eq!(
        arena.output("cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts | wc -c").trim(),
        "0"
    );
    assert_eq!(arena.output("ls /sys/firmware | wc -l").trim(), "0");
    for path in ["/sys/kernel/uevent_seqnum", "/proc/sys/kernel/panic"] {
        let ended = arena.run(&arena.shell(&format!("echo 1 > {path}"))).unwrap();
        assert!(ended.err.contains("Read-only file system"), "{path}: {}", ended.err);
    }
}

fn mounts_cannot_uncover_kernel_files(arena: &Arena) {
    let tmpfs = |target: &str| Mount::Tmpfs { target: target.into(), size: None, mode: 0o755 };
    let spec =
        Spec { mounts: vec![tmpfs("/dev")], ..arena.shell("cat /proc/timer_list | wc -c; ls -A /dev") };
    assert_eq!(arena.output_of(&spec), "0\n");
    for target in ["/proc/self/fd/0", "/proc/self/exe", "/proc/self/cwd/x", "/proc/1/root"] {
        assert!(arena.run(&Spec { mounts: vec![tmpfs(target)], ..arena.shell("true") }).is_err(), "{target}");
    }
}

fn the_mount_table_shows_nothing_of_the_host(arena: &Arena) {
    let place = arena.place.path().to_str().unwrap();
    let table = arena.output("cat /proc/self/mountinfo");
    assert!(!table.contains(place), "{table}");
    assert!(table.lines().count() < 40, "{table}");
}

fn an_isolated_network_has_only_loopback(arena: &Arena) {
    let spec = Spec { network: Network::Isolated, ..arena.shell("ls /sys/class/net; ip addr show lo") };
    let shown = arena.output_of(&spec);
    assert!(shown.starts_with("lo\n"), "{shown}");
    assert!(shown.contains("127.0.0.1/8") && shown.contains("LOWER_UP"), "{shown}");
    let spec = Spec {
        network: Network::Isolated,
        ..arena.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")
    };
    assert_eq!(arena.output_of(&spec), "0\n");
}

fn the_hosts_network_can_be_reached(arena: &Arena) {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"hello\n").unwrap();
    });
    assert_eq!(arena.output(&format!("nc 127.0.0.1 {port} < /dev/null")), "hello\n");
    server.join().unwrap();
}

fn insecure_lifts_the_restrictions(arena: &Arena) {
    let insecure = |script| Spec { security: Security::Insecure, ..arena.shell(script) };
    assert_eq!(status(arena, &insecure("cat /proc/self/status"), "Seccomp"), "0");
    arena.output_of(&insecure("mount -t tmpfs none /tmp && umount /tmp"));
    arena.output_of(&insecure("hostname other && hostname"));
}

fn no_descriptor_of_wharf_is_left_open(arena: &Arena) {
    // Standard streams, and the directory that is being listed.
    assert_eq!(arena.output("ls -l /proc/self/fd | wc -l").trim(), "5");
}
