//! Pulls under the faults that pushes have to get over, too: they complete, or say why not and leave nothing wrong.

use std::time::Duration;

use http::Method;
use wharf_oci::Platform;
use wharf_registry::{Cause, Credentials, Login, Name, Settings, push, resolve};
use wharf_testkit::{Doorman, Fault, FaultyRegistry, TokenServer, When, fixture};

use crate::faults::Scene;
use crate::support::{Both, Registry, client, client_with, layout, reference, settings, tags};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn errors_of_the_server_are_waited_out() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    for (status, path) in [(500, "/blobs/"), (502, "/manifests/"), (503, "/blobs/"), (504, "/v2/")] {
        scene.registry.fail(When::any(path).times(2), Fault::Status(status, None));
    }
    let pulled = scene.pull(&client()).await.unwrap();
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();
}

#[tokio::test]
async fn a_tag_that_has_not_moved_is_not_sent_again() {
    for registry in Both::start(&Doorman::Nobody) {
        let (_here, here) = layout();
        let (_there, there) = layout();
        let platform = Platform::host();
        let index = |content: &[u8]| {
            let image = fixture::image_for(&here, &platform, &[&[("a", content)]]);
            fixture::index(&here, &[(platform.clone(), image)])
        };
        let to = reference(&registry.host(), "app").with_tag("v1").unwrap();
        let resolved =
            async || resolve(&client(), &to, &platform, &there).await.unwrap().index.unwrap().digest;
        let sent = || match &registry {
            Registry::Ours(registry) => {
                let seen = registry.seen_of(Method::GET, "/manifests/v1").pop().unwrap();
                Some((seen.status, seen.sent > 0))
            }
            Registry::Debian(_) => None,
        };
        let (old, new) = (index(b"old"), index(b"new"));
        push(&here, &old, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
        assert_eq!(resolved().await, old.digest);
        assert_eq!(resolved().await, old.digest);
        assert!(sent().is_none_or(|sent| sent == (304, false)), "{:?}", sent());

        push(&here, &new, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
        assert_eq!(resolved().await, new.digest);
        assert!(sent().is_none_or(|sent| sent == (200, true)), "{:?}", sent());

        // What is here no more, or not as it was, is sent all the same.
        std::fs::write(there.path(&new.digest), "spoilt").unwrap();
        assert_eq!(resolved().await, new.digest);
        there.discard(&new.digest).unwrap();
        assert_eq!(resolved().await, new.digest);
    }
}

#[tokio::test]
async fn a_registry_gets_the_time_it_asks_for_but_not_any_time() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::next(Method::GET, &scene.layer()), Fault::Status(429, Some(1)));
    let begin = std::time::Instant::now();
    scene.pull(&client()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));

    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::any("/").times(1000), Fault::Status(429, Some(100_000)));
    let error = scene.pull(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::RateLimited { retry_after: Some(_), .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_of_a_download_is_renewed() {
    let tokens = TokenServer::for_account("ann", "s3cret");
    let scene = Scene::at(FaultyRegistry::with_tokens(tokens.clone()), 8 * MIB);
    let login = Login::Password { username: "ann".into(), password: "s3cret".into() };
    let credentials = Credentials::default().with(scene.registry.host(), login);
    let client = client_with(Settings { credentials, ..settings() });
    scene.push(&client).await.unwrap();
    scene.registry.fail(When::next(Method::GET, &scene.layer()), Fault::ResetAnswer(3 * MIB));
    scene.registry.fail(When::next(Method::GET, &scene.layer()), Fault::ExpireTokens);
    let before = tokens.asked().len();
    let pulled = scene.pull(&client).await.unwrap();
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();
    assert!(tokens.asked().len() > before);
}

/// What is not there yet for whoever asks now is named, nothing of it is kept as if it were whole, and the same pull
/// completes once it is there.
#[tokio::test]
async fn a_registry_that_does_not_see_its_own_content_yet_says_so_and_the_next_pull_completes() {
    for path in ["/manifests/v1", "/blobs/"] {
        let scene = Scene::new(MIB);
        scene.push(&client()).await.unwrap();
        scene.registry.fail(When::any(path).times(4), Fault::Status(404, None));
        let error = scene.pull(&client()).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::NotFound { .. }), "{path}: {error:?}");
        assert!(error.to_string().contains(&scene.registry.host()), "{error}");
        until_it_is_there(&scene).await;
    }
}

/// Pulls again and again while something is missing; what comes is right.
async fn until_it_is_there(scene: &Scene) {
    let pulled = loop {
        match scene.pull(&client()).await {
            Ok(pulled) => break pulled,
            Err(error) => assert!(matches!(error.cause(), Cause::NotFound { .. }), "{error:?}"),
        }
    };
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();
}

/// Between the acknowledgement of an upload and the moment it lands, whoever pulls hears that it is missing.
#[tokio::test]
async fn a_blob_that_lands_late_is_missing_until_then() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    let (layout, layer) = (scene.registry.depot().layout("org/model").unwrap(), scene.layer());
    let digest = format!("sha256:{layer}").parse().unwrap();
    layout.remove(&digest).unwrap();
    let error = scene.pull(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains(&layer), "{error}");
    // As long as a tag names the image, a push takes the registry's word for it.
    layout.delete_manifest(Name::Tag("v1")).unwrap();
    scene.registry.fail(When::next(Method::PUT, &layer), Fault::Late(4));
    scene.push(&client()).await.unwrap();
    until_it_is_there(&scene).await;
    scene.assert_arrived();
}
