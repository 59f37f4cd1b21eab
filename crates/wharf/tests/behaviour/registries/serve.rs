//! `wharf registry serve`, and what others make of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wharf_oci::{Descriptor, MediaType};
use wharf_registry::{Condition, Document, Layout, Name};
use wharf_testkit::{DebianRegistry, Doorman, Engine, Release, fixture};

use super::{image, index, remote_digest, store};
use crate::skip;
use crate::world::{Registry, World};

#[test]
fn tls_is_served_and_the_client_trusts_what_docker_would() {
    let world = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
    fs::write(world.path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(world.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (cert, key) =
        (world.path("cert.pem").display().to_string(), world.path("key.pem").display().to_string());
    let registry = Registry::wharf(&world.path("registry"), &["--tls-cert", &cert, "--tls-key", &key]);
    let host = registry.address();
    let name = format!("{host}/app:v1");
    let image = image(&world, &name);

    let distrusted = world.wharf(&["push", &name]);
    assert_eq!(distrusted.code, 3);
    assert!(distrusted.stderr.contains("no trusted TLS connection"), "{}", distrusted.stderr);
    // By what the system trusts.
    let ran = world.command(&["push", &name]).env("SSL_CERT_FILE", &cert).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // By the settings.
    fs::write(world.path("config.toml"), format!("[registries.\"{host}\"]\nca = \"{cert}\"\n")).unwrap();
    world.wharf_ok(&["push", &name]);
    // By docker's directory.
    fs::write(world.path("config.toml"), "").unwrap();
    let directory = world.path("home/.config/docker/certs.d").join(host);
    fs::create_dir_all(&directory).unwrap();
    fs::copy(&cert, directory.join("ca.crt")).unwrap();
    assert_eq!(remote_digest(&world, &name), image.digest);

    let half = world.wharf(&["registry", "serve", "--tls-cert", &cert]);
    assert_eq!(half.code, 2);
    let mixed = world.wharf(&["registry", "serve", "--tls-cert", &key, "--tls-key", &cert]);
    assert_eq!(mixed.code, 2, "{}", mixed.stderr);
}

/// Debian's registry, which hangs up on everybody without a certificate that it knows.
#[test]
fn a_registry_that_demands_a_certificate_gets_ours() {
    let world = World::new();
    let files = |name: &str| (world.path(&format!("{name}.cert")), world.path(&format!("{name}.key")));
    for name in ["registry", "ours", "stranger"] {
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
        let (cert, key) = files(name);
        fs::write(cert, made.cert.pem()).unwrap();
        fs::write(key, made.signing_key.serialize_pem()).unwrap();
    }
    let (certificate, key) = files("registry");
    let (authority, _) = files("ours");
    let doorman = Doorman::Certificates { authority: &authority, certificate: &certificate, key: &key };
    let Some(registry) = DebianRegistry::start(&doorman) else { skip!("docker-registry is not installed") };
    let name = format!("{}/app:v1", registry.host());
    let image = image(&world, &name);
    let directory = world.path("home/.config/docker/certs.d").join(registry.host());
    fs::create_dir_all(&directory).unwrap();
    fs::copy(&certificate, directory.join("ca.crt")).unwrap();
    for refused in [None, Some("stranger")] {
        if let Some(name) = refused {
            let (cert, key) = files(name);
            fs::copy(cert, directory.join("client.cert")).unwrap();
            fs::copy(key, directory.join("client.key")).unwrap();
        }
        let ran = world.wharf(&["push", &name]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    }
    // By docker's directory, then by the settings.
    let (cert, key) = files("ours");
    fs::copy(&cert, directory.join("client.cert")).unwrap();
    fs::copy(&key, directory.join("client.key")).unwrap();
    world.wharf_ok(&["push", &name]);
    fs::remove_dir_all(&directory).unwrap();
    let settings = format!(
        "[registries.\"{}\"]\nca = {certificate:?}\nclient-cert = {cert:?}\nclient-key = {key:?}\n",
        registry.host()
    );
    fs::write(world.path("config.toml"), settings).unwrap();
    assert_eq!(remote_digest(&world, &name), image.digest);
}

#[test]
fn a_token_opens_the_door_and_read_only_means_it() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &["--token", "t0ken"]);
    let host = registry.address();
    let name = format!("{host}/app:v1");
    image(&world, &name);
    assert_eq!(world.wharf(&["push", &name]).code, 3);
    let login = super::with_input(&world, &["login", host, "-u", "any", "--password-stdin"], "t0ken");
    assert_eq!(login.code, 0, "{}", login.stderr);
    world.wharf_ok(&["push", &name]);

    let reader = Registry::wharf(&world.path("registry"), &["--read-only"]);
    let elsewhere = format!("{}/app:v2", reader.address());
    world.wharf_ok(&["tag", &name, &elsewhere]);
    let refused = world.wharf(&["push", &elsewhere]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
    world.wharf_ok(&["pull", &format!("{}/app:v1", reader.address())]);
}

#[test]
fn a_cache_serves_what_its_upstream_has_and_had() {
    let world = World::new();
    let hub = Registry::wharf(&world.path("hub"), &[]);
    let name = format!("{}/library/app:v1", hub.address());
    let first = index(&world, &name);
    world.wharf_ok(&["push", &name]);
    let settings = format!("[registries.\"docker.io\"]\nlocation = \"{}\"\n", hub.address());
    fs::write(world.path("config.toml"), settings).unwrap();
    let config = world.path("config.toml").display().to_string();
    let cache = Registry::wharf(&world.path("cache"), &["--upstream", "docker.io", "--config", &config]);
    let cached = format!("{}/library/app:v1", cache.address());

    let other = World::new();
    other.wharf_ok(&["copy", &cached, &format!("oci:{}", other.path("first").display())]);
    assert_eq!(remote_digest(&world, &cached), first.digest);
    // A tag that moves there moves here.
    let second = image(&world, &name);
    world.wharf_ok(&["push", &name]);
    other.wharf_ok(&["copy", &cached, &format!("oci:{}", other.path("second").display())]);
    assert_eq!(remote_digest(&world, &cached), second.digest);
    // Nobody pushes into a cache.
    let refused = world.wharf(&["copy", &name, &format!("{}/library/app:v2", cache.address())]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("a cache of docker.io"), "{}", refused.stderr);
    // And when there is nobody to ask, what was there is still here.
    drop(hub);
    let third = World::new();
    third.wharf_ok(&["pull", &cached]);
    assert_eq!(store(&third).resolve(&cached).unwrap().unwrap().digest, second.digest);
    let unknown = third.wharf(&["pull", &format!("{}/library/other:v1", cache.address())]);
    assert_eq!(unknown.code, 3);
}

#[test]
fn a_killed_registry_loses_nothing_that_it_acknowledged() {
    let world = World::new();
    let data = world.path("registry");
    for round in 0..5 {
        let registry = Registry::wharf(&data, &[]);
        let name = format!("{}/app:r{round}", registry.address());
        let own = format!("{round}");
        let made = fixture::image(&store(&world), &[&[("etc/round", own.as_bytes())], &[("etc/two", b"2")]]);
        store(&world).tag(&name, &made).unwrap();
        world.wharf_ok(&["push", &name]);
        // Dropped, it is killed.
        drop(registry);
    }
    let registry = Registry::wharf(&data, &[]);
    for round in 0..5 {
        let name = format!("{}/app:r{round}", registry.address());
        world.wharf_ok(&["copy", &name, &format!("oci:{}", world.path(&format!("out{round}")).display())]);
    }
}

#[test]
fn what_no_manifest_needs_is_collected_while_the_registry_is_served() {
    let world = World::new();
    let data = world.path("registry");
    let directory = data.display().to_string();
    let gc = |more: &[&str]| world.wharf(&[&["registry", "gc", "--data", &directory], more].concat());
    let missing = gc(&[]);
    assert_eq!(missing.code, 3);
    assert!(missing.stderr.contains("there is no registry in"), "{}", missing.stderr);
    let registry = Registry::wharf(&data, &[]);
    let (kept, gone) =
        (format!("{}/app:kept", registry.address()), format!("{}/app:gone", registry.address()));
    index(&world, &kept);
    world.wharf_ok(&["push", &kept]);
    let image = fixture::bulky_image(&store(&world), 1 << 20);
    store(&world).tag(&gone, &image).unwrap();
    world.wharf_ok(&["push", &gone]);
    // A tag that is gone leaves its manifest, which keeps what it needs.
    world.wharf_ok(&["rm", "--remote", &gone]);
    assert_eq!(gc(&["--grace", "0"]).stdout, "0 blobs, 0B, removed\n");
    world.wharf_ok(&["rm", "--remote", &format!("{}/app@{}", registry.address(), image.digest)]);
    assert_eq!(gc(&[]).stdout, "0 blobs, 0B, removed\n", "it is younger than a day");
    let dry: Value = serde_json::from_str(&gc(&["--grace", "0", "--dry-run", "--json"]).stdout).unwrap();
    assert_eq!((&dry["blobs"], &dry["dryRun"]), (&Value::from(3), &Value::from(true)));
    let collected = gc(&["--grace", "0"]).stdout;
    assert!(collected.starts_with("3 blobs, 1.05MB, removed"), "{collected}");
    assert_eq!(
        world.wharf_ok(&["registry", "garbage-collect", "--data", &directory, "--grace", "0"]).stdout,
        "0 blobs, 0B, removed\n"
    );
    // All that is named is there, and the next push brings back what went.
    world.wharf_ok(&["copy", &kept, &format!("oci:{}", world.path("out").display())]);
    world.wharf_ok(&["push", &gone]);
    assert_eq!(remote_digest(&world, &gone), image.digest);
}

/// What no tag leads to goes on request; what has to do with a tag stays: the images of an index, a signature of a signature,
/// and the image that something with a tag is about.
#[test]
fn untagged_manifests_are_collected_on_request_and_nothing_that_a_tag_needs() {
    let world = World::new();
    let data = world.path("registry");
    let directory = data.display().to_string();
    let registry = Registry::wharf(&data, &[]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.address());
    let index = index(&world, &name("kept"));
    let own = |text: &str| {
        let made = fixture::image(&store(&world), &[&[("etc/own", text.as_bytes())]]);
        store(&world).tag(&name(text), &made).unwrap();
        world.wharf_ok(&["push", &name(text)]);
        made
    };
    world.wharf_ok(&["push", &name("kept")]);
    let (old, quoted) = (own("old"), own("quoted"));
    let there = Layout::existing(data.join("app")).unwrap();
    let about = |subject: &Descriptor, text: &str| {
        let config = bytes::Bytes::from(text.to_owned());
        let descriptor = Descriptor::of(MediaType::ImageConfig, &config);
        there.put(&config).unwrap();
        let mut manifest = wharf_oci::Manifest::new(descriptor, vec![]);
        manifest.subject = Some(subject.clone());
        let document = Document::of_manifest(&manifest);
        let digest = document.descriptor.digest.clone();
        there.put_manifest(Name::Digest(&digest), &document, Condition::Always).unwrap();
        document
    };
    let signature = about(&index, "signature").descriptor;
    let countersigned = about(&signature, "countersigned").descriptor;
    let of_old = about(&old, "signature of the old one").descriptor;
    let quoting = about(&quoted, "something with a tag");
    there.put_manifest(Name::Tag("quoting"), &quoting, Condition::Always).unwrap();
    for tag in ["old", "quoted"] {
        world.wharf_ok(&["rm", "--remote", &name(tag)]);
    }
    let has = |digest: &wharf_oci::Digest| there.manifest_descriptor(Name::Digest(digest)).unwrap().is_some();
    let gc =
        |more: &[&str]| world.wharf_ok(&[&["registry", "gc", "--data", &directory], more].concat()).stdout;

    assert_eq!(gc(&["--grace", "0"]), "0 blobs, 0B, removed\n", "untagged is not unneeded");
    assert_eq!(gc(&["--delete-untagged"]), "0 blobs, 0B, removed\n", "all is younger than a day");
    assert!(has(&old.digest) && has(&of_old.digest));
    let dry = gc(&["-m", "--grace", "0", "--dry-run"]);
    // Two manifests, a config and a layer of the image, a config of its signature.
    assert!(dry.starts_with("5 blobs, ") && dry.ends_with(", would be removed\n"), "{dry}");
    let done = gc(&["-m", "--grace", "0"]);
    assert!(done.starts_with("5 blobs, "), "{done}");
    assert!(!has(&old.digest) && !has(&of_old.digest));
    for kept in [&index, &signature, &countersigned, &quoted, &quoting.descriptor] {
        assert!(has(&kept.digest), "{kept:?}");
    }
    assert_eq!(gc(&["-m", "--grace", "0"]), "0 blobs, 0B, removed\n");
    // Whole, with everything that belongs to it.
    for (nth, tag) in ["kept", "quoting"].into_iter().enumerate() {
        let out = world.path(&format!("out{nth}"));
        world.wharf_ok(&["copy", &name(tag), &format!("oci:{}", out.display())]);
    }
    let by_digest = format!("{}/app@{}", registry.address(), quoted.digest);
    world.wharf_ok(&["copy", &by_digest, &format!("oci:{}", world.path("quoted").display())]);
}

#[test]
fn of_many_who_create_a_tag_at_once_one_does() {
    let world = World::new();
    let data = world.path("registry");
    let (one, two) = (Registry::wharf(&data, &[]), Registry::wharf(&data, &[]));
    let names = [format!("{}/app", one.address()), format!("{}/app", two.address())];
    let mut manifests = Vec::new();
    for number in 0..8 {
        let own = format!("{number}");
        let made = fixture::image(&store(&world), &[&[("etc/own", own.as_bytes())]]);
        let name = format!("{}:n{number}", names[0]);
        store(&world).tag(&name, &made).unwrap();
        world.wharf_ok(&["push", &name]);
        manifests.push(store(&world).path(&made.digest));
    }
    let put = |(number, manifest): (usize, &std::path::PathBuf)| {
        let address = [&one, &two][number % 2].address();
        Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--request", "PUT"])
            .args(["--header", "If-None-Match: *", "--header"])
            .arg("Content-Type: application/vnd.oci.image.manifest.v1+json")
            .arg("--data-binary")
            .arg(format!("@{}", manifest.display()))
            .arg(format!("http://{address}/v2/app/manifests/entry-1"))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let racing: Vec<_> = manifests.iter().enumerate().map(put).collect();
    let answers: Vec<String> = racing
        .into_iter()
        .map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
        .collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "201").count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| *answer == "412").count(), 7, "{answers:?}");
}

