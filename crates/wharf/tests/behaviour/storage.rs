//! What builds leave on the disk: shown, removed, and refused where there is no room.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::skip;
use crate::world::{BUSYBOX, Ran, World, busybox_context, is_root};

/// Needs no process: copies only.
fn build(world: &World, name: &str, size: usize) -> Ran {
    let content = name.repeat(size / name.len());
    world.file(&format!("{name}/data"), &content);
    world.file(&format!("{name}/Dockerfile"), "FROM scratch\nCOPY data /data\n");
    world.wharf_ok(&["build", "--output", "type=cacheonly", name])
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn what_is_there_is_shown_and_a_prune_frees_it() {
    let world = World::new();
    build(&world, "one", 300_000);
    let before = json(&world.wharf_ok(&["--json", "system", "df"]));
    let bytes = before["cache"]["bytes"].as_u64().unwrap();
    assert!(bytes > 300_000, "{before}");

    let dry = json(&world.wharf_ok(&["--json", "prune", "--dry-run"]));
    assert_eq!(dry["bytes"].as_u64().unwrap(), bytes);
    let gone = json(&world.wharf_ok(&["--json", "prune", "--all", "--force"]));
    assert_eq!(gone["bytes"].as_u64().unwrap(), bytes);
    assert_eq!(json(&world.wharf_ok(&["--json", "system", "df"]))["cache"]["bytes"], 0);

    // What is gone is made again.
    let again = build(&world, "one", 300_000);
    assert!(again.stderr.contains("running, because"), "{}", again.stderr);
}

#[test]
fn the_least_recently_used_goes_first_until_enough_is_kept() {
    let world = World::new();
    build(&world, "one", 1_000_000);
    build(&world, "two", 1_000_000);
    use_again(&world, "one");
    let ran = world.wharf_ok(&["prune", "--keep-storage", "1500kb"]);
    assert!(ran.stdout.contains("Total reclaimed space: 1."), "{}", ran.stdout);
    let one = build(&world, "one", 1_000_000);
    assert!(one.stderr.contains("cached"), "{}", one.stderr);
    let two = build(&world, "two", 1_000_000);
    assert!(two.stderr.contains("running, because"), "{}", two.stderr);
}

/// Builds it again in a later second than whatever was before: the store counts in seconds.
fn use_again(world: &World, name: &str) {
    let start = jiff::Timestamp::now().as_second();
    while jiff::Timestamp::now().as_second() == start {
        std::thread::yield_now();
    }
    let used = build(world, name, 1_000_000);
    assert!(used.stderr.contains("cached"), "{}", used.stderr);
}

#[test]
fn images_with_names_stay_whole() {
    let world = World::new();
    world.file("a", "content\n");
    world.file("Dockerfile", "FROM scratch\nCOPY a /a\n");
    world.wharf_ok(&["build", "--tag", "it:1", "."]);
    world.wharf_ok(&["prune", "--filter", "type=step", "--filter", "type=blob"]);
    let saved = world.path("layout");
    world.file("Dockerfile", "FROM it:1\nCOPY a /b\n");
    world.wharf_ok(&["build", "--output", &format!("type=local,dest={}", saved.display()), "."]);
    assert_eq!(std::fs::read_to_string(saved.join("a")).unwrap(), "content\n");
}

#[test]
fn filters_choose() {
    let world = World::new();
    build(&world, "one", 1000);
    let none = json(&world.wharf_ok(&["--json", "prune", "--filter", "until=24h"]));
    assert_eq!(none["removed"].as_array().unwrap().len(), 0);
    let mounts = json(&world.wharf_ok(&["--json", "prune", "--filter", "type=exec.cachemount"]));
    assert_eq!(mounts["bytes"], 0);
    for bad in ["until=tomorrow", "type=nothing", "color=red", "x"] {
        let ran = world.wharf(&["prune", "--filter", bad]);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.stderr);
    }
}

#[test]
fn cache_mounts_are_counted_and_removed() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let run = "RUN --mount=type=cache,target=/c head -c 200000 /dev/zero > /c/x; ls /c > /seen\n";
    world.file("Dockerfile", &format!("{BUSYBOX}{run}"));
    world.wharf_ok(&["build", "--output", "type=cacheonly", "."]);
    let gone = json(&world.wharf_ok(&["--json", "prune", "--filter", "type=cache-mount"]));
    assert!(gone["bytes"].as_u64().unwrap() >= 200_000, "{gone}");
    assert_eq!(gone["removed"].as_array().unwrap().len(), 1);
}

