//! An endpoint of BuildKit's own kind before a Docker engine: what comes in over TLS or over a socket goes to the
//! engine's `/grpc`, as it comes. On the way it can be slowed down, frozen or cut.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::{Authority, Identity};

/// A running endpoint; it ends when dropped.
#[derive(Debug)]
pub struct Forwarder {
    server: Background,
    weather: watch::Sender<Weather>,
}

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// So many bytes each hundredth of a second.
    Slow(usize),
    /// Nothing moves, and nothing is closed: as when a machine has lost its network.
    Frozen,
    /// Everything is closed, now and later.
    Gone,
}

impl Forwarder {
    /// A TCP port of loopback with TLS: it shows `own`, and lets in who has a certificate of `clients`.
    pub fn tls(engine: &Path, own: &Identity, clients: &Authority) -> Self {
        let mut config = tls(own, clients);
        // gRPC's TLS insists on it.
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(engine, move |listener, way| async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, way) = (acceptor.clone(), way.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        way.forward(stream).await;
                    }
                });
            }
        })
    }

    /// A TCP port of loopback without TLS.
    pub fn plain(engine: &Path) -> Self {
        Self::start(engine, |listener, way| async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(way.clone().forward(stream));
            }
        })
    }

    /// A socket beside it, as `buildkitd` listens on by itself.
    pub fn listen(engine: &Path, socket: &Path) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(socket).expect("a place for the socket");
        listener.set_nonblocking(true).expect("a listener that does not block");
        Self::start(engine, |_, way| async move {
            let listener = UnixListener::from_std(listener).expect("a listener of the runtime");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(way.clone().forward(stream));
            }
        })
    }

    fn start<F>(engine: &Path, serve: impl FnOnce(TcpListener, Way) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (weather, watched) = watch::channel(Weather::Fair);
        let way = Way { engine: engine.to_owned(), weather: watched };
        Self { server: Background::start(|listener| serve(listener, way)), weather }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// From now on only so many bytes pass in a second, each way.
    pub fn slow_down(&self, rate: usize) {
        self.weather.send_replace(Weather::Slow((rate / 100).max(1)));
    }

    /// From now on nothing passes, and nothing is closed.
    pub fn freeze(&self) {
        self.weather.send_replace(Weather::Frozen);
    }

    /// Closes all connections, and whatever comes later.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Gone);
    }

    /// All is well again.
    pub fn mend(&self) {
        self.weather.send_replace(Weather::Fair);
    }
}

#[derive(Clone)]
struct Way {
    engine: PathBuf,
    weather: watch::Receiver<Weather>,
}

impl Way {
    async fn forward(self, client: impl AsyncRead + AsyncWrite + Send + 'static) {
        let mut gone = self.weather.clone();
        if *gone.borrow() == Weather::Gone {
            return;
        }
        let Ok(engine) = upgraded(&self.engine).await else { return };
        let (from_client, to_client) = tokio::io::split(client);
        let (from_engine, to_engine) = tokio::io::split(engine);
        tokio::select! {
            _ = carry(from_client, to_engine, self.weather.clone()) => {}
            _ = carry(from_engine, to_client, self.weather.clone()) => {}
            _ = gone.wait_for(|weather| *weather == Weather::Gone) => {}
        }
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let now = *weather.borrow_and_update();
        let most = match now {
            Weather::Slow(most) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                most.min(buffer.len())
            }
            _ => buffer.len(),
        };
        let length = from.read(&mut buffer[..most]).await?;
        if length == 0 {
            return Ok(());
        }
        if weather.wait_for(|weather| *weather != Weather::Frozen).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

/// A connection to the engine on which gRPC is spoken, as `docker buildx` makes it.
pub(crate) async fn upgraded(engine: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(engine).await?;
    let ask = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    stream.write_all(ask).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    match head.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
    }
}

/// A server that shows `own`, and lets in who has a certificate of `clients`.
pub(crate) fn tls(own: &Identity, clients: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(clients.certificate().as_bytes()).expect("a certificate");
    roots.add(authority).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build();
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(chain, key)
        .expect("the server's certificate")
}
