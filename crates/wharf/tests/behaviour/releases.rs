//! Releases, through the binary and real registries: what runs where, promote, roll back, and what may go wrong.

use std::path::Path;
use std::time::Instant;

use http::Method;
use serde_json::Value;
use wharf_oci::Descriptor;
use wharf_registry::{Condition, Name};
use wharf_testkit::{DebianRegistry, Doorman, Fault, FaultyRegistry, When, fixture};

use crate::skip;
use crate::world::{Ran, World};

/// A world with a registry that has four releases, `1.0.0` to `1.3.0`, of one image.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) registry: FaultyRegistry,
    pub(crate) repo: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let registry = FaultyRegistry::start();
        let layout = registry.depot().layout("org/churn").unwrap();
        for n in 0..4 {
            let image = fixture::image(
                &layout,
                &[&[("app", b"the service")], &[("version", format!("1.{n}.0").as_bytes())]],
            );
            tag(&layout, &image, &format!("1.{n}.0"));
        }
        let repo = format!("{}/org/churn", registry.host());
        Self { world: World::new(), registry, repo }
    }

    pub(crate) fn wharf(&self, args: &str) -> Ran {
        let args = args.replace("REPO", &self.repo);
        self.world.wharf(&args.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn ok(&self, args: &str) -> Value {
        let ran = self.wharf(&format!("{args} --json"));
        assert_eq!(ran.code, 0, "wharf {args}\n{}{}", ran.stdout, ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs wharf, which must end with `code` and say every one of `words`.
    pub(crate) fn fails(&self, args: &str, code: i32, words: &[&str]) {
        let ran = self.wharf(args);
        assert_eq!(ran.code, code, "wharf {args}\n{}{}", ran.stdout, ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "wharf {args}: no `{word}` in\n{}", ran.stderr);
        }
        assert!(ran.stderr.contains("hint:"), "wharf {args}: no way out in\n{}", ran.stderr);
    }

    pub(crate) fn digest(&self, tag: &str) -> Option<String> {
        let layout = self.registry.depot().layout("org/churn").unwrap();
        Some(layout.manifest_descriptor(Name::Tag(tag)).unwrap()?.digest.to_string())
    }

    pub(crate) fn environment(&self, env: &str) -> Value {
        self.ok(&format!("status REPO --env {env}"))[0]["environments"][0].clone()
    }
}

fn tag(layout: &wharf_registry::Layout, image: &Descriptor, tag: &str) {
    let document = layout.manifest(Name::Digest(&image.digest)).unwrap().unwrap();
    layout.put_manifest(Name::Tag(tag), &document, Condition::Always).unwrap();
}

#[test]
fn promote_and_roll_back_and_what_status_says_of_it() {
    let scene = Scene::new();
    let first = scene.ok("promote REPO:1.0.0 --env prod --reason first");
    assert_eq!(first["version"], "1.0.0");
    scene.ok("promote REPO:1.1.0 --env prod");
    let bad = scene.ok("promote REPO:1.2.0 --env prod");
    assert_eq!(bad["from"], scene.digest("1.1.0").unwrap().as_str());
    let prod = scene.environment("prod");
    assert_eq!((&prod["version"], &prod["verified"]), (&Value::from("1.2.0"), &Value::from(false)));
    assert_eq!(prod["tier"], "T1", "the embedded registry creates tags atomically");
    assert_eq!(prod["by"], "robin");
    assert_eq!(scene.digest("prod"), scene.digest("1.2.0"), "the environment's tag is the release");

    let back = scene.ok("rollback REPO --env prod --reason broken");
    assert_eq!(back["version"], "1.1.0");
    assert_eq!(back["verified"], false, "nothing was ever verified, and it says so");
    assert_eq!(scene.digest("prod"), scene.digest("1.1.0"));
    let prod = scene.environment("prod");
    assert_eq!(prod["hold"]["reason"], "broken");
    assert_eq!(prod["quarantine"][0]["version"], "1.2.0");

    scene.fails("promote REPO:1.2.0 --env prod", 1, &["quarantined", "broken", "--pardon"]);
    scene.fails("promote REPO:1.3.0 --env prod", 1, &["held", "hold", "--release"]);
    scene.ok("hold REPO --env prod --release");
    scene.fails("promote REPO:1.2.0 --env prod", 1, &["quarantined"]);
    scene.ok("promote REPO:1.3.0 --env prod");
    let to = scene.ok("rollback REPO --env prod --to 1.0.0");
    assert_eq!(to["digest"], scene.digest("1.0.0").unwrap().as_str());

    let log = scene.ok("log REPO --env prod");
    let kinds: Vec<&str> =
        log.as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let expected = ["rollback", "promote", "unhold", "rollback", "promote", "promote", "promote", "genesis"];
    assert_eq!(kinds, expected);
    assert_eq!(log[0]["seq"], 8);
    assert_eq!(log[0]["parent"], log[1]["digest"]);
    assert_eq!(log[3]["reason"], "broken");
}

#[test]
fn a_rollback_goes_to_the_last_verified_release() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    let health = format!("http://{}/v2/", scene.registry.host());
    scene.ok(&format!("observe REPO --env prod --url {health}"));
    assert_eq!(scene.environment("prod")["verified"], true);
    scene.ok("promote REPO:1.1.0 --env prod");
    scene.ok("promote REPO:1.2.0 --env prod");
    let back = scene.ok("rollback REPO --env prod");
    assert_eq!((&back["version"], &back["verified"]), (&Value::from("1.0.0"), &Value::from(true)));
    scene.fails(
        &format!("observe REPO --env prod --url {health}nothing --timeout 0"),
        1,
        &["is not well", "404", "rollback"],
    );
    scene.fails("observe REPO --env prod", 2, &["nothing says where"]);
}

#[test]
fn a_rollback_is_a_dozen_small_requests_and_no_image_bytes() {
    let scene = Scene::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        scene.ok(&format!("promote REPO:{version} --env prod"));
    }
    scene.registry.forget_seen();
    let begin = Instant::now();
    scene.ok("rollback REPO --env prod --to 1.0.0");
    println!("a rollback took {:?}", begin.elapsed());
    let seen = scene.registry.seen();
    let lines: Vec<String> = seen.iter().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert!(lines.len() <= 16, "{} requests:\n{}", lines.len(), lines.join("\n"));
    let blobs = lines.iter().filter(|line| line.starts_with("GET") && line.contains("/blobs/")).count();
    assert_eq!(blobs, 0, "no image bytes move:\n{}", lines.join("\n"));
}

