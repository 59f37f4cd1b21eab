//! Whom the client believes, and where it speaks without TLS.

use wharf_depot::{Depot, Options, Running, Tls};
use wharf_oci::Platform;
use wharf_registry::{Cause, Settings, SettingsError, Store, pull, push};
use wharf_testkit::{FaultyRegistry, fixture};

use crate::support::{client, client_with, layout, reference, settings, tags};

/// A depot with a certificate of its own making, and the certificate.
fn depot_with_tls() -> (tempfile::TempDir, Running, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".into(), "localhost".into()]).unwrap();
    let certificate = made.cert.pem().into_bytes();
    let tls = Tls::from_pem(&certificate, made.signing_key.serialize_pem().as_bytes()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let depot = Depot::open(directory.path(), Options { tls: Some(tls), ..Options::default() }).unwrap();
    let running = depot.start(([127, 0, 0, 1], 0).into()).unwrap();
    (directory, running, certificate)
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_even_on_loopback() {
    let (_data, depot, _) = depot_with_tls();
    let (_here, here) = layout();
    let from = reference(&depot.address().to_string(), "app");
    let error = pull(&client(), &from, &Platform::host(), &here, &|_| {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn an_extra_certificate_opens_the_way() {
    let (_data, depot, certificate) = depot_with_tls();
    let (_here, here) = layout();
    let (_there, there) = layout();
    let client = client_with(Settings { extra_ca: vec![certificate], ..settings() });
    let image = fixture::image(&here, &[&[("a", b"1")]]);
    let to = reference(&depot.address().to_string(), "app");
    push(&here, &image, &client, &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let platform = Platform::new("linux", "amd64", None);
    let pulled = pull(&client, &to.with_tag("v1").unwrap(), &platform, &there, &|_| {}).await.unwrap();
    assert_eq!(pulled.descriptor.digest, image.digest);
}

#[tokio::test]
async fn plain_http_is_spoken_on_loopback_under_any_of_its_names() {
    let registry = FaultyRegistry::start();
    let port = registry.host().rsplit(':').next().unwrap().to_owned();
    for host in [registry.host(), format!("localhost:{port}")] {
        assert!(
            client().repository(&reference(&host, "app")).unwrap().tags().await.unwrap().is_empty(),
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_mirror_that_is_to_speak_tls_is_not_spoken_to_without() {
    let registry = FaultyRegistry::start();
    let mirrors = [("127.0.0.1:9".to_owned(), vec![format!("https://{}", registry.host())])].into();
    let client = client_with(Settings { mirrors, ..settings() });
    let from = reference("127.0.0.1:9", "app");
    assert!(client.mirrored(&from).unwrap().tags().await.is_err());
    assert_eq!(registry.seen().len(), 0);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let make = |settings| {
        wharf_registry::Client::new(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let mirrors = [("docker.io".to_owned(), vec!["ftp://mirror".to_owned()])].into();
    assert_eq!(make(Settings { mirrors, ..settings() }), "`ftp://mirror` is not a mirror URL");
    let mut with_proxy = settings();
    with_proxy.proxies.https = Some("http://user:s3cret@:bad".into());
    let text = make(with_proxy);
    assert!(text.contains("proxy URL") && !text.contains("s3cret"), "{text}");
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let error = wharf_registry::Client::new(Settings { extra_ca: vec![broken], ..settings() }).unwrap_err();
    assert!(matches!(error, SettingsError::Certificate(_)));
}