/// A build is in the middle of a step: what it has used stays, and the rest goes.
#[test]
fn pruning_goes_on_beside_a_build() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    world.file("old", &"x".repeat(300_000));
    world.file("old.Dockerfile", &format!("{BUSYBOX}COPY old /old\nRUN cp /old /older\n"));
    world.wharf_ok(&["build", "-f", "old.Dockerfile", "--output", "type=cacheonly", "."]);
    world.file("used.Dockerfile", &format!("{BUSYBOX}RUN head -c 200000 /dev/zero > /used\n"));
    world.wharf_ok(&["build", "-f", "used.Dockerfile", "--output", "type=cacheonly", "."]);

    let wait = "RUN --mount=type=cache,target=/held \
        head -c 100000 /dev/zero > /held/x; touch /held/began; n=0; \
        until [ -e /held/go ] || [ $n -gt 3000 ]; do n=$((n+1)); usleep 20000; done; wc -c < /used > /size\n";
    let used = format!("{BUSYBOX}RUN head -c 200000 /dev/zero > /used\n");
    world.file("running.Dockerfile", &format!("{used}{wait}"));
    let args = ["build", "-f", "running.Dockerfile", "--tag", "kept", "."];
    let build = world.command(&args).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mounts = world.path("data/cache-mounts");
    let held = wait_for(|| find(&mounts, "began"));

    let gone = json(&world.wharf_ok(&["--json", "prune"]));
    let sizes = |list: &Value| -> Vec<u64> {
        list.as_array().unwrap().iter().map(|item| item["size"].as_u64().unwrap()).collect()
    };
    assert!(gone["bytes"].as_u64().unwrap() >= 600_000, "{gone}");
    assert!(sizes(&gone["inUse"]).iter().sum::<u64>() >= 300_000, "{gone}");
    let said = world.wharf_ok(&["prune"]).stdout;
    assert!(said.contains("In use by another wharf, and kept: "), "{said}");

    std::fs::write(held.with_file_name("go"), "").unwrap();
    let ran = build.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(world.wharf_ok(&["run", "kept", "cat", "/size"]).stdout, "200000\n");
    // Whoever is killed holds nothing.
    let gone = json(&world.wharf_ok(&["--json", "prune"]));
    assert_eq!(gone["inUse"].as_array().unwrap().len(), 0, "{gone}");
}

/// The file called `name` in one of the directories of `all`.
fn find(all: &Path, name: &str) -> Option<std::path::PathBuf> {
    let directories = std::fs::read_dir(all).ok()?.flatten();
    directories.map(|entry| entry.path().join(name)).find(|path| path.exists())
}

fn wait_for<T>(mut find: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6000 {
        if let Some(found) = find() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("it did not come");
}

#[test]
fn a_disk_that_is_too_small_is_told_before_it_is_full() {
    let world = World::new();
    let data = world.path("data");
    if !is_root() || !mount_tmpfs(&data, "4m") {
        skip!("it needs root, and to mount a tmpfs");
    }
    let file = std::fs::File::create(world.file("big", "")).unwrap();
    file.set_len(64 << 20).unwrap();
    world.file("Dockerfile", "FROM scratch\nCOPY big /big\n");
    let ran = world.wharf(&["build", "."]);
    Command::new("umount").arg("-l").arg(&data).status().unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("copying the files needs 67.1 MB on"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: make room"), "{}", ran.stderr);
}

/// What is below a step does not fit, and that is said before anything is unpacked.
#[test]
fn a_disk_that_cannot_take_the_layers_below_is_told_before_they_are_unpacked() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root, busybox-static, and to mount a tmpfs");
    }
    let layout = world.path("base");
    let random = "RUN head -c 6000000 /dev/urandom > /large\n";
    world.file("Dockerfile", &format!("{BUSYBOX}{random}"));
    world.wharf_ok(&["build", "--output", &format!("type=oci,tar=false,dest={}", layout.display()), "."]);
    let data = world.path("small");
    std::fs::create_dir(&data).unwrap();
    if !mount_tmpfs(&data, "12m") {
        skip!("it needs root, and to mount a tmpfs");
    }
    world.file("Dockerfile", "FROM base\nRUN true\n");
    let context = format!("base=oci-layout://{}", layout.display());
    let mut command = world.command(&["build", "--build-context", &context, "."]);
    let ran = Ran::from(command.env("WHARF_DATA_DIR", &data).output().unwrap());
    Command::new("umount").arg("-l").arg(&data).status().unwrap();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("unpacking the layers below a step needs 1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: make room"), "{}", ran.stderr);
}

fn mount_tmpfs(at: &Path, size: &str) -> bool {
    let option = format!("size={size}");
    let ran = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(at).status();
    ran.is_ok_and(|status| status.success())
}
