//! Published ports: connections to a port of the host are carried into the network of a sandbox. It needs
//! no root and no firewall rules; each connection is two threads.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use wharf_sandbox::Process;

use crate::exit::Failure;

/// `[[address:]host-port:]container-port[/tcp]`, as `docker run --publish` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Where the host listens; port 0 lets the kernel choose.
    pub(crate) outside: SocketAddr,
    /// Where the process listens.
    pub(crate) inside: u16,
}

/// A mapping that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a port mapping: expected `8000:8000`, `127.0.0.1:8000:8000` or `8000`; only TCP is published"
)]
pub(crate) struct PublishError(String);

impl FromStr for Publish {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let wrong = || PublishError(text.to_owned());
        let ports = text.strip_suffix("/tcp").unwrap_or(text);
        let (front, inside) = match ports.rsplit_once(':') {
            Some((front, inside)) => (Some(front), inside),
            None => (None, ports),
        };
        let inside = inside.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let (address, port) = match front {
            None => (any, 0),
            Some(front) => match front.rsplit_once(':') {
                None => (any, front.parse().map_err(|_| wrong())?),
                Some((address, port)) => {
                    let address = address.trim_start_matches('[').trim_end_matches(']');
                    let port = if port.is_empty() { 0 } else { port.parse().map_err(|_| wrong())? };
                    (address.parse().map_err(|_| wrong())?, port)
                }
            },
        };
        Ok(Self { outside: SocketAddr::new(address, port), inside })
    }
}

/// Takes the host's port, before anything is started.
pub(crate) fn listen(publish: &Publish) -> Result<TcpListener, Failure> {
    let listener =
        TcpListener::bind(publish.outside).with_context(|| format!("listening on {}", publish.outside))?;
    Ok(listener)
}

/// Carries connections to port `inside` of the process until the process of wharf ends.
pub(crate) fn serve(listener: TcpListener, inside: u16, process: Arc<Process>) {
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(outer) = connection else { continue };
            let process = process.clone();
            std::thread::spawn(move || {
                if let Ok(inner) = connect(&process, inside) {
                    carry(outer, inner);
                }
            });
        }
    });
}

/// A connection to a port of the process, made in its network. The socket works from any thread afterwards.
pub(crate) fn connect(process: &Process, port: u16) -> io::Result<TcpStream> {
    process.in_network(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port))).map_err(io::Error::other)?
}

/// Copies both ways until both sides have said all they had to say.
fn carry(outer: TcpStream, inner: TcpStream) {
    let (Ok(outer_reader), Ok(inner_reader)) = (outer.try_clone(), inner.try_clone()) else { return };
    let there = std::thread::spawn(move || copy(outer_reader, inner));
    copy(inner_reader, outer);
    // The thread only copies; if it panicked, the connection is gone all the same.
    let _ = there.join();
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // A connection that breaks is the end of it, for both sides to see.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_read_as_docker_reads_them() {
        for (text, outside, inside) in [
            ("8000:80", "0.0.0.0:8000", 80),
            ("80", "0.0.0.0:0", 80),
            ("127.0.0.1:8000:80", "127.0.0.1:8000", 80),
            ("127.0.0.1::80/tcp", "127.0.0.1:0", 80),
            ("[::1]:8000:80", "[::1]:8000", 80),
        ] {
            let expected = Publish { outside: outside.parse().unwrap(), inside };
            assert_eq!(text.parse::<Publish>(), Ok(expected), "{text}");
        }
        for bad in ["", ":", "a:b", "80:0", "70000", "1:2:3:4x", "53/udp"] {
            assert!(bad.parse::<Publish>().is_err(), "{bad}");
        }
    }
}
