//! Which packages there are, whose they are, and which layer and line brought them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{metadata, record, rules, scan, tree};
use crate::skip;
use crate::world::{BUSYBOX, World, busybox_context, is_root};

/// An advisory about all versions of a package below `fixed`.
fn about(world: &World, id: &str, ecosystem: &str, name: &str, fixed: &str) {
    let mut advisory = record(id, name, "CRITICAL");
    advisory["affected"][0]["package"]["ecosystem"] = json!(ecosystem);
    advisory["affected"][0]["ranges"][0]["events"][1]["fixed"] = json!(fixed);
    world.file(&format!("osv/{id}.json"), &advisory.to_string());
}

#[test]
fn what_others_publish_is_not_the_distributions() {
    let world = World::new();
    world.file("site/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    let stanza = |name: &str, version: &str, maintainer: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nMaintainer: {maintainer}\n\n"
        )
    };
    let status = [
        stanza("nodejs", "20.20.2-1nodesource1", "NodeSource Support <support@nodesource.com>"),
        stanza("python3-six", "1.16.0-4", "Debian Python Team <team+python@tracker.debian.org>"),
        stanza("e2fsprogs", "1.47.0-2", "Theodore Y. Ts'o <tytso@mit.edu>"),
    ];
    world.file("site/var/lib/dpkg/status", &status.concat());
    let undici = "usr/lib/node_modules/npm/node_modules/undici/package.json";
    world.file("site/var/lib/dpkg/info/nodejs.list", &format!("/.\n/{undici}\n"));
    world.file(&format!("site/{undici}"), r#"{"name": "undici", "version": "6.0.0"}"#);
    // The list is older than the day on which `/lib` became a link.
    world.file("site/var/lib/dpkg/info/python3-six:all.list", "/lib/python3/six-1.16.0.egg-info\n");
    world.file("site/usr/lib/python3/six-1.16.0.egg-info", "Name: six\nVersion: 1.16.0\n");
    about(&world, "CVE-2026-1", "Debian:12", "nodejs", "99");
    about(&world, "CVE-2026-2", "npm", "undici", "6.1.0");
    about(&world, "CVE-2026-3", "PyPI", "six", "2.0");
    about(&world, "CVE-2026-4", "Debian:12", "e2fsprogs", "1.47.0-3");
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, rules(&report)), (1, vec!["CVE-2026-4".to_owned(), "CVE-2026-2".to_owned()]));
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("1 not from the distribution, and not judged by its advisories: nodejs"),
        "{notes}"
    );
}

#[test]
fn a_damaged_database_is_no_pass() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scan/tests/fixtures/rpm");
    let judge = |path: &str, content: &[u8], why: Option<&str>| {
        let world = tree();
        world.file("osv/CVE-2026-1.json", &record("CVE-2026-1", "nobody", "LOW").to_string());
        about(&world, "CVE-2026-5", "AlmaLinux:9", "nothing", "1");
        about(&world, "CVE-2026-6", "Debian:12", "nothing", "1");
        about(&world, "CVE-2026-7", "Alpine:v3.18", "nothing", "1");
        let release = match path {
            path if path.contains("rpm") => "ID=almalinux\nVERSION_ID=9.3\n",
            path if path.contains("apk") => "ID=alpine\nVERSION_ID=3.18.4\n",
            _ => "ID=debian\nVERSION_ID=12\n",
        };
        world.file("site/etc/os-release", release);
        world.file(&format!("site/{path}"), "");
        fs::write(world.path(&format!("project/site/{path}")), content).unwrap();
        let ran = world.wharf(&["scan", "site", "--db", "osv", "--only", "vuln"]);
        let ended = format!("{path}: {}{}", ran.stdout, ran.stderr);
        match why.map(|why| format!("{path} is damaged: {why}")) {
            None => assert!(ran.code == 0 && !ran.stdout.contains("damaged"), "{ended}"),
            Some(said) => {
                assert!(ran.code == 3 && ran.stdout.contains(&said), "{ended}");
                let ran = world.wharf(&["sbom", "site"]);
                assert!(ran.code == 3 && ran.stderr.contains(&said), "{}", ran.stderr);
                assert!(
                    ran.stdout.contains("pkg:pypi/own@1.0"),
                    "what can be read is listed: {}",
                    ran.stdout
                );
            }
        }
    };
    for name in ["rpmdb.sqlite", "Packages.db", "Packages"] {
        let whole = fs::read(fixtures.join(name)).unwrap();
        let path = format!("var/lib/rpm/{name}");
        judge(&path, &whole, None);
        judge(&path, &whole[..whole.len() / 2], Some(""));
        judge(&path, b"", Some(""));
        judge(&path, &[b'x'; 5000], Some("it is in none of the forms that rpm writes"));
    }
    let good = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n";
    judge("var/lib/dpkg/status", good.as_bytes(), None);
    let junk = [good.as_bytes(), b"\xff\xfe\0\x01 no paragraph at all\n\n", good.as_bytes()].concat();
    judge("var/lib/dpkg/status", &junk, Some("1 paragraph is no package"));
    judge(
        "var/lib/dpkg/status",
        b"Package: bash\nStatus: install ok installed\n\n",
        Some("1 paragraph is no package"),
    );
    judge(
        "lib/apk/db/installed",
        b"P:musl\nV:1.2.4-r2\n\nP:cut\n",
        Some("of 2 paragraphs, 1 are no packages"),
    );
}

