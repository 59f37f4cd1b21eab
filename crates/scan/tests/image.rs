//! An image end to end: layers as streams, packages to findings with their Dockerfile line, outputs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod fixture;

use fixture::{TestImage, tar};
use serde_json::Value;
use wharf_scan::{Checks, Database, Kind, Options, Outcome, Policy, Severity, output};

const STATUS: &str = "Package: libtidy5\nStatus: install ok installed\nSource: libtidy (2:5.6-1)\nVersion: 2:5.6-1+b1\n\n\
    Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n";
const OS: &str = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
const DOCKERFILE: &str =
    "FROM debian:12\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCMD [\"true\"]\n";

fn metadata(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\ntext\n")
}

fn image() -> TestImage {
    let churn = metadata("Churn.Lib", "1.3");
    let folded = metadata("folded", "1.0");
    TestImage::new(
        DOCKERFILE,
        &[
            ("# base", tar(&[("etc/os-release", OS.as_bytes()), ("var/lib/dpkg/status", STATUS.as_bytes())])),
            ("COPY requirements.txt . # buildkit", tar(&[("requirements.txt", b"churn-lib")])),
            (
                "RUN /bin/sh -c pip install -r requirements.txt # buildkit",
                tar(&[
                    ("usr/lib/python3.11/site-packages/churn_lib-1.3.dist-info/METADATA", churn.as_bytes()),
                    ("usr/lib/python3.11/site-packages/folded-1.0.dist-info/METADATA", folded.as_bytes()),
                ]),
            ),
        ],
    )
}

/// What is not about how the image is put together, which has tests of its own.
fn packages() -> Options {
    Options { checks: Checks { config: false, ..Checks::default() }, ..Options::default() }
}

fn database() -> Database {
    Database::open(&fixture::path("osv")).unwrap()
}

