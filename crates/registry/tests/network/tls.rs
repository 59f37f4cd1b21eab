//! Whom the client believes, and where it speaks without TLS.

use http::Method;
use wharf_depot::{Depot, Options, Running, Tls};
use wharf_oci::Platform;
use wharf_registry::{Cause, HostTls, Name, Settings, SettingsError, Store, pull, push};
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
    // Where no TLS is spoken, none is tried: a greeting without it is answered, and that is that.
    assert!(registry.seen().iter().all(|seen| seen.status != 0), "{:?}", registry.seen());
    assert_eq!(registry.seen_of(Method::GET, "/v2/").len(), 4, "a greeting and a list for each name");
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

/// A server that lets in only those with a certificate of `authority`, and knows no manifests.
async fn door(server: rcgen::CertifiedKey<rcgen::KeyPair>, authority: &rcgen::Certificate) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![server.cert.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(server.signing_key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(connection).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("localhost:{}", address.port())
}

#[tokio::test]
async fn a_host_that_wants_our_certificate_gets_it_and_no_other_host_does() {
    let server = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let ours = rcgen::generate_simple_self_signed(["ci".into()]).unwrap();
    let trusted = server.cert.pem().into_bytes();
    let identity = (ours.cert.pem().into_bytes(), ours.signing_key.serialize_pem().into_bytes().into());
    let host = door(server, &ours.cert).await;
    let client_for = |name: &str| {
        let tls = HostTls { authorities: vec![trusted.clone()], identity: Some(identity.clone()) };
        let tls = [
            (name.to_owned(), tls),
            (host.clone(), HostTls { authorities: vec![trusted.clone()], identity: None }),
        ];
        client_with(Settings { tls: tls.into_iter().rev().collect(), ..settings() })
    };
    let repository = |client: &wharf_registry::Client| client.repository(&reference(&host, "app")).unwrap();
    let head = |repository: wharf_registry::Repository| async move { repository.head(Name::Tag("v1")).await };
    assert_eq!(head(repository(&client_for(&host))).await.unwrap(), None);
    assert!(head(repository(&client_for("other.example.com"))).await.is_err());
}
