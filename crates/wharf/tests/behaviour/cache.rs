//! Caches that travel, through the binary: another machine finds the steps, and moves only what it needs.

use std::path::Path;

use crate::skip;
use crate::world::{BUSYBOX, Ran, Registry, World, busybox_context, is_root};

/// A machine with the project, and two stages to build.
fn machine(source: &str) -> Option<World> {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        return None;
    }
    let stages = "RUN head -c 300000 /dev/urandom > /deps\n\
        FROM base AS build\nCOPY src.txt /src.txt\nRUN cat /src.txt /deps > /app\n\
        FROM base\nCOPY --from=build /app /app\nRUN wc -c /app > /size\n";
    let base = BUSYBOX.replace("FROM scratch", "FROM scratch AS base");
    world.file("Dockerfile", &format!("{base}{stages}"));
    world.file("src.txt", source);
    Some(world)
}

fn registry(world: &World) -> Registry {
    Registry::wharf(&world.path("registry"), &[])
}

/// Steps that ran and steps that were found.
fn counts(ran: &Ran) -> (usize, usize) {
    let steps: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("] [")).collect();
    let count = |end: &str| steps.iter().filter(|line| line.contains(end)).count();
    (count(": done"), count(": cached"))
}

fn layers_in_store(world: &World) -> u64 {
    let blobs = std::fs::read_dir(world.path("data/store/blobs/sha256")).unwrap();
    blobs.map(|blob| blob.unwrap().metadata().unwrap().len()).sum()
}

const STEPS: usize = 8;

#[test]
fn another_machine_finds_every_step_and_unpacks_nothing() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let registry = registry(&world);
    let cache = format!("{}/app:buildcache", registry.address());
    for options in
        ["", ",image-manifest=false", ",oci-mediatypes=false", ",compression=zstd,force-compression=true"]
    {
        let to = format!("type=registry,ref={cache},mode=max{options}");
        let first = world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
        assert!(!first.stderr.contains("warning"), "{}", first.stderr);
        let other = machine("one\n").unwrap();
        let name = format!("{}/app:1", registry.address());
        let from = format!("type=registry,ref={cache}");
        let args = ["build", "--cache-from", &from, "--tag", &name, "--push", "."];
        let found = other.wharf_ok(&args);
        assert_eq!(counts(&found), (0, STEPS), "{options}: {}", found.stderr);
        if options.is_empty() {
            assert_eq!(found.stdout, first.stdout, "the same image");
        }
        // Only documents came: a layer was neither pulled nor sent.
        assert!(layers_in_store(&other) < 100_000, "{}", layers_in_store(&other));
        assert!(!other.path("data/snapshots").read_dir().unwrap().any(|_| true));
        let pulled = machine("").unwrap();
        pulled.wharf_ok(&["pull", &name]);
        assert_eq!(pulled.wharf_ok(&["run", &name, "cat", "/size"]).stdout, "300004 /app\n");
    }
}

#[test]
fn after_an_edit_only_what_the_steps_need_is_pulled() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let Some(registry) = Registry::distribution(&world.path("registry")) else {
        skip!("it needs docker-registry and htpasswd");
    };
    let login = |world: &World| {
        let auths = format!(r#"{{"auths":{{"{}":{{"auth":"ZGVtbzpzZWNyZXQ="}}}}}}"#, registry.address());
        std::fs::write(world.path("home/config.json"), auths).unwrap();
    };
    login(&world);
    let from = format!("type=registry,ref={}/app:buildcache", registry.address());
    let to = format!("{from},mode=max");
    world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
    let other = machine("two\n").unwrap();
    login(&other);
    let name = format!("{}/other/app:1", registry.address());
    let args = ["build", "--cache-from", &from, "--cache-to", &to, "--tag", &name, "--push", "."];
    let edited = other.wharf_ok(&args);
    assert_eq!(counts(&edited), (4, STEPS - 4), "{}", edited.stderr);
    let again = other.wharf_ok(&args);
    assert_eq!(counts(&again), (0, STEPS), "{}", again.stderr);
    let third = machine("two\n").unwrap();
    login(&third);
    let found = third.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&found), (0, STEPS), "{}", found.stderr);
    assert_eq!(third.wharf_ok(&["run", "app", "sh", "-c", "head -n 1 /app"]).stdout, "two\n");
}