#[test]
fn packages_become_findings_at_their_dockerfile_line() {
    let report = image().scan(&packages(), &database());
    assert_eq!(report.inventory.packages.len(), 4);
    assert_eq!(report.inventory.distribution.as_ref().unwrap().id, "debian");
    let brief: Vec<_> = report
        .findings
        .iter()
        .map(|f| {
            let fixed = f.advisory.as_ref().unwrap().fixed.clone().unwrap_or_default();
            (
                f.rule.as_str(),
                f.package.as_ref().unwrap().name.as_str(),
                fixed,
                f.location.as_ref().unwrap().line,
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("x_own-python", "churn-lib", "1.4".to_owned(), 3),
            ("CVE-2098-0007", "folded", "3".to_owned(), 3),
            ("x_own-debian", "libtidy5", "2:5.6-1+deb12u2".to_owned(), 1),
        ]
    );
    assert!(report.unjudged.is_empty(), "{:?}", report.unjudged);
    assert_eq!(Policy::default().judge(&report).outcome, Outcome::Pass);
    let strict = Policy::at(Severity::Medium, Default::default());
    assert_eq!(strict.judge(&report).outcome, Outcome::Fail);
}

#[test]
fn a_compressed_layer_is_the_same_layer() {
    let plain = image().scan(&packages(), &database());
    let zipped = image().compressed().scan(&packages(), &database());
    assert_eq!(plain.findings.len(), zipped.findings.len());
    assert_eq!(plain.inventory, zipped.inventory);
}

#[test]
fn without_advisories_or_packages_there_is_no_pass() {
    let none = image().scan(&packages(), &Database::default());
    assert_eq!(Policy::default().judge(&none).outcome, Outcome::Unjudged);
    let empty = TestImage::new("FROM scratch\n", &[]).scan(&packages(), &database());
    assert_eq!(Policy::default().judge(&empty).outcome, Outcome::Unjudged);
    let unknown =
        TestImage::new("FROM x\n", &[("# base", tar(&[("var/lib/dpkg/status", STATUS.as_bytes())]))]);
    let report = unknown.scan(&packages(), &database());
    assert!(report.unjudged[0].contains("unknown distribution"), "{:?}", report.unjudged);
    let only_models = Options { checks: Checks { models: true, ..Checks::NONE }, ..Options::default() };
    let report = image().scan(&only_models, &Database::default());
    assert_eq!(Policy::default().judge(&report).outcome, Outcome::Pass);
}

#[test]
fn a_broken_layer_is_an_error_that_names_it() {
    let mut broken = image();
    broken.layers[2].truncate(700);
    let error = broken.try_scan(&packages(), &database()).unwrap_err();
    assert!(error.to_string().starts_with("reading layer sha256:"), "{error}");
}

#[test]
fn reports_read_well_and_say_the_same() {
    let report = image().scan(&packages(), &database());
    let policy = Policy::at(Severity::Medium, Default::default());
    let table = output::table(&report, &policy);
    assert!(table.contains("Build on a newer base image (line 1: FROM debian:12)"), "{table}");
    assert!(
        table.contains("Upgrade churn-lib to 1.4 (line 3: RUN pip install -r requirements.txt)"),
        "{table}"
    );
    assert!(table.ends_with("FAIL: 3 findings reach the threshold (from medium)\n"), "{table}");
    let json: Value = serde_json::from_str(&output::json(&report, &policy)).unwrap();
    assert_eq!(json["findings"][0]["rule"], "x_own-python");
    assert_eq!(json["findings"][0]["severity"], "medium");
    assert_eq!(json["verdict"]["outcome"], "fail");
    let markdown = output::markdown(&report, &policy);
    assert!(markdown.starts_with("### ❌ Scan failed: 3 findings to fix first"), "{markdown}");
}

#[test]
fn sarif_keeps_githubs_rules() {
    let report = image().scan(&packages(), &database());
    let text = output::sarif(&report, &Policy::default());
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["automationDetails"]["id"], "wharf/test/linux/amd64/");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["properties"]["security-severity"].is_string());
        assert!(rule["properties"]["tags"].as_array().unwrap().iter().any(|tag| tag == "security"));
        assert!(!rule["help"]["markdown"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "Dockerfile");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(!result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().is_empty());
    }
    let again = output::sarif(&image().scan(&packages(), &database()), &Policy::default());
    assert_eq!(text, again);
}

#[test]
fn kinds_are_told_apart() {
    let report = image().scan(&packages(), &database());
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::Vulnerability));
}

#[test]
fn what_only_the_image_shows_is_seen() {
    let dockerfile = "FROM scratch\nCOPY a /\nUSER app\n";
    let mut image = TestImage::new(
        dockerfile,
        &[(
            "COPY a / # buildkit",
            tar(&[
                ("usr/bin/python3", b"x".as_slice()),
                ("usr/lib/python3.11/json/__init__.py", b""),
                ("app/.git/objects/aa/bb", b"12345"),
            ]),
        )],
    );
    let health = |image: &mut TestImage, words: &[&str]| {
        let test = Some(words.iter().map(|word| (*word).to_owned()).collect());
        image.config.config.healthcheck = Some(wharf_oci::Healthcheck { test, ..Default::default() });
        let only = Options { checks: Checks { config: true, ..Checks::NONE }, ..Options::default() };
        let report = image.scan(&only, &Database::default());
        let of_health = report.findings.iter().filter(|f| f.rule.starts_with("healthcheck-"));
        let titles: Vec<String> = of_health.map(|finding| finding.title.clone()).collect();
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.rule == "git-in-image" && finding.path == "app/.git")
        );
        titles
    };
    let tool = health(&mut image, &["CMD-SHELL", "curl -f http://localhost:8000/ || exit 1"]);
    assert_eq!(tool, ["the health check wants `curl`, which the image does not have"]);
    let module = health(&mut image, &["CMD", "python3", "-c", "import json, requests"]);
    assert_eq!(module, ["the health check imports `requests`, which the image does not have"]);
    assert!(health(&mut image, &["CMD", "/usr/bin/python3", "-c", "import json"]).is_empty());
}
