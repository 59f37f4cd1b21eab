//! `[[push]]`: one digest to several registries, each with its own tags and condition; what fails is told target by
//! target, and running again does what is missing.

use http::Method;
use serde_json::{Value, json};
use wharf_testkit::{Fault, FaultyRegistry, When};

use crate::ship::{git, project};
use crate::skip;
use crate::world::{Ran, World};

const IMAGE: &str = "[image]\nname = \"myorg/churn\"\ntags = [\"type=semver,pattern={{version}}\", \"type=ref,event=branch\"]\n\
    flavor = [\"latest=false\"]\n    [scan]\nenabled = false\n";

/// A project that ships to these, each with more of its own.
fn shipping_to(world: &World, targets: &[(&FaultyRegistry, &str)]) {
    let mut text = IMAGE.to_owned();
    for (registry, more) in targets {
        text.push_str(&format!("[[push]]\nregistry = \"{}\"\n{more}\n", registry.host()));
    }
    world.file("wharf.toml", &text);
    git(world, &["commit", "--quiet", "--all", "--message", "targets"]);
    git(world, &["tag", "--force", "v1.2.3"]);
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

/// The tags of the image in a registry, and not those of the ledger.
fn tags(registry: &FaultyRegistry) -> Vec<String> {
    let tags = registry.depot().layout("myorg/churn").unwrap().manifest_tags().unwrap();
    tags.into_iter().filter(|tag| !tag.starts_with("wharf")).collect()
}

#[test]
fn each_target_has_its_own_tags_and_condition() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let registries: Vec<FaultyRegistry> = (0..4).map(|_| FaultyRegistry::start()).collect();
    let [everywhere, released, main, requested] = &registries[..] else { unreachable!() };
    shipping_to(
        &world,
        &[
            (everywhere, "tags = [\"dev\"]"),
            (released, "tags = [\"released\", \"live\"]\nwhen = \"tag\""),
            (main, "when = \"branch == default && !tag\""),
            (requested, "when = 'event == \"pull_request\" || ref == \"refs/heads/next\"'"),
        ],
    );
    let shipped = world.wharf(&["ship", "--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let digest = report(&shipped)["digest"].as_str().unwrap().to_owned();
    for (registry, own) in [(everywhere, &["dev"][..]), (released, &["live", "released"])] {
        let found = tags(registry);
        assert!(own.iter().chain(&["1.2.3"]).all(|tag| found.iter().any(|it| it == tag)), "{found:?}");
        for tag in found {
            let layout = registry.depot().layout("myorg/churn").unwrap();
            let named = layout.manifest_descriptor(wharf_registry::Name::Tag(&tag)).unwrap().unwrap();
            assert_eq!(named.digest.to_string(), digest, "{tag}");
        }
    }
    assert!(!tags(everywhere).contains(&"live".to_owned()) && !tags(released).contains(&"dev".to_owned()));
    let of_release = tags(released);
    assert_eq!(report(&shipped)["notPushed"].as_array().unwrap().len(), 2);
    // Nothing was even asked where nothing is to go.
    assert!(main.seen().is_empty() && requested.seen().is_empty());

    git(&world, &["checkout", "--quiet", "-b", "next"]);
    world.file("app.txt", "two\n");
    git(&world, &["commit", "--quiet", "--all", "--message", "two"]);
    let shipped = world.wharf(&["ship", "--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    assert_eq!(tags(requested), ["next"]);
    assert!(tags(everywhere).contains(&"next".to_owned()));
    assert_eq!(tags(released), of_release);
    assert!(main.seen().is_empty());
}

#[test]
fn a_layer_goes_once_to_a_registry_whatever_the_number_of_repositories_and_tags() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let registry = FaultyRegistry::start();
    let more = ["", "repository = \"team/churn\"\ntags = [\"a\", \"b\"]", "repository = \"archive/churn\""];
    shipping_to(&world, &more.map(|more| (&registry, more)));
    for early in ["--push-early=true", "--push-early=false"] {
        world.file("app.txt", early);
        git(&world, &["commit", "--quiet", "--all", "--message", early]);
        registry.forget_seen();
        let shipped = world.wharf(&["ship", "--json", early]);
        assert_eq!(shipped.code, 0, "{}", shipped.stderr);
        let uploads = registry.seen_of(Method::PUT, "digest=").into_iter().filter(|seen| seen.received > 0);
        let mut digests: Vec<String> =
            uploads.map(|seen| seen.path.split("digest=").nth(1).unwrap().to_owned()).collect();
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert!(count > 0 && digests.len() == count, "{early}: a blob was sent twice: {digests:?}");
    }
}

#[test]
fn tags_come_last_and_only_once_the_image_is_there() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let registry = FaultyRegistry::start();
    shipping_to(&world, &[(&registry, "tags = [\"dev\"]")]);
    world.wharf_ok(&["ship"]);
    let puts = registry.seen_of(Method::PUT, "/manifests/");
    let names: Vec<&str> = puts.iter().map(|seen| seen.path.rsplit('/').next().unwrap()).collect();
    let first_tag = names.iter().position(|name| ["1.2.3", "dev"].contains(name)).unwrap();
    assert!(names[..first_tag].iter().any(|name| name.starts_with("sha256:")), "{names:?}");
    let all = registry.seen();
    let tagged = all.iter().position(|seen| seen.path == puts[first_tag].path && seen.method == Method::PUT);
    let last_layer =
        all.iter().rposition(|seen| seen.path.contains("/blobs/uploads/") && seen.received > 4096);
    assert!(last_layer.unwrap() < tagged.unwrap(), "a tag before the last layer");
}

#[test]
fn what_fails_is_told_for_each_target_and_the_next_run_does_only_that() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let registries: Vec<FaultyRegistry> = (0..4).map(|_| FaultyRegistry::start()).collect();
    let [fine, denies, broken, moves] = &registries[..] else { unreachable!() };
    let targets: Vec<(&FaultyRegistry, &str)> = registries.iter().map(|registry| (registry, "")).collect();
    shipping_to(&world, &targets);
    std::fs::write(world.path("config.toml"), "[transfers]\nretries = 1\n").unwrap();
    let denied = r#"{"errors":[{"code":"DENIED","message":"the quota is used up"}]}"#;
    denies.fail(When::next(Method::POST, "/blobs/uploads/").times(99), Fault::Answer(403, denied.into()));
    broken.fail(When::any("/v2/").times(9999), Fault::Status(502, None));
    // Its tag is refused after everything has arrived.
    moves.fail(When::next(Method::PUT, "/manifests/1.2.3").times(9), Fault::Status(500, None));

    let first = world.wharf(&["ship", "--json", "--progress", "quiet"]);
    assert_eq!(first.code, 1, "{}", first.stderr);
    let told = report(&first);
    let repository = |registry: &FaultyRegistry| json!(format!("{}/myorg/churn", registry.host()));
    assert_eq!(told["pushed"].as_array().unwrap().len(), 1);
    assert_eq!(told["pushed"][0]["repository"], repository(fine));
    let failed = told["failed"].as_array().unwrap();
    for (entry, (registry, words)) in failed.iter().zip([
        (denies, "the quota is used up"),
        (broken, "the server answered 502"),
        (moves, "the server answered 500"),
    ]) {
        assert_eq!(entry["repository"], repository(registry));
        assert!(entry["error"].as_str().unwrap().contains(words), "{entry}");
        assert!(first.stderr.contains(&registry.host()), "{}", first.stderr);
    }
    assert_eq!(failed.len(), 3);
    assert!(tags(fine).contains(&"1.2.3".to_owned()));
    assert!([denies, broken].iter().all(|registry| tags(registry).is_empty()));

    for registry in &registries {
        registry.mend();
        registry.forget_seen();
    }
    let second = world.wharf(&["ship", "--json"]);
    assert_eq!(second.code, 0, "{}", second.stderr);
    let told = report(&second);
    assert_eq!(told["digest"], report(&first)["digest"]);
    assert!(told["failed"].as_array().unwrap().is_empty());
    let sent = |registry: &FaultyRegistry| {
        let uploads = registry.seen_of(Method::PUT, "/blobs/uploads/").into_iter();
        uploads.map(|seen| seen.received).filter(|received| *received > 4096).sum::<u64>()
    };
    assert_eq!((sent(fine), sent(moves)), (0, 0), "the layers are there");
    assert!(sent(denies) > 0 && sent(broken) > 0);
    assert!(registries.iter().all(|registry| tags(registry) == tags(fine)));
}

#[test]
fn a_condition_that_does_not_read_stops_before_anything_is_built() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let registry = FaultyRegistry::start();
    shipping_to(&world, &[(&registry, "when = \"branch = main\"")]);
    let ran = world.wharf(&["ship"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("the condition `branch = main` does not read at column"), "{}", ran.stderr);
    assert!(registry.seen().is_empty());
}
