//! Images between this machine, registries, directories and archives.

mod clouds;
mod conformance;
mod copy;
mod crashes;
mod credentials;
mod faults;
mod killed;
mod serve;

pub(crate) use credentials::{Moto, guarded};

use std::fs;
use std::io::Write;
use std::process::Stdio;

use wharf_oci::Descriptor;
use wharf_oci::digest::sha256;
use wharf_registry::Layout;
use wharf_testkit::fixture;

use crate::skip;
use crate::world::{Ran, Registry, World};

/// The store of the world.
fn store(world: &World) -> Layout {
    Layout::open(world.path("data/store")).unwrap()
}

/// An image of two layers in the world's store, by this name.
fn image(world: &World, name: &str) -> Descriptor {
    let store = store(world);
    let image = fixture::image(&store, &[&[("etc/one", b"1")], &[("etc/two", b"2")]]);
    store.tag(name, &image).unwrap();
    image
}

/// An index of two images, `linux/amd64` and `linux/arm64`.
fn index(world: &World, name: &str) -> Descriptor {
    let store = store(world);
    let images = ["linux/amd64", "linux/arm64"].map(|text| {
        let platform = text.parse().unwrap();
        let image =
            fixture::image_for(&store, &platform, &[&[("etc/both", b"1")], &[("etc/own", text.as_bytes())]]);
        (platform, image)
    });
    let index = fixture::index(&store, &images);
    store.tag(name, &index).unwrap();
    index
}

/// The digest of what is at `name` in a registry.
fn remote_digest(world: &World, name: &str) -> wharf_oci::Digest {
    sha256(world.wharf_ok(&["inspect", "--remote", "--raw", name]).stdout.as_bytes())
}

