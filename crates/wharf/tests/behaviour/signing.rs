//! Signatures over releases and over the ledger's entries, with keys of wharf and of cosign.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::releases::Scene;
use crate::skip;
use crate::world::Ran;

#[test]
fn a_signature_is_cosigns_and_openssl_agrees() {
    let scene = Scene::new();
    let key = scene.world.path("project/release");
    let (private, public) = (format!("{}.key", key.display()), format!("{}.pub", key.display()));
    scene.world.wharf_ok(&["sign", "--generate-key", &key.display().to_string()]);
    scene.fails(&format!("verify REPO:1.0.0 --key {public}"), 1, &["is not signed", "wharf sign"]);
    scene.ok(&format!("sign REPO:1.0.0 --key {private} --annotation build=42 --provenance"));
    let verified = scene.ok(&format!("verify REPO:1.0.0 --key {public} --annotation build=42 --provenance"));
    assert_eq!(verified["signatures"], 1);
    let digest = scene.digest("1.0.0").unwrap();
    let subject = &verified["provenance"]["subject"][0]["digest"]["sha256"];
    assert_eq!(subject, digest.trim_start_matches("sha256:"));
    assert_eq!(verified["provenance"]["predicateType"], "https://slsa.dev/provenance/v1");
    scene.fails(&format!("verify REPO:1.1.0 --key {public}"), 1, &["is not signed"]);
    scene.world.wharf_ok(&["sign", "--generate-key", &scene.world.path("other").display().to_string()]);
    let other = scene.world.path("other.pub").display().to_string();
    scene.fails(&format!("verify REPO:1.0.0 --key {other}"), 1, &["by none of the keys"]);

    // What cosign would look at, checked by another program.
    let tag = digest.replace(':', "-") + ".sig";
    let layout = scene.registry.depot().layout("org/churn").unwrap();
    let manifest = layout.manifest(wharf_registry::Name::Tag(&tag)).unwrap().unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let payload = layout.read(&layer["digest"].as_str().unwrap().parse().unwrap()).unwrap();
    let said: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(said["critical"]["image"]["docker-manifest-digest"], digest.as_str());
    if !std::path::Path::new("/usr/bin/openssl").exists() {
        skip!("openssl is not installed, so only wharf has checked the signature");
    }
    let (file, signature) = (scene.world.path("payload"), scene.world.path("signature"));
    std::fs::write(&file, &payload).unwrap();
    let base64 = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let mut decode =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    decode.stdin.take().unwrap().write_all(base64.as_bytes()).unwrap();
    std::fs::write(&signature, decode.wait_with_output().unwrap().stdout).unwrap();
    let checked = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify", &public, "-signature"])
        .args([&signature, &file])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// A key pair as `cosign generate-key-pair` makes it, under a password.
fn cosign_keys(scene: &Scene) -> (PathBuf, PathBuf) {
    let (private, public) = (scene.world.path("cosign.key"), scene.world.path("cosign.pub"));
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    let body = BASE64_STANDARD.encode(include_str!("../data/cosign.key.json"));
    std::fs::write(&private, format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).unwrap();
    std::fs::write(&public, include_str!("../data/cosign.pub")).unwrap();
    (private, public)
}

#[test]
fn a_key_under_a_password_signs_for_who_knows_it() {
    let scene = Scene::new();
    let (private, public) = cosign_keys(&scene);
    let release = format!("{}:1.0.0", scene.repo);
    let sign = |password: Option<&str>| {
        let mut command = scene.world.command(&["sign", &release, "--key", private.to_str().unwrap()]);
        command.stdin(Stdio::null());
        if let Some(password) = password {
            command.env("COSIGN_PASSWORD", password);
        }
        Ran::from(command.output().unwrap())
    };
    let unasked = sign(None);
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    assert!(unasked.stderr.contains("hint: set COSIGN_PASSWORD"), "{}", unasked.stderr);
    let wrong = sign(Some("guess"));
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("the password does not open it"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("guess"), "{}", wrong.stderr);
    assert_eq!(sign(Some("correct horse")).code, 0);
    scene.ok(&format!("verify REPO:1.0.0 --key {}", public.display()));
}

#[test]
fn entries_are_signed_where_there_is_a_key_and_fsck_looks() {
    let scene = Scene::new();
    let (private, public) = cosign_keys(&scene);
    scene.ok("promote REPO:1.0.0 --env prod");
    let release = format!("{}:1.1.0", scene.repo);
    let mut command = scene.world.command(&["promote", &release, "--env", "prod"]);
    let signed = command.env("WHARF_SIGN_KEY", &private).env("COSIGN_PASSWORD", "correct horse").output();
    assert_eq!(Ran::from(signed.unwrap()).code, 0);
    for version in ["1.0.0", "1.1.0"] {
        let mut command = scene.world.command(&["sign", &format!("{}:{version}", scene.repo)]);
        command.env("WHARF_SIGN_KEY", &private).env("COSIGN_PASSWORD", "correct horse");
        assert_eq!(Ran::from(command.output().unwrap()).code, 0);
    }
    let report = scene.ok(&format!("fsck REPO --key {}", public.display()));
    let said: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["what"].as_str().unwrap())
        .collect();
    assert!(said.contains(&"2 of 3 entries are not signed"), "{said:?}");

    let other = scene.world.path("other");
    scene.world.wharf_ok(&["sign", "--generate-key", other.to_str().unwrap()]);
    let ran = scene.wharf(&format!("fsck REPO --key {}.pub", other.display()));
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("entry 3 has signatures, and none by one of the keys"), "{}", ran.stdout);
}
