//! Pushing and pulling, against wharf's registry and against Debian's, with and without doors.

use crate::support::{Both, client, client_with, layout, reference, tags, together};
use wharf_oci::{Descriptor, Manifest, Platform};
use wharf_registry::{
    Cause, Condition, Credentials, Document, Event, Login, Name, Outcome, Parsed, Settings, Store, pull,
    push, push_blob,
};
use wharf_testkit::{DebianRegistry, Doorman, FaultyRegistry, TokenServer, fixture};

#[tokio::test]
async fn an_image_comes_back_as_it_went() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let (_there, there) = layout();
        let image = fixture::image(&here, &[&[("etc/a", b"1")], &[("etc/b", b"2")]]);
        let (client, to) = (client(), reference(&registry.host(), "org/app"));
        let pushed = push(&here, &image, &client, &to, &tags(&["v1", "latest"]), &|_| {}).await.unwrap();
        assert_eq!(pushed.digest, image.digest);
        assert_eq!(pushed.bytes(Outcome::Existing), 0);

        let from = to.with_tag("v1").unwrap();
        let pulled =
            pull(&client, &from, &Platform::new("linux", "amd64", None), &there, &|_| {}).await.unwrap();
        assert_eq!(pulled.descriptor.digest, image.digest);
        assert_eq!(pulled.manifest.layers.len(), 2);
        for blob in pulled.manifest.layers.iter().chain([&pulled.manifest.config]) {
            there.verify(blob).unwrap();
        }
        let repository = client.repository(&to).unwrap();
        assert_eq!(repository.tags().await.unwrap(), ["latest", "v1"]);
    }
}

/// The layer `x`, by its digest of the other algorithm.
#[tokio::test]
async fn content_that_sha512_names_is_verified_by_it_on_both_ways() {
    const X: &str = "sha512:a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62";
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    let mut manifest: Manifest = serde_json::from_slice(&here.read(&image.digest).unwrap()).unwrap();
    let layer = Descriptor::new(manifest.layers[0].media_type.clone(), X.parse().unwrap(), 1);
    here.put_as(&layer.digest, b"x").unwrap();
    manifest.layers.push(layer.clone());
    let document = Document::of_manifest(&manifest);
    here.put(&document.bytes).unwrap();
    let to = reference(&registry.host(), "app").with_tag("v1").unwrap();
    push(&here, &document.descriptor, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let (_there, there) = layout();
    pull(&client(), &to, &Platform::host(), &there, &|_| {}).await.unwrap();
    there.verify(&layer).unwrap();

    let (_there, there) = layout();
    std::fs::write(registry.depot().layout("app").unwrap().path(&layer.digest), "y").unwrap();
    let error = pull(&client(), &to, &Platform::host(), &there, &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains(X) && !there.has(&layer.digest), "{error}");
}

#[tokio::test]
async fn pushing_again_sends_nothing() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let image = fixture::image(&here, &[&[("a", b"1")]]);
        let to = reference(&registry.host(), "app");
        push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
        let again = push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
        assert_eq!(again.bytes(Outcome::Transferred), 0);
        assert_eq!(again.content.len(), 3);
    }
}

#[tokio::test]
async fn pushing_what_a_tag_names_already_is_one_question() {
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("a", b"1")], &[("b", b"2")]]);
    let (to, asked) = (reference(&registry.host(), "app"), |registry: &FaultyRegistry| {
        registry.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect::<Vec<_>>()
    });
    push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    registry.forget_seen();
    push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    assert_eq!(asked(&registry), ["GET /v2/", "HEAD /v2/app/manifests/v1"]);

    // A further tag is all that a registry gets which has the image under another.
    registry.forget_seen();
    let pushed = push(&here, &image, &client(), &to, &tags(&["v1", "v2"]), &|_| {}).await.unwrap();
    assert_eq!(pushed.bytes(Outcome::Existing), pushed.content.iter().map(|(_, size, _)| size).sum::<u64>());
    let mut asked = asked(&registry);
    asked.sort();
    let expected =
        ["GET /v2/", "HEAD /v2/app/manifests/v1", "HEAD /v2/app/manifests/v2", "PUT /v2/app/manifests/v2"];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_blob_that_the_registry_has_elsewhere_is_mounted() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let image = fixture::image(&here, &[&[("a", b"1")]]);
        let client = client();
        push(&here, &image, &client, &reference(&registry.host(), "base"), &[], &|_| {}).await.unwrap();
        let pushed =
            push(&here, &image, &client, &reference(&registry.host(), "app"), &[], &|_| {}).await.unwrap();
        assert!(pushed.bytes(Outcome::Mounted) > 0);
        assert_eq!(pushed.bytes(Outcome::Transferred), image.size, "only the manifest itself");
    }
}

