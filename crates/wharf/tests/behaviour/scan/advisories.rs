//! Where advisories come from, and how old they are.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{record, tree};
use crate::web::Web;
use crate::world::{Ran, Registry};

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

    // A pinned export is that one from whichever mirror has it, or none.
    let digest = first[0]["digest"].as_str().unwrap();
    let pinned = |pin: &str, mirror: &str| {
        world.wharf(&[
            "db",
            "update",
            &format!("PyPI@{pin}"),
            "--mirror",
            mirror,
            "--mirror",
            &web.url(),
            "--json",
        ])
    };
    web.serve("/other/PyPI/all.zip", b"PK something else".to_vec());
    let third: Value = serde_json::from_str(&pinned(digest, &format!("{}/other", web.url())).stdout).unwrap();
    assert_eq!((&third[0]["mirror"], &third[0]["digest"]), (&json!(web.url()), &json!(digest)));
    let ran = pinned(&format!("sha256:{}", "0".repeat(64)), &nothing);
    assert!(ran.code == 1 && ran.stderr.contains("somebody has changed it"), "{}", ran.stderr);
    assert_eq!(pinned("sha256:short", &nothing).code, 2);
    assert_eq!(world.wharf(&["scan", "site"]).code, 0, "the pinned export is older than the change");
    let fourth: Value = serde_json::from_str(&update().stdout).unwrap();
    assert_eq!((&fourth[0]["records"], &fourth[0]["whole"]), (&json!(1), &json!(false)));

    let ran = world.wharf(&["db", "update", "PyPI", "--mirror", &nothing]);
    assert!(ran.code == 3 && ran.stderr.contains("the database is as it was"), "{}", ran.stderr);
    assert_eq!(world.wharf(&["scan", "site"]).code, 1);
}

#[test]
fn an_archive_is_whole_or_another_mirror_is_asked() {
    let world = tree();
    let zip = world.path("all.zip");
    let records = [record("PYSEC-1", "own", "CRITICAL"), record("PYSEC-2", "nobody", "LOW")];
    let members: Vec<(String, String)> =
        records.iter().map(|r| (format!("{}.json", r["id"].as_str().unwrap()), r.to_string())).collect();
    write_zip(&zip, &members);
    let whole = fs::read(&zip).unwrap();
    // Cut off between two members, where every member that is left is whole; and changed within one.
    let second = whole.windows(4).rposition(|four| four == b"PK\x03\x04").unwrap();
    let mut changed = whole.clone();
    let at = changed.windows(8).position(|part| part == b"PYSEC-1\"").unwrap();
    changed[at] = b'X';
    let web = Web::new();
    for (broken, why) in [(&whole[..second], "the zip archive is cut off"), (&changed, "checksum")] {
        fs::write(world.path("project/broken.zip"), broken).unwrap();
        let ran = world.wharf(&["db", "import", "broken.zip"]);
        assert!(ran.code == 3 && ran.stderr.contains(why), "{}", ran.stderr);
        web.serve("/bad/PyPI/all.zip", broken.to_vec());
        let bad = format!("{}/bad", web.url());
        let ran = world.wharf(&["db", "update", "PyPI", "--mirror", &bad]);
        let said = format!("what {bad}/PyPI/all.zip gave cannot be used");
        assert!(ran.code == 3 && ran.stderr.contains(&said) && ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(world.wharf(&["db", "status"]).code, 3, "nothing of it stays");
    }
    web.serve("/good/PyPI/all.zip", whole);
    let mirrors = [format!("{}/bad", web.url()), format!("{}/good", web.url())];
    world.wharf_ok(&["db", "update", "PyPI", "--mirror", &mirrors[0], "--mirror", &mirrors[1]]);
    assert_eq!(world.wharf(&["scan", "site"]).code, 1);
}

#[test]
fn what_rustsec_keeps_is_taken_and_an_import_is_whole_or_not_at_all() {
    let world = tree();
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "library", "name": "smallvec", "version": "1.6.0", "purl": "pkg:cargo/smallvec@1.6.0"}]});
    world.file("site/app.cdx.json", &sbom.to_string());
    world.file(
        "rustsec/RUSTSEC-2021-0003.md",
        "```toml\n[advisory]\nid = \"RUSTSEC-2021-0003\"\npackage = \"smallvec\"\ndate = \"2026-01-01\"\n\
         cvss = \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"\n\n[versions]\n\
         patched = [\">= 0.6.14, < 1.0.0\", \">= 1.6.1\"]\nunaffected = [\"< 0.6.3\"]\n```\n\n# It overflows\n",
    );
    world.file("nothing/README.md", "# Nothing\n");
    let ran = world.wharf(&["db", "import", "rustsec", "nothing"]);
    assert!(ran.code == 3 && ran.stderr.contains("`nothing` has no OSV record in it"), "{}", ran.stderr);
    assert_eq!(world.wharf(&["db", "status"]).code, 3, "nothing of a broken import stays");
    world.wharf_ok(&["db", "import", "rustsec"]);
    let ran = world.wharf(&["scan", "site", "--only", "vuln"]);
    assert!(
        ran.stdout.contains("RUSTSEC-2021-0003") && ran.stdout.contains("smallvec 1.6.0 -> 1.6.1"),
        "{}",
        ran.stdout
    );
}

/// A zip archive of stored members, by python, which is everywhere here.
fn write_zip(path: &PathBuf, members: &[(String, String)]) {
    let script = "import json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],'w')\nfor n,c in json.loads(sys.argv[2]): z.writestr(n,c)\nz.close()";
    let members = serde_json::to_string(members).unwrap();
    let status =
        std::process::Command::new("python3").args(["-c", script]).arg(path).arg(members).status().unwrap();
    assert!(status.success());
}
