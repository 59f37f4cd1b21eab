//! The BuildKit inside a Docker engine: `POST /grpc` on the engine's socket turns the connection into one that
//! speaks HTTP/2 (moby, `api/server/router/grpc`). The engine has `POST /session` for sessions, too; BuildKit's own
//! `Control.Session` works over `/grpc` as over any other way, so there is one kind of session here.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::Stream;

const UPGRADE: &[u8] =
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";

/// An answer's head that is longer than this is none.
const LONGEST_HEAD: usize = 16 << 10;

pub(super) async fn dial(socket: &Path) -> io::Result<Box<dyn Stream>> {
    upgrade(UnixStream::connect(socket).await?).await
}

/// Turns a connection to an engine into one to its BuildKit.
pub(super) async fn upgrade(mut stream: impl Stream + 'static) -> io::Result<Box<dyn Stream>> {
    stream.write_all(UPGRADE).await?;
    let head = read_head(&mut stream).await?;
    let status = head.lines().next().unwrap_or_default();
    match status.split_whitespace().nth(1) {
        Some("101") => Ok(Box::new(stream)),
        Some("404") => Err(io::Error::other("this engine is older than 18.09 and has no BuildKit inside")),
        _ => Err(io::Error::other(format!("the engine answered `{status}` where it should open a stream"))),
    }
}

/// Reads up to the empty line, and not a byte of what follows it.
pub(super) async fn read_head(stream: &mut impl Stream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(io::Error::other("what answers there is no Docker engine"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
