//! The first frame of a builder. A server that speaks HTTP/2 sends its settings before anything else (RFC 9113,
//! section 3.4), so what answers in another way is found out before the first call, and said in its own words: a TLS
//! alert because a certificate has expired, a web server, a program that has ended.
//!
//! A server that wants TLS waits for the client to begin. So the first word of a connection is said here, ahead of
//! the client of HTTP/2 that is to use it, and such a server closes at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, join, split};

use super::Stream;

/// What every client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The head of a frame: three bytes of length, its type, flags, four of the stream's number.
const HEAD: usize = 9;

const SETTINGS: u8 = 4;

/// The stream from its beginning, once the builder has greeted. Whoever uses it says the preface as if nobody had.
pub(super) async fn greeted(stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
    let (mut from, mut to) = split(stream);
    // What hangs up at the first word may have said why, and that is worth more than the failure to speak.
    if to.write_all(PREFACE).await.is_ok() {
        to.flush().await.ok();
    }
    let from = io::Cursor::new(head(&mut from).await?).chain(from);
    Ok(Box::new(join(from, Begun { unsaid: PREFACE.len(), to })))
}

async fn head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    let mut length = 0;
    while length < HEAD {
        let step = match from.read(&mut head[length..]).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            step => step?,
        };
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
    Ok(head)
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

/// The way out, on which the preface has been said already.
struct Begun<W> {
    /// How much of it its user has still to say.
    unsaid: usize,
    to: W,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Begun<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let known = self.unsaid.min(bytes.len());
        self.unsaid -= known;
        if known == bytes.len() {
            return Poll::Ready(Ok(known));
        }
        let written = ready!(Pin::new(&mut self.to).poll_write(cx, &bytes[known..]))?;
        Poll::Ready(Ok(known + written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_shutdown(cx)
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
            let error = greeted(Box::new(join(said, tokio::io::sink()))).await.err().unwrap();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_lost_and_nothing_is_said_twice() {
        let answer = b"\0\0\0\x04\0\0\0\0\0and so on";
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(answer).await.unwrap();
        let mut stream = greeted(Box::new(ours)).await.unwrap();
        let mut read = vec![0; answer.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, answer);
        for piece in [&PREFACE[..7], &PREFACE[7..], b"a frame"] {
            stream.write_all(piece).await.unwrap();
        }
        drop(stream);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [PREFACE, b"a frame"].concat());
    }
}