#[tokio::test]
async fn an_index_goes_whole_and_a_pull_takes_one_platform() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let (_there, there) = layout();
        let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse::<Platform>().unwrap());
        let images = platforms
            .clone()
            .map(|p| (p.clone(), fixture::image_for(&here, &p, &[&[("a", p.to_string().as_bytes())]])));
        let index = fixture::index(&here, &images);
        let (client, to) = (client(), reference(&registry.host(), "multi"));
        push(&here, &index, &client, &to, &tags(&["v1"]), &|_| {}).await.unwrap();
        let pulled =
            pull(&client, &to.with_tag("v1").unwrap(), &platforms[1], &there, &|_| {}).await.unwrap();
        assert_eq!(pulled.descriptor.digest, images[1].1.digest);
        assert_eq!(pulled.index.unwrap().digest, index.digest);
        assert!(!there.has(&images[0].1.digest));

        let missing: Platform = "linux/s390x".parse().unwrap();
        let error = pull(&client, &to.with_tag("v1").unwrap(), &missing, &there, &|_| {}).await.unwrap_err();
        let Cause::NoPlatform { available, .. } = error.cause() else { panic!("{error:?}") };
        assert_eq!(available, &["linux/amd64", "linux/arm64"]);
    }
}

#[tokio::test]
async fn a_password_opens_the_door_and_a_wrong_one_says_whose_it_was() {
    for registry in Both::start(&Doorman::Password("ann", "s3cret")) {
        let (_here, here) = layout();
        let image = fixture::image(&here, &[&[("a", b"1")]]);
        let to = reference(&registry.host(), "app");
        let login = |password: &str| Login::Password { username: "ann".into(), password: password.into() };
        let with = |login| {
            let credentials = Credentials::default().with(registry.host(), login);
            client_with(Settings { credentials, ..crate::support::settings() })
        };
        push(&here, &image, &with(login("s3cret")), &to, &tags(&["v1"]), &|_| {}).await.unwrap();

        let error = push(&here, &image, &with(login("wr0ng")), &to, &[], &|_| {}).await.unwrap_err();
        let Cause::Unauthorized { account, .. } = error.cause() else { panic!("{error:?}") };
        assert_eq!(account.as_deref(), Some("ann"));
        assert!(!format!("{error:?} {error} {}", error.cause()).contains("wr0ng"));

        let error = push(&here, &image, &client(), &to, &[], &|_| {}).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Unauthorized { account: None, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn dockers_configuration_is_understood() {
    for registry in Both::start(&Doorman::Password("ann", "s3cret")) {
        let (directory, here) = layout();
        let image = fixture::image(&here, &[&[("a", b"1")]]);
        let config = directory.path().join("config.json");
        // ann:s3cret
        std::fs::write(
            &config,
            format!(r#"{{"auths":{{"{}":{{"auth":"YW5uOnMzY3JldA=="}}}}}}"#, registry.host()),
        )
        .unwrap();
        let credentials = Credentials::default().with_docker_config(&config);
        let client = client_with(Settings { credentials, ..crate::support::settings() });
        push(&here, &image, &client, &reference(&registry.host(), "app"), &[], &|_| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_credential_helper_is_asked() {
    use std::os::unix::fs::PermissionsExt;
    let Some(registry) = DebianRegistry::start(&Doorman::Password("ann", "s3cret")) else { return };
    let (directory, here) = layout();
    let helper = directory.path().join("docker-credential-test");
    let script = "#!/bin/sh\nread host\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"ann\",\"Secret\":\"s3cret\"}' \"$host\"\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = directory.path().join("config.json");
    std::fs::write(&config, r#"{"credsStore":"test"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.path().display());
    let credentials = Credentials::default().with_docker_config(&config).with_helper_path(path);
    let client = client_with(Settings { credentials, ..crate::support::settings() });
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    push(&here, &image, &client, &reference(&registry.host(), "app"), &[], &|_| {}).await.unwrap();
}

#[tokio::test]
async fn one_token_serves_a_whole_push_and_a_mount_asks_for_both_repositories() {
    let tokens = TokenServer::for_account("ann", "s3cret");
    let ours = FaultyRegistry::with_tokens(tokens.clone());
    let debian = DebianRegistry::start(&Doorman::Tokens(&tokens));
    for host in [Some(ours.host()), debian.as_ref().map(DebianRegistry::host)].into_iter().flatten() {
        let before = tokens.asked().len();
        let (_here, here) = layout();
        let image = fixture::image(&here, &[&[("a", b"1")], &[("b", b"2")], &[("c", b"3")]]);
        let login = Login::Password { username: "ann".into(), password: "s3cret".into() };
        let credentials = Credentials::default().with(&host, login);
        let client = client_with(Settings { credentials, ..crate::support::settings() });
        push(&here, &image, &client, &reference(&host, "base"), &tags(&["v1"]), &|_| {}).await.unwrap();
        let asked = tokens.asked()[before..].to_vec();
        assert_eq!(asked, [["repository:base:pull,push"]], "{host}");

        let pushed = push(&here, &image, &client, &reference(&host, "app"), &[], &|_| {}).await.unwrap();
        assert!(pushed.bytes(Outcome::Mounted) > 0, "{host}");
        let last = tokens.asked().pop().unwrap();
        assert_eq!(last, ["repository:app:pull,push", "repository:base:pull"], "{host}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_exchanged() {
    let tokens = TokenServer::for_refresh_token("refresh-me");
    let registry = FaultyRegistry::with_tokens(tokens.clone());
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    let with = |token: &str| {
        let credentials = Credentials::default().with(registry.host(), Login::Identity(token.into()));
        client_with(Settings { credentials, ..crate::support::settings() })
    };
    let to = reference(&registry.host(), "app");
    push(&here, &image, &with("refresh-me"), &to, &[], &|_| {}).await.unwrap();
    let error = push(&here, &image, &with("stale"), &to, &[], &|_| {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Unauthorized { account: Some(_), .. }), "{error:?}");
}

#[tokio::test]
async fn a_blob_may_travel_before_its_manifest() {
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    let document = here.manifest(Name::Digest(&image.digest)).unwrap().unwrap();
    let Parsed::Manifest(manifest) = document.parse().unwrap() else { panic!() };
    let (client, to) = (client(), reference(&registry.host(), "app"));
    let outcome = push_blob(&here, &manifest.layers[0], &client, &to, &|_| {}).await.unwrap();
    assert_eq!(outcome, Outcome::Transferred);
    let pushed = push(&here, &image, &client, &to, &[], &|_| {}).await.unwrap();
    assert_eq!(pushed.bytes(Outcome::Existing), manifest.layers[0].size);
}

#[tokio::test]
async fn what_is_not_there_is_an_answer_and_for_a_pull_an_error() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let from = reference(&registry.host(), "nobody/nothing");
        let repository = client().repository(&from).unwrap();
        assert_eq!(repository.manifest(Name::Tag("v1")).await.unwrap(), None);
        assert_eq!(repository.head(Name::Tag("v1")).await.unwrap(), None);
        assert_eq!(repository.tags().await.unwrap(), Vec::<String>::new());
        assert!(!repository.has_blob(&wharf_oci::digest::empty()).await.unwrap());
        let error = pull(&client(), &from, &Platform::host(), &here, &|_| {}).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::NotFound { .. }), "{error:?}");
        assert!(error.to_string().contains("nobody/nothing"), "{error}");
    }
}

#[tokio::test]
async fn mirrors_are_read_first_and_passed_over_when_they_fail() {
    let (mirror, origin) = (FaultyRegistry::start(), FaultyRegistry::start());
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    let at = |registry: &FaultyRegistry| reference(&registry.host(), "library/python");
    push(&here, &image, &client(), &at(&mirror), &tags(&["3"]), &|_| {}).await.unwrap();
    let dead = "http://127.0.0.1:9";
    let mirrors = |registry: &str, urls: &[String]| {
        let mirrors = [(registry.to_owned(), urls.to_vec())].into();
        client_with(Settings { mirrors, ..crate::support::settings() })
    };

    // The hub is not in reach here, so that only the mirror can have answered.
    let (_there, there) = layout();
    let hub = "python:3".parse().unwrap();
    let client = mirrors("docker.io", &[dead.into(), format!("http://{}", mirror.host())]);
    let pulled = pull(&client, &hub, &Platform::new("linux", "amd64", None), &there, &|_| {}).await.unwrap();
    assert_eq!(pulled.descriptor.digest, image.digest);

    // A mirror without the image sends us to the registry itself.
    push(&here, &image, &crate::support::client(), &at(&origin), &tags(&["only-here"]), &|_| {})
        .await
        .unwrap();
    let client = mirrors(&origin.host(), &[format!("http://{}", mirror.host())]);
    let from = at(&origin).with_tag("only-here").unwrap();
    let found = client.mirrored(&from).unwrap().head(Name::Tag("only-here")).await.unwrap();
    assert_eq!(found.unwrap().digest, image.digest);
}

#[tokio::test]
async fn conditions_hold_on_every_store() {
    let (_directory, store) = layout();
    let ours = FaultyRegistry::start();
    let repository = client().repository(&reference(&ours.host(), "app")).unwrap();
    let debian = DebianRegistry::start(&Doorman::Nobody);
    let other = debian.as_ref().map(|debian| client().repository(&reference(&debian.host(), "app")).unwrap());
    let mut stores: Vec<&dyn Store> = vec![&store, &repository];
    stores.extend(other.as_ref().map(|other| other as &dyn Store));
    for store in stores {
        let (one, two) = (document(store, "1").await, document(store, "2").await);
        let put = |document, condition| store.put_manifest(Name::Tag("slot"), document, condition);
        put(&one, Condition::Absent).await.unwrap();
        for condition in [Condition::Absent, Condition::Unchanged] {
            let error = put(&two, condition).await.unwrap_err();
            assert!(matches!(error.cause(), Cause::Immutable { .. }), "{}: {error:?}", store.place());
        }
        put(&one, Condition::Unchanged).await.unwrap();
        assert_eq!(store.manifest(Name::Tag("slot")).await.unwrap().unwrap(), one);
        assert!(store.delete(Name::Digest(&one.descriptor.digest)).await.unwrap());
        assert_eq!(store.head(Name::Tag("slot")).await.unwrap(), None);
    }
}

/// A manifest whose config is in the store.
async fn document(store: &dyn Store, text: &str) -> Document {
    let bytes = bytes::Bytes::from(text.to_owned());
    let config = wharf_oci::Descriptor::of(wharf_oci::MediaType::ImageConfig, &bytes);
    store.put_blob(&config, &bytes).await.unwrap();
    Document::of_manifest(&wharf_oci::Manifest::new(config, vec![]))
}

#[tokio::test]
async fn referrers_are_found_with_and_without_the_api() {
    for registry in Both::start(&Doorman::Nobody) {
        let repository = client().repository(&reference(&registry.host(), "app")).unwrap();
        let image = document(&repository, "image").await;
        repository.put_manifest(Name::Tag("v1"), &image, Condition::Always).await.unwrap();
        let mut manifest = wharf_oci::Manifest::new(document_config(&repository).await, vec![]);
        manifest.subject = Some(image.descriptor.clone());
        manifest.artifact_type = Some("application/vnd.example.note".into());
        let note = Document::of_manifest(&manifest);
        repository
            .put_manifest(Name::Digest(&note.descriptor.digest), &note, Condition::Always)
            .await
            .unwrap();

        let subject = &image.descriptor.digest;
        let of_type = |wanted| repository.referrers(subject, wanted);
        assert_eq!(of_type(None).await.unwrap()[0].digest, note.descriptor.digest);
        assert_eq!(of_type(Some("application/vnd.example.note")).await.unwrap().len(), 1);
        assert_eq!(of_type(Some("application/vnd.example.other")).await.unwrap().len(), 0);
    }
}

async fn document_config(store: &dyn Store) -> wharf_oci::Descriptor {
    let bytes = bytes::Bytes::from_static(b"{}");
    let config = wharf_oci::Descriptor::of(wharf_oci::MediaType::EmptyJSON, &bytes);
    store.put_blob(&config, &bytes).await.unwrap();
    config
}

#[tokio::test]
async fn a_long_list_of_tags_comes_in_pages() {
    for registry in Both::start(&Doorman::Nobody) {
        let repository = client().repository(&reference(&registry.host(), "app")).unwrap();
        let image = document(&repository, "image").await;
        let expected: Vec<String> = (0..25).map(|number| format!("v{number:02}")).collect();
        for tag in &expected {
            repository.put_manifest(Name::Tag(tag), &image, Condition::Always).await.unwrap();
        }
        assert_eq!(repository.tags().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn several_pulls_of_one_image_into_one_layout_fetch_each_blob_once() {
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let (_there, there) = layout();
    let image = fixture::bulky_image(&here, 3 << 20);
    let to = reference(&registry.host(), "app");
    push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let from = to.with_tag("v1").unwrap();
    let platform = Platform::new("linux", "amd64", None);
    let pulls = (0..4).map(|_| async { pull(&client(), &from, &platform, &there, &|_| {}).await.unwrap() });
    together(pulls).await;
    let sent: u64 = registry.seen_of(http::Method::GET, "/blobs/").iter().map(|seen| seen.sent).sum();
    let size: u64 = there.blobs().unwrap().values().sum::<u64>() - image.size;
    assert_eq!(sent, size);
}

#[tokio::test]
async fn several_pushes_to_one_registry_send_each_blob_once() {
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let image = fixture::bulky_image(&here, 3 << 20);
    let client = client();
    let names = ["org/one", "org/two", "org/one", "org/three"].map(|name| reference(&registry.host(), name));
    let tag = tags(&["v1"]);
    let (here, image, client, tag) = (&here, &image, &client, &tag);
    let pushes =
        names.iter().map(|to| async move { push(here, image, client, to, tag, &|_| {}).await.unwrap() });
    let pushed = together(pushes).await;
    let uploads = registry.seen().into_iter().filter(|seen| seen.path.contains("/blobs/uploads/"));
    let size: u64 = here.blobs().unwrap().values().sum::<u64>() - image.size;
    assert_eq!(uploads.map(|seen| seen.received).sum::<u64>(), size, "no byte twice");
    let told: u64 = pushed.iter().map(|copied| copied.bytes(wharf_registry::Outcome::Transferred)).sum();
    assert!((size..size + 8192).contains(&told), "{told} bytes for {size}, and manifests");
}

#[tokio::test]
async fn progress_tells_bytes_and_ends() {
    let registry = FaultyRegistry::start();
    let (_here, here) = layout();
    let image = fixture::bulky_image(&here, 1 << 20);
    let events = std::sync::Mutex::new(Vec::new());
    let record = |event: Event| events.lock().unwrap().push(event);
    push(&here, &image, &client(), &reference(&registry.host(), "app"), &[], &record).await.unwrap();
    let events = events.into_inner().unwrap();
    let whole = |event: &&Event| matches!(event, Event::Advanced { done, total, .. } if done == total && *total == 1 << 20);
    assert_eq!(events.iter().filter(whole).count(), 1);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Finished { .. })).count(), 2);
}