#[test]
fn a_database_that_a_layer_deletes_is_no_pass() {
    let world = tree();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let stanza = |name: &str| format!("Package: {name}\nStatus: install ok installed\nVersion: 1.0\n\n");
    world.file("system/var/lib/dpkg/status", &[stanza("bash"), stanza("ssl")].concat());
    // Its release is known from Debian's own file.
    world.file("etc/debian_version", "12.5\n");
    about(&world, "CVE-2026-1", "Debian:12", "ssl", "2.0");
    world.file("Dockerfile", &format!("{BUSYBOX}COPY system /\n"));
    world.wharf_ok(&["build", "-t", "it:1", "."]);
    let scan = |image: &str| world.wharf(&["scan", image, "--db", "osv", "--only", "vuln"]);
    let ran = scan("it:1");
    assert!(ran.code == 1 && ran.stdout.contains("CVE-2026-1"), "{}", ran.stdout);
    world.file("Dockerfile", &format!("{BUSYBOX}COPY system /\nRUN rm -rf /var/lib/dpkg\n"));
    world.wharf_ok(&["build", "-t", "it:2", "."]);
    let ran = scan("it:2");
    let said = "var/lib/dpkg/status is damaged: layer 4 deletes it, and leaves what it speaks of";
    assert!(ran.code == 3 && ran.stdout.contains(said), "{}", ran.stdout);
}

#[test]
fn every_way_to_say_what_is_installed_is_read() {
    let world = World::new();
    world.file(
        "site/app/shop.deps.json",
        r#"{"libraries": {"shop/1.0": {"type": "project"}, "Newtonsoft.Json/12.0.1": {"type": "package"}}}"#,
    );
    world.file("site/usr/sbom/app.cdx.json", r#"{"bomFormat": "CycloneDX", "components": [{"purl": "pkg:nuget/Serilog@2.0.0"}, {"purl": "pkg:npm/%40a/b@1.0.0%2Bx"}]}"#);
    // What was cut off is still named by its directory.
    world.file("site/cut-1.0.dist-info/METADATA", "");
    about(&world, "CVE-2026-1", "NuGet", "newtonsoft.json", "13.0.1");
    about(&world, "CVE-2026-2", "PyPI", "cut", "2.0");
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, rules(&report)), (1, vec!["CVE-2026-1".to_owned(), "CVE-2026-2".to_owned()]));
    let packages = report["packages"].as_array().unwrap();
    let purls: Vec<&str> = packages.iter().map(|package| package["purl"].as_str().unwrap()).collect();
    for purl in ["pkg:nuget/Serilog@2.0.0", "pkg:npm/%40a/b@1.0.0%2Bx", "pkg:nuget/Newtonsoft.Json@12.0.1"] {
        assert!(purls.contains(&purl), "{purl}: {purls:?}");
    }
}