#[test]
fn an_expectation_that_does_not_hold_is_a_lost_race() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod --expect none");
    let digest = scene.digest("1.0.0").unwrap();
    scene.fails("promote REPO:1.1.0 --env prod --expect none", 75, &["runs 1.0.0", "not nothing"]);
    scene.fails("promote REPO:1.1.0 --env prod --expect 0.9.0", 75, &["not 0.9.0", "status"]);
    scene.ok(&format!("promote REPO:1.1.0 --env prod --expect {digest}"));
    scene.fails(&format!("promote REPO:1.2.0 --env prod --expect {digest}"), 75, &["runs 1.1.0"]);
    scene.ok("promote REPO:1.2.0 --env prod --expect 1.1.0");
    scene.fails("rollback REPO --env prod --expect 1.1.0", 75, &["runs 1.2.0"]);
}

#[test]
fn the_same_operation_twice_is_one_entry() {
    let scene = Scene::new();
    let once = scene.ok("promote REPO:1.0.0 --env prod --op-id job-1");
    let twice = scene.ok("promote REPO:1.0.0 --env prod --op-id job-1");
    assert_eq!(once["entry"], twice["entry"]);
    assert_eq!(twice["already"], true);
    scene.ok("promote REPO:1.1.0 --env prod");
    scene.ok("rollback REPO --env prod --op-id job-2");
    let again = scene.ok("rollback REPO --env prod --op-id job-2");
    assert_eq!(again["already"], true, "a job that runs again does not roll back twice");
    let late = scene.ok("promote REPO:1.0.0 --env prod --op-id job-1");
    assert_eq!(late["already"], true);
    assert_eq!(scene.ok("log REPO --env prod").as_array().unwrap().len(), 4);
}

