//! A stream whose end has a reason that is said elsewhere: on a program's standard error, or on another channel.
//! Where it would end silently, reading from it fails with those words. Only what is read has an end, so this is one
//! half of a connection; [`tokio::io::join`] puts the other one to it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// More is not kept: the last words are the ones that tell.
const MOST: usize = 4096;

/// The end of a stream and the words about it come by different ways; this is how long the words are waited for.
const GRACE: Duration = Duration::from_millis(500);

/// A stream that ends with the words.
pub(super) struct LastWords<S> {
    stream: S,
    words: Words,
    ended: Option<Pin<Box<Sleep>>>,
}

/// Where the words are put.
#[derive(Clone, Default)]
pub(super) struct Words(Arc<Mutex<Vec<u8>>>);

impl Words {
    /// More of them.
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        let surplus = all.len().saturating_sub(MOST);
        all.drain(..surplus);
    }

    fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&all).trim().to_owned()
    }
}

impl<S> LastWords<S> {
    pub(super) fn over(stream: S) -> Self {
        Self { stream, words: Words::default(), ended: None }
    }

    pub(super) fn words(&self) -> Words {
        self.words.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let words = self.words.clone();
        let grace = self.ended.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
        if words.text().is_empty() {
            ready!(grace.as_mut().poll(cx));
        }
        match words.text() {
            words if words.is_empty() => Poll::Ready(Ok(())),
            words => Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, words))),
        }
    }
}
