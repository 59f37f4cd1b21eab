//! The first frame of a builder. A server that speaks HTTP/2 sends its settings before anything else (RFC 9113,
//! section 3.4), so what answers in another way is found out before the first call, and said in its own words: a TLS
//! alert because a certificate has expired, a web server, a program that has ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::Stream;

/// The head of a frame: three bytes of length, its type, flags, four of the stream's number.
const HEAD: usize = 9;

const SETTINGS: u8 = 4;

/// The stream from its beginning, once the builder has greeted.
pub(super) async fn greeted(mut stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
    let mut head = [0; HEAD];
    let mut length = 0;
    while length < HEAD {
        let step = stream.read(&mut head[length..]).await?;
        if step == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it closed the connection without a word",
            ));
        }
        length += step;
        if let Some(what) = other(&head[..length]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    }
    Ok(Box::new(Greeted { head, taken: 0, stream }))
}

/// What speaks there, where it is not HTTP/2.
fn other(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x15, 0x03, ..] => Some("it speaks TLS: certificates are needed (--tlscacert, --tlscert, --tlskey)"),
        [b'H', b'T', b'T', b'P', ..] => Some("it speaks HTTP/1 and is no BuildKit"),
        [_, _, _, kind, ..] if *kind != SETTINGS => Some("it is no BuildKit"),
        _ => None,
    }
}

struct Greeted {
    head: [u8; HEAD],
    taken: usize,
    stream: Box<dyn Stream>,
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken == HEAD {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = buffer.remaining().min(HEAD - self.taken);
        buffer.put_slice(&self.head[self.taken..self.taken + length]);
        self.taken += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_builder_is_named() {
        for (said, reason) in [
            (&b"\x15\x03\x01\x00\x02\x02\x16"[..], "speaks TLS"),
            (b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1"),
            (b"SSH-2.0-OpenSSH", "no BuildKit"),
            (b"", "without a word"),
            (b"\0\0\0\x04", "without a word"),
        ] {
            let error = greeted(Box::new(tokio::io::join(said, tokio::io::sink()))).await.err().unwrap();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn a_greeting_is_not_lost() {
        let said = b"\0\0\0\x04\0\0\0\0\0and so on";
        let mut stream = greeted(Box::new(tokio::io::join(&said[..], tokio::io::sink()))).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, said);
    }
}
