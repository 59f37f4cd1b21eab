//! TLS in front of the depot.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Callers who have not greeted by then are dropped.
const GREETING: Duration = Duration::from_secs(10);
/// How many connections may wait for a place.
const BACKLOG: usize = 64;

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate or its key cannot be used: {0}")]
pub struct TlsError(String);

impl Tls {
    /// From a chain of certificates, the server's own first, and its private key, all PEM.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let bad = |error: &dyn std::fmt::Display| TlsError(error.to_string());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| bad(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad(&error))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| bad(&error))?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(|error| bad(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }
}

/// A listener whose connections have passed the TLS greeting.
#[derive(Debug)]
pub(crate) struct TlsListener {
    address: SocketAddr,
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, tls: &Tls) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, greeted) = mpsc::channel(BACKLOG);
        tokio::spawn(greet_all(listener, TlsAcceptor::from(tls.config.clone()), sender));
        Ok(Self { address, greeted })
    }
}

/// Greets callers side by side, so that a slow one holds up nobody; ends when nobody waits for them any more.
async fn greet_all(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        // Axum's way of accepting waits and goes on when the process is out of file descriptors.
        let (connection, caller) = tokio::select! {
            accepted = axum::serve::Listener::accept(&mut listener) => accepted,
            () = sender.closed() => return,
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = tokio::time::timeout(GREETING, acceptor.accept(connection)).await {
                // The depot may have been told to stop in between.
                let _ = sender.send((stream, caller)).await;
            }
        });
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.greeted.recv().await {
            Some(connection) => connection,
            // The greeter ends only with the depot.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