fn with_input(world: &World, args: &[&str], input: &str) -> Ran {
    let mut child = world
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_registry_that_is_elsewhere_keeps_its_name() {
    let world = World::new();
    let Some(hub) = Registry::distribution(&world.path("hub")) else {
        skip!("docker-registry is not installed")
    };
    let settings = format!("[registries.\"docker.io\"]\nlocation = \"{}\"\n", hub.address());
    fs::write(world.path("config.toml"), settings).unwrap();
    let image = image(&world, "docker.io/myorg/app:1");

    let refused = world.wharf(&["push", "myorg/app:1"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("docker.io asks for credentials"), "{}", refused.stderr);
    let login = with_input(&world, &["login", "--username", "demo", "--password-stdin"], "secret\n");
    assert_eq!(login.code, 0, "{}", login.stderr);
    assert!(fs::read_to_string(world.path("home/config.json")).unwrap().contains("index.docker.io"));
    world.wharf_ok(&["push", "myorg/app:1"]);

    let raw = world.wharf_ok(&["inspect", "--remote", "--raw", "docker.io/myorg/app:1"]);
    assert_eq!(sha256(raw.stdout.as_bytes()), image.digest);
    world.wharf_ok(&["rm", "myorg/app:1"]);
    let pulled = world.wharf_ok(&["pull", "myorg/app:1"]);
    assert_eq!(pulled.stdout, format!("myorg/app@{}\n", image.digest));
}

/// Any registry may have mirrors: one that is not there and one that does not have the image are passed over.
#[test]
fn mirrors_are_read_first_and_the_registry_itself_last() {
    let world = World::new();
    let (mirror, origin) =
        (wharf_testkit::FaultyRegistry::start(), Registry::wharf(&world.path("origin"), &[]));
    let name = |tag: &str| format!("{}/org/app:{tag}", origin.address());
    let (there, both) = (image(&world, &name("only-there")), index(&world, &name("both")));
    world.wharf_ok(&["push", &name("only-there")]);
    world.wharf_ok(&["push", &name("both")]);
    world.wharf_ok(&["copy", &name("both"), &format!("{}/cache/org/app:both", mirror.host())]);
    mirror.forget_seen();
    let settings = format!(
        "[registries.\"{}\"]\nmirrors = [\"http://127.0.0.1:1\", \"http://{}/cache\"]\n[transfers]\nretries = 1\n",
        origin.address(),
        mirror.host()
    );
    let machine = World::new();
    fs::write(machine.path("config.toml"), settings).unwrap();
    machine.wharf_ok(&["pull", "--platform", "linux/arm64", &name("both")]);
    let blobs = mirror.seen_of(http::Method::GET, "/v2/cache/org/app/blobs/").len();
    assert_eq!(blobs, 3, "config and layers come from the mirror");
    let pulled = machine.wharf_ok(&["pull", &name("only-there")]).stdout;
    assert!(pulled.ends_with(&format!("@{}\n", there.digest)), "{pulled}");
    // What is written goes to the registry itself.
    machine.wharf_ok(&["tag", "--remote", &name("both"), &name("again")]);
    assert_eq!(remote_digest(&world, &name("again")), both.digest);
    assert!(
        mirror
            .seen()
            .iter()
            .all(|seen| seen.method == http::Method::GET || seen.method == http::Method::HEAD)
    );
}

#[test]
fn no_more_blobs_travel_at_once_than_a_registry_may_have() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/org/app:v1", registry.host());
    let layers: Vec<Vec<u8>> = (0..6).map(|number: u8| vec![number; 300_000]).collect();
    let files: Vec<[(&str, &[u8]); 1]> = layers.iter().map(|layer| [("etc/own", layer.as_slice())]).collect();
    let layers: Vec<&[(&str, &[u8])]> = files.iter().map(|files| files.as_slice()).collect();
    let image = fixture::image(&store(&world), &layers);
    store(&world).tag(&name, &image).unwrap();
    let settings = format!("[registries.\"{}\"]\nparallelism = 1\n", registry.host());
    fs::write(world.path("config.toml"), &settings).unwrap();
    world.wharf_ok(&["push", &name]);
    assert_eq!(registry.busiest(), 1);
    let other = World::new();
    fs::write(other.path("config.toml"), &settings).unwrap();
    other.wharf_ok(&["pull", &name]);
    assert_eq!(registry.busiest(), 1);
    other.wharf_ok(&["copy", &name, &format!("oci:{}", other.path("layout").display())]);
    assert_eq!(registry.busiest(), 1);
}

#[test]
fn a_push_with_nothing_new_asks_for_its_tag_alone() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/org/app:v1", registry.host());
    image(&world, &name);
    world.wharf_ok(&["push", &name]);
    registry.forget_seen();
    world.wharf_ok(&["push", &name]);
    let asked: Vec<_> = registry.seen().into_iter().map(|seen| (seen.method, seen.path)).collect();
    let tag = (http::Method::HEAD, "/v2/org/app/manifests/v1".to_owned());
    assert_eq!(asked.first().unwrap().1, "/v2/");
    assert!(asked[1..].iter().all(|asked| *asked == tag), "{asked:?}");
}

#[test]
fn a_location_that_is_none_is_an_error_of_the_settings() {
    let world = World::new();
    fs::write(world.path("config.toml"), "[registries.\"docker.io\"]\nlocation = \"ftp://x\"\n").unwrap();
    let ran = world.wharf(&["images"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`ftp://x` is not a location URL"), "{}", ran.stderr);
}

#[test]
fn a_deadline_ends_what_takes_too_long() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/app:v1", registry.host());
    image(&world, &name);
    let stalls = wharf_testkit::When::any("/v2/").times(9);
    registry.fail(stalls, wharf_testkit::Fault::StallRequest);
    fs::write(world.path("config.toml"), "[transfers]\ndeadline = 1\nretries = 0\n").unwrap();
    let ran = world.wharf(&["copy", &format!("oci:{}:{name}", world.path("data/store").display()), &name]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("all the time it was given"), "{}", ran.stderr);
}

#[test]
fn registries_are_listed_and_images_in_them_deleted() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let host = registry.address();
    let first = image(&world, &format!("{host}/org/app:v1"));
    for name in ["org/app:v1", "org/app:v2", "other:v1"] {
        let name = format!("{host}/{name}");
        store(&world).tag(&name, &first).unwrap();
        world.wharf_ok(&["push", &name]);
    }
    assert_eq!(world.wharf_ok(&["ls", host]).stdout, "org/app\nother\n");
    assert_eq!(world.wharf_ok(&["ls", &format!("{host}/org/app")]).stdout, "v1\nv2\n");
    let listed = world.wharf_ok(&["ls", &format!("{host}/org/app"), "--limit", "1", "--json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["tags"], serde_json::json!(["v1"]));
    let none = world.wharf_ok(&["ls", &format!("{host}/org/none")]);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "there is nothing to list\n"));
    assert_eq!(world.wharf(&["ls", &format!("{host}/org/app:v1")]).code, 2);

    world.wharf_ok(&["rm", "--remote", &format!("{host}/org/app:v1")]);
    assert_eq!(world.wharf_ok(&["ls", &format!("{host}/org/app")]).stdout, "v2\n");
    let gone = world.wharf(&["rm", "--remote", &format!("{host}/org/app:v1")]);
    assert_eq!(gone.code, 3);
    let whole = world.wharf_ok(&["rm", "--remote", "--digest", &format!("{host}/org/app:v2")]);
    assert_eq!(whole.stdout, format!("Deleted: {host}/org/app@{}\n", first.digest));
    assert_eq!(world.wharf_ok(&["ls", &format!("{host}/org/app")]).stdout, "");
    // What is on this machine is another matter.
    assert!(world.wharf_ok(&["images"]).stdout.contains("v2"));
}

