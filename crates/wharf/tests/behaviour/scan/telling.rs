//! Who hears of a result: registries, alerts, code scanning.

use std::fs;

use serde_json::{Value, json};

use super::{packaged, record, tree};
use crate::skip;
use crate::web::Web;
use crate::world::{Ran, Registry};

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
