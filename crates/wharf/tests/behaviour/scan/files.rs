//! Directories and files.

use std::fs;

use serde_json::{Value, json};

use super::{rules, scan, tree};
use crate::world::World;

#[test]
fn thresholds_come_from_flags_then_kinds_then_all() {
    let world = tree();
    assert_eq!(scan(&world, &[]).0, 1);
    assert_eq!(scan(&world, &["--report-only"]).0, 0);
    world.file("wharf.toml", "[scan]\nfail-on = \"low\"\n[scan.vuln]\nfail-on = \"never\"\n");
    assert_eq!(scan(&world, &[]).0, 0);
    assert_eq!(scan(&world, &["--fail-on", "low"]).0, 1);
    let (code, report) = scan(&world, &["--severity", "low,medium", "--fail-on", "medium"]);
    assert_eq!((code, rules(&report)), (0, vec!["CVE-2026-2".to_owned()]), "of others nothing is said");
    world.file("wharf.toml", "[scan]\nfail-on = \"grave\"\n");
    let ran = world.wharf(&["scan", "site"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`fail-on` in [scan]: `grave` is no severity"), "{}", ran.stderr);
}

#[test]
fn answers_have_a_reason_and_an_end() {
    let world = tree();
    world.file(".wharfignore", "CVE-2026-1 exp:2026-06-30 pkg:pypi/own # the function is not called\n");
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, rules(&report)), (0, vec!["CVE-2026-2".to_owned()]));
    assert_eq!(report["suppressed"][0]["suppressed"]["reason"], "the function is not called");
    assert_eq!(report["suppressed"][0]["suppressed"]["by"], ".wharfignore:1");

    world.file(".wharfignore", "CVE-2026-1 exp:2025-12-31 # the function is not called\n");
    let (code, report) = scan(&world, &[]);
    assert_eq!(code, 1);
    assert!(
        report["notes"].to_string().contains(".wharfignore:1: the answer for CVE-2026-1 ended on 2025-12-31")
    );

    world.file(".wharfignore", "CVE-2026-1 exp:never\n");
    let ran = world.wharf(&["scan", "site", "--db", "osv"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains(".wharfignore:1: `never` is no day"), "{}", ran.stderr);

    world.file(".wharfignore", "\nCVE-2026-1\n");
    let ran = world.wharf(&["scan", "site", "--db", "osv"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains(".wharfignore:2: it has no reason"), "{}", ran.stderr);
}

#[test]
fn other_peoples_answers_count_too() {
    let world = tree();
    world.file(".trivyignore", "# ours\nCVE-2026-1\n");
    assert_eq!(scan(&world, &[]).0, 0);
    fs::remove_file(world.path("project/.trivyignore")).unwrap();

    let statement = json!({ "@context": "https://openvex.dev/ns/v0.2.0", "statements": [{
        "vulnerability": { "name": "CVE-2026-1" }, "products": [{ "@id": "pkg:pypi/own@1.0" }],
        "status": "not_affected", "justification": "vulnerable_code_not_present" }] });
    world.file("vex.json", &statement.to_string());
    assert_eq!(scan(&world, &["--vex", "vex.json"]).0, 0);
    world.file("wharf.toml", "[scan]\nvex = [\"vex.json\"]\n");
    assert_eq!(scan(&world, &[]).0, 0);

    let csaf = json!({ "document": { "category": "csaf_vex", "csaf_version": "2.0" },
        "product_tree": { "full_product_names": [{ "product_id": "own-1", "name": "own 1.0",
            "product_identification_helper": { "purl": "pkg:pypi/own@1.0" } }] },
        "vulnerabilities": [{ "cve": "CVE-2026-1", "product_status": { "known_not_affected": ["own-1"] },
            "threats": [{ "category": "impact", "details": "it is not linked", "product_ids": ["own-1"] }] }] });
    world.file("vex.json", &csaf.to_string());
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, &report["suppressed"][0]["suppressed"]["reason"]), (0, &json!("it is not linked")));

    world.file("vex.json", "{}");
    let ran = world.wharf(&["scan", "site", "--db", "osv"]);
    assert!(
        ran.code == 2 && ran.stderr.contains("it is no OpenVEX, CSAF or CycloneDX document"),
        "{}",
        ran.stderr
    );
}

#[test]
fn licences_are_looked_at_where_the_project_cares() {
    let world = tree();
    assert!(!rules(&scan(&world, &[]).1).contains(&"licence-denied".to_owned()));
    world.file("wharf.toml", "[scan.vuln]\nenabled = false\n[scan.licence]\ndeny = [\"AGPL-3.0*\"]\n");
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, rules(&report)), (1, vec!["licence-denied".to_owned()]));
}