#[test]
fn red_hats_repositories_are_one_release() {
    let world = World::new();
    world.file(
        "site/etc/os-release",
        "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4\"\n",
    );
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scan/tests/fixtures/rpm/rpmdb.sqlite");
    world.file("site/var/lib/rpm/rpmdb.sqlite", "");
    fs::copy(database, world.path("project/site/var/lib/rpm/rpmdb.sqlite")).unwrap();
    // It announces two problems, of which neither is the other.
    let mut advisory = record("RHSA-2026:1", "first", "CRITICAL");
    advisory["upstream"] = json!(["CVE-2026-10", "CVE-2026-11"]);
    advisory["affected"][0]["package"]["ecosystem"] = json!("Red Hat:enterprise_linux:9::appstream");
    advisory["affected"][0]["ranges"][0]["events"][1]["fixed"] = json!("2:1.5-4.el9");
    world.file("osv/a.json", &advisory.to_string());
    let (code, report) = scan(&world, &[]);
    assert_eq!((code, rules(&report)), (1, vec!["RHSA-2026:1".to_owned()]));
    assert_eq!(report["findings"][0]["advisory"]["fixed"], "2:1.5-4.el9");
    assert!(report["findings"][0]["help"].as_str().unwrap().contains("About CVE-2026-10, CVE-2026-11."));
}

#[test]
fn announcements_of_several_fixes_are_not_one_problem() {
    let world = World::new();
    world.file("site/etc/os-release", "ID=debian\nVERSION_ID=12\n");
    world.file(
        "site/var/lib/dpkg/status",
        "Package: curl\nStatus: install ok installed\nVersion: 7.88.1-10\n\n",
    );
    let distribution = |id: &str, upstream: &[&str]| {
        let mut advisory = record(id, "curl", "CRITICAL");
        advisory["upstream"] = json!(upstream);
        advisory["affected"][0]["package"]["ecosystem"] = json!("Debian:12");
        advisory["affected"][0]["ranges"][0]["events"][1]["fixed"] = json!("7.88.1-11");
        world.file(&format!("osv/{id}.json"), &advisory.to_string());
    };
    distribution("DEBIAN-CVE-2026-1", &["CVE-2026-1"]);
    distribution("DEBIAN-CVE-2026-2", &["CVE-2026-2"]);
    distribution("DSA-1-1", &["CVE-2026-1", "CVE-2026-2"]);
    assert_eq!(rules(&scan(&world, &[]).1), ["CVE-2026-1", "CVE-2026-2"], "each once");
    world.file(".wharfignore", "CVE-2026-1 # the feature is not built in\n");
    assert_eq!(rules(&scan(&world, &[]).1), ["CVE-2026-2"], "an answer is for what it names");
}

#[test]
fn a_package_stays_with_the_line_that_brought_it() {
    let world = tree();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let dockerfile = format!(
        "{BUSYBOX}COPY site /site\nRUN ln /site/own-1.0.dist-info/METADATA /cache && chown -R 1000:1000 /site\n\
         FROM scratch AS other\nCOPY etc /etc\n"
    );
    world.file("Dockerfile", &dockerfile.replacen("scratch", "scratch AS app", 1));
    world.wharf_ok(&["build", "-t", "it:1", "--target", "app", "."]);
    let ran = world.wharf(&["scan", "it:1", "--db", "osv", "--dockerfile", "Dockerfile", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let line = |report: &Value| {
        let found = report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "CVE-2026-1");
        found.map(|found| found["location"]["line"].clone())
    };
    assert_eq!(line(&report), Some(json!(5)), "{}", ran.stdout);

    // A file that has lost its first name is still there under the other one.
    world.file("uv/METADATA", &metadata("own", "MIT"));
    let linked = format!(
        "{BUSYBOX}COPY uv /cache/own-1.0.dist-info/\n\
         RUN mv /cache/own-1.0.dist-info /cache/own-1.1.dist-info && mkdir -p /z/own-1.0.dist-info && ln /cache/own-1.1.dist-info/METADATA /z/own-1.0.dist-info/METADATA\n\
         RUN rm -rf /cache\n"
    );
    world.file("Dockerfile", &linked);
    world.wharf_ok(&["build", "-t", "it:2", "."]);
    let ran = world.wharf(&["scan", "it:2", "--db", "osv", "--dockerfile", "Dockerfile", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(line(&report), Some(json!(6)), "{}", ran.stdout);
}
