//! What a builder keeps, and how it is removed.

use serde_json::{Value, json};
use wharf_testkit::{Engine, Release, Wishes};

use crate::world::World;

#[test]
fn a_builders_cache_is_measured_and_pruned() {
    let engine = match Engine::start(Release::Bookworm, &Wishes::default()) {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = World::new();
    let address = engine.address();
    let ask = |args: &[&str]| -> Value {
        let ran = world.wharf_ok(&[&["--json", "builders"][..], args].concat());
        serde_json::from_str(&ran.stdout).unwrap()
    };
    assert_eq!(ask(&["du", &address])[0]["bytes"], 0);

    engine_builds(&world, &engine);
    let kept = ask(&["du", &address]);
    let bytes = kept[0]["bytes"].as_u64().unwrap();
    assert!(bytes >= 600_000, "{kept}");
    assert!(kept[0]["reclaimableBytes"].as_u64().unwrap() >= 600_000, "nothing builds now: {kept}");
    let local = ask(&["du", &address, "--filter", "type==source.local"]);
    assert_eq!(local[0]["records"], json!([]), "nothing was synchronised");
    let regular = ask(&["du", &address, "--filter", "type==regular"]);
    assert!(regular[0]["bytes"].as_u64().unwrap() >= 600_000, "{regular}");
    let shown = world.wharf_ok(&["builders", "du", "--verbose", &address]).stdout;
    assert!(shown.contains("Reclaimable:") && shown.contains("fileop target"), "{shown}");

    let young = ask(&["prune", &address, "--filter", "until=24h"]);
    assert_eq!(young[0]["bytes"], 0, "{young}");
    let gone = ask(&["prune", &address, "--all"]);
    assert!(gone[0]["bytes"].as_u64().unwrap() >= 600_000, "{gone}");
    let left = ask(&["du", &address]);
    assert!(left[0]["bytes"].as_u64().unwrap() < bytes, "{left}");
    let ran = world.wharf(&["builders", "prune", &address, "--filter", "until=soon"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--filter until=soon"), "{}", ran.stderr);
}

/// A build by the engine's own API.
fn engine_builds(world: &World, engine: &Engine) {
    world.file("context/Dockerfile", "FROM scratch\nCOPY large /large\n");
    world.file("context/large", &"wharf ".repeat(100_000));
    let tar = world.path("context.tar").display().to_string();
    let context = world.path("project/context").display().to_string();
    let packed = std::process::Command::new("tar").args(["-C", &context, "-cf", &tar, "."]).status().unwrap();
    assert!(packed.success());
    let args =
        ["-X", "POST", "-H", "Content-Type: application/x-tar", "-T", &tar, "http://d/build?version=2"];
    let said = super::engine_api(engine, &args);
    assert!(said.contains("moby.image.id"), "{said}");
}
