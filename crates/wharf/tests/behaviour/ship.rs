//! `wharf ship`, end to end: the lecture's pipeline on real registries.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bad_input::log_in;
use crate::skip;
use crate::world::{BUSYBOX, Registry, World, busybox_context, is_root};

const SETTINGS: &str = r#"
[image]
name = "myorg/churn"
[model]
artifact = "model.bin"
[scan]
enabled = false
[[push]]
registry = "$DEV_REGISTRY"
[[push]]
registry = "$PROD_REGISTRY"
when = "branch == default"
"#;

const SERVICE: &str = "RUN mkdir -p /www && echo well > /www/health\nCOPY app.txt /www/app.txt\nUSER app\nEXPOSE 8000\n\
    CMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";

pub(crate) fn git(world: &World, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
        .args(args)
        .current_dir(world.path("project"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
        .status()
        .unwrap();
    assert!(status.success(), "git {args:?}");
}

/// A small service in a repository on `main`, tagged `v1.2.3`.
pub(crate) fn project() -> Option<World> {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        return None;
    }
    world.file("wharf.toml", SETTINGS);
    world.file("model.bin", "a model");
    world.file("app.txt", "one\n");
    world.file("Dockerfile", &format!("{BUSYBOX}{SERVICE}"));
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    git(&world, &["add", "--all"]);
    git(&world, &["commit", "--quiet", "--message", "one"]);
    git(&world, &["tag", "v1.2.3"]);
    Some(world)
}

pub(crate) fn ship(world: &World, dev: &str, prod: &str, more: &[&str]) -> crate::world::Ran {
    let mut command = world.command(&[&["ship"], more].concat());
    command.env("DEV_REGISTRY", dev).env("PROD_REGISTRY", prod);
    command.env("GITHUB_OUTPUT", world.path("output")).env("GITHUB_STEP_SUMMARY", world.path("summary"));
    command.output().unwrap().into()
}

fn manifest(world: &World, name: &str) -> Option<Value> {
    let ran = world.wharf(&["inspect", "--remote", "--raw", name]);
    (ran.code == 0).then(|| serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn a_ship_publishes_one_digest_to_both_registries_and_records_it() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let Some(prod) = Registry::distribution(&world.path("prod")) else {
        skip!("docker-registry is not installed")
    };
    let dev = Registry::wharf(&world.path("dev"), &[]);
    assert_eq!(log_in(&world, prod.address(), "secret"), 0);

    let shipped = ship(&world, dev.address(), prod.address(), &["--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let report: Value = serde_json::from_str(&shipped.stdout).unwrap();
    let digest = report["digest"].as_str().unwrap().to_owned();
    assert_eq!(report["version"], "1.2.3");
    assert_eq!(report["gates"][0]["verdict"], "passed");

    for registry in [dev.address(), prod.address()] {
        for tag in ["1.2.3", "1.2", "1", "latest"] {
            let name = format!("{registry}/myorg/churn:{tag}");
            assert!(manifest(&world, &name).is_some(), "{name} is missing");
        }
        let status = world.wharf_ok(&["status", &format!("{registry}/myorg/churn"), "--json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let record = &status[0]["record"];
        assert_eq!(record["release"]["digest"], digest.as_str());
        assert_eq!(record["release"]["version"], "1.2.3");
        assert_eq!(record["seq"], 1);
        assert!(record["commit"]["sha"].as_str().unwrap().len() == 40);
        assert!(record["model"]["digest"].as_str().unwrap().starts_with("sha256:"));
    }

    let output = std::fs::read_to_string(world.path("output")).unwrap();
    assert!(output.contains(&format!("digest={digest}\nversion=1.2.3\n")), "{output}");
    assert!(std::fs::read_to_string(world.path("summary")).unwrap().contains("| smoke | passed |"));

    let again = ship(&world, dev.address(), prod.address(), &["--json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["digest"], digest.as_str(), "an unchanged ship is the same image");
    assert_eq!(again["pushed"][0]["bytesSent"], 0);
}

#[test]
fn labels_say_where_the_image_comes_from() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let shipped = ship(&world, "unused", "unused", &["--no-push", "--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let inspected = world.wharf_ok(&["inspect", "myorg/churn:1.2.3"]);
    let inspected: Value = serde_json::from_str(&inspected.stdout).unwrap();
    let labels = &inspected[0]["Config"]["Labels"];
    let commit = String::from_utf8(
        Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(world.path("project"))
            .output()
            .unwrap()
            .stdout,
    );
    assert_eq!(labels["org.opencontainers.image.revision"], commit.unwrap().trim());
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(labels["dev.wharf.model.sha256"], sha256(world.path("project/model.bin")));
}

pub(crate) fn sha256(path: PathBuf) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_branch_goes_to_development_only() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    git(&world, &["checkout", "--quiet", "-b", "feature/main"]);
    world.file("app.txt", "two\n");
    git(&world, &["commit", "--quiet", "--all", "--message", "two"]);
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let shipped = ship(&world, dev.address(), "prod.invalid", &["--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let report: Value = serde_json::from_str(&shipped.stdout).unwrap();
    assert_eq!(report["pushed"].as_array().unwrap().len(), 1);
    assert_eq!(report["notPushed"][0], "$PROD_REGISTRY: not branch == default");
    assert!(manifest(&world, &format!("{}/myorg/churn:feature-main", dev.address())).is_some());
    assert!(
        manifest(&world, &format!("{}/myorg/churn:latest", dev.address())).is_none(),
        "a branch moved latest"
    );
}

#[test]
fn a_red_gate_names_nothing_anywhere() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    world.file(
        "Dockerfile",
        &format!("{BUSYBOX}COPY app.txt /\nEXPOSE 8000\nCMD [\"sh\", \"-c\", \"echo no; exit 3\"]\n"),
    );
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let shipped = ship(&world, dev.address(), dev.address(), &["--progress", "quiet"]);
    assert_eq!(shipped.code, 1, "{}", shipped.stderr);
    assert!(
        shipped.stderr.contains("the process ended") && shipped.stderr.contains("| no"),
        "{}",
        shipped.stderr
    );
    assert_eq!(world.wharf_ok(&["images", "--quiet"]).stdout, "");
    assert!(manifest(&world, &format!("{}/myorg/churn:1.2.3", dev.address())).is_none());
}

#[test]
fn one_registry_that_fails_does_not_stop_the_other() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let shipped = ship(&world, dev.address(), "127.0.0.1:1", &["--progress", "quiet"]);
    assert_eq!(shipped.code, 1, "{}", shipped.stderr);
    assert!(shipped.stderr.contains("127.0.0.1:1"), "{}", shipped.stderr);
    assert!(manifest(&world, &format!("{}/myorg/churn:1.2.3", dev.address())).is_some());
    // What each target came to stands in the report, for people, for programs and for the job's page.
    let line = "FAILED: 127.0.0.1:1/myorg/churn: ";
    assert!(shipped.stdout.contains(line), "{}", shipped.stdout);
    assert!(
        shipped.stdout.contains(&format!("pushed to {}/myorg/churn", dev.address())),
        "{}",
        shipped.stdout
    );
    let json = ship(&world, dev.address(), "127.0.0.1:1", &["--progress", "quiet", "--json"]);
    assert_eq!(json.code, 1, "{}", json.stderr);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["pushed"].as_array().unwrap().len(), 1);
    assert_eq!(report["failed"][0]["repository"], "127.0.0.1:1/myorg/churn");
    assert!(report["failed"][0]["error"].as_str().unwrap().contains("127.0.0.1:1"), "{report:#}");
    let summary = std::fs::read_to_string(world.path("summary")).unwrap();
    assert!(summary.contains("**Not published to `127.0.0.1:1/myorg/churn`**"), "{summary}");
}

#[test]
fn a_dry_run_says_it_all_and_does_nothing() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let planned = ship(&world, "dev.example", "prod.example", &["--dry-run"]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    for part in ["myorg/churn", "1.2.3", "smoke", "dev.example/myorg/churn", "prod.example/myorg/churn"] {
        assert!(planned.stdout.contains(part), "{part} is missing: {}", planned.stdout);
    }
    assert!(!world.path("data/store").exists());
}

#[test]
fn an_unset_registry_is_an_error_before_anything_is_built() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let ran = world.wharf(&["ship"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`DEV_REGISTRY` is not set"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("RUN"), "{}", ran.stderr);
}

/// The data of the registry with the base images, where `cargo xtask test` has made them.
fn bases() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("WHARF_TEST_BASES")?).join("registry");
    directory.is_dir().then_some(directory)
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The example, shipped as the demo does it, and what it serves.
#[test]
fn the_example_ships_runs_and_passes_its_own_tests() {
    let world = World::new();
    let (true, Some(bases)) = (is_root(), bases()) else {
        skip!("it needs root and the base images of `cargo xtask bases` (WHARF_TEST_BASES)");
    };
    let hub = Registry::wharf(&bases, &["--read-only"]);
    world.mirror_hub(hub.address());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/churn-model");
    copy(&example.join("."), &world.path("project"));
    copy(&example.join("../../crates/scan/testdata/osv"), &world.path("project/advisories"));
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    git(&world, &["add", "--all"]);
    git(&world, &["commit", "--quiet", "--message", "Churn model"]);
    git(&world, &["tag", "v1.4.2"]);
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let shipped = ship(&world, dev.address(), dev.address(), &["--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let report: Value = serde_json::from_str(&shipped.stdout).unwrap();
    assert!(report["gates"].as_array().unwrap().iter().all(|gate| gate["verdict"] == "passed"), "{report:#}");

    let image = format!("{}/myorg/churn-prediction-model:1.4.2", dev.address());
    let tests = example.join("tests").canonicalize().unwrap();
    let volume = format!("{}:/app/tests:ro", tests.display());
    let tested =
        world.wharf(&["run", "--volume", &volume, &image, "python", "-m", "unittest", "discover", "tests"]);
    assert_eq!(tested.code, 0, "{}{}", tested.stdout, tested.stderr);
}

/// A service whose packages lie where its user cannot read.
fn unreadable_packages(world: &World) {
    let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/bench/workloads/churn-model");
    if workload.is_dir() {
        // As people write it, to the last line.
        copy(&workload.join("."), &world.path("project"));
        std::fs::rename(world.path("project/Dockerfile.lecture"), world.path("project/Dockerfile")).unwrap();
        return;
    }
    world.file("requirements.txt", "uvicorn==0.34.0\nclick==8.5.1\nh11==0.16.0\n");
    world.file(
        "Dockerfile",
        "FROM python:3.9-slim AS builder\nCOPY requirements.txt .\nRUN pip install --user --no-cache-dir -r requirements.txt\n\
         FROM python:3.9-slim\nWORKDIR /app\nCOPY --from=builder /root/.local /root/.local\nENV PATH=/root/.local/bin:$PATH\n\
         COPY src/ ./src/\nRUN useradd -m -u 1000 modeluser\nUSER modeluser\n\
         CMD [\"uvicorn\", \"src.api:app\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"]\n",
    );
}

#[test]
fn packages_that_the_user_cannot_read_stop_a_ship_with_that_cause() {
    let world = World::new();
    let (true, Some(bases)) = (is_root(), bases()) else {
        skip!("it needs root and the base images of `cargo xtask bases` (WHARF_TEST_BASES)");
    };
    let hub = Registry::wharf(&bases, &["--read-only"]);
    world.mirror_hub(hub.address());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/churn-model");
    copy(&example.join("."), &world.path("project"));
    unreadable_packages(&world);
    let ran = ship(&world, "127.0.0.1:1", "127.0.0.1:1", &["--progress", "quiet"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.trim_end().ends_with("its packages lie in `/root/.local` while it runs as uid 1000"),
        "{}",
        ran.stderr
    );
}

/// What the registry in `data` has in its layers, by name.
fn files_in_layers(data: &Path) -> String {
    let script = format!(
        "for blob in $(find {} -path '*blobs/sha256/*' -type f); do tar -tzf $blob; done 2>/dev/null",
        data.display()
    );
    String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap()
}

#[test]
fn layers_travel_early_and_those_of_other_stages_never() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let stages = format!(
        "{BUSYBOX}RUN echo secret >/only-in-the-builder && echo x >/made\n\
         FROM scratch\nCOPY bin/busybox /bin/busybox\nCOPY --from=0 /made /made\nEXPOSE 8000\n\
         CMD [\"/bin/busybox\", \"false\"]\n"
    );
    world.file("Dockerfile", &stages);
    // Red, and nothing travels before the gates are green.
    let late = Registry::wharf(&world.path("late"), &[]);
    assert_eq!(ship(&world, late.address(), late.address(), &["--push-early=false"]).code, 1);
    assert_eq!(files_in_layers(&world.path("late")), "");
    // Green, with layers ahead of the gates.
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let shipped = ship(&world, dev.address(), dev.address(), &["--no-smoke", "--no-cache", "--json"]);
    assert_eq!(shipped.code, 0, "{}", shipped.stderr);
    let report: Value = serde_json::from_str(&shipped.stdout).unwrap();
    assert!(report["pushed"][0]["bytesSent"].as_u64().unwrap() > 100_000, "{report:#}");
    let files = files_in_layers(&world.path("dev"));
    assert!(files.contains("made") && !files.contains("only-in-the-builder"), "{files}");
}

#[test]
fn running_again_after_a_partial_failure_does_only_what_is_missing() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let at = |address: &str| {
        let text = format!("[registries.\"prod.example.com\"]\nlocation = \"{address}\"\n");
        std::fs::write(world.path("config.toml"), text).unwrap();
    };
    at("127.0.0.1:1");
    let first = ship(&world, dev.address(), "prod.example.com", &["--progress", "quiet", "--json"]);
    assert_eq!(first.code, 1, "{}", first.stderr);
    assert!(first.stderr.contains("prod.example.com"), "{}", first.stderr);
    let prod = Registry::wharf(&world.path("prod"), &[]);
    at(prod.address());
    let second = ship(&world, dev.address(), "prod.example.com", &["--json"]);
    assert_eq!(second.code, 0, "{}", second.stderr);
    let report: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(report["pushed"][0]["bytesSent"], 0, "{report:#}");
    assert!(report["pushed"][1]["bytesSent"].as_u64().unwrap() > 0, "{report:#}");
    assert!(manifest(&world, "prod.example.com/myorg/churn:1.2.3").is_some());
}
