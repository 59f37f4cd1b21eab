//! The HTTP client: which certificates it trusts, which proxies it uses, what it does not do by itself.

mod trust;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{NoProxy, Proxy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use crate::{HostTls, Proxies, Settings, SettingsError};
use trust::LateRoots;

/// A host that does not answer the call within this time is not there.
const CONNECT: Duration = Duration::from_secs(15);
/// Hosts that no proxy can reach for us: this machine, and what the clouds put beside it.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,metadata.google.internal";

/// A client for `settings`. It follows no redirects: those decide who sees credentials, so they are followed
/// with care elsewhere.
pub fn build(settings: &Settings) -> Result<reqwest::Client, SettingsError> {
    build_for(settings, &HostTls::default())
}

/// One for a host that has certificates of its own.
pub fn build_for(settings: &Settings, host: &HostTls) -> Result<reqwest::Client, SettingsError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(&settings.extra_ca, host)?)
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        // Without it the environment would be read.
        .no_proxy();
    for proxy in proxies(&settings.proxies)? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(SettingsError::Http)
}

fn tls(extra: &[Vec<u8>], host: &HostTls) -> Result<ClientConfig, SettingsError> {
    let mut added = RootCertStore::empty();
    let bad = |error: &dyn std::fmt::Display| SettingsError::Certificate(error.to_string());
    for pem in extra.iter().chain(&host.authorities) {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            added.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Arc::new(LateRoots::new(added, Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .dangerous() // so rustls calls any verifier but its own; this one is its own, made later
        .with_custom_certificate_verifier(trust);
    let mut config = match &host.identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
            let chain = chain.map_err(|error| bad(&error))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose_secret()).map_err(|error| bad(&error))?;
            config.with_client_auth_cert(chain, key).map_err(|error| bad(&error))?
        }
    };
    // HTTP/1.1 only: blobs side by side on connections of their own do not share one flow-control window.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn proxies(settings: &Proxies) -> Result<Vec<Proxy>, SettingsError> {
    let no_proxy = || NoProxy::from_string(&format!("{LOOPBACK},{}", settings.none_for));
    let make = |url: &String, new: fn(&str) -> reqwest::Result<Proxy>| {
        new(url)
            .map(|proxy| proxy.no_proxy(no_proxy()))
            .map_err(|_| SettingsError::Url { what: "proxy", url: without_userinfo(url) })
    };
    let http = settings.http.iter().map(|url| make(url, |url| Proxy::http(url)));
    let https = settings.https.iter().map(|url| make(url, |url| Proxy::https(url)));
    http.chain(https).collect()
}

/// A URL as it may be shown: what stands before `@` may hold a password.
pub(crate) fn without_userinfo(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Each makes two whole clients.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_certificate_is_too_odd(
            pem in "(-----BEGIN CERTIFICATE-----|-----END CERTIFICATE-----|-----BEGIN PRIVATE KEY-----|\n|MIIB|[A-Za-z0-9+/=]|\\PC){0,20}",
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            for content in [pem.as_bytes(), &bytes] {
                let identity = Some((content.to_vec(), content.to_vec().into()));
                let host = HostTls { authorities: vec![content.to_vec()], identity };
                let _ = build_for(&Settings::default(), &host);
            }
        }
    }
}
