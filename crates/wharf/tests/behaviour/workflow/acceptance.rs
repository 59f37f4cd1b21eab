//! The acceptance workflows, unchanged, for every event that `expected.json` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{git, report};
use crate::registries::{Moto, guarded};
use crate::skip;
use crate::world::{Registry, World, is_root};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const HUB_USER: &str = "demo";
const HUB_PASSWORD: &str = "secret-of-the-hub";
const ECR_PASSWORD: &str = "123456789012-auth-token";
const GCR_KEY: &str = "{\"type\": \"service_account\", \"private_key\": \"key-of-gcr\"}";

fn workflows() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflows")
}

/// A project in git, and the registries that the workflows push to.
struct Stage {
    world: World,
    commit: String,
    hub: Registry,
    ecr: Registry,
    gcr: Registry,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        world.file("app.txt", "one\n");
        world.file("Dockerfile", "FROM scratch\nCOPY app.txt /app.txt\nCMD [\"/app\"]\n");
        git(&world, &["init", "--quiet", "--initial-branch", "main"]);
        git(&world, &["add", "--all"]);
        git(&world, &["commit", "--quiet", "--message", "one"]);
        git(&world, &["remote", "add", "origin", "https://github.com/myorg/churn-prediction-model.git"]);
        for branch in ["develop", "feature/x"] {
            git(&world, &["branch", branch]);
        }
        for tag in ["v1.2.3", "v1.3.0-rc.1"] {
            git(&world, &["tag", tag]);
        }
        let hub = guarded(&world, "hub", HUB_USER, HUB_PASSWORD);
        let ecr = guarded(&world, "ecr", "AWS", ECR_PASSWORD);
        let gcr = guarded(&world, "gcr", "_json_key", GCR_KEY);
        let mut settings = String::new();
        for (host, registry) in [("docker.io", &hub), (ECR, &ecr), ("gcr.io", &gcr)] {
            settings.push_str(&format!("[registries.\"{host}\"]\nlocation = \"{}\"\n", registry.address()));
        }
        std::fs::write(world.path("config.toml"), settings).unwrap();
        let commit = git(&world, &["rev-parse", "HEAD"]).trim().to_owned();
        Self { world, commit, hub, ecr, gcr }
    }

    fn run(&self, workflow: &Path, event: &str, moto: Option<&Moto>) -> (i32, Value, String) {
        let file = workflow.display().to_string();
        let words: Vec<&str> = event.split(' ').collect();
        let pull = format!("refs/pull/{}/merge", words[1]);
        let git_ref = if words[0] == "push" { words[1] } else { &pull };
        let mut command =
            self.world.command(&["workflow", "run", &file, "--event", words[0], "--ref", git_ref, "--json"]);
        for (name, value) in [
            ("DOCKER_USERNAME", HUB_USER),
            ("DOCKER_PASSWORD", HUB_PASSWORD),
            ("DOCKER_TOKEN", HUB_PASSWORD),
            ("GCR_JSON_KEY", GCR_KEY),
            ("AWS_ACCESS_KEY_ID", "AKIA123"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2"),
        ] {
            command.args(["--secret", name]).env(name, value);
        }
        if let Some(moto) = moto {
            command.env("AWS_ENDPOINT_URL", moto.url());
        }
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        for secret in [HUB_PASSWORD, ECR_PASSWORD, "key-of-gcr", "hunter2-hunter2"] {
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert!(!log.contains(secret) && !stdout.contains(secret), "{event}: `{secret}` shows\n{log}");
        }
        (output.status.code().unwrap(), report(&output.stdout, &log), log)
    }

    /// Every name in the registries, and the manifest behind it.
    fn pushed(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (host, registry, login) in [
            ("docker.io", &self.hub, format!("{HUB_USER}:{HUB_PASSWORD}")),
            (ECR, &self.ecr, format!("AWS:{ECR_PASSWORD}")),
            ("gcr.io", &self.gcr, format!("_json_key:{GCR_KEY}")),
        ] {
            let base = format!("http://{}/v2", registry.address());
            for repository in list(&login, &format!("{base}/_catalog"), "repositories") {
                for tag in list(&login, &format!("{base}/{repository}/tags/list"), "tags") {
                    let manifest = get(&login, &format!("{base}/{repository}/manifests/{tag}"));
                    found.push((format!("{host}/{repository}:{tag}"), manifest));
                }
            }
        }
        found
    }
}

