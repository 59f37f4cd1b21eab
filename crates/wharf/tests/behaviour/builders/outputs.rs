//! What comes back from a builder, and what stays there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::engine;
use crate::world::{BUSYBOX, Registry, World, busybox_context};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The names in a tar.
fn names(tar: &Path) -> Vec<String> {
    let ran = Command::new("tar").arg("-tf").arg(tar).output().unwrap();
    assert!(ran.status.success());
    String::from_utf8_lossy(&ran.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn every_kind_of_output() {
    let engine = engine!();
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY text /etc/text\nCMD [\"/it\"]\n");
    world.file("text", "some\n");
    let address = engine.address();
    let outputs = [
        "type=oci,dest=oci.tar",
        "type=docker,dest=docker.tar",
        "type=tar,dest=files.tar",
        "type=local,dest=files",
    ];
    let flags = outputs.iter().flat_map(|output| ["--output", *output]);
    let build: Vec<&str> =
        ["build", "--builder", &address, "--tag", "it:1", "--metadata-file", "metadata.json"]
            .into_iter()
            .chain(flags)
            .chain(["."])
            .collect();
    world.wharf_ok(&build);
    let project = world.path("project");
    assert!(names(&project.join("oci.tar")).contains(&"oci-layout".to_owned()));
    assert!(names(&project.join("docker.tar")).contains(&"manifest.json".to_owned()));
    assert!(names(&project.join("files.tar")).contains(&"etc/text".to_owned()));
    assert_eq!(std::fs::read_to_string(project.join("files/etc/text")).unwrap(), "some\n");
    let digest = json(&project.join("metadata.json"))["containerimage.digest"].as_str().unwrap().to_owned();
    let listed = world.wharf_ok(&["--json", "images"]).stdout;
    assert!(listed.contains(&digest), "{digest}: {listed}");

    let tar = world.path("stdout.tar");
    let mut command = world.command(&["build", "--builder", &address, "--output", "-", "."]);
    assert!(command.stdout(std::fs::File::create(&tar).unwrap()).status().unwrap().success());
    assert!(names(&tar).contains(&"etc/text".to_owned()), "a tar on standard output");
}

#[test]
fn what_a_builder_attests_comes_with_the_image() {
    let engine = engine!();
    let world = World::new();
    if !busybox_context(&world) {
        crate::skip!("there is no busybox");
    }
    // A scanner as BuildKit wants them: it finds the files at one place, and writes a statement to another.
    let statement = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"name":"seen"}}"#;
    world.file(
        "scanner/Dockerfile",
        &format!("{BUSYBOX}COPY scan /scan\nENTRYPOINT [\"/bin/sh\", \"/scan\"]\n"),
    );
    world.file("scanner/scan", &format!("test -f $BUILDKIT_SCAN_SOURCE/text && echo '{statement}' >$BUILDKIT_SCAN_DESTINATION/it.spdx.json\n"));
    for name in ["bin", "etc"] {
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(world.path("project").join(name)).arg(world.path("project/scanner"));
        assert!(copy.status().unwrap().success());
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let scanner = format!("{}/scanner:1", registry.address());
    world.wharf_ok(&["build", "--tag", &scanner, "--push", "scanner"]);

    world.file("Dockerfile", "FROM scratch\nCOPY text /\n");
    world.file("text", "attested\n");
    let sbom = format!("--sbom=generator={scanner}");
    let output = ["--output", "type=oci,tar=false,dest=out", "--tag", "it:1", "."];
    world.wharf_ok(
        &[&["build", "--builder", &engine.address(), "--provenance=mode=max", &sbom], &output[..]].concat(),
    );
    let out = world.path("project/out");
    let blob =
        |descriptor: &Value| out.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"));
    let index = json(&blob(&json(&out.join("index.json"))["manifests"][0]));
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "{index}");
    assert_eq!(entries[1]["annotations"]["vnd.docker.reference.digest"], entries[0]["digest"]);
    let statements = json(&blob(&entries[1]));
    let kinds: Vec<&str> = statements["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["annotations"]["in-toto.io/predicate-type"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"https://spdx.dev/Document"), "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind.starts_with("https://slsa.dev/provenance/")), "{kinds:?}");
}

const GATED: &str =
    "[image]\nname = \"org/app\"\n[scan]\nenabled = false\n[[push]]\nregistry = \"$REGISTRY\"\n";

#[test]
fn a_ship_leaves_the_image_at_the_builders_side_until_the_gates_are_green() {
    let engine = engine!();
    let world = World::new();
    if !crate::world::is_root() || !busybox_context(&world) {
        crate::skip!("it needs root and busybox-static");
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    world.file("wharf.toml", GATED);
    let service = |health: &str| {
        let www = format!("RUN mkdir -p /www && echo well >/www/{health}\n");
        let serve = "USER app\nEXPOSE 8000\nCMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";
        world.file("Dockerfile", &format!("{BUSYBOX}{www}{serve}"));
    };
    let ship = |more: &[&str]| -> crate::world::Ran {
        let address = engine.address();
        let mut command =
            world.command(&[&["ship", "--gate", "remote", "--builder", &address, "--json"], more].concat());
        command.env("REGISTRY", registry.address()).output().unwrap().into()
    };
    let at = |name: &str| {
        world.wharf(&["inspect", "--remote", "--raw", &format!("{}/org/app{name}", registry.address())])
    };

    service("elsewhere");
    let ran = ship(&[]);
    assert_eq!(ran.code, 1, "the smoke test finds no /health: {}", ran.stderr);
    let tags = std::process::Command::new("curl")
        .args(["-sS", &format!("http://{}/v2/org/app/tags/list", registry.address())])
        .output()
        .unwrap();
    let tags = String::from_utf8_lossy(&tags.stdout).into_owned();
    assert!(!tags.contains("build-"), "nothing has a tag: {tags}");
    let manifests = world.path("registry");
    assert!(manifests.exists());

    service("health");
    let ran = ship(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let digest = report["digest"].as_str().unwrap();
    let version = report["version"].as_str().unwrap();
    assert_eq!(report["pushed"][0]["bytesSent"].as_u64().map(|bytes| bytes < 10_000), Some(true), "{report}");
    let tagged = at(&format!(":{version}"));
    assert_eq!(tagged.code, 0, "{}", tagged.stderr);
    let by_digest = at(&format!("@{digest}"));
    assert_eq!(tagged.stdout, by_digest.stdout, "the tag names what was tested");
}
