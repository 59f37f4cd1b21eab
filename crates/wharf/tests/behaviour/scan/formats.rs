//! What reports look like to those who read them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{record, rules, tree};
use crate::skip;
use crate::world::{BUSYBOX, Ran, busybox_context, is_root};

#[test]
fn every_format_is_what_it_says() {
    let world = tree();
    let of = |format: &str| world.wharf(&["scan", "site", "--db", "osv", "--format", format]).stdout;
    let parsed = |format: &str| serde_json::from_str::<Value>(&of(format)).unwrap();
    assert_eq!(parsed("sarif")["runs"][0]["results"][0]["ruleId"], "CVE-2026-1");
    assert_eq!(parsed("cyclonedx")["vulnerabilities"][0]["affects"][0]["ref"], "pkg:pypi/own@1.0");
    assert_eq!(parsed("spdx")["packages"].as_array().unwrap().len(), 3);
    assert_eq!(parsed("gitlab")["vulnerabilities"][0]["severity"], "Critical");
    assert!(of("junit").contains("failures=\"1\"") && of("markdown").starts_with("### "));
    assert!(of("html").starts_with("<!doctype html>\n") && of("html").contains("CVE-2026-1"));
    let snapshot = parsed("github");
    assert_eq!(
        snapshot["manifests"]["site (PyPI)"]["resolved"]["own@1.0"]["package_url"],
        "pkg:pypi/own@1.0"
    );
    let actions = parsed("json")["actions"].clone();
    assert_eq!((&actions[0]["title"], &actions[0]["stopping"]), (&json!("Upgrade own to 2.0"), &json!(1)));
    assert_eq!(actions[0]["findings"].as_array().unwrap().len(), 2);
}

/// Names and texts that documents have to quote.
const AWKWARD: &str = "a <b> & \"c\" | `d` \u{1} [e](http://x) é";

#[test]
fn other_peoples_readers_take_every_format() {
    let validators = std::env::var_os("WHARF_TEST_VALIDATORS").map(PathBuf::from);
    let Some(validators) = validators.filter(|directory| directory.join("bin/python").exists()) else {
        skip!("no validators are installed (WHARF_TEST_VALIDATORS)");
    };
    let world = tree();
    let mut bad = record("CVE-2026-3", "own", "HIGH");
    bad["summary"] = json!(AWKWARD);
    bad["details"] = json!(format!("{AWKWARD}\n\n{AWKWARD}"));
    bad["references"] = json!([{ "type": "WEB", "url": "https://x.invalid/a b|<c>" }]);
    bad["severity"] = json!([{ "type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N" }]);
    world.file("osv/CVE-2026-3.json", &bad.to_string());
    world.file("site/a b/<c>/.env", "KEY=AKIAIOSFODNN7REALKEY\n");
    world.file("site/Dockerfile", "FROM python:latest\nCOPY . .\nRUN pip install flask\n");
    world.file("wharf.toml", "[scan.licence]\ndeny = [\"AGPL-3.0*\"]\n");
    let documents = world.path("documents");
    fs::create_dir(&documents).unwrap();
    for format in ["sarif", "cyclonedx", "spdx", "junit", "gitlab"] {
        let to = documents.join(format).display().to_string();
        world.wharf(&["scan", "site", "--db", "osv", "--format", format, "--output", &to]);
    }
    fs::write(documents.join("cyclonedx-bill"), world.wharf_ok(&["sbom", "site"]).stdout).unwrap();
    let sarif = fs::read_to_string(documents.join("sarif")).unwrap();
    assert!(sarif.contains("\"security-severity\": \"9.3\""), "CVSS 4 is scored: {sarif}");
    let schema = validators.join("sarif-2.1.0-rtm.5.json");
    let mut command = std::process::Command::new(validators.join("bin/python"));
    command
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour/validate.py"))
        .arg(&documents);
    if schema.is_file() {
        command.env("SARIF_SCHEMA", schema);
    }
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn no_form_of_a_report_repeats_a_credential() {
    let world = tree();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    // Made up here, in pieces so that nobody else's scanner takes them for real.
    let secrets = [
        ["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"].concat(),
        ["AKIA", "Q3EGRIFFYZ7HTWXB"].concat(),
        ["hf", "_abcdefGHIJKLmnopqrSTUVWXyzABcdEFgh"].concat(),
        "x7Gh2kQ9pLq8s7d6f5g4".to_owned(),
        "q8s7d6f5g4h3j2k1".to_owned(),
    ];
    let [token, key, hub, password, argument] = &secrets;
    let dockerfile = format!(
        "{BUSYBOX}ARG PIP_TOKEN\nCOPY site /site\nCOPY .env /app/.env\nRUN rm /app/.env && echo {key} > /key\n\
         ENV HUB={hub} DB_PASSWORD={argument}\nLABEL index=\"https://ci:{password}@pypi.corp.io/simple\"\n\
         RUN echo https://ci:{password}@pypi.corp.io/simple > /dev/null && echo {token} > /dev/null\nCMD [\"serve\", \"{token}\"]\n"
    );
    world.file("Dockerfile", &dockerfile);
    world.file(".env", &format!("KEY={token}\n"));
    let argument_of = format!("PIP_TOKEN={argument}");
    world.wharf_ok(&["build", "-t", "it:1", "--build-arg", &argument_of, "."]);
    let quiet = |name: &str, text: &str| {
        for secret in &secrets {
            assert!(!text.contains(&secret[6..]), "{name} has {secret}: {text}");
        }
    };
    let forms =
        ["table", "json", "sarif", "cyclonedx", "spdx", "junit", "gitlab", "markdown", "html", "github"];
    for form in forms {
        let ran =
            world.wharf(&["scan", "it:1", "--db", "osv", "--dockerfile", "Dockerfile", "--format", form]);
        assert_eq!(ran.code, 1, "{form}: {}", ran.stderr);
        quiet(form, &(ran.stdout + &ran.stderr));
    }
    let ran = world.wharf(&["scan", "it:1", "--dockerfile", "Dockerfile", "--only", "secret", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = rules(&report);
    for rule in ["github-token", "aws-access-key", "huggingface-token", "url-credentials", "secret-in-config"]
    {
        assert!(found.iter().any(|found| found == rule), "{rule}: {found:?}");
    }
    world.file(
        "add/Dockerfile",
        &format!("FROM scratch\nADD https://ci:{password}@files.corp.io/x /x\nENV DB_PASSWORD={argument}\n"),
    );
    let ran = world.wharf(&["lint", "--rules", "practice", "add/Dockerfile"]);
    assert!(ran.stdout.contains("add-url-unchecked"), "{}{}", ran.stdout, ran.stderr);
    quiet("lint", &(ran.stdout + &ran.stderr));
    let ran = world.wharf(&["scan", "add", "--json"]);
    quiet("scan", &(ran.stdout + &ran.stderr));
}