#[test]
fn promotions_at_once_are_one_after_the_other() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    let commands: Vec<_> = ["1.1.0", "1.2.0", "1.3.0"]
        .map(|version| {
            let release = format!("{}:{version}", scene.repo);
            let mut command =
                scene.world.command(&["promote", &release, "--env", "prod", "--expect", "1.0.0"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().status.code().unwrap())
        .collect();
    assert_eq!(commands.iter().filter(|code| **code == 0).count(), 1, "{commands:?}");
    assert_eq!(commands.iter().filter(|code| **code == 75).count(), 2, "{commands:?}");
    let prod = scene.environment("prod");
    assert_eq!(prod["entry"]["seq"], 3);
    assert_eq!(scene.digest("prod").unwrap(), prod["digest"].as_str().unwrap());
    scene.ok("fsck REPO");
}

#[test]
fn every_lost_answer_leaves_one_entry_and_right_pointers() {
    // The answers of a promotion's writes are lost one after the other.
    for spared in 0..6 {
        let scene = Scene::new();
        scene.ok("promote REPO:1.0.0 --env prod");
        scene.registry.fail(When::next(Method::PUT, "/manifests/").after(spared), Fault::LoseAnswer);
        let ran = scene.wharf("promote REPO:1.1.0 --env prod --op-id lost");
        if ran.code != 0 {
            assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
            scene.ok("promote REPO:1.1.0 --env prod --op-id lost");
        }
        let prod = scene.environment("prod");
        assert_eq!(
            (&prod["version"], &prod["entry"]["seq"]),
            (&Value::from("1.1.0"), &Value::from(3)),
            "{spared}"
        );
        assert_eq!(scene.digest("prod"), scene.digest("1.1.0"));
        scene.ok("fsck REPO");
    }
}

#[test]
fn a_pointer_that_a_crash_left_behind_is_moved_by_the_next_command() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    scene.ok("promote REPO:1.1.0 --env prod");
    // As a writer leaves it that stopped after its claim: the slot is taken, and nothing else happened.
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    for (tag, from) in [("prod", "1.0.0"), ("wharf.prod.head", "wharf.prod.0000000002")] {
        let document = layout.manifest(Name::Tag(from)).unwrap().unwrap();
        layout.put_manifest(Name::Tag(tag), &document, Condition::Always).unwrap();
    }
    let prod = scene.environment("prod");
    assert_eq!(prod["version"], "1.1.0", "the log counts, not the hint");
    assert_eq!(prod["repaired"], serde_json::json!(["prod", "wharf.prod.head"]));
    assert_eq!(scene.digest("prod"), scene.digest("1.1.0"));
}

#[test]
fn a_tag_that_was_moved_by_hand_is_drift_and_is_left_alone() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    let other = layout.manifest(Name::Tag("1.3.0")).unwrap().unwrap();
    layout.put_manifest(Name::Tag("prod"), &other, Condition::Always).unwrap();
    let drift = scene.environment("prod")["drift"][0].as_str().unwrap().to_owned();
    assert!(drift.starts_with("moved outside wharf: the tag `prod` names sha256:"), "{drift}");
    assert_eq!(scene.digest("prod"), scene.digest("1.3.0"), "nobody moved it back");
    let ran = scene.wharf("fsck REPO");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("moved outside wharf"), "{}", ran.stdout);
    scene.ok("promote REPO:1.1.0 --env prod");
    assert_eq!(scene.environment("prod")["drift"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_is_named_with_the_way_out() {
    let scene = Scene::new();
    scene.fails("status REPO --env prod", 2, &["no environment `prod`", "promote"]);
    scene.fails("promote REPO:9.9.9 --env prod", 2, &["no release `9.9.9`"]);
    scene.fails("promote REPO --env prod", 2, &["names a repository and no release"]);
    scene.fails("rollback REPO --env prod", 2, &["no environment `prod`"]);
    scene.ok("promote REPO:1.0.0 --env prod");
    scene.fails("rollback REPO --env prod", 1, &["no earlier release"]);
    scene.fails("status REPO --env prdo", 2, &["did you mean `prod`"]);
    scene.fails("promote REPO:1.0.0 --env prdo", 2, &["did you mean `prod`", "ledger init"]);
    scene.fails("rollback REPO --env prod --to 1.3.0", 2, &["1.3.0 never ran in prod"]);
    scene.fails("rollback REPO --env prod --to 7", 2, &["7"]);
    scene.fails("log REPO --env nowhere", 2, &["it has: prod"]);
    let ran = scene.wharf("promote REPO:1.0.0 --env Prod");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot name an environment"), "{}", ran.stderr);
}

#[test]
fn a_rollback_target_that_was_deleted_is_found_before_and_during() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    scene.ok("promote REPO:1.1.0 --env prod");
    scene.ok("promote REPO:1.2.0 --env prod");
    scene.ok("fsck REPO");
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    let gone = scene.digest("1.1.0").unwrap().parse().unwrap();
    layout.delete_manifest(Name::Digest(&gone)).unwrap();
    let ran = scene.wharf("fsck REPO");
    assert_eq!(ran.code, 1, "a rollback would fail today");
    assert!(ran.stdout.contains("1.1.0") && ran.stdout.contains("is gone"), "{}", ran.stdout);
    scene.fails("rollback REPO --env prod", 1, &["1.1.0", "is gone", "--to"]);
    scene.ok("rollback REPO --env prod --to 1.0.0");
    scene.ok("status REPO --env prod");
}

#[test]
fn an_entry_that_was_edited_by_hand_is_found() {
    let scene = Scene::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        scene.ok(&format!("promote REPO:{version} --env prod"));
    }
    let anchor = scene.ok("log REPO --env prod")[1]["digest"].as_str().unwrap().to_owned();
    scene.ok("fsck REPO");
    // Somebody puts another entry where the second promotion was.
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    let other = layout.manifest(Name::Tag("wharf.prod.0000000002")).unwrap().unwrap();
    layout.put_manifest(Name::Tag("wharf.prod.0000000003"), &other, Condition::Always).unwrap();
    let ran = scene.wharf("fsck REPO");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("as its parent"), "{}", ran.stdout);
    scene.fails("promote REPO:1.3.0 --env prod", 1, &["has forked", "ledger resolve"]);
    let args = ["fsck", &scene.repo, "--anchor", &format!("prod@3 {anchor}")];
    let ran = scene.world.wharf(&args);
    assert!(ran.stdout.contains("the anchor says"), "{}", ran.stdout);
}

