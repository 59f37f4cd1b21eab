//! One build, several builders or several platforms.

use std::path::Path;

use serde_json::Value;

use super::{engine, old};
use crate::world::World;

/// Files that differ by platform, and no step that would have to run on it. A builder that is told to stop while it
/// keeps a step may lose that step (BuildKit 0.13), so those of each test are its own.
fn project(name: &str) -> World {
    let world = World::new();
    world.file(
        "Dockerfile",
        "FROM scratch\nARG TARGETARCH\nCOPY for-$TARGETARCH /for\nLABEL arch=$TARGETARCH\n",
    );
    world.file("for-amd64", &format!("one of {name}\n"));
    world.file("for-arm64", &format!("other of {name}\n"));
    world
}

fn blob(layout: &Path, descriptor: &Value) -> Value {
    let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
    serde_json::from_slice(&std::fs::read(layout.join("blobs").join(digest)).unwrap()).unwrap()
}

/// The index of a layout's one image, and the label of each image in it by its platform.
fn images(layout: &Path) -> (Value, Vec<(String, String)>) {
    let top: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let index = blob(layout, &top["manifests"][0]);
    let entry = |entry: &Value| {
        let platform = &entry["platform"];
        let name =
            format!("{}/{}", platform["os"].as_str().unwrap(), platform["architecture"].as_str().unwrap());
        let config = blob(layout, &blob(layout, entry)["config"]);
        assert_eq!(config["architecture"], platform["architecture"]);
        (name, config["config"]["Labels"]["arch"].as_str().unwrap().to_owned())
    };
    let images = index["manifests"].as_array().unwrap().iter().map(entry).collect();
    (index, images)
}

fn named(text: &[(&str, &str)]) -> Vec<(String, String)> {
    text.iter().map(|(platform, label)| ((*platform).to_owned(), (*label).to_owned())).collect()
}

#[test]
fn platforms_of_two_builders_become_one_index() {
    let engine = engine!();
    let other = match old() {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = project("joined");
    let both = format!("linux/amd64={},linux/arm64={}", engine.address(), other.address());
    let build = ["build", "--builder", &both, "--platform", "linux/arm64,linux/amd64", "--tag", "it:1"];
    let annotations = ["--annotation", "index:of=all", "--annotation", "manifest[linux/arm64]:of=one"];
    let output = ["--output", "type=oci,tar=false,dest=out", "--output", "files", "."];
    let ran = world.wharf_ok(&[&build[..], &annotations, &output].concat());
    assert!(ran.stderr.contains("[linux/arm64 1/1] COPY"), "{}", ran.stderr);
    assert!(ran.stderr.contains("[linux/amd64 1/1] COPY"), "{}", ran.stderr);

    let out = world.path("project/out");
    let (index, images) = images(&out);
    assert_eq!(images, named(&[("linux/arm64", "arm64"), ("linux/amd64", "amd64")]), "{index}");
    assert_eq!(index["annotations"]["of"], "all");
    let file = |name: &str| std::fs::read_to_string(world.path("project/files").join(name)).unwrap();
    assert_eq!(
        (file("linux_amd64/for"), file("linux_arm64/for")),
        ("one of joined\n".into(), "other of joined\n".into())
    );
    let listed = world.wharf_ok(&["images"]).stdout;
    assert!(listed.contains("it"), "{listed}");

    let ran = world.wharf(&["build", "--builder", &both, "--platform", "linux/s390x", "."]);
    assert_eq!((ran.code, ran.stderr.contains("no builder is for linux/s390x")), (2, true), "{}", ran.stderr);
    world.file("wharf.toml", &format!("[build]\nbuilder = \"{both}\"\n"));
    let ran = world.wharf(&["build", "--platform", "linux/s390x", "."]);
    assert!(ran.stderr.contains("no builder is for linux/s390x"), "the project's builders: {}", ran.stderr);
    world.wharf_ok(&["build", "--builder", "default", "--platform", "linux/arm64", "."]);
    let ran = world.wharf(&[
        "build",
        "--builder",
        &both,
        "--platform",
        "linux/arm64,linux/amd64",
        "-o",
        "type=tar,dest=x",
        ".",
    ]);
    assert_eq!((ran.code, ran.stderr.contains("type=local,dest=DIR")), (2, true), "{}", ran.stderr);
}

#[test]
fn one_builder_gives_several_platforms_as_an_index() {
    let engine = engine!();
    let world = project("alone");
    let platforms = ["--platform", "linux/amd64,linux/arm64", "--output", "type=oci,tar=false,dest=out"];
    world.wharf_ok(&[&["build", "--builder", &engine.address()], &platforms[..], &["."]].concat());
    let (index, images) = images(&world.path("project/out"));
    assert_eq!(images, named(&[("linux/amd64", "amd64"), ("linux/arm64", "arm64")]), "{index}");
}

#[test]
fn a_failure_of_one_of_several_names_it_and_stops_the_others() {
    let engine = engine!();
    let other = match old() {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = project("failing");
    std::fs::remove_file(world.path("project/for-arm64")).unwrap();
    let both = format!("linux/amd64={},linux/arm64={}", engine.address(), other.address());
    let ran = world.wharf(&["build", "--builder", &both, "--platform", "linux/amd64,linux/arm64", "."]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let expected = format!("error: building linux/arm64 at {}", other.address());
    assert!(ran.stderr.contains(&expected) && ran.stderr.contains("for-arm64"), "{}", ran.stderr);
}
