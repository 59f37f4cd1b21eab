//! `wharf scan`, `wharf sbom` and `wharf db`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::skip;
use crate::web::Web;
use crate::world::{BUSYBOX, Ran, Registry, World, busybox_context, is_root};

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
fn advisories_are_brought_moved_and_pinned() {
    let world = tree();
    let web = Web::new();
    let archive = world.path("osv.tar.gz");
    let tar =
        ["-czf", &archive.display().to_string(), "-C", &world.path("project").display().to_string(), "osv"];
    assert!(std::process::Command::new("tar").args(tar).status().unwrap().success());
    web.serve("/osv.tar.gz", fs::read(&archive).unwrap());
    let url = format!("{}/osv.tar.gz", web.url());
    let zeros = "0".repeat(64);
    let ran = world.wharf(&["db", "import", &url, "--sha256", &zeros]);
    assert!(ran.code != 0 && ran.stderr.contains(&zeros[..12]), "{}", ran.stderr);
    assert_eq!(world.wharf(&["scan", "site"]).code, 3, "what is not what was meant is not taken");
    world.wharf_ok(&["db", "import", &url]);
    assert_eq!(world.wharf(&["scan", "site"]).code, 1);
    world.wharf_ok(&["db", "build", "osv", "-o", "carried.wvdb"]);
    assert_eq!(world.wharf(&["scan", "site", "--db", "carried.wvdb"]).code, 1);

    let status = world.wharf_ok(&["db", "import", "osv", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["records"], &status["ageDays"]), (&json!(2), &json!(1)));
    assert_eq!(world.wharf(&["scan", "site"]).code, 1, "the machine's own database is used");

    let registry = Registry::wharf(&world.path("registry"), &[]);
    let reference = format!("{}/team/advisories:1", registry.address());
    let pinned = world.wharf_ok(&["db", "push", &reference]).stdout.trim().to_owned();
    assert!(pinned.contains("@sha256:"), "{pinned}");
    fs::remove_file(world.path("data/advisories.wvdb")).unwrap();
    assert_eq!(world.wharf(&["scan", "site"]).code, 3);
    assert_eq!(world.wharf(&["scan", "site", "--db", &pinned]).code, 1);
    world.wharf_ok(&["db", "pull", &reference]);
    assert_eq!(world.wharf(&["scan", "site"]).code, 1);

    fs::write(world.path("project/broken.wvdb"), b"WVDB0001 and nothing else to speak of").unwrap();
    let ran = world.wharf(&["scan", "site", "--db", "broken.wvdb"]);
    assert!(ran.code == 3 && ran.stderr.contains("damaged"), "{}", ran.stderr);
}

#[test]
fn old_advisories_are_said_and_may_fail() {
    let world = tree();
    world.file("osv/CVE-2026-1.json", &record("CVE-2026-1", "nobody", "LOW").to_string());
    world.file("osv/CVE-2026-2.json", &record("CVE-2026-2", "nobody", "LOW").to_string());
    let later = |settings: &str| -> Ran {
        world.file("wharf.toml", settings);
        let mut command = world.command(&["scan", "site", "--db", "osv", "--only", "vuln"]);
        command.env("WHARF_NOW", "2026-01-15T00:00:00Z").output().unwrap().into()
    };
    let ran = later("");
    assert!(ran.code == 0 && ran.stdout.contains("advisories 14 days old"), "{}", ran.stdout);
    let ran = later("[scan]\non-stale = \"fail\"\ndb-max-age = \"10d\"\n");
    assert!(ran.code == 3 && ran.stdout.contains("14 days old, and 10 is the most"), "{}", ran.stdout);
    assert_eq!(later("[scan]\non-stale = \"fail\"\ndb-max-age = \"2w\"\n").code, 0);

    // Something newer about something else does not make it fresh.
    let mut other = record("DSA-1", "nobody", "LOW");
    other["modified"] = json!("2026-05-31T00:00:00Z");
    other["affected"][0]["package"]["ecosystem"] = json!("Debian:12");
    world.file("osv/DSA-1.json", &other.to_string());
    let in_june = |settings: &str| -> Ran {
        world.file("wharf.toml", settings);
        let mut command = world.command(&["scan", "site", "--db", "osv", "--only", "vuln"]);
        command.env("WHARF_NOW", "2026-06-01T00:00:00Z").output().unwrap().into()
    };
    let ran = in_june("");
    let said = "the newest advisory of PyPI is 151 days old";
    assert!(
        ran.code == 0 && ran.stdout.contains("advisories 1 day old") && ran.stdout.contains(said),
        "{}",
        ran.stdout
    );
    assert_eq!(in_june("[scan]\non-stale = \"fail\"\n").code, 3);
}

