//! A port of another machine, with TLS where certificates are given: the builder shows that it is the one that is
//! meant, and wharf that it may come in.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Stream;
use crate::address::{Tcp, Tls};

pub(super) async fn dial(at: &Tcp) -> io::Result<Box<dyn Stream>> {
    let tls =
        at.tls.as_ref().map(|tls| Ok::<_, io::Error>((config(tls)?, server_name(at, tls)?))).transpose()?;
    let stream = TcpStream::connect((at.host.as_str(), at.port)).await?;
    stream.set_nodelay(true)?;
    match tls {
        Some((config, name)) => secured(stream, config, name).await,
        None => Ok(Box::new(stream)),
    }
}

/// TLS over a connection.
pub(super) async fn secured(
    stream: TcpStream,
    config: ClientConfig,
    name: ServerName<'static>,
) -> io::Result<Box<dyn Stream>> {
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Box::new(stream))
}

/// TLS with these authorities, or the system's where none are given, and this identity.
pub(super) fn client(authorities: &[Vec<u8>], identity: Option<(&[u8], &[u8])>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for pem in authorities {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(invalid)?).map_err(invalid)?;
        }
    }
    if roots.is_empty() {
        return Err(io::Error::other("there is no certificate of an authority to trust"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(invalid)?
        .with_root_certificates(roots);
    let Some((chain, key)) = identity else { return Ok(config.with_no_client_auth()) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(invalid)?;
    config.with_client_auth_cert(chain.map_err(invalid)?, key).map_err(invalid)
}

fn config(tls: &Tls) -> io::Result<ClientConfig> {
    let authorities = tls.authority.as_deref().map(read).transpose()?.into_iter().collect::<Vec<_>>();
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        (None, None) => None,
        _ => return Err(io::Error::other("a certificate and its key are needed together")),
    };
    let identity = identity.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
    let mut config = client(&authorities, identity)?;
    // gRPC over TLS insists on it.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn server_name(at: &Tcp, tls: &Tls) -> io::Result<ServerName<'static>> {
    let name = tls.server_name.clone().unwrap_or_else(|| at.host.clone());
    ServerName::try_from(name).map_err(invalid)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("reading {}: {error}", path.display())))
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