/// The layers below an edited copy are neither pulled nor unpacked, and the new layer is the one that a machine
/// makes that has them.
#[test]
fn copies_after_an_edit_pull_no_layers() {
    let machine = |source: &str| {
        let world = World::new();
        if !is_root() || !busybox_context(&world) {
            return None;
        }
        let base = BUSYBOX.replace("FROM scratch", "FROM scratch AS base");
        let stages = "FROM base\nRUN head -c 300000 /dev/urandom > /deps && mkdir -p /srv/app && ln -s /srv/app /app\n\
            WORKDIR /app\nCOPY fixed.txt ./\nCOPY src.txt .\nCOPY --chown=app fixed.txt /srv/new/\n";
        world.file("Dockerfile", &format!("{base}{stages}"));
        world.file("fixed.txt", "fixed\n");
        world.file("src.txt", source);
        for name in ["fixed.txt", "src.txt"] {
            let file = std::fs::File::options().write(true).open(world.path("project").join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
        }
        Some(world)
    };
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let registry = registry(&world);
    let cache = format!("{}/app:buildcache", registry.address());
    let to = format!("type=registry,ref={cache},mode=min");
    world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
    let other = machine("two\n").unwrap();
    let name = format!("{}/app:2", registry.address());
    let from = format!("type=registry,ref={cache}");
    let edited = other.wharf_ok(&["build", "--cache-from", &from, "--tag", &name, "--push", "."]);
    assert_eq!(counts(&edited).0, 2, "{}", edited.stderr);
    assert!(layers_in_store(&other) < 60_000, "{}", layers_in_store(&other));
    let pulled = World::new();
    pulled.wharf_ok(&["pull", &name]);
    let look = "cat /srv/app/src.txt /srv/app/fixed.txt && stat -c %u /srv/new/fixed.txt && wc -c < /deps";
    assert_eq!(pulled.wharf_ok(&["run", &name, "sh", "-c", look]).stdout, "two\nfixed\n1000\n300000\n");
    // What was learnt of the layers goes on to the next cache, though they were never here.
    let third = machine("three\n").unwrap();
    other.wharf_ok(&["build", "--cache-from", &from, "--cache-to", &to, "--tag", &name, "--push", "."]);
    third.wharf_ok(&["build", "--cache-from", &from, "--tag", &name, "--push", "."]);
    assert!(layers_in_store(&third) < 60_000, "{}", layers_in_store(&third));
}

#[test]
fn a_minimal_cache_holds_the_layers_of_the_image_and_is_enough_while_nothing_changes() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let cache = world.path("cache");
    let to = format!("type=local,dest={}", cache.display());
    let from = format!("type=local,src={}", cache.display());
    let first = world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
    let same = machine("one\n").unwrap();
    let found = same.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&found), (0, STEPS), "{}", found.stderr);
    assert_eq!(found.stdout, first.stdout);
    // The steps of the other stage are needed now, and they were not in it.
    let edited = machine("two\n").unwrap();
    let ran = edited.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(edited.wharf_ok(&["run", "app", "cat", "/size"]).stdout, "300004 /app\n");
    assert!(ran.stderr.contains("`src.txt`") || ran.stderr.contains("running"), "{}", ran.stderr);
}

