//! `copy`, `save` and `load`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wharf_oci::digest::sha256;
use wharf_testkit::fixture;

use super::{image, index, remote_digest, store};
use crate::skip;
use crate::world::{Registry, World};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn path(world: &World, name: &str) -> String {
    world.path(name).display().to_string()
}

#[test]
fn an_index_goes_through_every_kind_of_place_and_stays_what_it_is() {
    let world = World::new();
    let (one, two) = (Registry::wharf(&world.path("one"), &[]), Registry::wharf(&world.path("two"), &[]));
    let name = format!("{}/org/app:v1", one.address());
    let index = index(&world, &name);
    world.wharf_ok(&["push", &name]);
    let last = format!("{}/mirror/app:v1", two.address());
    let places = [
        name.clone(),
        format!("oci:{}:v1", path(&world, "layout")),
        format!("oci-archive:{}", path(&world, "first.tar")),
        format!("oci:{}", path(&world, "other")),
        last.clone(),
        format!("oci-archive:{}:v1", path(&world, "second.tar")),
        format!("{}/org/again:v1", one.address()),
    ];
    for step in places.windows(2) {
        let copied = world.wharf_ok(&["copy", &step[0], &step[1], "--json"]);
        let copied = json(&copied.stdout);
        assert_eq!(copied["images"][0]["digest"], index.digest.as_ref(), "{step:?}");
    }
    for name in [&places[0], &last, &places[6]] {
        assert_eq!(remote_digest(&world, name), index.digest);
    }
    // The registry has it under another name: nothing travels, everything is mounted.
    let copied = world.wharf_ok(&["copy", &name, &format!("{}/org/third:v1", one.address()), "--json"]);
    let copied = json(&copied.stdout);
    assert!(copied["images"][0]["bytesMounted"].as_u64().unwrap() > 0, "{copied}");
    let again = world.wharf_ok(&["copy", &name, &last, "--json"]);
    assert_eq!(json(&again.stdout)["images"][0]["bytesSent"], 0);
}

/// From every kind of place to every kind of place, and nothing of it stays on this machine.
#[test]
fn an_image_is_copied_in_every_direction_and_leaves_nothing_here() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/org/app:v1", registry.address());
    let image = image(&world, &name);
    world.wharf_ok(&["push", &name]);
    let other = World::new();
    let place = |kind: &str, number: usize| match kind {
        "registry" => format!("{}/org/copy{number}:v1", registry.address()),
        "oci" => format!("oci:{}:v1", path(&other, &format!("layout{number}"))),
        "docker-archive" => format!("{kind}:{}:app:v1", path(&other, &format!("docker{number}.tar"))),
        kind => format!("{kind}:{}:v1", path(&other, &format!("oci{number}.tar"))),
    };
    let kinds = ["registry", "oci", "oci-archive", "docker-archive"];
    let mut number = 0;
    let mut next = |kind: &str| {
        number += 1;
        place(kind, number)
    };
    for from in kinds {
        let source = next(from);
        other.wharf_ok(&["copy", &name, &source]);
        for to in kinds {
            let (there, back) = (next(to), next("registry"));
            other.wharf_ok(&["copy", &source, &there]);
            other.wharf_ok(&["copy", &there, &back]);
            assert_eq!(remote_digest(&other, &back), image.digest, "{from} to {to}");
        }
    }
    assert!(store(&other).blobs().unwrap().is_empty(), "it went through the store");
}

#[test]
fn one_platform_of_an_index_is_copied_alone() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/app:v1", registry.address());
    index(&world, &name);
    world.wharf_ok(&["push", &name]);
    let to = format!("{}/arm:v1", registry.address());
    world.wharf_ok(&["copy", "--platform", "linux/arm64", &name, &to]);
    let manifest = json(&world.wharf_ok(&["inspect", "--remote", "--raw", &to]).stdout);
    assert!(manifest["layers"].is_array());
    let archive = format!("docker-archive:{}", path(&world, "app.tar"));
    world.wharf_ok(&["copy", "--platform", "linux/arm64", &name, &archive]);
    let back = format!("{}/back:v1", registry.address());
    world.wharf_ok(&["copy", &archive, &back]);
    assert_eq!(remote_digest(&world, &back), remote_digest(&world, &to));

    let missing = world.wharf(&["copy", "--platform", "linux/s390x", &name, &to]);
    assert_eq!(missing.code, 3);
    assert!(missing.stderr.contains("there is one for: linux/amd64, linux/arm64"), "{}", missing.stderr);
}