#[test]
fn thousands_of_tags_are_listed() {
    let world = World::new();
    let data = world.path("registry");
    let registry = Registry::wharf(&data, &[]);
    let name = format!("{}/many", registry.address());
    let image = image(&world, &format!("{name}:v0"));
    world.wharf_ok(&["push", &format!("{name}:v0")]);
    let there = Layout::existing(data.join("many")).unwrap();
    there
        .update(|index| {
            for number in 1..2500 {
                let mut entry = image.clone();
                entry.annotations.insert(wharf_registry::REF_NAME.into(), format!("v{number}"));
                index.manifests.push(entry);
            }
        })
        .unwrap();
    let listed = world.wharf_ok(&["ls", &name]).stdout;
    assert_eq!(listed.lines().count(), 2500);
    assert!(listed.contains("\nv1777\n"));
}

#[test]
fn all_tags_of_a_repository_are_pushed_together() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/org/app", registry.address());
    let one = image(&world, &format!("{name}:v1.0.0"));
    store(&world).tag(&format!("{name}:stable"), &one).unwrap();
    let two = index(&world, &format!("{name}:dev"));
    // What only begins with the same name is another repository.
    image(&world, &format!("{name}2:v9"));
    assert_eq!(world.wharf(&["push", "--all-tags", &format!("{name}:dev")]).code, 2);
    let pushed = world.wharf_ok(&["push", "--all-tags", "--json", &name]).stdout;
    let pushed: serde_json::Value = serde_json::from_str(&pushed).unwrap();
    let names: Vec<&str> =
        pushed.as_array().unwrap().iter().map(|each| each["image"].as_str().unwrap()).collect();
    assert_eq!(names, ["dev", "stable", "v1.0.0"].map(|tag| format!("{name}:{tag}")));
    assert_eq!(world.wharf_ok(&["ls", &name]).stdout, "dev\nstable\nv1.0.0\n");
    assert_eq!(world.wharf_ok(&["ls", registry.address()]).stdout, "org/app\n");
    assert_eq!(remote_digest(&world, &format!("{name}:stable")), one.digest);
    assert_eq!(remote_digest(&world, &format!("{name}:dev")), two.digest);
    let again = world.wharf_ok(&["push", "-a", &name]).stdout;
    assert!(again.lines().all(|line| line.ends_with("  0B sent")), "{again}");
    // A tag that must stay stops all of them before anything is sent.
    store(&world).tag(&format!("{name}:v1.0.0"), &two).unwrap();
    image(&world, &format!("{name}:another"));
    let refused = world.wharf(&["push", "-a", &name]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert_eq!(world.wharf_ok(&["ls", &name]).stdout, "dev\nstable\nv1.0.0\n");
    let none = world.wharf(&["push", "-a", &format!("{}/none", registry.address())]);
    assert_eq!(none.code, 3);
    assert!(none.stderr.contains("there are no tags of"), "{}", none.stderr);
}