/// The media types of the layers that the cache at `place` has.
fn media_types(place: &Path) -> Vec<String> {
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(place.join(path)).unwrap()).unwrap()
    };
    let digest = read("index.json")["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let manifest = read(&format!("blobs/{digest}"));
    let layers = manifest.get("layers").or(manifest.get("manifests")).unwrap().as_array().unwrap();
    let types = layers.iter().map(|layer| layer["mediaType"].as_str().unwrap().to_owned());
    types.filter(|name| name.contains(".layer.v1.") || name.contains(".rootfs.")).collect()
}

#[test]
fn layers_of_helping_stages_travel_as_they_are_unless_somebody_asks() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let built = world.wharf_ok(&["build", "--tag", "app", "."]).stdout;
    let types_with = |name: &str, options: &str| {
        let place = world.path(name);
        let to = format!("type=local,dest={},mode=max{options}", place.display());
        let again = world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
        assert_eq!(again.stdout, built, "the image stays as it was");
        media_types(&place)
    };
    let is_zstd = |name: &String| name.ends_with("zstd");
    let as_they_are = types_with("plain", "");
    assert!(as_they_are.iter().any(is_zstd) && !as_they_are.iter().all(is_zstd), "{as_they_are:?}");
    for (name, options) in [("asked", ",compression=gzip"), ("docker", ",oci-mediatypes=false")] {
        let types = types_with(name, options);
        assert!(!types.is_empty() && !types.iter().any(is_zstd), "{options}: {types:?}");
    }
}

#[test]
fn an_inline_cache_is_in_the_image() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let registry = registry(&world);
    let name = format!("{}/app:1", registry.address());
    let first = world.wharf_ok(&["build", "--cache-to", "type=inline", "--tag", &name, "--push", "."]);
    let other = machine("one\n").unwrap();
    let found =
        other.wharf_ok(&["build", "--cache-from", &name, "--cache-to", "type=inline", "--tag", "app", "."]);
    assert_eq!(counts(&found), (0, STEPS), "{}", found.stderr);
    assert_eq!(found.stdout, first.stdout);
}

#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY a.txt /a.txt\n");
    world.file("a.txt", "a\n");
    let registry = registry(&world);
    let damaged = world.path("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("index.json"), "[]").unwrap();
    let damaged = format!("type=local,src={}", damaged.display());
    let file = format!("type=local,dest={}/a.txt/x", world.path("project").display());
    let absent = format!("{}/app:none", registry.address());
    let args = [
        "build",
        "--cache-from",
        "127.0.0.1:9/app:cache",
        "--cache-from",
        &absent,
        "--cache-from",
        &damaged,
        "--cache-from",
        "type=gha",
        "--cache-to",
        "127.0.0.1:9/app:cache",
        "--cache-to",
        &file,
        "--cache-to",
        "type=gha,mode=max",
        "--tag",
        "app",
        ".",
    ];
    let ran = world.wharf_ok(&args);
    let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(warnings.len(), 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no cache at"), "{}", ran.stderr);
}

#[test]
fn a_cache_whose_layers_are_lost_is_passed_over() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let cache = world.path("cache");
    let to = format!("type=local,dest={},mode=max", cache.display());
    let from = format!("type=local,src={}", cache.display());
    world.wharf_ok(&["build", "--cache-to", &to, "--tag", "app", "."]);
    remove_large_blobs(&cache);
    let other = machine("one\n").unwrap();
    let ran = other.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert!(ran.stderr.contains("warning"), "{}", ran.stderr);
    assert_eq!(other.wharf_ok(&["run", "app", "cat", "/size"]).stdout, "300004 /app\n");
}

fn remove_large_blobs(layout: &Path) {
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        if blob.metadata().unwrap().len() > 100_000 {
            std::fs::remove_file(blob.path()).unwrap();
        }
    }
}

