//! Tags in registries: rolling ones move forward only, full versions never, and what was overridden is recorded.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bad_input::log_in;
use crate::skip;
use crate::world::{Ran, Registry, World, is_root};

/// A project that ships to one registry.
struct Project {
    world: World,
    registry: Registry,
}

/// wharf's own registry.
fn embedded() -> Option<Project> {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    is_root().then(|| Project::new(world, registry))
}

/// Debian's registry.
fn distribution() -> Option<Project> {
    let world = World::new();
    let registry = Registry::distribution(&world.path("registry"))?;
    assert_eq!(log_in(&world, registry.address(), "secret"), 0);
    is_root().then(|| Project::new(world, registry))
}

impl Project {
    fn new(world: World, registry: Registry) -> Self {
        let settings = format!(
            "[image]\nname = \"org/app\"\npreset = \"classic\"\nflavor = [\"latest=auto\"]\n[smoke]\nenabled = false\n\
             [scan]\nenabled = false\n[[push]]\nregistry = \"{}\"\n",
            registry.address()
        );
        world.file("wharf.toml", &settings);
        world.file("Dockerfile", "FROM scratch\nCOPY app.txt /\n");
        let project = Self { world, registry };
        project.git(&["init", "--quiet", "--initial-branch", "main"]);
        project
    }

