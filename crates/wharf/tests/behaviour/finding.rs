//! `wharf where` and `wharf diff` on what a ship has published: commits, models, packages and advisories.

use std::process::Command;

use serde_json::{Value, json};

use crate::ship::{git, project, sha256, ship};
use crate::skip;
use crate::world::{Ran, Registry, World};

const SETTINGS: &str = "[image]\nname = \"myorg/churn\"\n[model]\nartifact = \"model.bin\"\n[smoke]\nenabled = false\n\
    [scan]\ndb = \"osv\"\nfail-on = \"critical\"\n[[push]]\nregistry = \"$DEV_REGISTRY\"\n";

/// Packages beside the service, and a file that differs.
fn packages(world: &World, packages: &[(&str, &str)]) {
    let site = world.path("project/site");
    drop(std::fs::remove_dir_all(&site));
    for (name, version) in packages {
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\n");
        world.file(&format!("site/{name}-{version}.dist-info/METADATA"), &text);
    }
}

fn release(world: &World, registry: &str, tag: &str) -> String {
    git(world, &["add", "--all"]);
    git(world, &["commit", "--quiet", "--message", tag]);
    git(world, &["tag", tag]);
    let shipped = ship(world, registry, registry, &["--json"]);
    assert_eq!(shipped.code, 0, "{}{}", shipped.stdout, shipped.stderr);
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(world.path("project")).output();
    String::from_utf8(head.unwrap().stdout).unwrap().trim().to_owned()
}

fn dockerfile(world: &World) {
    let path = world.path("project/Dockerfile");
    let text = std::fs::read_to_string(&path).unwrap();
    let copied = text.replace("USER app", "COPY site /usr/lib/python3/site-packages\nUSER app");
    world.file("Dockerfile", &copied);
    world.file(".dockerignore", "osv\n.git\n");
}

#[test]
fn releases_are_found_by_commit_model_and_advisory_and_compared_by_packages() {
    let Some(world) = project() else { skip!("it needs root and busybox-static") };
    world.file("wharf.toml", SETTINGS);
    dockerfile(&world);
    let advisory = json!({
        "id": "CVE-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "a bad thing",
        "affected": [{
            "package": { "ecosystem": "PyPI", "name": "own" },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2.0" }] }],
            "database_specific": { "severity": "LOW" },
        }],
    });
    world.file("osv/CVE-2026-1.json", &advisory.to_string());
    let dev = Registry::wharf(&world.path("dev"), &[]);
    let repo = format!("{}/myorg/churn", dev.address());
    let model = |world: &World| sha256(world.path("project/model.bin"));

    packages(&world, &[("own", "1.0"), ("gone", "1.0")]);
    let (first, first_model) = (release(&world, dev.address(), "v2.0.0"), model(&world));
    packages(&world, &[("own", "2.0"), ("other", "1.0")]);
    world.file("model.bin", "another model");
    let (second, second_model) = (release(&world, dev.address(), "v2.1.0"), model(&world));
    let ok = |args: &[&str]| -> Value {
        let mut command = world.command(&[args, &["--json"]].concat());
        let ran: Ran = command.env("DEV_REGISTRY", dev.address()).output().unwrap().into();
        assert_eq!(ran.code, 0, "{args:?} {}{}", ran.stdout, ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    ok(&["promote", &format!("{repo}:2.0.0"), "--env", "prod"]);

    let found = |what: &str| -> Vec<(String, String)> {
        let answer = ok(&["where", &repo, what]);
        assert_eq!(answer["unknown"], json!([]), "{answer:#}");
        let text = |found: &Value, key: &str| found[key].as_str().unwrap().to_owned();
        let releases = answer["releases"].as_array().unwrap();
        releases.iter().map(|found| (text(found, "version"), text(found, "by"))).collect()
    };
    let one = |version: &str, by: &str| vec![(version.to_owned(), by.to_owned())];
    assert_eq!(found(&first), one("2.0.0", "commit"));
    assert_eq!(found(&second[..10]), one("2.1.0", "commit"));
    assert_eq!(found(&first_model), one("2.0.0", "model"));
    assert_eq!(found(&format!("sha256:{second_model}")), one("2.1.0", "model"));
    assert_eq!(found("cve-2026-1"), one("2.0.0", "scan"), "2.1.0 was scanned, and has the fixed package");
    let running = ok(&["where", &repo, "CVE-2026-1"]);
    assert_eq!(running["releases"][0]["runsIn"][0], "prod", "{running:#}");

    let diff = ok(&["diff", &repo, "2.0.0", "2.1.0"]);
    let packages = &diff["packages"];
    let names = |list: &Value| list.to_string();
    assert!(names(&packages["added"]).contains("other"), "{packages:#}");
    assert!(names(&packages["removed"]).contains("gone"), "{packages:#}");
    let own = packages["changed"].as_object().unwrap().iter().find(|(name, _)| name.contains("own"));
    assert_eq!(own.unwrap().1, &json!({ "from": "1.0", "to": "2.0" }), "{packages:#}");
    assert!(names(&diff["vulnerabilities"]["fixed"]).contains("CVE-2026-1"), "{diff:#}");
    assert!(diff["model"]["to"].as_str().unwrap().contains(&second_model[..12]), "{diff:#}");
}