fn get(login: &str, url: &str) -> String {
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
        application/vnd.docker.distribution.manifest.v2+json";
    let output =
        Command::new("curl").args(["--silent", "--user", login, "--header", accept, url]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn list(login: &str, url: &str, key: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(&get(login, url)).unwrap();
    let items = document[key].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Runs one workflow for every event that is expected of it.
fn check(name: &str, moto: Option<&Moto>) {
    let expected = std::fs::read_to_string(workflows().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    for (event, expected) in expected[name].as_object().unwrap() {
        let stage = Stage::new();
        let (code, report, log) = stage.run(&workflows().join(name), event, moto);
        let runs = expected["runs"].as_bool().unwrap_or(true);
        assert_eq!(report["runs"], runs, "{event}");
        let filled = |text: &Value| {
            let text =
                text.as_str().unwrap().replace("{sha}", &stage.commit).replace("{short}", &stage.commit[..7]);
            text.replace("$ECR_REGISTRY", ECR).replace("{DOCKER_USERNAME}", HUB_USER)
        };
        let names = |key: &str| -> BTreeSet<String> {
            expected[key].as_array().map(|items| items.iter().map(filled).collect()).unwrap_or_default()
        };
        let pushed = stage.pushed();
        let cache = expected["cache"].as_str();
        let mut found: BTreeSet<String> = pushed.iter().map(|(name, _)| name.clone()).collect();
        if let Some(cache) = cache {
            assert!(found.contains(cache), "{event}: no cache in {found:?}\n{log}");
        }
        found.retain(|name| !name.ends_with(":buildcache"));
        assert_eq!(found, names("pushed"), "{event}\n{log}");
        if !runs {
            assert_eq!(code, 0, "{event}");
            continue;
        }
        let steps: Vec<&Value> = report["jobs"][0]["steps"].as_array().unwrap().iter().collect();
        let step =
            |name: &str| steps.iter().find(|step| step["name"] == name).copied().unwrap_or(&Value::Null);
        if let Some(logged_in) = expected["logged_in"].as_bool() {
            let word = if logged_in { "success" } else { "skipped" };
            assert_eq!(step("Log in to Docker Hub")["outcome"], word, "{event}\n{log}");
        }
        if expected["one_digest"] == true {
            let digests: BTreeSet<&String> = pushed.iter().map(|(_, manifest)| manifest).collect();
            assert_eq!(digests.len(), 1, "{event}: several images were pushed");
        }
        let tags = names("tags_built");
        if !tags.is_empty() {
            let outputs = step("Extract metadata (tags, labels)")["outputs"]["tags"].as_str().unwrap();
            assert_eq!(outputs.lines().map(str::to_owned).collect::<BTreeSet<_>>(), tags, "{event}");
            // The cache cannot be written without a login, which fails the step as the real action does.
            assert_eq!(
                (code, &step("Build and push Docker image")["outcome"]),
                (1, &Value::from("failure")),
                "{log}"
            );
        }
        for file in names("files") {
            let kept = stage.world.path("project/.wharf/workflow/files/build-and-push").join(&file);
            let document: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
            assert_eq!(document["version"], "2.1.0", "{event}: {file}");
            assert_eq!(code, 0, "{event}\n{log}");
        }
        if let Some(fails_at) = expected["fails_at"].as_str() {
            let failed: Vec<&Value> =
                steps.iter().filter(|step| step["outcome"] == "failure").copied().collect();
            assert_eq!(
                (code, failed.len(), &failed[0]["name"]),
                (1, 1, &Value::from(fails_at)),
                "{event}\n{log}"
            );
            let message = failed[0]["message"].as_str().unwrap();
            assert!(
                message.contains("invalid reference format") && message.contains(".yml:41:"),
                "{message}"
            );
        }
    }
}

#[test]
fn metadata_registry_cache_conditional_push_and_scan() {
    if !is_root() {
        skip!("it needs root to build");
    }
    check("docker-build.yml", None);
}

#[test]
fn the_branch_prefix_is_right_on_branches_and_breaks_on_tags() {
    if !is_root() {
        skip!("it needs root to build");
    }
    check("docker-build-branch-prefix.yml", None);
}

#[test]
fn the_shortest_ci() {
    if !is_root() {
        skip!("it needs root to build");
    }
    check("lab.yml", None);
}

#[test]
fn build_once_and_push_to_three_registries() {
    if !is_root() {
        skip!("it needs root to build");
    }
    let Some(moto) = Moto::start() else { skip!("moto is not installed (WHARF_TEST_MOTO)") };
    check("multi-registry.yml", Some(&moto));
}