    fn git(&self, args: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
            .args(args)
            .current_dir(self.world.path("project"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status();
        assert!(status.unwrap().success(), "git {args:?}");
    }

    /// Commits `content` and ships it as `version`.
    fn ship(&self, version: &str, content: &str, more: &[&str]) -> Ran {
        self.world.file("app.txt", content);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", version]);
        self.git(&["tag", "--force", version]);
        self.world.wharf(&[&["ship", "--json"], more].concat())
    }

    fn shipped(&self, version: &str, more: &[&str]) -> Value {
        let ran = self.ship(version, version, more);
        assert_eq!(ran.code, 0, "{version}: {}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/org/app:{tag}", self.registry.address())
    }

    /// What a tag points at; none where it does not exist.
    fn digest(&self, tag: &str) -> Option<String> {
        let ran = self.world.wharf(&["inspect", "--remote", "--raw", &self.name(tag)]);
        (ran.code == 0).then_some(ran.stdout)
    }

    fn same(&self, a: &str, b: &str) -> bool {
        self.digest(a).is_some() && self.digest(a) == self.digest(b)
    }

    /// The newest entry of the ledger.
    fn record(&self) -> Value {
        let repository = format!("{}/org/app", self.registry.address());
        let status = self.world.wharf_ok(&["status", &repository, "--json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        status[0]["record"].clone()
    }
}

/// A backport moves its minor version and nothing above; a pre-release moves nothing.
fn rolling_tags_only_move_forward(project: &Project) {
    project.shipped("v1.2.8", &[]);
    assert!(["v1.2", "v1", "latest"].iter().all(|tag| project.same(tag, "v1.2.8")));
    project.shipped("v1.3.0", &[]);
    let backport = project.shipped("v1.2.9", &[]);
    assert!(project.same("v1.2", "v1.2.9"));
    assert!(project.same("v1", "v1.3.0") && project.same("latest", "v1.3.0"));
    let pushed = &backport["pushed"][0];
    assert_eq!(pushed["kept"][0], "`v1` stays at v1.3.0: 1.2.9 is older");
    assert_eq!(pushed["kept"].as_array().unwrap().len(), 2);
    let record = project.record();
    let tags = record["release"]["tags"].as_array().unwrap();
    assert!(tags.contains(&"v1.2".into()) && !tags.contains(&"v1".into()), "{tags:?}");
    assert_eq!(record["overridden"], Value::Null);

    project.shipped("v1.4.0-rc.1", &[]);
    assert!(project.digest("v1.4.0-rc.1").is_some());
    assert!(project.same("v1", "v1.3.0") && project.same("latest", "v1.3.0"));

    let insisted = project.shipped("v1.2.10", &["--allow-backward"]);
    assert!(["v1.2", "v1", "latest"].iter().all(|tag| project.same(tag, "v1.2.10")));
    let reason = "`v1` was moved from v1.3.0, although 1.2.10 is older";
    assert_eq!(insisted["pushed"][0]["overridden"][0], reason);
    assert_eq!(project.record()["overridden"][0], reason);
}

/// A full version that names another image stops the push; the same image is nothing to do.
fn full_versions_stay_put(project: &Project) {
    let first = project.shipped("v2.0.0", &[]);
    let before = project.digest("v2.0.0");
    let again = project.world.wharf_ok(&["ship", "--json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["digest"], first["digest"]);
    assert_eq!(again["pushed"][0]["bytesSent"], 0);

    let refused = project.ship("v2.0.0", "something else", &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("a full version never moves"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(project.digest("v2.0.0"), before);

    let forced = project.world.wharf(&["ship", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert_ne!(project.digest("v2.0.0"), before);
    let reason = project.record()["overridden"][0].as_str().unwrap().to_owned();
    assert!(reason.starts_with("`v2.0.0` was sha256:"), "{reason}");
}

#[test]
fn rolling_tags_only_move_forward_in_the_embedded_registry() {
    let Some(project) = embedded() else { skip!("it needs root") };
    rolling_tags_only_move_forward(&project);
}

#[test]
fn rolling_tags_only_move_forward_in_distribution() {
    let Some(project) = distribution() else { skip!("it needs root and docker-registry") };
    rolling_tags_only_move_forward(&project);
}

#[test]
fn full_versions_stay_put_in_the_embedded_registry() {
    let Some(project) = embedded() else { skip!("it needs root") };
    full_versions_stay_put(&project);
}

#[test]
fn full_versions_stay_put_in_distribution() {
    let Some(project) = distribution() else { skip!("it needs root and docker-registry") };
    full_versions_stay_put(&project);
}

/// An image without any label, built and pushed by hand under `tags`.
fn pushed(project: &Project, content: &str, tags: &[&str]) {
    project.world.file("app.txt", content);
    for tag in tags {
        project.world.wharf_ok(&["build", "--tag", &project.name(tag), "."]);
    }
    for tag in tags {
        project.world.wharf_ok(&["push", &project.name(tag)]);
    }
}

#[test]
fn a_push_asks_for_the_tags_that_share_the_digest() {
    let Some(project) = embedded() else { skip!("it needs root") };
    pushed(&project, "new", &["v1.3.0", "v1"]);
    let newest = project.digest("v1");

    project.world.file("app.txt", "old");
    for tag in ["v1.2.9", "v1"] {
        project.world.wharf_ok(&["build", "--tag", &project.name(tag), "."]);
    }
    project.world.wharf_ok(&["push", &project.name("v1.2.9")]);
    let refused = project.world.wharf(&["push", &project.name("v1")]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("`v1` stays at v1.3.0: v1.2.9 is older"), "{}", refused.stderr);
    assert_eq!(project.digest("v1"), newest);
    project.world.wharf_ok(&["push", "--allow-backward", &project.name("v1")]);
    assert!(project.same("v1", "v1.2.9"));
}

#[test]
fn a_push_leaves_a_full_version_alone_and_other_tags_are_free() {
    let Some(project) = embedded() else { skip!("it needs root") };
    pushed(&project, "one", &["1.0.0", "main", "latest"]);
    let before = project.digest("1.0.0");
    project.world.wharf_ok(&["push", &project.name("1.0.0")]);
    project.world.file("app.txt", "two");
    for tag in ["1.0.0", "main", "latest"] {
        project.world.wharf_ok(&["build", "--tag", &project.name(tag), "."]);
    }
    let refused = project.world.wharf(&["push", &project.name("1.0.0")]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("`1.0.0` is sha256:"), "{}", refused.stderr);
    assert_eq!(project.digest("1.0.0"), before);
    project.world.wharf_ok(&["push", &project.name("main")]);
    assert_ne!(project.digest("main"), before);
    project.world.wharf_ok(&["push", "--force", &project.name("1.0.0")]);
    assert!(project.same("1.0.0", "main"));
}

#[test]
fn strict_stops_before_anything_is_built() {
    let world = World::new();
    let rules =
        "[image]\nname = \"org/app\"\ntags = [\"type=sha,prefix={{tag}}-\", \"type=ref,event=branch\"]\n";
    world.file("wharf.toml", rules);
    world.file("Dockerfile", "FROM scratch\nCOPY app.txt /\n");
    world.file("app.txt", "one");
    commit(&world.path("project"));
    let strict = world.wharf(&["ship", "--strict", "--dry-run"]);
    assert_eq!(strict.code, 2, "{}", strict.stdout);
    assert!(strict.stderr.contains("type=sha,prefix={{tag}}-"), "{}", strict.stderr);
    let lax = world.wharf_ok(&["ship", "--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&lax.stdout).unwrap();
    assert_eq!(plan["tags"], serde_json::json!(["main"]));
}

fn commit(directory: &Path) {
    for args in
        [&["init", "--quiet", "--initial-branch", "main"][..], &["add", "--all"], &["commit", "-qm", "one"]]
    {
        let status = Command::new("git")
            .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
            .args(args)
            .current_dir(directory)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status();
        assert!(status.unwrap().success(), "git {args:?}");
    }
}