#[test]
fn all_tags_of_a_repository_are_pulled_together() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/org/app", registry.host());
    let one = image(&world, &format!("{name}:v1"));
    store(&world).tag(&format!("{name}:stable"), &one).unwrap();
    let platforms = [("linux/amd64", b"a"), ("linux/arm64", b"b")].map(|(text, own)| {
        let platform: wharf_oci::Platform = text.parse().unwrap();
        let image =
            fixture::image_for(&store(&world), &platform, &[&[("etc/both", b"1")], &[("etc/own", own)]]);
        (platform, image)
    });
    store(&world).tag(&format!("{name}:v2"), &fixture::index(&store(&world), &platforms)).unwrap();
    let foreign = fixture::index(&store(&world), &platforms[1..]);
    store(&world).tag(&format!("{name}:arm"), &foreign).unwrap();
    world.wharf_ok(&["push", "-a", &name]);
    let [(_, amd64), (_, _)] = &platforms;

    let other = World::new();
    registry.forget_seen();
    let here = ["pull", "--all-tags", "--platform", "linux/amd64"];
    let pulled = other.wharf_ok(&[&here[..], &[&name]].concat());
    let line = |tag: &str, digest: &wharf_oci::Digest| format!("{name}:{tag}@{digest}\n");
    assert_eq!(
        pulled.stdout,
        [line("stable", &one.digest), line("v1", &one.digest), line("v2", &amd64.digest)].concat()
    );
    assert!(
        pulled.stderr.contains(&format!("passed over {name}:arm: there is no image")),
        "{}",
        pulled.stderr
    );
    for (tag, digest) in [("stable", &one.digest), ("v1", &one.digest), ("v2", &amd64.digest)] {
        assert_eq!(store(&other).resolve(&format!("{name}:{tag}")).unwrap().unwrap().digest, *digest);
    }
    let layers = registry.seen_of(http::Method::GET, "/blobs/").into_iter().map(|seen| seen.path);
    let mut layers: Vec<String> = layers.collect();
    let count = layers.len();
    layers.sort();
    layers.dedup();
    assert_eq!(layers.len(), count, "what tags share is fetched once");
    let again = other.wharf_ok(&["pull", "-a", "--json", "--platform", "linux/amd64", &name]).stdout;
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again[2]["image"], format!("{name}:v2"));
    assert_eq!(registry.seen_of(http::Method::GET, "/blobs/").len(), count, "and not once more");

    // docker's words for it.
    let docker = other.wharf_ok(&["docker", "pull", "-a", "--platform", "linux/amd64", &name]).stdout;
    assert!(docker.contains("v1: Pulling from org/app\nDigest: "), "{docker}");
    assert!(docker.ends_with(&format!("Status: Image is up to date for {name}\n{name}\n")), "{docker}");

    assert_eq!(other.wharf(&["pull", "-a", &format!("{name}:v1")]).code, 2);
    let arm = format!("{}/org/arm", registry.host());
    world.wharf_ok(&["copy", &format!("{name}:arm"), &format!("{arm}:v1")]);
    let none = other.wharf(&[&here[..], &[&arm]].concat());
    assert_eq!(none.code, 3);
    assert!(none.stderr.contains("there is no image for linux/amd64 under any tag"), "{}", none.stderr);
    let nothing = other.wharf(&["pull", "-a", &format!("{}/org/none", registry.host())]);
    assert_eq!(nothing.code, 3);
}

#[test]
fn what_a_registry_has_to_say_is_passed_on() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/org/app:v1", registry.host());
    image(&world, &name);
    let warning = "299 - \"this registry closes tomorrow\"".to_owned();
    registry.fail(wharf_testkit::When::any("/v2/").times(9), wharf_testkit::Fault::Say("warning", warning));
    let pushed = world.wharf_ok(&["push", &name]);
    let said = pushed.stderr.matches("this registry closes tomorrow").count();
    assert_eq!(said, 1, "once, however often it was said: {}", pushed.stderr);
}

