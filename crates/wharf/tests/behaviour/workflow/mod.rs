//! `wharf workflow`: GitHub's workflows on this machine.

mod acceptance;
mod actions;
mod convert;
mod explain;
mod run;

use std::process::Command;

use serde_json::Value;

use crate::world::{Ran, World};

/// Git in the project, with nothing of the real world; what it says.
fn git(world: &World, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
        .args(args)
        .current_dir(world.path("project"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A project in git with one workflow, `w.yml`.
fn project(workflow: &str) -> World {
    let world = World::new();
    world.file(".github/workflows/w.yml", workflow);
    world.file("app.txt", "one\n");
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&world);
    world
}

fn commit(world: &World) {
    git(world, &["add", "--all"]);
    git(world, &["commit", "--quiet", "--message", "one"]);
}

/// Runs `w.yml`; the log is on standard error, the report on standard output.
fn run(world: &World, more: &[&str]) -> (Ran, Value) {
    let ran = world.wharf(&[&["workflow", "run", ".github/workflows/w.yml", "--json"], more].concat());
    let document = report(ran.stdout.as_bytes(), &ran.stderr);
    (ran, document)
}

fn report(stdout: &[u8], log: &str) -> Value {
    serde_json::from_slice(stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{log}", String::from_utf8_lossy(stdout)))
}

/// One job that runs on push, of these steps.
fn of_steps(steps: &str) -> String {
    format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
}
