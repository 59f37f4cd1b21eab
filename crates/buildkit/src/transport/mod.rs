//! Ways to a builder. Each gives a stream of bytes; HTTP/2 and gRPC go over it alike.

mod container;
mod engine;
mod greeting;
mod last_words;
mod pod;
mod ssh;
mod tcp;
mod unix;

use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
pub use tonic::transport::Channel;
use tonic::transport::{Endpoint, Uri};

use crate::address::Address;
use crate::error::Error;

pub use self::pod::{Cluster, exec};
pub use self::ssh::ssh_by;

/// How long the way to a builder may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A builder that said nothing for so long is asked whether it is still there …
const QUIET: Duration = Duration::from_secs(15);

/// … and has so long for its answer. During a build its own health checks keep the line from being quiet, so
/// the pings are far from what gRPC servers take for abuse.
const ANSWER: Duration = Duration::from_secs(20);

/// What a frame of HTTP/2 may have in flight: contexts and layers travel inside a single stream.
const WINDOW: u32 = 4 << 20;

/// A connection, whatever it is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens the way to `address`: bytes in and out, spoken to by HTTP/2 with prior knowledge.
///
/// # Errors
/// What the system says; [`io::ErrorKind::Unsupported`] for an address that names no builder of its own: those in
/// clusters need the cluster (see [`exec`]), and buildx has to be asked where it is.
pub async fn dial(address: &Address) -> io::Result<Box<dyn Stream>> {
    match address {
        Address::Unix(path) => unix::dial(path).await,
        Address::Engine(socket) => engine::dial(socket).await,
        Address::Container { name, socket } => container::dial(socket, name).await,
        Address::Tcp(at) => tcp::dial(at).await,
        Address::Ssh(at) => ssh::dial(at).await,
        Address::Pod(_) | Address::Pods(_) | Address::Buildx(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Opens a channel for gRPC to the builder at `address`.
///
/// # Errors
/// There is no way to it, or something else is there.
pub async fn connect(address: &Address) -> Result<Channel, Error> {
    connect_by(address, dial(address)).await
}

/// Opens a channel for gRPC over the stream that `dialling` gives; `address` is what errors call it.
///
/// # Errors
/// There is no way to it, or something else is there.
pub async fn connect_by(
    address: &Address,
    dialling: impl Future<Output = io::Result<Box<dyn Stream>>>,
) -> Result<Channel, Error> {
    let failed = |source| Error::Connect { address: address.to_string(), source };
    let greeted = async { greeting::greeted(dialling.await?).await };
    let too_slow = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {PATIENCE:?}"));
    let stream = tokio::time::timeout(PATIENCE, greeted).await;
    let stream = stream.map_err(|_| failed(too_slow()))?.map_err(failed)?;
    // The scheme and the name only fill in what HTTP/2 wants to be said; TLS is the transport's.
    Endpoint::from_static("http://buildkit")
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .http2_keep_alive_interval(QUIET)
        .keep_alive_timeout(ANSWER)
        .keep_alive_while_idle(true)
        .connect_timeout(PATIENCE)
        .connect_with_connector(Once(Arc::new(Mutex::new(Some(stream)))))
        .await
        .map_err(|source| Error::Handshake { address: address.to_string(), source })
}

/// Hands out the one stream there is. A build's session lives and dies with it.
#[derive(Clone)]
struct Once(Arc<Mutex<Option<Box<dyn Stream>>>>);

impl tower_service::Service<Uri> for Once {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "the connection to the builder is lost");
        ready(stream.map(TokioIo::new).ok_or_else(lost))
    }
}