#[test]
fn all_tags_go_together() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let repository = format!("{}/org/app", registry.address());
    let one = image(&world, &format!("{repository}:v1"));
    store(&world).tag(&format!("{repository}:latest"), &one).unwrap();
    let two = index(&world, &format!("{repository}:v2"));
    for tag in ["v1", "latest", "v2"] {
        world.wharf_ok(&["push", &format!("{repository}:{tag}")]);
    }
    let layout = format!("oci:{}", path(&world, "layout"));
    let archive = format!("oci-archive:{}", path(&world, "all.tar"));
    let other = format!("{}/org/other", registry.address());
    for step in [[&repository, &layout], [&layout, &archive], [&archive, &other]] {
        world.wharf_ok(&["copy", "--all-tags", step[0], step[1]]);
    }
    for (tag, digest) in [("v1", &one.digest), ("latest", &one.digest), ("v2", &two.digest)] {
        assert_eq!(remote_digest(&world, &format!("{other}:{tag}")), *digest, "{tag}");
    }
    let several = world.wharf(&["copy", &layout, &other]);
    assert_eq!(several.code, 2);
    assert!(
        several.stderr.contains("there are several images") && several.stderr.contains("v2"),
        "{}",
        several.stderr
    );
    let both = world.wharf(&["copy", "--all-tags", &repository, &format!("{other}:v1")]);
    assert_eq!(both.code, 2, "{}", both.stderr);
}

#[test]
fn what_is_saved_is_loaded_again() {
    let world = World::new();
    let (one, two) = (image(&world, "docker.io/library/one:v1"), index(&world, "ghcr.io/org/two:v2"));
    let archive = path(&world, "both.tar");
    world.wharf_ok(&["save", "--output", &archive, "one:v1", "ghcr.io/org/two:v2"]);
    let other = World::new();
    let loaded = other.wharf_ok(&["load", "--input", &archive]);
    assert_eq!(loaded.stdout, "Loaded image: one:v1\nLoaded image: ghcr.io/org/two:v2\n");
    let inspected = json(&other.wharf_ok(&["inspect", "one:v1"]).stdout);
    assert_eq!(inspected[0]["Digest"], one.digest.as_ref());

    // A whole index, through a pipe, compressed on the way.
    let mut saved = world
        .command(&["save", "--format", "oci-archive", "ghcr.io/org/two:v2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let zipped = File::create(world.path("two.tar.gz")).unwrap();
    let gzip = Command::new("gzip").arg("-1").stdin(saved.stdout.take().unwrap()).stdout(zipped).status();
    assert!(gzip.unwrap().success() && saved.wait().unwrap().success());
    let third = World::new();
    let mut load = third.command(&["load", "--quiet"]);
    let ran = load.stdin(File::open(world.path("two.tar.gz")).unwrap()).output().unwrap();
    assert!(ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
    assert_eq!(store(&third).resolve("ghcr.io/org/two:v2").unwrap().unwrap().digest, two.digest);
}

/// The members of a tar by name.
fn members(archive: &Path) -> Vec<String> {
    let output = Command::new("tar").arg("-tf").arg(archive).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn dockers_index_lies_beside_the_layout() {
    let world = World::new();
    image(&world, "docker.io/library/one:v1");
    world.wharf_ok(&["save", "-o", &path(&world, "one.tar"), "one:v1"]);
    let members = members(&world.path("one.tar"));
    for name in ["index.json", "manifest.json", "oci-layout"] {
        assert!(members.iter().any(|member| member == name), "{name} in {members:?}");
    }
    let text =
        Command::new("tar").args(["-xOf", &path(&world, "one.tar"), "manifest.json"]).output().unwrap();
    let manifest: Value = serde_json::from_slice(&text.stdout).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["one:v1"]));
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        assert!(members.iter().any(|member| member == layer.as_str().unwrap()));
    }
}

#[test]
fn skopeo_reads_what_is_written_and_writes_what_is_read() {
    if !Path::new("/usr/bin/skopeo").exists() {
        skip!("skopeo is not installed")
    }
    let world = World::new();
    let one = image(&world, "docker.io/library/one:v1");
    let saved = path(&world, "one.tar");
    world.wharf_ok(&["save", "-o", &saved, "one:v1"]);
    let skopeo = |args: &[&str]| {
        let ran = Command::new("skopeo")
            .args(["--tmpdir", "/tmp", "--insecure-policy"])
            .args(args)
            .output()
            .unwrap();
        assert!(ran.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let inspected = json(&skopeo(&["inspect", &format!("docker-archive:{saved}:one:v1")]));
    assert_eq!(inspected["Os"], "linux");
    let oci = format!("oci-archive:{saved}:v1");
    assert_eq!(sha256(skopeo(&["inspect", "--raw", &oci]).as_bytes()), one.digest);
    // The form of docker's first ten years, with links for layers.
    let old = format!("docker-archive:{}:localhost/old:v1", path(&world, "old.tar"));
    skopeo(&["copy", &oci, &old]);
    let loaded = world.wharf_ok(&["load", "-i", &path(&world, "old.tar")]);
    assert_eq!(loaded.stdout, "Loaded image: localhost/old:v1\n");
    let layout = format!("oci:{}:v1", path(&world, "layout"));
    skopeo(&["copy", &oci, &layout]);
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/one:v1", registry.address());
    world.wharf_ok(&["copy", &layout, &name]);
    assert_eq!(remote_digest(&world, &name), one.digest);
}

/// An archive in docker's first form, made by hand: two layers, of which the second is a link to the first.
fn old_archive(world: &World) -> PathBuf {
    let directory = world.path("old");
    std::fs::create_dir_all(directory.join("aa")).unwrap();
    std::fs::create_dir_all(directory.join("bb")).unwrap();
    let layer = fixture::tar(&[("etc/one", b"1")]);
    let diff_id = sha256(&layer).to_string();
    std::fs::write(directory.join("aa/layer.tar"), layer).unwrap();
    std::os::unix::fs::symlink("../aa/layer.tar", directory.join("bb/layer.tar")).unwrap();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id, diff_id]}, "history": []});
    std::fs::write(directory.join("cc.json"), config.to_string()).unwrap();
    let manifest = json!([{"Config": "cc.json", "RepoTags": ["old:v1", "old:v2"],
        "Layers": ["aa/layer.tar", "bb/layer.tar"]}]);
    std::fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
    let archive = world.path("old.tar");
    let made = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&directory).arg(".").status();
    assert!(made.unwrap().success());
    archive
}

