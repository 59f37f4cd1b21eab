//! A connection inside a stream: bytes come in and go out as messages (moby/buildkit, `session/grpchijack`), and
//! between them a server speaks HTTP/2 as on any socket.

use bollard_buildkit_proto::moby::buildkit::v1::BytesMessage;
use futures_util::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tonic::Streaming;

use super::router::Router;

/// BuildKit's own limit of a message.
pub(super) const LONGEST_MESSAGE: usize = 16 << 20;

/// How much may be under way between the stream and the server.
const BUFFER: usize = 1 << 20;

/// How much goes into one message.
const PIECE: usize = 32 << 10;

/// How much of one call may be on its way unread.
const WINDOW: u32 = 4 << 20;

/// The near end of a new connection, and what goes out of its far end as messages.
pub(super) fn open() -> (Near, impl Stream<Item = BytesMessage> + Send + 'static) {
    let (server, wire) = tokio::io::duplex(BUFFER);
    let (from_server, to_server) = tokio::io::split(wire);
    let outgoing = futures_util::stream::unfold(from_server, |mut from| async move {
        let mut data = vec![0; PIECE];
        match from.read(&mut data).await {
            Ok(count) if count > 0 => {
                data.truncate(count);
                Some((BytesMessage { data }, from))
            }
            _ => None,
        }
    });
    (Near { server, to_server }, outgoing)
}

/// What stays on this side.
pub(super) struct Near {
    server: DuplexStream,
    to_server: tokio::io::WriteHalf<DuplexStream>,
}

/// Serves `router` until the stream ends.
pub(super) async fn serve(near: Near, mut incoming: Streaming<BytesMessage>, router: Router) {
    let Near { server, mut to_server } = near;
    let pump = async move {
        while let Ok(Some(message)) = incoming.message().await {
            if to_server.write_all(&message.data).await.is_err() {
                break;
            }
        }
        to_server.shutdown().await.ok();
    };
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .serve_connection(TokioIo::new(server), router);
    // The connection ends with the stream; what went wrong in it, the build tells.
    let ((), _) = tokio::join!(pump, serving);
}