#[test]
fn where_nothing_is_recognised_there_is_no_pass() {
    let world = tree();
    if !packaged(&world, "it:1") {
        skip!("it needs root");
    }
    let judge = |files: &[(&str, &str)], why: &str| {
        let _ = fs::remove_dir_all(world.path("project/root"));
        files.iter().for_each(|(name, text)| drop(world.file(&format!("root/{name}"), text)));
        world.file("other.Dockerfile", "FROM scratch\nCOPY root /\nUSER app\n");
        world.wharf_ok(&["build", "-f", "other.Dockerfile", "-t", "other:1", "."]);
        let ran = world.wharf(&["scan", "other:1", "--db", "osv", "--only", "vuln"]);
        assert!(ran.code == 3 && ran.stdout.contains(why), "{why}: {}{}", ran.stdout, ran.stderr);
    };
    judge(&[("note.txt", "x")], "no package database and no package metadata was recognised");
    let status = ("var/lib/dpkg/status", "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n");
    let system = |text: &'static str| [("etc/os-release", text), status];
    judge(&system("ID=slackware\nPRETTY_NAME=\"Slackware 15\"\n"), "no advisory database for Slackware 15");
    judge(
        &system("ID=debian\nPRETTY_NAME=\"Debian trixie/sid\"\n"),
        "no advisory database for Debian trixie/sid",
    );
    judge(&system("ID=debian\nVERSION_ID=\"12\"\n"), "the advisories say nothing of Debian:12");
}

#[test]
fn updates_fetch_what_has_changed() {
    let world = tree();
    let zip = world.path("all.zip");
    let records = [record("PYSEC-1", "own", "LOW"), record("PYSEC-2", "own", "LOW")];
    let members: Vec<(String, String)> =
        records.iter().map(|r| (format!("{}.json", r["id"].as_str().unwrap()), r.to_string())).collect();
    write_zip(&zip, &members);
    let web = Web::new();
    web.serve("/PyPI/all.zip", fs::read(&zip).unwrap());
    web.serve("/PyPI/modified_id.csv", "2026-01-01T00:00:00Z,PYSEC-2\n2025-12-01T00:00:00Z,PYSEC-1\n");
    let nothing = format!("{}/nothing", web.url());
    let update =
        || world.wharf(&["db", "update", "PyPI", "--mirror", &nothing, "--mirror", &web.url(), "--json"]);
    let first: Value = serde_json::from_str(&update().stdout).unwrap();
    assert_eq!((&first[0]["records"], &first[0]["whole"]), (&json!(2), &json!(true)));

    web.serve("/PyPI/modified_id.csv", "2026-01-02T00:00:00Z,PYSEC-1\n2026-01-01T00:00:00Z,PYSEC-2\n");
    web.serve("/PyPI/PYSEC-1.json", record("PYSEC-1", "own", "CRITICAL").to_string());
    let second: Value = serde_json::from_str(&update().stdout).unwrap();
    assert_eq!((&second[0]["records"], &second[0]["whole"]), (&json!(1), &json!(false)));
    assert_eq!(world.wharf(&["scan", "site"]).code, 1, "the change counts");
    let asked = web.requests();
    assert_eq!(asked.iter().filter(|request| request.path == "/PyPI/all.zip").count(), 1);
    assert!(
        asked.iter().all(|r| r.method == "GET" && r.body.is_empty() && !r.headers.contains("authorization"))
    );

    let ran = world.wharf(&["db", "update", "PyPI", "--mirror", &nothing]);
    assert!(ran.code == 3 && ran.stderr.contains("the database is as it was"), "{}", ran.stderr);
    assert_eq!(world.wharf(&["scan", "site"]).code, 1);
}