#[test]
fn skopeo_works_against_it() {
    if !Path::new("/usr/bin/skopeo").exists() {
        skip!("skopeo is not installed")
    }
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/org/app:v1", registry.address());
    let index = index(&world, &name);
    let layout = format!("oci:{}:v1", world.path("layout").display());
    world.wharf_ok(&["push", &name]);
    world.wharf_ok(&["copy", &name, &layout]);
    let skopeo = |args: &[&str]| {
        let ran = Command::new("skopeo")
            .args(["--tmpdir", "/tmp", "--insecure-policy"])
            .args(args)
            .output()
            .unwrap();
        assert!(ran.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let second = format!("docker://{}/org/second:v1", registry.address());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &layout, &second]);
    let from = format!("docker://{name}");
    let third = format!("docker://{}/org/third:v1", registry.address());
    skopeo(&["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &third]);
    let listed =
        skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}/org/third", registry.address())]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["Tags"][0], "v1");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &third]);
    assert_eq!(wharf_oci::digest::sha256(raw.as_bytes()), index.digest);
    skopeo(&["delete", "--tls-verify=false", &third]);
}

/// Docker 20.10 and a newer one: pull, push under another name, and pull that.
#[test]
fn docker_engines_work_against_it() {
    let world = World::new();
    let registry = Registry::wharf(&world.path("registry"), &[]);
    let name = format!("{}/org/app", registry.address());
    let image = image(&world, &format!("{name}:v1"));
    world.wharf_ok(&["push", &format!("{name}:v1")]);
    for release in [Release::Bookworm, Release::Trixie] {
        let engine = match Engine::shared(release) {
            Ok(engine) => engine,
            Err(why) => skip!("{why}"),
        };
        let ask = |method: &str, path: &str| {
            let ran = Command::new("curl")
                .args(["--silent", "--show-error", "--fail", "--request", method, "--unix-socket"])
                .arg(engine.socket())
                .args(["--header", "X-Registry-Auth: e30=", &format!("http://docker/{path}")])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
            // What goes wrong later than the first line is told in a line, not by the status.
            assert!(
                ran.status.success() && !said.contains("\"error\""),
                "{release:?} {method} {path}: {said}"
            );
            said
        };
        let other = format!("{}/by/{}", registry.address(), format!("{release:?}").to_lowercase());
        ask("POST", &format!("images/create?fromImage={name}&tag=v1"));
        ask("POST", &format!("images/{name}:v1/tag?repo={other}&tag=v2"));
        let pushed = ask("POST", &format!("images/{other}/push?tag=v2"));
        assert!(pushed.contains("v2: digest: sha256:"), "{pushed}");
        for tag in [format!("{name}:v1"), format!("{other}:v2")] {
            ask("DELETE", &format!("images/{tag}"));
        }
        ask("POST", &format!("images/create?fromImage={other}&tag=v2"));
        ask("DELETE", &format!("images/{other}:v2"));
        let config = |name: &str| world.wharf_ok(&["inspect", "--remote", "--image-config", name]).stdout;
        assert_eq!(config(&format!("{other}:v2")), config(&format!("{name}:v1")), "the same image");
    }
    assert_eq!(remote_digest(&world, &format!("{name}:v1")), image.digest);
}
