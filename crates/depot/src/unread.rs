//! Bodies that a refusal leaves unread.
//!
//! A server that answers early and closes the connection on what is still coming resets it, and the sender loses
//! the answer with it: instead of "the offset is another" it hears "connection reset". So what comes is read for a
//! while and thrown away.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// Whoever has not noticed the answer by then will not.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same body, whose rest is read when it is dropped.
pub(crate) fn read_to_its_end(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::from_stream(Rest { pieces: Some(body.into_data_stream()) })
}

struct Rest {
    /// Nothing once the body has ended.
    pieces: Option<BodyDataStream>,
}

impl Stream for Rest {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let piece = std::task::ready!(pieces.poll_next_unpin(context));
        if !matches!(piece, Some(Ok(_))) {
            self.pieces = None;
        }
        Poll::Ready(piece)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let (Some(mut pieces), Ok(runtime)) = (self.pieces.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = pieces.next().await {} })
                .await;
        });
    }
}