/// A zip archive of stored members, by python, which is everywhere here.
fn write_zip(path: &PathBuf, members: &[(String, String)]) {
    let script = "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],'w')\nfor n,c in json.loads(sys.argv[2]): z.writestr(n,c)\nz.close()";
    let members = serde_json::to_string(members).unwrap();
    let status =
        std::process::Command::new("python3").args(["-c", script]).arg(path).arg(members).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_second_scan_reads_no_layer() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    world.file("Dockerfile", &format!("{BUSYBOX}COPY note.txt /note.txt\n"));
    world.file("note.txt", "AKIAIOSFODNN7REALKEY\n");
    world.wharf_ok(&["build", "-t", "it:1", "."]);
    let first = world.wharf(&["scan", "it:1", "--only", "secret", "--json"]).stdout;
    // What is not read may be gone.
    let manifest: Value =
        serde_json::from_str(&world.wharf_ok(&["inspect", "--raw", "it:1"]).stdout).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().replace(':', "/");
        fs::remove_file(world.path(&format!("data/store/blobs/{digest}"))).unwrap();
    }
    let second = world.wharf(&["scan", "it:1", "--only", "secret", "--json"]).stdout;
    assert_eq!(first, second);
    assert_eq!(world.wharf(&["scan", "it:1", "--only", "secret", "--no-cache"]).code, 3);
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