#[test]
fn a_tag_moves_inside_a_registry_and_nothing_travels() {
    let world = World::new();
    let registry = wharf_testkit::FaultyRegistry::start();
    let name = format!("{}/org/app", registry.host());
    let first = image(&world, &format!("{name}:v1"));
    world.wharf_ok(&["push", &format!("{name}:v1")]);
    world.wharf_ok(&["rm", &format!("{name}:v1")]);
    registry.forget_seen();
    let tagged = world.wharf_ok(&["tag", "--remote", &format!("{name}:v1"), &format!("{name}:stable")]);
    assert_eq!(tagged.stdout, format!("{name}:stable@{}\n", first.digest));
    assert_eq!(remote_digest(&world, &format!("{name}:stable")), first.digest);
    // Another repository of the registry has the layers mounted.
    let other = format!("{}/other/app:v1", registry.host());
    world.wharf_ok(&["tag", "--remote", &format!("{name}@{}", first.digest), &other]);
    assert_eq!(remote_digest(&world, &other), first.digest);
    let uploads = registry.seen().into_iter().filter(|seen| seen.path.contains("/blobs/uploads/"));
    assert!(uploads.into_iter().all(|seen| seen.received == 0));
    let downloads = registry.seen_of(http::Method::GET, "/blobs/");
    assert!(downloads.iter().all(|seen| seen.sent < 4096), "a config at the most: {downloads:?}");
    // A full version stays what it is, another registry is another matter, and what is not there is named.
    image(&world, &format!("{name}:other"));
    let second = index(&world, &format!("{name}:v2"));
    world.wharf_ok(&["push", &format!("{name}:v2")]);
    world.wharf_ok(&["tag", "--remote", &format!("{name}:v1"), &format!("{name}:1.0.0")]);
    let (v2, full) = (format!("{name}:v2"), format!("{name}:1.0.0"));
    let refused = world.wharf(&["tag", "--remote", &v2, &full]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    world.wharf_ok(&["tag", "--remote", "--force", &v2, &full]);
    assert_eq!(remote_digest(&world, &full), second.digest);
    let elsewhere = world.wharf(&["tag", "--remote", &v2, "127.0.0.1:1/app:v1"]);
    assert_eq!(elsewhere.code, 2);
    assert!(elsewhere.stderr.contains("hint: bring the image there: wharf copy"), "{}", elsewhere.stderr);
    assert_eq!(world.wharf(&["tag", "--remote", &format!("{name}:nope"), &full]).code, 3);
}

#[test]
fn an_image_is_shown_through_a_template() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/app:v1", registry.address());
    let image = image(&world, &name);
    world.wharf_ok(&["push", &name]);
    for place in [&["inspect", &name][..], &["inspect", "--remote", &name]] {
        let shown = |format: &str| world.wharf(&[place, &["--format", format]].concat());
        assert_eq!(shown("{{.Digest}} {{.Os}}").stdout, format!("{} linux\n", image.digest));
        assert_eq!(shown("{{len .Layers}} {{index .Config.Cmd 0}}").stdout, "2 /bin/sh\n");
        let json: serde_json::Value = serde_json::from_str(&shown("{{json .}}").stdout).unwrap();
        assert_eq!(json["Digest"], image.digest.to_string());
        let wrong = shown("{{.Nope}}");
        assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    }
    assert_eq!(world.wharf(&["inspect", "--raw", "--format", "x", &name]).code, 2);
}

#[test]
fn an_image_is_shown_to_people_to_programs_and_as_it_is() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/app:v1", registry.address());
    let index = index(&world, &name);
    world.wharf_ok(&["push", &name]);
    for place in [&["inspect", &name][..], &["inspect", "--remote", &name]] {
        let with =
            |more: &[&str]| world.wharf_ok(&[place, &["--platform", "linux/arm64"], more].concat()).stdout;
        let json: serde_json::Value = serde_json::from_str(&with(&["--json"])).unwrap();
        assert_eq!(json[0]["Platforms"], serde_json::json!(["linux/amd64", "linux/arm64"]));
        assert_eq!(json[0]["Architecture"], "arm64");
        let config = with(&["--image-config"]);
        assert_eq!(sha256(config.as_bytes()).to_string(), json[0]["Id"].as_str().unwrap());
        let human = with(&["--human"]);
        for part in [name.as_str(), index.digest.as_ref(), "linux/arm64", "Layers:\n  sha256:"] {
            assert!(human.contains(part), "{part} is missing:\n{human}");
        }
        assert_eq!(sha256(with(&["--raw"]).as_bytes()), index.digest);
    }
}