#[test]
fn dockers_first_form_is_read_too() {
    let world = World::new();
    let archive = old_archive(&world);
    let loaded = world.wharf_ok(&["load", "--input", &archive.display().to_string()]);
    assert_eq!(loaded.stdout, "Loaded image: old:v1\nLoaded image: old:v2\n");
    let inspected = json(&world.wharf_ok(&["inspect", "old:v2"]).stdout);
    assert_eq!(inspected[0]["Layers"].as_array().unwrap().len(), 2);
    let picked = format!("docker-archive:{}:old:v2", archive.display());
    world.wharf_ok(&["copy", &picked, &format!("oci:{}", path(&world, "layout"))]);
    // Its plain layers go compressed, to wherever, as one and the same image.
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/old:v2", registry.address());
    world.wharf_ok(&["copy", &picked, &name]);
    let raw = json(&world.wharf_ok(&["inspect", "--remote", "--raw", &name]).stdout);
    assert_eq!(raw["layers"], inspected[0]["Layers"]);
    assert_eq!(remote_digest(&world, &name).to_string(), inspected[0]["Digest"]);
    let layer = &raw["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let plain = std::fs::metadata(world.path("old/aa/layer.tar")).unwrap().len();
    assert!(layer["size"].as_u64().unwrap() < plain);
    // The image is what its config says: the ID stays.
    let config = sha256(&std::fs::read(world.path("old/cc.json")).unwrap());
    assert_eq!(inspected[0]["Id"], config.to_string());
}

#[test]
fn what_is_no_archive_says_so() {
    let world = World::new();
    world.file("text", "no tar at all");
    world.file("empty.tar", "");
    let tar = fixture::tar(&[("etc/one", b"1")]);
    std::fs::write(world.path("project/other.tar"), tar).unwrap();
    for (file, words) in [
        ("text", "reading the archive"),
        ("empty.tar", "no image archive"),
        ("other.tar", "neither `index.json`"),
    ] {
        let ran = world.wharf(&["load", "--input", file]);
        assert_eq!(ran.code, 3, "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{file}: {}", ran.stderr);
    }
    let ran = world.wharf(&["copy", "dir:/tmp/x", "oci:/tmp/y"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("a place that wharf does not know"), "{}", ran.stderr);
    let ran = world.wharf(&["copy", "oci:/nowhere", "oci:out"]);
    assert_eq!(ran.code, 3);
}

#[test]
fn a_damaged_archive_changes_nothing() {
    let world = World::new();
    image(&world, "docker.io/library/one:v1");
    let archive = world.path("one.tar");
    world.wharf_ok(&["save", "-o", &path(&world, "one.tar"), "one:v1"]);
    let mut bytes = std::fs::read(&archive).unwrap();
    let position = bytes.windows(8).position(|window| window == b"\"rootfs\"").unwrap() + 1;
    bytes[position] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let other = World::new();
    let loaded = other.wharf(&["load", "-i", &archive.display().to_string()]);
    assert_eq!(loaded.code, 3, "{}{}", loaded.stdout, loaded.stderr);
    assert!(loaded.stderr.contains("does not match its digest"), "{}", loaded.stderr);
    assert_eq!(other.wharf_ok(&["images", "--quiet"]).stdout, "");
}
