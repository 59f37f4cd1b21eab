//! Root file systems, mounts, and what they leave behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arena;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use arena::Arena;
use wharf_sandbox::{Mount, Overlay, Root, Spec, Upper, open_in_root};

on_every_rung! {
    changes_land_in_the_upper_directory
    removals_are_whiteouts_and_opaque_directories
    a_layer_is_self_contained
    many_layers_are_seen_as_one
    names_need_no_escaping
    a_directory_can_be_the_root
    an_overlay_without_upper_is_read_only
    nothing_below_is_plain_upper
    mounts_appear_where_they_should
    mount_points_leave_nothing_behind
    mount_points_leave_what_was_put_there
    a_dangling_link_is_no_obstacle
    links_do_not_lead_outside
    kernel_directories_stay
    a_link_for_proc_is_refused
    a_read_only_root_refuses_writes
    a_view_can_be_mounted_and_unmounted
    overlays_can_be_probed
}

/// All paths below `root` but those of the kernel file systems.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![root.to_path_buf()];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                ahead.push(path);
            }
        }
    }
    for kernel in ["proc", "sys", "dev"] {
        found.remove(kernel);
    }
    found
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn file(target: &str, contents: &str) -> Mount {
    Mount::File {
        target: target.into(),
        contents: contents.into(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        readonly: false,
    }
}

fn bind(source: &Path, target: &str) -> Mount {
    Mount::Bind { source: source.into(), target: target.into(), readonly: true, recursive: false }
}

fn changes_land_in_the_upper_directory(arena: &Arena) {
    let upper = arena.upper();
    let script = "echo new > /etc/new; echo more >> /etc/passwd; mkdir -m 700 /data";
    arena.output_of(&arena.shell_on(vec![arena.base.clone()], upper.clone(), script));
    assert_eq!(tree(&upper.dir), names(&["data", "etc", "etc/new", "etc/passwd"]));
    assert_eq!(fs::metadata(upper.dir.join("data")).unwrap().mode() & 0o777, 0o700);
    assert!(!fs::read_to_string(arena.base.join("etc/passwd")).unwrap().contains("more"));
    assert_eq!(arena.run(&arena.shell("cat /etc/new")).unwrap().status.code(), Some(1));
}

fn removals_are_whiteouts_and_opaque_directories(arena: &Arena) {
    let upper = arena.upper();
    let script = "rm /etc/group; rm -r /tmp /root; mkdir /root; touch /root/new";
    arena.output_of(&arena.shell_on(vec![arena.base.clone()], upper.clone(), script));
    for removed in ["etc/group", "tmp"] {
        let found = fs::symlink_metadata(upper.dir.join(removed)).unwrap();
        assert!(found.file_type().is_char_device() && found.rdev() == 0, "{removed}");
    }
    let name = if arena.sandbox.user_xattrs() { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(upper.dir.join("root"), name, &mut value).unwrap();
    assert_eq!(&value[..length], b"y");
}

fn a_layer_is_self_contained(arena: &Arena) {
    let lower = arena.directory();
    fs::create_dir(lower.join("old")).unwrap();
    fs::write(lower.join("old/file"), "contents").unwrap();
    let upper = arena.upper();
    arena.output_of(&arena.shell_on(
        vec![arena.base.clone(), lower],
        upper.clone(),
        "mv /old /new; chmod 600 /new/file",
    ));
    assert_eq!(fs::read_to_string(upper.dir.join("new/file")).unwrap(), "contents");
    // Read with no layer below it, the layer shows the same.
    let alone = arena.shell_on(vec![arena.base.clone(), upper.dir], arena.upper(), "cat /new/file; ls /old");
    let ended = arena.run(&alone).unwrap();
    assert!(ended.out == "contents" && ended.err.contains("/old"), "{}{}", ended.out, ended.err);
}

fn many_layers_are_seen_as_one(arena: &Arena) {
    let mut lowers = vec![arena.base.clone()];
    for number in 0..120 {
        let layer = arena.directory();
        fs::write(layer.join(format!("file-{number}")), "").unwrap();
        fs::write(layer.join("topmost"), number.to_string()).unwrap();
        lowers.push(layer);
    }
    let spec = arena.shell_on(lowers, arena.upper(), "ls / | grep -c file-; cat /topmost");
    assert_eq!(arena.output_of(&spec), "120\n119");
}

fn names_need_no_escaping(arena: &Arena) {
    let odd = arena.directory().join("a:b,c\\d e=f");
    let long = arena.directory().join("x".repeat(255)).join("y".repeat(255));
    for layer in [&odd, &long] {
        fs::create_dir_all(layer).unwrap();
    }
    fs::write(odd.join("odd"), "").unwrap();
    fs::write(long.join("long"), "").unwrap();
    let spec = arena.shell_on(vec![arena.base.clone(), odd, long], arena.upper(), "ls /odd /long");
    assert_eq!(arena.output_of(&spec), "/long\n/odd\n");
}

fn a_directory_can_be_the_root(arena: &Arena) {
    let spec = Spec { root: Root::Dir(arena.base.clone()), ..arena.shell("echo here > /here") };
    arena.output_of(&spec);
    assert_eq!(fs::read_to_string(arena.base.join("here")).unwrap(), "here\n");
}

fn an_overlay_without_upper_is_read_only(arena: &Arena) {
    for directory in ["proc", "sys", "dev"] {
        fs::create_dir(arena.base.join(directory)).unwrap();
    }
    for lowers in [vec![arena.base.clone()], vec![arena.base.clone(), arena.directory()]] {
        let overlay = Overlay { lowers, ..Overlay::default() };
        let spec = Spec { root: Root::Overlay(overlay), ..arena.shell("cat /etc/group && touch /x") };
        let ended = arena.run(&spec).unwrap();
        assert!(ended.out.contains("app") && ended.err.contains("Read-only"), "{}{}", ended.out, ended.err);
    }
}

fn nothing_below_is_plain_upper(arena: &Arena) {
    let upper = Upper { dir: arena.base.clone(), work: arena.directory() };
    arena.output_of(&arena.shell_on(vec![], upper, "touch /made"));
    assert!(arena.base.join("made").exists());
}

fn mounts_appear_where_they_should(arena: &Arena) {
    let source = arena.directory();
    fs::write(source.join("file"), "of the host").unwrap();
    let mounts = vec![
        bind(&source, "/mnt/deep/dir"),
        bind(&source.join("file"), "/etc/single"),
        Mount::Bind { source: source.clone(), target: "/writable".into(), readonly: false, recursive: true },
        Mount::Tmpfs { target: "/tmp".into(), size: Some(1 << 20), mode: 0o1777 },
        Mount::File {
            target: "/run/secrets/key".into(),
            contents: b"s3cret".to_vec(),
            mode: 0o400,
            uid: 0,
            gid: 0,
            readonly: true,
        },
        file("/etc/passwd", "replaced"),
    ];
    let script = "cat /mnt/deep/dir/file /etc/single /run/secrets/key /etc/passwd; stat -c ' %a' /run/secrets/key; \
        touch /mnt/deep/dir/x 2>/dev/null || echo ro; echo back > /writable/back; df -k /tmp | grep -c ' 1024 '; \
        (echo over > /run/secrets/key) 2>/dev/null; cat /run/secrets/key; ls -A /dev | grep -c file";
    let upper = arena.upper();
    let spec = Spec { mounts, ..arena.shell_on(vec![arena.base.clone()], upper.clone(), script) };
    let ended = arena.run(&spec).unwrap();
    assert_eq!(ended.out, "of the hostof the hosts3cretreplaced 400\nro\n1\ns3cret0\n", "{}", ended.err);
    assert_eq!(fs::read_to_string(source.join("back")).unwrap(), "back\n");
    assert_eq!(tree(&upper.dir), names(&[]));

    let missing = Spec { mounts: vec![bind(Path::new("/nope"), "/x")], ..arena.shell("true") };
    let error = arena.run(&missing).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "opening the source of a mount `/nope`");
}

fn stubs() -> Vec<Mount> {
    vec![
        file("/etc/resolv.conf", "nameserver 127.0.0.1"),
        file("/etc/hosts", ""),
        file("/run/a/b/secret", "x"),
    ]
}

fn mount_points_leave_nothing_behind(arena: &Arena) {
    let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = times(&arena.base.join("etc"));
    let upper = arena.upper();
    let on = |upper: &Upper, script| Spec {
        mounts: stubs(),
        ..arena.shell_on(vec![arena.base.clone()], upper.clone(), script)
    };
    arena.output_of(&on(&upper, "cat /run/a/b/secret"));
    assert_eq!(tree(&upper.dir), names(&[]));

    // A directory that the layer itself has keeps its time.
    arena.output_of(&on(&upper, "echo x > /etc/mine"));
    let mine = times(&upper.dir.join("etc"));
    arena.output_of(&on(&upper, "cat /etc/hosts"));
    assert_eq!(tree(&upper.dir), names(&["etc", "etc/mine"]));
    assert_eq!(times(&upper.dir.join("etc")), mine);

    // A failure leaves as little.
    let upper = arena.upper();
    let spec = Spec { args: vec!["/nope".to_owned()], ..on(&upper, "") };
    assert!(arena.run(&spec).is_err());
    assert_eq!(tree(&upper.dir), names(&[]));

    let spec = Spec { root: Root::Dir(arena.base.clone()), mounts: stubs(), ..arena.shell("cat /etc/hosts") };
    let all = tree(&arena.base);
    arena.output_of(&spec);
    assert_eq!(tree(&arena.base), all);
    assert_eq!(times(&arena.base.join("etc")), before);
}

fn mount_points_leave_what_was_put_there(arena: &Arena) {
    let upper = arena.upper();
    let script = "touch /run/a/kept; chmod 711 /etc; echo x > /etc/hosts";
    let spec = Spec { mounts: stubs(), ..arena.shell_on(vec![arena.base.clone()], upper.clone(), script) };
    arena.output_of(&spec);
    assert_eq!(tree(&upper.dir), names(&["etc", "run", "run/a", "run/a/kept"]));
    assert_eq!(fs::metadata(upper.dir.join("etc")).unwrap().mode() & 0o777, 0o711);
}

fn a_dangling_link_is_no_obstacle(arena: &Arena) {
    symlink("../run/systemd/stub.conf", arena.base.join("etc/resolv.conf")).unwrap();
    symlink("/etc/../srv", arena.base.join("www")).unwrap();
    let upper = arena.upper();
    let mounts = vec![file("/etc/resolv.conf", "here"), file("/www/page", "there")];
    let script = "cat /etc/resolv.conf /srv/page";
    let spec = Spec { mounts, ..arena.shell_on(vec![arena.base.clone()], upper.clone(), script) };
    assert_eq!(arena.output_of(&spec), "herethere");
    assert_eq!(tree(&upper.dir), names(&[]));

    symlink("loop", arena.base.join("loop")).unwrap();
    let spec = Spec { mounts: vec![file("/loop/x", "")], ..arena.shell("true") };
    assert!(arena.run(&spec).is_err());
}

fn links_do_not_lead_outside(arena: &Arena) {
    let outside = arena.directory();
    symlink(&outside, arena.base.join("link")).unwrap();
    symlink("../../../../../../../../..", arena.base.join("up")).unwrap();
    let up = format!("/up{}/y", outside.display());
    let spec =
        Spec { mounts: vec![file("/link/x", "inside"), file(&up, "inside")], ..arena.shell("cat /link/x") };
    assert_eq!(arena.output_of(&spec), "inside");
    assert_eq!(tree(&outside), names(&[]));

    // While it runs, a command puts links where the mount points were.
    fs::write(outside.join("x"), "").unwrap();
    let upper = arena.upper();
    let script = format!("mv /gone /elsewhere; ln -s {} /gone", outside.display());
    let spec = Spec {
        mounts: vec![file("/gone/x", "")],
        ..arena.shell_on(vec![arena.base.clone()], upper.clone(), &script)
    };
    arena.output_of(&spec);
    assert!(outside.join("x").exists(), "cleaning up does not follow links");

    symlink("/etc/passwd", arena.base.join("passwd")).unwrap();
    symlink("/../../etc/shadow", arena.base.join("shadow")).unwrap();
    assert!(open_in_root(&arena.base, Path::new("/passwd")).is_ok());
    assert!(open_in_root(&arena.base, Path::new("/shadow")).is_err());
    assert!(open_in_root(&arena.base, Path::new("/etc")).is_err());
}

fn kernel_directories_stay(arena: &Arena) {
    let upper = arena.upper();
    arena.output_of(&arena.shell_on(vec![arena.base.clone()], upper.clone(), "true"));
    let mut left: Vec<PathBuf> =
        fs::read_dir(&upper.dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, ["dev", "proc", "sys"].map(|name| upper.dir.join(name)));
    for directory in left {
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }
}

fn a_link_for_proc_is_refused(arena: &Arena) {
    symlink("/tmp", arena.base.join("proc")).unwrap();
    let error = arena.run(&arena.shell("true")).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "making a directory for a kernel file system");
}

