//! `wharf scan`, `wharf sbom` and `wharf db`.

mod advisories;
mod files;
mod formats;
mod images;
mod models;
mod packages;
mod telling;

use serde_json::{Value, json};

use crate::world::{World, is_root};

/// A record about a Python package, fixed in 2.0.
pub(crate) fn record(id: &str, package: &str, severity: &str) -> Value {
    json!({
        "id": id, "modified": "2026-01-01T00:00:00Z", "summary": "a bad thing",
        "affected": [{
            "package": { "ecosystem": "PyPI", "name": package },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2.0" }] }],
            "database_specific": { "severity": severity },
        }],
    })
}

fn metadata(name: &str, licence: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nLicense: {licence}\n\n")
}

/// A tree with two packages, and advisories for one of them.
fn tree() -> World {
    let world = World::new();
    world.file("site/own-1.0.dist-info/METADATA", &metadata("own", "MIT"));
    world.file("site/other-1.0.dist-info/METADATA", &metadata("other", "AGPL-3.0-only"));
    let records = [record("CVE-2026-1", "own", "CRITICAL"), record("CVE-2026-2", "own", "LOW")];
    for record in records {
        world.file(&format!("osv/{}.json", record["id"].as_str().unwrap()), &record.to_string());
    }
    world
}

fn scan(world: &World, more: &[&str]) -> (i32, Value) {
    let ran = world.wharf(&[&["scan", "site", "--db", "osv", "--json"], more].concat());
    let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    (ran.code, report)
}

fn rules(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

/// `FROM scratch` with one package that the advisories of `tree` know, built here under this name.
fn packaged(world: &World, name: &str) -> bool {
    if !is_root() {
        return false;
    }
    world
        .file("Dockerfile", "FROM scratch\nCOPY site /site\nCOPY etc/os-release /etc/os-release\nUSER app\n");
    world.file("etc/os-release", "ID=debian\nVERSION_ID=\"10\"\nPRETTY_NAME=\"Debian 10\"\n");
    world.file(".dockerignore", "osv\n");
    world.wharf_ok(&["build", "-t", name, "."]);
    true
}
