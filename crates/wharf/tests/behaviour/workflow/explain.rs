//! `wharf workflow explain`, on the acceptance workflows.

use std::path::Path;

use serde_json::Value;

use super::{git, report};
use crate::world::World;

fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workflows").join(name).display().to_string()
}

fn explained(name: &str) -> Value {
    let world = World::new();
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    let ran = world.wharf_ok(&[
        "workflow",
        "explain",
        &file(name),
        "--json",
        "--repository",
        "myorg/churn-prediction-model",
    ]);
    report(ran.stdout.as_bytes(), &ran.stderr)
}

fn traps(document: &Value) -> Vec<(String, u64)> {
    let traps = document["traps"].as_array().unwrap().iter();
    traps.map(|trap| (trap["rule"].as_str().unwrap().to_owned(), trap["line"].as_u64().unwrap())).collect()
}

fn has(document: &Value, rule: &str, line: u64) -> bool {
    traps(document).contains(&(rule.to_owned(), line))
}

/// What explain says of the events is what expected.json says that running does.
#[test]
fn the_table_says_what_running_does() {
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(file("expected.json")).unwrap()).unwrap();
    for name in ["docker-build.yml", "multi-registry.yml"] {
        let document = explained(name);
        for (event, expected) in expected[name].as_object().unwrap() {
            let plan = document["events"].as_array().unwrap().iter().find(|plan| {
                let found = format!("{} {}", plan["event"].as_str().unwrap(), plan["ref"].as_str().unwrap());
                found == event.replace("42 -> main", "refs/pull/42/merge")
            });
            let plan = plan.unwrap_or_else(|| panic!("{name}: {event} is not explained"));
            assert_eq!(plan["runs"], expected["runs"].as_bool().unwrap_or(true), "{name}: {event}");
            if plan["runs"] == false {
                continue;
            }
            let text = |value: &Value| {
                value
                    .as_str()
                    .unwrap()
                    .replace("$ECR_REGISTRY", "123456789012.dkr.ecr.eu-west-1.amazonaws.com")
            };
            let sorted = |value: &Value| {
                let mut texts: Vec<String> = value.as_array().unwrap().iter().map(text).collect();
                texts.sort();
                texts
            };
            assert_eq!(sorted(&plan["jobs"][0]["pushes"]), sorted(&expected["pushed"]), "{name}: {event}");
        }
    }
}

#[test]
fn traps_are_told_by_line() {
    let build = explained("docker-build.yml");
    for (rule, line) in [
        ("cache-without-login", 51),
        ("mutable-ref", 53),
        ("scan-of-another-image", 55),
        ("no-concurrency", 15),
    ] {
        assert!(has(&build, rule, line), "{rule}:{line} in {:?}", traps(&build));
    }
    let prefix = explained("docker-build-branch-prefix.yml");
    assert!(has(&prefix, "empty-prefix", 41), "{:?}", traps(&prefix));
}

#[test]
fn sarif_and_text_say_the_same() {
    let world = World::new();
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    let sarif = world.wharf_ok(&["workflow", "explain", &file("docker-build.yml"), "--sarif", "-"]);
    let log: Value = serde_json::from_str(&sarif.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let text = world.wharf_ok(&["workflow", "explain", &file("docker-build.yml")]).stdout;
    assert!(text.contains(&format!("{} traps:", results.len())), "{text}");
    assert!(text.contains("does not run: the branch `feature/x` does not match `branches`"), "{text}");
    for result in results {
        let line = &result["locations"][0]["physicalLocation"]["region"]["startLine"];
        assert!(text.contains(&format!("docker-build.yml:{line}:")), "line {line}\n{text}");
    }
}
