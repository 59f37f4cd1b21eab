//! What goes wrong gets one paragraph, the right exit code, and leaves the store usable.

use std::process::Command;

use crate::skip;
use crate::world::{BUSYBOX, Registry, World, busybox_context, is_root};

#[test]
fn a_dockerfile_error_points_at_the_line() {
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPPY a /a\n");
    let ran = world.wharf(&["build", "."]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for part in ["2", "COPPY a /a", "COPY"] {
        assert!(ran.stderr.contains(part), "{part:?} is missing: {}", ran.stderr);
    }
}

#[test]
fn a_missing_context_dockerfile_or_source_is_named() {
    let world = World::new();
    let context = world.wharf(&["build", "nowhere"]);
    assert_eq!(context.code, 2);
    assert!(context.stderr.contains("`nowhere` does not exist"), "{}", context.stderr);

    let dockerfile = world.wharf(&["build", "."]);
    assert_eq!(dockerfile.code, 2);
    assert!(dockerfile.stderr.contains("Dockerfile"), "{}", dockerfile.stderr);

    world.file("requirements.txt", "");
    world.file("Dockerfile", "FROM scratch\nCOPY requirement.txt /\n");
    let source = world.wharf(&["build", "."]);
    assert_eq!(source.code, 2, "{}", source.stderr);
    assert!(source.stderr.contains("\"/requirement.txt\": not found"), "{}", source.stderr);
    assert!(source.stderr.contains("did you mean `/requirements.txt`?"), "{}", source.stderr);
}

#[test]
fn a_failing_run_shows_its_last_lines_and_its_exit_code() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    world.file("Dockerfile", &format!("{BUSYBOX}RUN echo one; echo two >&2; exit 7\n"));
    let ran = world.wharf(&["build", "--progress", "quiet", "."]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for part in ["line 5", "exit code: 7", "| one", "| two"] {
        assert!(ran.stderr.contains(part), "{part:?} is missing: {}", ran.stderr);
    }
    world.file("Dockerfile", &format!("{BUSYBOX}RUN true\n"));
    world.wharf_ok(&["build", "."]);
}

#[test]
fn a_registry_that_is_not_there_is_an_environment_error() {
    let world = World::new();
    world.file("Dockerfile", "FROM 127.0.0.1:1/nothing:1\nRUN true\n");
    let ran = world.wharf(&["build", "."]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("127.0.0.1:1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn an_unauthorised_registry_says_how_to_log_in_and_logging_in_helps() {
    let world = World::new();
    let Some(registry) = Registry::distribution(&world.path("distribution")) else {
        skip!("docker-registry is not installed");
    };
    world.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let name = format!("{}/a/b:1", registry.address());
    world.wharf_ok(&["build", "--tag", &name, "."]);

    let refused = world.wharf(&["push", &name]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("wharf login {}", registry.address())), "{}", refused.stderr);

    assert_eq!(log_in(&world, registry.address(), "wrong"), 3);
    assert_eq!(log_in(&world, registry.address(), "secret"), 0);
    world.wharf_ok(&["push", &name]);
    world.wharf_ok(&["logout", registry.address()]);
    assert_eq!(world.wharf(&["push", &name]).code, 3);
}

pub(crate) fn log_in(world: &World, address: &str, password: &str) -> i32 {
    use std::io::Write;
    let mut command = world.command(&["login", "--username", "demo", "--password-stdin", address]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    child.wait().unwrap().code().unwrap()
}

/// A file system of a few megabytes, there until the value goes.
pub(crate) struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    pub(crate) fn at(path: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&path).status();
        mount.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_the_store_stays_usable() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let Some(disk) = SmallDisk::at(world.path("small")) else { skip!("tmpfs cannot be mounted") };
    let build = |instruction: &str| {
        world.file("Dockerfile", &format!("{BUSYBOX}{instruction}\n"));
        let mut command = world.command(&["build", "--progress", "quiet", "."]);
        crate::world::Ran::from(command.env("WHARF_DATA_DIR", disk.0.join("data")).output().unwrap())
    };
    std::fs::write(world.path("project/large"), vec![b'x'; 12 << 20]).unwrap();
    for too_much in ["COPY large /large", "RUN head -c 12000000 /dev/zero > /large"] {
        let ran = build(too_much);
        assert_eq!(ran.code, 3, "{too_much}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("--data-dir"), "{}", ran.stderr);
    }
    std::fs::remove_file(world.path("project/large")).unwrap();
    let small = build("RUN echo room > /small");
    assert_eq!(small.code, 0, "{}", small.stderr);
}

#[test]
fn a_corrupt_blob_is_noticed_and_fetched_again() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    world.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let name = format!("{}/a:1", registry.address());
    world.wharf_ok(&["build", "--tag", &name, "."]);
    world.wharf_ok(&["push", &name]);

    let elsewhere = world.path("elsewhere");
    let pull = || world.command(&["pull", &name]).env("WHARF_DATA_DIR", &elsewhere).output().unwrap();
    assert!(pull().status.success());
    let blobs = elsewhere.join("store/blobs/sha256");
    let largest = std::fs::read_dir(&blobs)
        .unwrap()
        .map(|e| e.unwrap().path())
        .max_by_key(|p| p.metadata().unwrap().len());
    let largest = largest.unwrap();
    let sound = std::fs::read(&largest).unwrap();
    std::fs::write(&largest, &sound[..sound.len() - 1]).unwrap();
    assert!(pull().status.success());
    assert_eq!(std::fs::read(&largest).unwrap(), sound);
}