fn a_read_only_root_refuses_writes(arena: &Arena) {
    let mounts =
        vec![Mount::Tmpfs { target: "/tmp".into(), size: None, mode: 0o1777 }, file("/etc/hosts", "")];
    let spec = Spec { readonly: true, mounts, ..arena.shell("touch /tmp/x && touch /x") };
    let ended = arena.run(&spec).unwrap();
    assert!(ended.err.contains("/x: Read-only file system"), "{}", ended.err);
}

fn a_view_can_be_mounted_and_unmounted(arena: &Arena) {
    let (at, upper) = (arena.directory(), arena.upper());
    let overlay = Overlay { lowers: vec![arena.base.clone()], upper: Some(upper.clone()), volatile: true };
    let view = arena.sandbox.mount_overlay(&overlay, &at).unwrap();
    assert!(view.path().join("etc/passwd").exists());
    fs::write(view.path().join("written"), "").unwrap();
    let outside = std::process::Command::new("true").status();
    assert!(outside.is_ok());
    view.unmount().unwrap();
    assert!(tree(&at).is_empty() && upper.dir.join("written").exists());

    let view = arena.sandbox.mount_overlay(&Overlay { upper: None, ..overlay }, &at).unwrap();
    assert!(fs::write(view.path().join("x"), "").is_err());
    drop(view);
    assert!(tree(&at).is_empty());

    let broken = Overlay { lowers: vec![arena.directory(), "/nope".into()], ..Overlay::default() };
    let error = arena.sandbox.mount_overlay(&broken, &at).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "opening a layer `/nope`");
}

fn overlays_can_be_probed(arena: &Arena) {
    let place = arena.directory();
    arena.sandbox.probe_overlay(&place).unwrap();
    assert!(tree(&place).is_empty());
    assert!(arena.sandbox.probe_overlay(Path::new("/proc")).is_err());
}
