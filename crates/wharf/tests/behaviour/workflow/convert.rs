//! `wharf workflow convert` and `wharf init`.

use std::path::Path;

use serde_json::Value;

use super::{commit, git, report, run};
use crate::skip;
use crate::world::{World, is_root};

fn converted(name: &str) -> Value {
    let world = World::new();
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflows").join(name).display().to_string();
    let ran = world.wharf_ok(&["workflow", "convert", &file, "--json"]);
    report(ran.stdout.as_bytes(), &ran.stderr)
}

#[test]
fn the_acceptance_workflows_have_the_same_words() {
    let build = converted("docker-build.yml");
    let settings = build["settings"].as_str().unwrap();
    for line in [
        "name = \"myorg/churn-prediction-model\"",
        "\"type=semver,pattern={{major}}.{{minor}}\",",
        "\"type=raw,value=latest,enable={{is_default_branch}}\",",
        "sarif = \"trivy-results.sarif\"",
        "registry = \"docker.io\"",
        "when = \"event != \\\"pull_request\\\"\"",
    ] {
        assert!(settings.contains(line), "{line}\n{settings}");
    }
    assert!(
        build["workflow"]
            .as_str()
            .unwrap()
            .contains("  push:\n    branches: [main, develop]\n    tags: ['v*']\n")
    );

    let three = converted("multi-registry.yml");
    let settings = three["settings"].as_str().unwrap();
    assert_eq!(settings.matches("[[push]]").count(), 3, "{settings}");
    assert!(settings.contains("registry = \"123456789012.dkr.ecr.eu-west-1.amazonaws.com\""), "{settings}");
    assert!(settings.contains("when = \"ref == \\\"refs/heads/main\\\"\""), "{settings}");
    assert!(three["left"].to_string().contains("as rules are for every registry"), "{three}");
    assert!(settings.contains("tags = [\"dev\"]") && settings.contains("tags = [\"staging\"]"), "{settings}");
}

#[test]
fn a_project_gets_what_it_lacks_and_keeps_what_it_has() {
    let world = World::new();
    world.file("requirements.txt", "fastapi\nuvicorn\n");
    world.file(
        "src/api.py",
        "from fastapi import FastAPI\napp = FastAPI()\n@app.get(\"/health\")\ndef health(): ...\n",
    );
    world.file("artifacts/model.pkl", "x");
    world.file(".dockerignore", "mine\n");
    let ran = world.wharf_ok(&["init", "--ci", "github"]);
    assert!(
        ran.stdout.contains("FastAPI, entry src.api:app, model artifacts/model.pkl, CPU"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("kept .dockerignore"), "{}", ran.stdout);
    let text = |name: &str| std::fs::read_to_string(world.path("project").join(name)).unwrap();
    assert_eq!(text(".dockerignore"), "mine\n");
    assert!(text("Dockerfile").contains("CMD [\"uvicorn\", \"src.api:app\""));
    assert!(text("wharf.toml").contains("artifact = \"artifacts/model.pkl\""));
    let lint = world.wharf(&["lint"]);
    assert_eq!(lint.code, 0, "{}{}", lint.stdout, lint.stderr);
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&world);
    world.wharf_ok(&["ship", "--dry-run"]);
    let planned = world.wharf_ok(&["workflow", "run", ".github/workflows/wharf.yml", "--dry-run"]);
    assert!(
        planned.stdout.contains("wharf/wharf@v1") && planned.stdout.contains("native"),
        "{}",
        planned.stdout
    );
    for ci in ["gitlab", "jenkins", "circleci", "tekton"] {
        world.wharf_ok(&["init", "--ci", ci]);
    }
    assert!(world.path("project/Jenkinsfile").exists() && world.path("project/.tekton/wharf.yaml").exists());
}

/// `action.yml` is a composite action: as a local one it runs by its own steps.
#[test]
fn the_action_ships() {
    if !is_root() {
        skip!("it needs root to build");
    }
    let world = super::project(&super::of_steps(
        "      - uses: actions/checkout@v4\n      - id: own\n        uses: ./action\n        with: {push: false, smoke: false, scan: false}\n      - id: native\n        uses: wharf/wharf@v1\n        with: {push: false, smoke: false, scan: false}\n      - run: test -n \"${{ steps.own.outputs.digest }}\" && test \"${{ steps.own.outputs.digest }}\" = \"${{ steps.native.outputs.digest }}\"\n",
    ));
    world.file("Dockerfile", "FROM scratch\nCOPY app.txt /app.txt\nCMD [\"/app\"]\n");
    world.file("wharf.toml", "[image]\nname = \"it/app\"\n");
    let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../action.yml");
    world.file("action/action.yml", &std::fs::read_to_string(action).unwrap());
    commit(&world);
    let (ran, _) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