#[test]
fn on_docker_registry_time_decides_and_a_fork_is_frozen_until_it_is_resolved() {
    let Some(debian) = DebianRegistry::start(&Doorman::Nobody) else {
        skip!("docker-registry is not installed")
    };
    let scene = Scene::new();
    let repo = format!("{}/org/churn", debian.host());
    for n in 0..3 {
        let from = format!("{}:1.{n}.0", scene.repo);
        scene.world.wharf_ok(&["copy", &from, &format!("{repo}:1.{n}.0")]);
    }
    let ok = |args: &[&str]| scene.world.wharf_ok(&[args, &["--json"]].concat());
    let promote = |version: &str| ok(&["promote", &format!("{repo}:{version}"), "--env", "prod"]);
    promote("1.0.0");
    promote("1.1.0");
    let begin = Instant::now();
    let back = ok(&["rollback", &repo, "--env", "prod"]);
    println!("a rollback on T3 took {:?}", begin.elapsed());
    let back: Value = serde_json::from_str(&back.stdout).unwrap();
    assert_eq!(back["version"], "1.0.0");
    let status: Value = serde_json::from_str(&ok(&["status", &repo, "--env", "prod"]).stdout).unwrap();
    let prod = &status[0]["environments"][0];
    assert_eq!(prod["tier"], "T3", "docker's registry overwrites tags, whatever the condition");
    assert_eq!(prod["forks"], serde_json::json!([]));
    ok(&["fsck", &repo]);
    ok(&["hold", &repo, "--env", "prod", "--release"]);

    // What two winners would leave behind: an announcement for a slot that holds another entry.
    let seq = prod["entry"]["seq"].as_u64().unwrap();
    let stray = format!("{repo}:wharf.prod.{seq:010}.aaaaaaaaaaaa");
    scene.world.wharf_ok(&["copy", &format!("{repo}:wharf.prod.{:010}", seq - 1), &stray]);
    let refused = scene.world.wharf(&["promote", &format!("{repo}:1.2.0"), "--env", "prod"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("has forked") && refused.stderr.contains("aaaaaaaaaaaa"),
        "{}",
        refused.stderr
    );
    let status = scene.world.wharf_ok(&["status", &repo, "--env", "prod"]);
    assert!(status.stdout.contains("fork"), "{}", status.stdout);
    ok(&["ledger", "resolve", &repo, "--env", "prod", "--reason", "looked at it"]);
    promote("1.2.0");
    ok(&["fsck", &repo]);
}

#[test]
fn a_git_ref_commits_where_the_registry_cannot() {
    let Some(debian) = DebianRegistry::start(&Doorman::Nobody) else {
        skip!("docker-registry is not installed")
    };
    let scene = Scene::new();
    let repo = format!("{}/org/churn", debian.host());
    for n in 0..3 {
        let from = format!("{}:1.{n}.0", scene.repo);
        scene.world.wharf_ok(&["copy", &from, &format!("{repo}:1.{n}.0")]);
    }
    let bare = scene.world.path("ledger.git");
    git(&scene.world.path("home"), &["init", "--quiet", "--bare", &bare.display().to_string()]);
    scene.world.wharf_ok(&["ledger", "init", &repo, "--env", "prod", "--git", &bare.display().to_string()]);
    let runs = ["1.0.0", "1.1.0", "1.2.0"].map(|version| {
        let mut command = scene.world.command(&["promote", &format!("{repo}:{version}"), "--env", "prod"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let log = scene.world.wharf_ok(&["log", &repo, "--env", "prod", "--json"]);
    let log: Value = serde_json::from_str(&log.stdout).unwrap();
    assert_eq!(log[0]["seq"], 4, "every one of them has its place");
    scene.world.wharf_ok(&["fsck", &repo]);
    let message = git(&bare, &["log", "-1", "--format=%s", "refs/wharf/prod"]);
    assert_eq!(message, format!("4 {}", log[0]["digest"].as_str().unwrap()));

    std::fs::rename(&bare, scene.world.path("gone.git")).unwrap();
    let ran = scene.world.wharf(&["rollback", &repo, "--env", "prod"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("--emergency"), "{}", ran.stderr);
    scene.world.wharf_ok(&["rollback", &repo, "--env", "prod", "--emergency"]);
    std::fs::rename(scene.world.path("gone.git"), &bare).unwrap();
    scene.world.wharf_ok(&["hold", &repo, "--env", "prod", "--release"]);
    scene.world.wharf_ok(&["fsck", &repo]);
}

pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