#[test]
fn a_secret_is_in_no_cache() {
    let Some(world) = machine("one\n") else { skip!("it needs root and busybox-static") };
    let dockerfile = "RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=token test \"$TOKEN\" = \"$(cat /run/secrets/token)\"\n";
    world.file("Dockerfile", &format!("{BUSYBOX}{dockerfile}"));
    let secret = world.path("token");
    std::fs::write(&secret, "hunter2-hunter2").unwrap();
    let spec = format!("id=token,src={}", secret.display());
    let cache = world.path("cache");
    let to = format!(
        "type=local,dest={},mode=max,compression=uncompressed,force-compression=true",
        cache.display()
    );
    world.wharf_ok(&["build", "--secret", &spec, "--cache-to", &to, "--tag", "app", "."]);
    for blob in std::fs::read_dir(cache.join("blobs/sha256")).unwrap() {
        let bytes = std::fs::read(blob.unwrap().path()).unwrap();
        assert!(!bytes.windows(15).any(|window| window == b"hunter2-hunter2"));
    }
}

/// `fixtures/buildkit-cache` is what docker 28.5 wrote of this very project with `--cache-to type=local,mode=max`.
#[test]
fn a_cache_that_buildkit_wrote_is_read() {
    let world = World::new();
    world.file("a.txt", "one\n");
    world.file("dir/b.txt", "two\n");
    world.file("dir/sub/c.txt", "three\n");
    let dockerfile = "FROM scratch AS files\nCOPY dir /dir/\nFROM scratch\nCOPY a.txt /a.txt\nWORKDIR /srv\n\
        COPY --from=files /dir/sub /srv/\nCOPY --chmod=600 a.txt dir/b.txt /srv/\n";
    world.file("Dockerfile", dockerfile);
    for (name, mode) in
        [("a.txt", 0o644), ("dir/b.txt", 0o644), ("dir/sub/c.txt", 0o644), ("dir", 0o755), ("dir/sub", 0o755)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(world.path("project").join(name), mode).unwrap();
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/buildkit-cache");
    let from = format!("type=local,src={}", fixture.display());
    let found = world.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&found), (0, 5), "{}", found.stderr);
    // What is found is known here from now on, and an edit is seen.
    world.file("a.txt", "other\n");
    let edited = world.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&edited), (4, 1), "{}", edited.stderr);
}

/// `fixtures/buildkit-cache-flags` is what docker 28.5 wrote of this very project, likewise.
#[test]
fn a_cache_that_buildkit_wrote_is_read_with_all_flags() {
    let world = World::new();
    for (name, text) in [("a.txt", "one\n"), ("dir/b.txt", "two\n"), ("dir/sub/c.py", "three\n")] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(world.file(name, text), mode).unwrap();
    }
    for name in ["dir", "dir/sub"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.path("project").join(name), mode).unwrap();
    }
    std::os::unix::fs::symlink("a.txt", world.path("project/link")).unwrap();
    let linked = "COPY --link a.txt /linked/\nCOPY --link --chown=5 dir /linked/dir/\n";
    let rest = "COPY --exclude=*.py dir /excluded/\nCOPY d* /globbed/\nCOPY link /followed\n\
        COPY <<first <<second a.txt /written/\n1\nfirst\n2\nsecond\nUSER 1000:1000\nWORKDIR /home/app\n\
        USER root\nWORKDIR /srv\nCOPY --chmod=u=rwX,go= dir /modes/\n";
    world.file("Dockerfile", &format!("FROM scratch\nCOPY --chown=1000:1000 a.txt /owned/\n{linked}{rest}"));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/buildkit-cache-flags");
    let from = format!("type=local,src={}", fixture.display());
    let found = world.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&found), (0, 10), "{}", found.stderr);
    // What is laid upon something is the same upon something else.
    let other = World::new();
    std::fs::remove_dir_all(other.path("project")).unwrap();
    std::fs::rename(world.path("project"), other.path("project")).unwrap();
    other.file("Dockerfile", &format!("FROM scratch\nCOPY a.txt /elsewhere/\n{linked}"));
    let found = other.wharf_ok(&["build", "--cache-from", &from, "--tag", "app", "."]);
    assert_eq!(counts(&found), (1, 2), "{}", found.stderr);
}