#[test]
fn an_image_shows_its_line_its_end_and_its_bytes() {
    let world = tree();
    if !packaged(&world, "it:1") {
        skip!("it needs root");
    }
    let scan = |more: &[&str]| -> Value {
        let args = [&["scan", "it:1", "--db", "osv", "--dockerfile", "Dockerfile", "--json"], more].concat();
        serde_json::from_str(&world.wharf(&args).stdout).unwrap()
    };
    let report = scan(&[]);
    let found = rules(&report);
    assert!(
        found.contains(&"CVE-2026-1".to_owned()) && found.contains(&"distribution-eol".to_owned()),
        "{found:?}"
    );
    let at = |rule: &str| {
        report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == rule).unwrap().clone()
    };
    assert_eq!(at("CVE-2026-1")["location"]["line"], 2);
    assert!(!rules(&scan(&["--eol", "ignore"])).contains(&"distribution-eol".to_owned()));
    assert_eq!(world.wharf(&["scan", "it:1", "--only", "config", "--eol", "fail"]).code, 1);

    let waste: Value =
        serde_json::from_str(&world.wharf_ok(&["inspect", "--waste", "--json", "it:1"]).stdout).unwrap();
    assert_eq!((&waste["hidden"], waste["layers"].as_array().unwrap().len()), (&json!(0), 2));
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
fn results_lie_beside_the_image_and_are_watched() {
    let world = tree();
    if !packaged(&world, "it:1") {
        skip!("it needs root");
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/team/it", registry.address());
    let tagged = format!("{name}:1");
    world.wharf_ok(&["tag", "it:1", &tagged]);
    world.wharf_ok(&["push", &tagged]);
    assert_eq!(world.wharf(&["watch", &tagged]).code, 3, "nothing was stored yet");

    let harmless = record("CVE-2026-9", "nobody", "LOW");
    world.file("quiet/a.json", &harmless.to_string());
    world.file("other/site/x", "");
    world.wharf_ok(&["scan", &tagged, "--db", "quiet", "--attach", &tagged, "--only", "vuln,secret"]);
    assert_eq!(
        world.wharf(&["scan", "site", "--attach", &tagged, "--db", "quiet"]).code,
        1,
        "that is another thing"
    );

    let web = Web::new();
    web.serve("/hook", "");
    web.serve("/slack", "");
    let settings = format!(
        "[scan]\ndb = \"osv\"\n[scan.alerts]\nwebhook = \"$HOOK\"\nslack = \"{}/slack\"\n",
        web.url()
    );
    world.file("wharf.toml", &settings);
    let watch = || -> Ran {
        let mut command = world.command(&["watch", &tagged, "--json"]);
        command.env("HOOK", format!("{}/hook", web.url())).output().unwrap().into()
    };
    let ran = watch();
    let watched: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    assert_eq!(
        (ran.code, &watched[0]["news"][0]["rule"], &watched[0]["alerts"]),
        (1, &json!("CVE-2026-1"), &json!(2))
    );
    let hook = web.requests().into_iter().find(|request| request.path == "/hook").unwrap();
    let told: Value = serde_json::from_slice(&hook.body).unwrap();
    assert_eq!(told["findings"][0]["rule"], "CVE-2026-1");
    assert_eq!(watch().code, 0, "the same is not told twice");
}

#[test]
fn an_alert_that_was_not_delivered_is_tried_again() {
    let world = tree();
    let web = Web::new();
    web.answer("/slack", 503, "");
    let settings = format!(
        "[scan]\ndb = \"osv\"\n[scan.alerts]\nslack = \"{}/slack\"\ngithub-issue = true\n",
        web.url()
    );
    world.file("wharf.toml", &settings);
    let issues = "/repos/own/repo/issues";
    web.answer(issues, 201, r#"{"html_url": "https://github.invalid/own/repo/issues/1"}"#);
    let scan = || -> Ran {
        let mut command = world.command(&["scan", "site", "--alert", "--report-only"]);
        command.env("GITHUB_API_URL", web.url()).env("GITHUB_REPOSITORY", "own/repo");
        command.env("GITHUB_TOKEN", "t0ken").output().unwrap().into()
    };
    let sent = |path: &str| web.requests().iter().filter(|r| r.method == "POST" && r.path == path).count();
    let ran = scan();
    assert!(
        ran.code == 0 && ran.stderr.contains("will be tried again: 127.0.0.1 answered 503"),
        "{}",
        ran.stderr
    );
    assert_eq!((sent("/slack"), sent(issues)), (1, 1));
    let issue = web.requests().into_iter().find(|r| r.method == "POST" && r.path == issues).unwrap();
    let issue: Value = serde_json::from_slice(&issue.body).unwrap();
    assert_eq!(
        (&issue["title"], &issue["labels"]),
        (&json!("site: CVE-2026-1 (critical)"), &json!(["security"]))
    );
    assert!(issue["body"].as_str().unwrap().contains("- **critical** `CVE-2026-1`: own 1.0"), "{issue}");

    web.serve("/slack", "ok");
    scan();
    assert_eq!((sent("/slack"), sent(issues)), (2, 1), "who was told is not told again");
    let slack = web.requests().into_iter().rfind(|r| r.path == "/slack").unwrap();
    let slack: Value = serde_json::from_slice(&slack.body).unwrap();
    assert!(slack["text"].as_str().unwrap().starts_with("*site*: 1 new\n• *critical* CVE-2026-1"), "{slack}");
    scan();
    assert_eq!((sent("/slack"), sent(issues)), (2, 1));

    // The issue is still open: nobody needs a second one.
    let known = json!([{ "title": "site: CVE-2026-1 (critical)", "html_url": "https://github.invalid/1" }]);
    web.serve(issues, known.to_string());
    fs::remove_dir_all(world.path("data/alerts")).unwrap();
    scan();
    assert_eq!((sent("/slack"), sent(issues)), (3, 1));
}

#[test]
fn a_promotion_may_want_a_signed_scan_that_is_not_old() {
    let world = tree();
    if !packaged(&world, "it:1") {
        skip!("it needs root");
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let tagged = format!("{}/team/it:1", registry.address());
    world.wharf_ok(&["tag", "it:1", &tagged]);
    world.wharf_ok(&["push", &tagged]);
    world.wharf_ok(&["sign", "--generate-key", "release"]);
    world.file("quiet/a.json", &record("CVE-2026-9", "nobody", "LOW").to_string());
    world.file(
        "wharf.toml",
        "[env.prod]\nrequire = [\"scan\"]\nscan-max-age = \"7d\"\nkeys = [\"release.pub\"]\n",
    );
    let at = |now: &str, args: &[&str]| -> Ran {
        let mut command = world.command(args);
        command.env("WHARF_NOW", now).env("WHARF_SIGN_KEY", "release.key").output().unwrap().into()
    };
    let promote = |now: &str| at(now, &["promote", &tagged, "--env", "prod"]);
    let scan = |now: &str, db: &str| {
        let args = ["scan", &tagged, "--db", db, "--only", "vuln", "--attach", &tagged, "--report-only"];
        let ran = at(now, &args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    };
    let no =
        |ran: Ran, why: &str| assert!(ran.code == 1 && ran.stderr.contains(why), "{why}: {}", ran.stderr);
    no(promote("2026-01-02T00:00:00Z"), "scan missing");
    scan("2026-01-02T00:00:00Z", "quiet");
    no(promote("2026-01-20T00:00:00Z"), "scan too old: it is of 2026-01-02T00:00:00Z, and may be 7 days old");
    scan("2026-01-20T00:00:00Z", "osv");
    no(promote("2026-01-20T00:00:01Z"), "scan failed");
    // What anybody may attach does not undo what the key says.
    let unsigned = world
        .command(&["scan", &tagged, "--db", "quiet", "--only", "vuln", "--attach", &tagged])
        .env("WHARF_NOW", "2026-01-21T00:00:00Z")
        .output()
        .unwrap();
    assert!(unsigned.status.success());
    no(promote("2026-01-21T00:00:01Z"), "scan failed");
    scan("2026-01-22T00:00:00Z", "quiet");
    let ran = promote("2026-01-22T00:00:01Z");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn code_scanning_gets_the_report_or_a_reason_why_not() {
    let world = tree();
    let web = Web::new();
    let upload = || -> Ran {
        let mut command =
            world.command(&["scan", "site", "--db", "osv", "--upload", "--report-only", "--format", "sarif"]);
        command
            .env("GITHUB_API_URL", web.url())
            .env("GITHUB_REPOSITORY", "own/repo")
            .env("GITHUB_TOKEN", "t0ken");
        command
            .env("GITHUB_SHA", "c".repeat(40))
            .env("GITHUB_REF", "refs/heads/main")
            .env("WHARF_POLL_MS", "1");
        command.env("GITHUB_STEP_SUMMARY", world.path("summary")).output().unwrap().into()
    };
    let (post, poll) = ("/repos/own/repo/code-scanning/sarifs", "/repos/own/repo/code-scanning/sarifs/7");
    web.answer(post, 202, r#"{"id": "7"}"#);
    web.serve(poll, r#"{"processing_status": "complete"}"#);
    let ran = upload();
    assert!(ran.code == 0 && ran.stderr.contains("code scanning has the report (7)"), "{}", ran.stderr);
    let sent = web.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert!(sent.headers.contains("authorization: bearer t0ken"), "{}", sent.headers);
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["ref"], "refs/heads/main");
    assert_eq!(
        serde_json::from_slice::<Value>(&unpack(body["sarif"].as_str().unwrap())).unwrap()["version"],
        "2.1.0"
    );

    web.serve(poll, r#"{"processing_status": "failed", "errors": ["too long"]}"#);
    let ran = upload();
    assert!(ran.code == 3 && ran.stderr.contains("too long"), "{}", ran.stderr);

    web.answer(post, 403, r#"{"message": "Advanced Security must be enabled"}"#);
    let ran = upload();
    assert!(
        ran.code == 0 && ran.stderr.contains("warning: code scanning does not take the report"),
        "{}",
        ran.stderr
    );
    assert!(fs::read_to_string(world.path("summary")).unwrap().contains("CVE-2026-1"));
    assert_eq!(world.wharf(&["scan", "site", "--db", "osv", "--upload"]).code, 2, "outside of a job");
}

/// base64 and gzip undone, by python, which is everywhere here.
fn unpack(text: &str) -> Vec<u8> {
    let script =
        "import sys,base64,gzip\nsys.stdout.buffer.write(gzip.decompress(base64.b64decode(sys.argv[1])))";
    std::process::Command::new("python3").args(["-c", script, text]).output().unwrap().stdout
}

#[test]
fn other_engines_are_asked_without_credentials() {
    let world = tree();
    if !packaged(&world, "it:1") {
        skip!("it needs root");
    }
    // None of them can be had here, so scripts with their words stand where they would be.
    stand_in(
        &world,
        "trivy",
        "test -f \"$3/index.json\"",
        &json!({ "SchemaVersion": 2, "ArtifactType": "container_image",
        "Metadata": { "OS": { "Family": "debian", "Name": "10" } },
        "Results": [{ "Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg", "Vulnerabilities": [
            { "VulnerabilityID": "CVE-2026-1", "PkgName": "own", "PkgPath": "site/own-1.0.dist-info/METADATA",
              "PkgIdentifier": { "PURL": "pkg:pypi/own@1.0" }, "InstalledVersion": "1.0", "FixedVersion": "2.0", "Status": "fixed",
              "SeveritySource": "ghsa", "PrimaryURL": "https://avd.aquasec.com/nvd/cve-2026-1", "Title": "a bad thing", "Severity": "HIGH" },
            { "VulnerabilityID": "CVE-2026-7", "PkgName": "other", "InstalledVersion": "1.0", "FixedVersion": "1.1", "Severity": "CRITICAL" }] }] }),
    );
    stand_in(
        &world,
        "grype",
        "test -f \"${1#oci-dir:}/index.json\"",
        &json!({ "matches": [{
        "vulnerability": { "id": "GHSA-aaaa-bbbb-cccc", "dataSource": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
            "namespace": "github:language:python", "severity": "Critical", "description": "a bad thing",
            "fix": { "versions": ["2.0"], "state": "fixed" } },
        "relatedVulnerabilities": [{ "id": "CVE-2026-1" }], "matchDetails": [{ "type": "exact-direct-match", "matcher": "python-matcher" }],
        "artifact": { "name": "own", "version": "1.0", "type": "python", "purl": "pkg:pypi/own@1.0",
            "locations": [{ "path": "/site/own-1.0.dist-info/METADATA" }] } }] }),
    );
    // It ends with 1 where it finds something, and wants an archive.
    stand_in(
        &world,
        "snyk",
        "tar tf \"${3#oci-archive:}\" index.json >/dev/null && test \"$SNYK_TOKEN\" = its-own && code=1",
        &json!({
        "ok": false, "packageManager": "deb", "vulnerabilities": [{ "id": "SNYK-PYTHON-OWN-1", "title": "a bad thing", "severity": "critical",
            "packageName": "own", "name": "own", "version": "1.0", "nearestFixedInVersion": "2.0", "from": ["own@1.0"],
            "identifiers": { "CVE": ["CVE-2026-1"], "CWE": ["CWE-20"] } }] }),
    );
    let path = format!("{}:{}", world.path("project/bin").display(), std::env::var("PATH").unwrap());
    let mut command =
        world.command(&["scan", "it:1", "--db", "osv", "--engine", "builtin,trivy,grype,snyk", "--json"]);
    command.env("PATH", path).env("AWS_SECRET_ACCESS_KEY", "hush").env("GITHUB_TOKEN", "hush");
    let ran: Ran = command.env("SNYK_TOKEN", "its-own").output().unwrap().into();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let engines = |rule: &str| {
        report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == rule).unwrap()["engines"].clone()
    };
    assert_eq!(engines("CVE-2026-1"), json!(["builtin", "trivy", "grype", "snyk"]));
    assert_eq!(engines("CVE-2026-7"), json!(["trivy"]));
    let notes = report["notes"].to_string();
    assert!(notes.contains("trivy: 1 in common (1 of another severity), 1 that only trivy has"), "{notes}");
    for engine in ["trivy", "grype", "snyk"] {
        let seen = fs::read_to_string(world.path(&format!("seen-{engine}"))).unwrap();
        assert!(!seen.contains("hush") && seen.contains("PATH="), "{seen}");
        let home = seen.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap();
        assert_ne!(home, world.path("home").display().to_string(), "where logins lie");
        assert_eq!(seen.contains("its-own"), engine == "snyk", "{seen}");
    }

    let mut command = world.command(&["scan", "it:1", "--db", "osv", "--engine", "builtin,grype", "--json"]);
    let ran: Ran = command.output().unwrap().into();
    assert!(ran.stdout.contains("grype is not installed, and was not asked"), "{}", ran.stdout);
    let ran = world.wharf(&["scan", "it:1", "--db", "osv", "--engine", "grype", "--only", "vuln"]);
    assert!(
        ran.code == 3 && ran.stdout.contains("no engine that was asked for could judge"),
        "{}",
        ran.stdout
    );
}

/// A program of this name that answers with a document where `condition` holds, and keeps what it saw of the environment.
fn stand_in(world: &World, name: &str, condition: &str, answer: &Value) {
    let seen = world.path(&format!("seen-{name}"));
    let script = format!(
        "#!/bin/sh\ncode=0\n{condition} || exit 9\nenv > {}\ncat <<'END'\n{answer}\nEND\nexit $code\n",
        seen.display()
    );
    let path = world.file(&format!("bin/{name}"), &script);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}