#[test]
fn what_cannot_be_judged_is_no_pass() {
    let world = tree();
    let ran = world.wharf(&["scan", "site"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("there are no advisories to judge 2 packages by"), "{}", ran.stdout);
    assert_eq!(world.wharf(&["scan", "site", "--only", "pickle,secret"]).code, 0);
}

#[test]
fn a_model_is_judged_as_scripts_expect_it() {
    let world = World::new();
    fs::write(world.path("project/model.pkl"), b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.")
        .unwrap();
    let ran = world.wharf(&["scan", "model.pkl", "--only", "pickle", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.code, 1);
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["severity"], &finding["path"]),
        (&json!("pickle-import"), &json!("critical"), &json!("model.pkl"))
    );
    assert_eq!(world.wharf(&["scan", "absent.pkl", "--only", "pickle"]).code, 3);
}

#[test]
fn a_bill_of_materials_lists_packages_and_is_the_same_again() {
    let world = tree();
    let bill = || world.wharf_ok(&["sbom", "site"]).stdout;
    let document: Value = serde_json::from_str(&bill()).unwrap();
    assert_eq!(
        (&document["specVersion"], &document["components"][0]["purl"]),
        (&json!("1.6"), &json!("pkg:pypi/other@1.0"))
    );
    assert_eq!(bill(), bill());
    let spdx: Value =
        serde_json::from_str(&world.wharf_ok(&["sbom", "site", "--format", "spdx"]).stdout).unwrap();
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    fs::create_dir(world.path("project/empty")).unwrap();
    assert_eq!(world.wharf(&["sbom", "empty"]).code, 3);
}

#[test]
fn a_dockerfile_in_a_directory_is_looked_at() {
    let world = World::new();
    world.file("app/Dockerfile", "FROM python:latest\nCOPY . .\nRUN pip install flask\n");
    let ran = world.wharf(&["scan", "app", "--only", "config", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = rules(&report);
    for rule in ["base-latest", "copy-all", "pip-unpinned", "user-root"] {
        assert!(found.contains(&rule.to_owned()), "{rule}: {found:?}");
    }
    world.file("app/.dockerignore", ".git\n");
    let ran = world.wharf(&["scan", "app/Dockerfile", "--only", "config", "--json"]);
    assert!(!ran.stdout.contains("copy-all"), "{}", ran.stdout);
}

#[test]
fn a_project_has_credentials_of_its_own() {
    let world = World::new();
    world.file("site/app.py", "TICKET = \"CORP-7f3a9c2e\"\nOLD = \"CORP-00000000\"\n");
    world.file("site/opt/venv/lib/python3.12/site-packages/corp/x.py", "CORP-1b2c3d4e\n");
    world.file("site/hub.py", &["hf", "_abcdefGHIJKLmnopqrSTUVWXyzABcdEFgh\n"].concat());
    let rule = |severity: &str, id: &str, regex: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ndescription = \"a ticket\"\nseverity = \"{severity}\"\nkeywords = [\"CORP-\", \"hf_\"]\nregex = '{regex}'\nentropy = 2.0\n"
        )
    };
    let own = rule("critical", "corp-ticket", "CORP-([0-9a-f]{8})");
    world.file("secrets.toml", &format!("{own}\n{}", rule("low", "huggingface-token", "hf_[A-Za-z]+")));
    let scan = |more: &[&str]| {
        let ran = world.wharf(&[&["scan", "site", "--only", "secret", "--json"], more].concat());
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let findings = report["findings"].as_array().unwrap();
        let brief =
            |f: &Value| format!("{} {}", f["rule"].as_str().unwrap(), f["severity"].as_str().unwrap());
        (ran.code, findings.iter().map(brief).collect::<Vec<_>>())
    };
    assert_eq!(scan(&[]), (1, vec!["huggingface-token critical".to_owned()]));
    let expected = (
        1,
        ["corp-ticket critical", "corp-ticket critical", "huggingface-token low"].map(str::to_owned).to_vec(),
    );
    assert_eq!(scan(&["--secret-rules", "secrets.toml"]), expected);
    world.file("wharf.toml", "[scan.secret]\nrules = [\"secrets.toml\"]\n");
    assert_eq!(scan(&[]), expected);
    for (text, why) in [
        (rule("critical", "x", "CORP-([0-9"), "secrets.toml: the rule `x`: "),
        (
            own.replace("\"CORP-\", \"hf_\"", ""),
            "secrets.toml: the rule `corp-ticket` has no keyword, or an empty one",
        ),
        (own.replace("entropy", "entropie"), "unknown field `entropie`"),
    ] {
        world.file("secrets.toml", &text);
        let ran = world.wharf(&["scan", "site", "--only", "secret"]);
        assert!(ran.code == 2 && ran.stderr.contains(why), "{}", ran.stderr);
    }
}
