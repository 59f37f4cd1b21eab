//! Images, of this machine and as they are built.

use std::fs;

use serde_json::{Value, json};

use super::{packaged, rules, tree};
use crate::skip;
use crate::world::{BUSYBOX, Ran, Registry, World, busybox_context, is_root};

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
fn a_second_scan_reads_no_layer() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    world.file("Dockerfile", &format!("{BUSYBOX}COPY note.txt /note.txt\n"));
    world.file("note.txt", "AKIAIOSFODNN7REALKEY\n");
    world.wharf_ok(&["build", "-t", "it:1", "."]);
    let first = world.wharf(&["scan", "it:1", "--only", "secret", "--json"]).stdout;
    remove_layers(&world, "it:1");
    let second = world.wharf(&["scan", "it:1", "--only", "secret", "--json"]).stdout;
    assert_eq!(first, second);
    assert_eq!(world.wharf(&["scan", "it:1", "--only", "secret", "--no-cache"]).code, 3);
}

/// Takes the layers of an image out of the store: what is not read may be gone.
fn remove_layers(world: &World, image: &str) {
    let mut manifest: Value =
        serde_json::from_str(&world.wharf_ok(&["inspect", "--raw", image]).stdout).unwrap();
    if let Some(digest) = manifest["manifests"][0]["digest"].as_str() {
        let blob = world.path(&format!("data/store/blobs/{}", digest.replace(':', "/")));
        manifest = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
    }
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().replace(':', "/");
        // Images share some.
        let gone = fs::remove_file(world.path(&format!("data/store/blobs/{digest}")));
        assert!(gone.is_ok() || gone.unwrap_err().kind() == std::io::ErrorKind::NotFound);
    }
}

/// A Dockerfile whose layers are written by `COPY`, `RUN` and `WORKDIR` on top of `base`, with something to find in each.
fn eventful(world: &World, base: &str) {
    world.file("Dockerfile", &format!("FROM {base}\nCOPY model.pkl /models/\nWORKDIR /site\nCOPY site .\nRUN rm /note.txt && cp /models/model.pkl /again.pkl && echo key=AKIAQ3EGRIFFYZ7HTWXB > /key\n"));
    let model = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.";
    fs::write(world.path("project/model.pkl"), model).unwrap();
}

/// A base image that is a busybox, an operating system and a secret, published at `registry`.
fn published_base(world: &World, registry: &Registry) -> String {
    let name = format!("{}/base:1", registry.address());
    world.file("base/Dockerfile", &format!("{BUSYBOX}COPY note.txt /\nCOPY etc /etc\n"));
    world.file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    world.file("note.txt", "AKIAQ3EGRIFFYZ7HTWXA\n");
    world.wharf_ok(&["build", "-t", &name, "-f", "base/Dockerfile", "."]);
    world.wharf_ok(&["push", &name]);
    name
}

/// All that a scan says of an image, and how it ended.
fn judged(world: &World, image: &str, more: &[&str]) -> (i32, Value) {
    let ran = world.wharf(&[&["scan", image, "--db", "osv", "--json"], more].concat());
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr)))
}

#[test]
fn an_image_that_is_not_here_is_pulled_unless_that_is_forbidden() {
    let world = tree();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/team/app:1", registry.address());
    if !packaged(&world, &name) {
        skip!("it needs root");
    }
    world.wharf_ok(&["push", &name]);
    fs::remove_dir_all(world.path("data")).unwrap();
    let ran = world.wharf(&["scan", &name, "--pull", "never"]);
    assert!(ran.code == 3 && ran.stderr.contains("wharf pull"), "{}", ran.stderr);
    let (code, report) = judged(&world, &name, &["--only", "vuln"]);
    assert_eq!((code, rules(&report)), (1, vec!["CVE-2026-1".to_owned(), "CVE-2026-2".to_owned()]));
    assert!(world.wharf_ok(&["sbom", &name, "--pull", "never"]).stdout.contains("pkg:pypi/own@1.0"));
    let ran = world.wharf(&["scan", "./nowhere"]);
    assert!(ran.code == 2 && ran.stderr.contains("no file or directory"), "{}", ran.stderr);
}

#[test]
fn a_build_leaves_nothing_for_the_scan_to_read() {
    let world = tree();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let base = published_base(&world, &registry);
    fs::remove_dir_all(world.path("data")).unwrap();
    // The base is pulled and unpacked for the RUN, and the layers above it are written here.
    eventful(&world, &base);
    world.wharf_ok(&["build", "--sbom=true", "-t", "it:1", "."]);
    let cold = judged(&world, "it:1", &["--no-cache"]);
    let found = rules(&cold.1);
    for rule in ["pickle-import", "CVE-2026-1", "aws-access-key"] {
        assert!(found.iter().any(|found| found == rule), "{rule}: {found:?}");
    }
    remove_layers(&world, "it:1");
    assert_eq!(judged(&world, "it:1", &[]), cold, "what was learnt while building is what a scan finds");
    assert_eq!(world.wharf(&["scan", "it:1", "--db", "osv", "--no-cache"]).code, 3);
}

#[test]
fn a_build_that_copies_only_leaves_nothing_to_read_either() {
    let world = tree();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let base = published_base(&world, &registry);
    fs::remove_dir_all(world.path("data")).unwrap();
    world.file("Dockerfile", &format!("FROM {base}\nCOPY site /site\n"));
    // In the last two, layers are written once more for the image, in another form.
    let forms = [
        "name=it:1",
        "name=it:2,compression=zstd,force-compression=true",
        "name=it:3,rewrite-timestamp=true",
    ];
    let cold = ["it:1", "it:2", "it:3"].map(|image| {
        let form = forms.iter().find(|form| form.contains(image)).unwrap();
        let output = format!("type=image,{form}");
        let epoch = "SOURCE_DATE_EPOCH=1000000000";
        world.wharf_ok(&["build", "--sbom=true", "--build-arg", epoch, "--output", &output, "."]);
        (image, judged(&world, image, &["--no-cache"]))
    });
    for (image, _) in &cold {
        remove_layers(&world, image);
    }
    for (image, cold) in cold {
        assert_eq!(judged(&world, image, &[]), cold, "{image}");
    }
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
    assert_eq!(notes.matches("2 advisories as of").count(), 1, "nothing is said twice: {notes}");
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
