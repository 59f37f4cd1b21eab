//! What a build leaves, through the binary: outputs, annotations, attestations, the files about it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::world::{Ran, Registry, World};

/// A project of one file on nothing, which every machine can build.
fn project() -> World {
    let world = World::new();
    world.file("Dockerfile", "ARG NAME=a\nFROM scratch\nCOPY a.txt /a.txt\nLABEL a=b\n");
    world.file("a.txt", "a\n");
    world
}

fn build(world: &World, args: &[&str]) -> Ran {
    let mut all = vec!["build"];
    all.extend(args);
    all.push(".");
    world.wharf_ok(&all)
}

/// A document of a layout that was unpacked to `root`.
fn blob(root: &Path, digest: &Value) -> Value {
    let path = root.join("blobs").join(digest.as_str().unwrap().replace(':', "/"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Builds into a layout; gives its root and what its index names first.
fn layout(world: &World, name: &str, options: &str, args: &[&str]) -> (std::path::PathBuf, Value) {
    let root = world.path(name);
    let output = format!("type=oci,tar=false,dest={}{options}", root.display());
    let mut all = vec!["--output", output.as_str()];
    all.extend(args);
    build(world, &all);
    let index = json(&root.join("index.json"));
    (root, index["manifests"][0].clone())
}

#[test]
fn several_outputs_are_written_in_one_build() {
    let world = project();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let [archive, files, tar] =
        ["image.tar", "files", "files.tar"].map(|name| world.path(name).display().to_string());
    let name = format!("{}/app:1", registry.address());
    let zstd = format!("type=registry,name={name},compression=zstd,oci-mediatypes=true");
    build(
        &world,
        &[
            "--output",
            &format!("type=oci,dest={archive}"),
            "--output",
            &format!("type=local,dest={files}"),
            "--output",
            &format!("type=tar,dest={tar}"),
            "--output",
            &zstd,
        ],
    );
    assert_eq!(std::fs::read_to_string(world.path("files/a.txt")).unwrap(), "a\n");
    let listed = Command::new("tar").args(["-tf", &tar]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("a.txt"));
    assert!(Path::new(&archive).is_file());
    let other = World::new();
    other.wharf_ok(&["pull", &name]);
    let inspected = other.wharf_ok(&["inspect", &name]);
    assert!(inspected.code == 0);
    let blobs = std::fs::read_dir(other.path("data/store/blobs/sha256")).unwrap();
    let is_zstd =
        |path: std::path::PathBuf| std::fs::read(path).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    assert!(blobs.into_iter().any(|blob| is_zstd(blob.unwrap().path())));
}

#[test]
fn a_push_by_digest_leaves_no_tag() {
    let world = project();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let metadata = world.path("metadata.json");
    let output = format!("type=image,name={}/app,push=true,push-by-digest=true", registry.address());
    build(&world, &["--output", &output, "--metadata-file", &metadata.display().to_string()]);
    let digest = json(&metadata)["containerimage.digest"].as_str().unwrap().to_owned();
    let other = World::new();
    other.wharf_ok(&["pull", &format!("{}/app@{digest}", registry.address())]);
    assert_eq!(other.wharf(&["pull", &format!("{}/app:latest", registry.address())]).code, 3);
}

#[test]
fn annotations_stand_where_they_were_put() {
    let world = project();
    let args = [
        "--annotation",
        "index:i=1",
        "--annotation",
        "m=2",
        "--annotation",
        "manifest-descriptor:d=3",
        "--annotation",
        "index-descriptor:x=4",
        "--provenance=mode=min",
    ];
    let (root, top) = layout(&world, "layout", ",annotation.Own=5,annotation-index.j=6", &args);
    let index = blob(&root, &top["digest"]);
    assert_eq!(index["annotations"], serde_json::json!({"i": "1", "j": "6"}));
    assert_eq!(index["manifests"][0]["annotations"], serde_json::json!({"d": "3"}));
    let manifest = blob(&root, &index["manifests"][0]["digest"]);
    assert_eq!(manifest["annotations"], serde_json::json!({"m": "2", "Own": "5"}));
    assert_eq!(top["annotations"]["x"], "4");

    let lone = world.wharf(&["build", "--annotation", "index:i=1", "."]);
    assert_eq!(lone.code, 2, "{}", lone.stderr);
    assert!(lone.stderr.contains("no index"), "{}", lone.stderr);
}

#[test]
fn provenance_is_beside_the_image_as_buildkit_puts_it() {
    let world = project();
    let args = ["--provenance=mode=max", "--build-arg", "NAME=value", "--tag", "app:1"];
    let (root, top) = layout(&world, "layout", "", &args);
    let index = blob(&root, &top["digest"]);
    let [image, attestation] = [0, 1].map(|place| &index["manifests"][place]);
    assert_eq!(attestation["platform"], serde_json::json!({"architecture": "unknown", "os": "unknown"}));
    assert_eq!(attestation["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(attestation["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    let manifest = blob(&root, &attestation["digest"]);
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
    assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v1");
    let config = blob(&root, &manifest["config"]["digest"]);
    assert_eq!(config["rootfs"]["diff_ids"][0], layer["digest"]);
    let statement = blob(&root, &layer["digest"]);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let name = statement["subject"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("pkg:docker/app@1?platform=linux%2F"), "{name}");
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["request"]["args"]["build-arg:NAME"], "value");
    assert_eq!(definition["externalParameters"]["configSource"]["path"], "Dockerfile");
    assert!(definition["internalParameters"]["buildConfig"]["llbDefinition"].is_array());

    let (root, top) = layout(
        &world,
        "least",
        "",
        &["--attest", "type=provenance,mode=min,version=v0.2", "--build-arg", "NAME=value"],
    );
    let index = blob(&root, &top["digest"]);
    let manifest = blob(&root, &index["manifests"][1]["digest"]);
    let statement = blob(&root, &manifest["layers"][0]["digest"]);
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v0.2");
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v0.1");
    assert!(!statement.to_string().contains("value"), "a build argument is not in the least that is said");
    assert_eq!(statement["predicate"]["metadata"]["completeness"]["parameters"], false);
}

#[test]
fn nothing_is_attested_unless_asked_and_pulling_takes_the_image() {
    let world = project();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let (_, plain) = layout(&world, "plain", "", &[]);
    assert_eq!(plain["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let name = format!("{}/app:1", registry.address());
    build(&world, &["--provenance=true", "--tag", &name, "--push"]);
    let other = World::new();
    other.wharf_ok(&["pull", &name]);
    assert_eq!(other.wharf_ok(&["images", "--quiet"]).stdout.lines().count(), 1);
}

#[test]
fn the_files_about_a_build_say_what_buildx_says() {
    let world = project();
    let [metadata, iid] = ["metadata.json", "iid"].map(|name| world.path(name));
    let [metadata_file, iidfile] = [&metadata, &iid].map(|path| path.display().to_string());
    let files =
        ["--metadata-file", metadata_file.as_str(), "--iidfile", &iidfile, "--tag", "app:1", "--tag", "b/c"];
    let ran = build(&world, &files);
    let document = json(&metadata);
    let id = document["containerimage.config.digest"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(&iid).unwrap(), id);
    assert_eq!(ran.stdout.trim(), id);
    assert_eq!(document["image.name"], "docker.io/library/app:1,docker.io/b/c:latest");
    assert_eq!(document["containerimage.descriptor"]["digest"], document["containerimage.digest"]);
    assert!(document["containerimage.descriptor"]["platform"]["architecture"].is_string());
    assert!(document["buildx.build.ref"].as_str().unwrap().starts_with("default/default/"));
    assert_eq!(document.get("buildx.build.provenance"), None);

    let quiet = build(
        &world,
        &["--quiet", "--provenance=mode=min", "--metadata-file", &metadata_file, "--iidfile", &iidfile],
    );
    let document = json(&metadata);
    // With an index above the image, the index is what is named.
    assert_eq!(document.get("containerimage.config.digest"), None);
    assert_eq!(std::fs::read_to_string(&iid).unwrap(), document["containerimage.digest"].as_str().unwrap());
    assert!(document["buildx.build.provenance"]["buildDefinition"].is_object());
    assert_eq!((quiet.stderr.as_str(), quiet.stdout.lines().count()), ("", 1));
}

#[test]
fn several_platforms_are_one_index() {
    let world = project();
    world.file(
        "Dockerfile",
        "FROM scratch\nARG TARGETARCH\nARG TARGETVARIANT\nCOPY a.txt /$TARGETARCH$TARGETVARIANT\n",
    );
    let (root, top) = layout(
        &world,
        "layout",
        "",
        &["--platform", "linux/amd64,linux/arm64,linux/arm/v7", "--provenance=mode=min"],
    );
    let index = blob(&root, &top["digest"]);
    let platforms: Vec<String> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            format!(
                "{}/{}",
                m["platform"]["architecture"].as_str().unwrap(),
                m["platform"]["variant"].as_str().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(platforms, ["amd64/", "arm64/", "arm/v7", "unknown/", "unknown/", "unknown/"]);
    for (place, name) in [(0, "amd64"), (1, "arm64"), (2, "armv7")] {
        let manifest = blob(&root, &index["manifests"][place]["digest"]);
        let config = blob(&root, &manifest["config"]["digest"]);
        let line = config["history"][2]["created_by"].as_str().unwrap_or_default();
        assert!(config["history"].to_string().contains(&format!("/{name} ")), "{line}");
    }
}

/// The statement in a file, whose subjects must be the files of `project()`.
fn statement_about_a(path: &Path, predicate: &str) -> Value {
    let statement = json(path);
    assert_eq!(statement["predicateType"], predicate);
    let digest = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";
    let subject = serde_json::json!([{"name": "a.txt", "digest": {"sha256": digest}}]);
    assert_eq!(statement["subject"], subject);
    statement
}

const SLSA: &str = "https://slsa.dev/provenance/v1";
const SPDX: &str = "https://spdx.dev/Document";

#[test]
fn files_come_with_what_is_said_of_them() {
    let world = project();
    let [files, tar] = ["files", "files.tar"].map(|name| world.path(name).display().to_string());
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1600000000"];
    let attested = ["--provenance=mode=max", "--sbom=true"];
    let outputs = [
        "--output".to_owned(),
        format!("type=local,dest={files}"),
        "--output".to_owned(),
        format!("type=tar,dest={tar},attestation-prefix=said-"),
    ];
    let args: Vec<&str> = outputs.iter().map(String::as_str).chain(epoch).chain(attested).collect();
    build(&world, &args);
    let provenance = statement_about_a(&world.path("files/provenance.json"), SLSA);
    assert_eq!(provenance["_type"], "https://in-toto.io/Statement/v1");
    assert!(provenance["predicate"]["buildDefinition"].is_object());
    let inventory = statement_about_a(&world.path("files/sbom.spdx.json"), SPDX);
    assert!(inventory["predicate"]["spdxVersion"].as_str().unwrap().starts_with("SPDX-2"));
    for name in ["a.txt", "provenance.json", "sbom.spdx.json"] {
        let metadata = std::fs::metadata(world.path("files").join(name)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mtime(&metadata), 1_600_000_000, "{name}");
    }

    let listed = Command::new("tar").args(["--utc", "-tvf", &tar]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(names, ["a.txt", "said-provenance.json", "said-sbom.spdx.json"], "{listed}");
    assert_eq!(listed.matches("2020-09-13 12:26").count(), 3, "{listed}");
}

#[test]
fn files_of_several_platforms_have_a_directory_each_or_share_one() {
    let world = project();
    world.file("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY a.txt /a-$TARGETARCH\n");
    let [split, shared, tar] = ["split", "shared", "files.tar"].map(|name| world.path(name));
    let options = ["--platform", "linux/amd64,linux/arm64", "--provenance=mode=min"];
    let local = |path: &Path, more: &str| format!("type=local,dest={}{more}", path.display());
    let tar_option = format!("type=tar,dest={}", tar.display());
    let outputs = [
        "--output",
        &local(&split, ""),
        "--output",
        &local(&shared, ",platform-split=false"),
        "--output",
        &tar_option,
    ]
    .map(str::to_owned);
    let args: Vec<&str> = outputs.iter().map(String::as_str).chain(options).collect();
    build(&world, &args);
    for name in ["amd64", "arm64"] {
        assert!(split.join(format!("linux_{name}/a-{name}")).is_file());
        assert!(split.join(format!("linux_{name}/provenance.json")).is_file());
        assert!(shared.join(format!("a-{name}")).is_file());
        assert!(shared.join(format!("provenance.linux_{name}.json")).is_file());
    }
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let expected = ["amd64", "arm64"]
        .map(|name| format!("linux_{name}/\nlinux_{name}/a-{name}\nlinux_{name}/provenance.json\n"));
    assert_eq!(listed, expected.concat());

    // One platform has a directory where that is asked for.
    let alone = world.path("alone");
    build(&world, &["--output", &local(&alone, ",platform-split=true"), "--platform", "linux/arm64"]);
    assert!(alone.join("linux_arm64/a-arm64").is_file());

    // Nothing is written where files would overwrite one another.
    world.file("Dockerfile", "FROM scratch\nCOPY a.txt /a\n");
    let clash = world.path("clash");
    let output = local(&clash, ",platform-split=false");
    let ran = world.wharf(&["build", "--platform", "linux/amd64,linux/arm64", "--output", &output, "."]);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("`a` of linux/amd64"), "{}", ran.stderr);
    assert!(!clash.join("a").exists());
}

#[test]
fn a_standard_output_that_is_a_file_is_written_where_it_is() {
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    world.wharf_ok(&["build", "--tag", "it:1", "."]);
    for args in [&["build", "--output", "-", "."][..], &["save", "it:1"]] {
        let path = world.path("out");
        std::fs::write(&path, "before").unwrap();
        let out = std::fs::File::options().append(true).open(&path).unwrap();
        assert!(world.command(args).stdout(out).status().unwrap().success(), "{args:?}");
        let written = std::fs::read(&path).unwrap();
        assert!(written.starts_with(b"before") && written.len() > 2000, "{args:?}: {} bytes", written.len());
        assert!(std::fs::symlink_metadata("/dev/stdout").unwrap().is_symlink(), "{args:?}");
    }
}

/// As BuildKit writes them: `name=` counts where the build has no tag, and the index says for which platform.
#[test]
fn archives_have_the_names_of_their_output() {
    let world = project();
    let archive = world.path("image.tar");
    let metadata = world.path("metadata.json");
    let output = format!(
        "type=docker,name=foo/bar:2,annotation-manifest-descriptor.note=x,dest={}",
        archive.display()
    );
    let read = |name: &str| -> Value {
        let out = Command::new("tar").arg("-xOf").arg(&archive).arg(name).output().unwrap();
        serde_json::from_slice(&out.stdout).unwrap()
    };
    build(&world, &["--output", &output, "--metadata-file", metadata.to_str().unwrap()]);
    assert_eq!(read("manifest.json")[0]["RepoTags"], serde_json::json!(["foo/bar:2"]));
    let entry = read("index.json")["manifests"][0].clone();
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/foo/bar:2");
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "2");
    let created = entry["annotations"]["org.opencontainers.image.created"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.len() == "2026-01-02T03:04:05Z".len(), "{created}");
    assert_eq!(entry["platform"]["os"], "linux");
    let said = json(&metadata);
    assert_eq!(said["image.name"], "docker.io/foo/bar:2");
    assert_eq!(said["containerimage.descriptor"]["annotations"]["note"], "x");

    let unnamed = format!("type=docker,dest={}", archive.display());
    build(&world, &["--output", &unnamed]);
    assert!(read("manifest.json")[0]["RepoTags"].is_null());
    build(&world, &["--output", &output, "--tag", "mine:1"]);
    assert_eq!(read("manifest.json")[0]["RepoTags"], serde_json::json!(["mine:1"]));
}

/// In a layout, too, where images of other builds stay beside it.
#[test]
fn layouts_have_tags_and_full_names() {
    let world = project();
    let names = |world: &World| -> Vec<String> {
        let index = json(&world.path("project/layout/index.json"));
        let entries = index["manifests"].as_array().unwrap();
        let one = |entry: &Value, name: &str| entry["annotations"][name].as_str().unwrap_or("-").to_owned();
        let both = entries.iter().map(|entry| {
            let (full, tag) = ("io.containerd.image.name", "org.opencontainers.image.ref.name");
            format!("{} {}", one(entry, full), one(entry, tag))
        });
        both.collect()
    };
    let output = ["--output", "type=oci,tar=false,dest=layout"];
    build(&world, &[&output[..], &["--tag", "one:1", "--tag", "two:1"]].concat());
    let both = ["docker.io/library/one:1 1", "docker.io/library/two:1 1"];
    assert_eq!(names(&world), both);
    build(&world, &[&output[..], &["--tag", "one:1"]].concat());
    assert_eq!(names(&world), [both[1], both[0]], "in place of what had the name");
    build(&world, &output);
    build(&world, &output);
    assert_eq!(names(&world), [both[1], both[0], "- latest"]);
    world.file("again/Dockerfile", "FROM layout\n");
    let named = ["--build-context", "layout=oci-layout://layout:latest"];
    world.wharf_ok(&[&["build"], &named[..], &["again"]].concat());
}
