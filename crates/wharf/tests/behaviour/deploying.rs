//! Deployment configs, signatures, policies, the page: what surrounds a promotion.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::releases::{Scene, git};
use crate::skip;

const DEPLOYMENT: &str = "# ours\napiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - {name: api, image: \"REPO:0.9\"}  # the service\n";

/// A project in git whose `prod` has a config.
fn project(settings: &str) -> Scene {
    let scene = Scene::new();
    let host = scene.registry.host();
    let text = format!("[image]\nname = \"org/churn\"\n[[push]]\nregistry = \"{host}\"\n{settings}");
    scene.world.file("wharf.toml", &text);
    scene.world.file("deploy/prod/api.yaml", &DEPLOYMENT.replace("REPO", &scene.repo));
    let project = scene.world.path("project");
    git(&project, &["init", "--quiet", "--initial-branch", "main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "one"]);
    scene
}

#[test]
fn configs_follow_a_promotion_and_a_rollback_with_a_trailer() {
    let scene = project("[env.prod]\nconfigs = [\"deploy/prod/*.yaml\"]\n[env.staging]\n");
    let (project, repo) = (scene.world.path("project"), scene.repo.clone());
    let config = |tag: &str| {
        let suffix = format!("{repo}:{tag}@{}", scene.digest(tag).unwrap());
        DEPLOYMENT.replace("REPO:0.9", &suffix)
    };
    let read = || std::fs::read_to_string(project.join("deploy/prod/api.yaml")).unwrap();
    let first = scene.ok("promote 1.0.0 --env prod");
    assert_eq!(read(), config("1.0.0"));
    let trailer = git(&project, &["log", "-1", "--format=%(trailers:key=Wharf-Ledger,valueonly)"]);
    assert_eq!(trailer, format!("prod@2 {}", first["entry"]["digest"].as_str().unwrap()));
    assert_eq!(git(&project, &["rev-parse", "HEAD"]), first["configs"]["commit"].as_str().unwrap());

    scene.ok("promote v1.1.0 --env prod");
    assert_eq!(scene.ok("status --env prod")[0]["environments"][0]["drift"], json!([]));
    scene.ok("rollback --env prod");
    assert_eq!(read(), config("1.0.0"), "a rollback does the configs too");

    scene.world.file("deploy/prod/api.yaml", &config("1.1.0"));
    let drift = scene.ok("status --env prod")[0]["environments"][0]["drift"][0].as_str().unwrap().to_owned();
    assert!(drift.contains("api.yaml:8") && drift.contains("the ledger says 1.0.0"), "{drift}");
    scene.ok("hold --env prod --release");
    scene.fails("promote 1.2.0 --env prod", 1, &["has changes that no commit has", "stash"]);
    git(&project, &["checkout", "--quiet", "."]);
    scene.world.file("deploy/prod/broken.yaml", "a: [1\n");
    scene.fails("promote 1.2.0 --env prod", 2, &["broken.yaml cannot be rewritten", "line 1, column 4"]);
    assert_eq!(
        scene.ok("log --env prod")[0]["kind"],
        "unhold",
        "nothing was written before the configs were sound"
    );
    scene.fails("promote 1.2.0 --env prdo", 2, &["no environment `prdo`", "did you mean `prod`"]);
}

#[test]
fn configs_go_to_a_branch_or_into_a_patch() {
    let scene = project("[env.prod]\nconfigs = [\"deploy/prod/*.yaml\"]\nconfig-branch = \"deploy/prod\"\n");
    let project = scene.world.path("project");
    let bare = scene.world.path("bare.git");
    git(&scene.world.path("home"), &["init", "--quiet", "--bare", &bare.display().to_string()]);
    git(&project, &["remote", "add", "origin", &bare.display().to_string()]);
    let done = scene.ok("promote 1.0.0 --env prod --config-push origin");
    assert_eq!(git(&bare, &["rev-parse", "deploy/prod"]), done["configs"]["commit"].as_str().unwrap());
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    let patch = scene.world.path("prod.patch");
    scene.ok(&format!("promote 1.1.0 --env prod --config-patch {}", patch.display()));
    let text = std::fs::read_to_string(patch).unwrap();
    assert!(text.contains("Wharf-Ledger: prod@3 sha256:") && text.contains("+      - {name: api"), "{text}");
}

#[test]
fn a_policy_wants_evidence_and_says_what_is_missing() {
    let scene = project(
        "[env.staging]\n[env.prod]\nfrom = \"staging\"\nrequire = [\"signature\"]\nkeys = [\"release.pub\"]\napprovals = \"approvals\"\n",
    );
    let key = scene.world.path("project/release");
    scene.world.wharf_ok(&["sign", "--generate-key", &key.display().to_string()]);
    let shown = scene.ok("promote 1.0.0 --env staging");
    let missing =
        shown["evidence"].as_array().unwrap().iter().filter(|item| item["verdict"] == "missing").count();
    assert!(missing >= 4, "without a policy it is shown: {shown}");
    scene.fails("promote 1.1.0 --env prod", 1, &["signature missing", "staging missing", "approval missing"]);
    scene.fails("promote 1.0.0 --env prod", 1, &["signature missing", "approval missing: "]);
    scene.ok(&format!("sign REPO:1.0.0 --provenance --key {}.key", key.display()));
    scene.world.file("approvals", "1.0.0 robin # reviewed\n");
    let done = scene.ok("promote 1.0.0 --env prod");
    let passed = |kind: &str| {
        let all = done["evidence"].as_array().unwrap();
        all.iter().any(|item| item["kind"] == kind && item["verdict"] == "passed")
    };
    assert!(["signature", "staging", "approval", "provenance"].iter().all(|kind| passed(kind)), "{done}");
}

#[test]
fn who_where_diff_and_prune_know_the_releases() {
    let scene = Scene::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        scene.ok(&format!("promote REPO:{version} --env prod"));
    }
    let who = scene.ok("who REPO 1.1.0");
    assert_eq!(who["digest"], scene.digest("1.1.0").unwrap().as_str());
    assert_eq!(who["appearances"][0]["kind"], "promote");
    assert_eq!(scene.ok("who REPO:prod")["runsIn"], json!(["prod"]));
    assert_eq!(scene.ok(&format!("who REPO {}", scene.digest("1.2.0").unwrap()))["version"], "1.2.0");
    scene.fails("where REPO main", 2, &["no commit, no digest and no advisory"]);
    assert_eq!(scene.wharf("where REPO abcdef123456").code, 1, "nothing has that commit");
    let cve = scene.wharf("where REPO CVE-2024-1 --json");
    let cve: Value = serde_json::from_str(&cve.stdout).unwrap();
    assert_eq!(cve["unknown"].as_array().unwrap().len(), 3, "without a scan nobody knows, and it says so");
    let diff = scene.ok("diff REPO 1.0.0 1.1.0");
    assert_eq!((&diff["layers"]["shared"], &diff["layers"]["new"]), (&json!(1), &json!(1)));

    let dry = scene.ok("prune REPO --keep 0 --rollbacks 1 --older-than 0s");
    assert_eq!(dry["dryRun"], true);
    assert!(scene.digest("1.3.0").is_some(), "a dry run removes nothing");
    let kept: Vec<&str> =
        dry["keep"].as_array().unwrap().iter().map(|item| item["tags"][0].as_str().unwrap()).collect();
    assert!(kept.contains(&"1.1.0") && kept.contains(&"1.2.0"), "{kept:?}");
    scene.ok("prune REPO --keep 0 --rollbacks 1 --older-than 0s --force");
    scene.ok("fsck REPO --targets 1");
    scene.ok("rollback REPO --env prod");
}

#[test]
fn the_page_is_one_file_that_a_browser_shows() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env staging");
    scene.ok("promote REPO:1.0.0 --env prod --reason <script>alert(1)</script>");
    scene.ok("promote REPO:1.1.0 --env prod");
    scene.ok("rollback REPO --env prod --reason errors");
    let page = scene.world.path("page.html");
    scene.world.wharf_ok(&["status", &scene.repo, "--html", &page.display().to_string()]);
    let html = std::fs::read_to_string(&page).unwrap();
    for word in ["staging", "prod", "1.1.0", "Quarantined", "errors", "not verified", "Layers of"] {
        assert!(html.contains(word), "no `{word}` in the page");
    }
    assert!(!html.contains("<script"), "text from a registry is text, and there is no script");
    assert!(!html.contains("src=") && !html.contains("url("), "nothing comes from elsewhere");
    let Some(browser) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].iter().find(|p| std::path::Path::new(p).exists())
    else {
        skip!("chromium is not installed (apt-get install chromium)")
    };
    let picture = scene.world.path("page.png");
    let shot = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1240,1500",
        ])
        .arg(format!("--user-data-dir={}", scene.world.path("browser").display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let size = std::fs::metadata(&picture).map(|found| found.len()).unwrap_or(0);
    assert!(
        size > 20_000,
        "a picture with something on it: {size} {}",
        String::from_utf8_lossy(&shot.stderr)
    );
}

#[test]
fn the_page_is_served_on_loopback_and_nowhere_else() {
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod");
    scene.fails("ui REPO --addr 0.0.0.0:0", 2, &["is not loopback"]);
    let mut child = scene
        .world
        .command(&["ui", &scene.repo, "--addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask(&format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let foreign = ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let write = ask(&format!("POST / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("1.0.0"), "{page}");
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    assert!(write.starts_with("HTTP/1.1 405"), "{write}");
}

/// `jq` over what `crane manifest` prints.
fn jq(input: &str, filter: &str) -> String {
    let mut jq =
        Command::new("jq").args(["-r", filter]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    jq.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(jq.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn the_ledger_reads_with_jq_and_without_wharf() {
    if !std::path::Path::new("/usr/bin/jq").exists() {
        skip!("jq is not installed")
    }
    let scene = Scene::new();
    scene.ok("promote REPO:1.0.0 --env prod --reason first");
    let raw = |name: &str| scene.world.wharf_ok(&["inspect", "--remote", "--raw", name]).stdout;
    let entry = raw(&format!("{}:wharf.prod.head", scene.repo));
    assert_eq!(jq(&entry, ".artifactType"), "application/vnd.wharf.ledger.entry.v1+json");
    let record =
        jq(&entry, ".manifests[0].data | @base64d | fromjson | .layers[0].data | @base64d | fromjson");
    let said = jq(&record, "[.kind, .release.version, .release.digest, .reason] | join(\" \")");
    assert_eq!(said, format!("promote 1.0.0 {} first", scene.digest("1.0.0").unwrap()));
    let release = jq(&entry, ".manifests[1].digest");
    assert_eq!(release, scene.digest("1.0.0").unwrap(), "the entry pins the release");
    let manifest = jq(&entry, ".manifests[0].digest");
    let manifest = raw(&format!("{}@{manifest}", scene.repo));
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    let blob = layout.read(&jq(&manifest, ".layers[0].digest").parse().unwrap()).unwrap();
    assert_eq!(jq(&String::from_utf8(blob).unwrap(), ".op_id"), jq(&record, ".op_id"));
}
