//! Published ports: connections to a port of the host are carried into the network of a sandbox. It needs
//! no root and no firewall rules; each connection is two threads.
//!
//! A port of the host is taken before the container starts, and opened when something inside listens: until
//! then a connection is refused, so that `curl --retry-connrefused` waits for the service and not for wharf.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::anyhow;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};
use wharf_sandbox::NetworkNamespace;

use super::record::Bound;
use crate::exit::Failure;

/// One port, as `docker run --publish` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Publish {
    /// The address the host listens on; `None` is every one.
    pub(crate) address: Option<IpAddr>,
    /// The port the host listens on; 0 lets the kernel choose.
    pub(crate) outside: u16,
    /// Where the process listens.
    pub(crate) inside: u16,
}

/// A mapping that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a port mapping: expected `8000:8000`, `127.0.0.1:8000:8000`, `8000` or ranges of the same length; only TCP is published"
)]
pub(crate) struct PublishError(String);

/// Reads `[[address:]host-port:]container-port[/tcp]`; each port may be a range.
pub(crate) fn parse(text: &str) -> Result<Vec<Publish>, PublishError> {
    let wrong = || PublishError(text.to_owned());
    let ports = text.strip_suffix("/tcp").unwrap_or(text);
    let (front, inside) = match ports.rsplit_once(':') {
        Some((front, inside)) => (Some(front), inside),
        None => (None, ports),
    };
    let inside = range(inside).filter(|(first, _)| *first != 0).ok_or_else(wrong)?;
    let (address, outside) = match front.map(|front| front.rsplit_once(':').unwrap_or(("", front))) {
        None => (None, None),
        Some((address, port)) => {
            let plain = address.trim_start_matches('[').trim_end_matches(']');
            let address = match plain {
                "" => None,
                plain => Some(plain.parse().map_err(|_| wrong())?),
            };
            let port = if port.is_empty() { None } else { Some(range(port).ok_or_else(wrong)?) };
            if address.is_none() && port.is_none() {
                return Err(wrong());
            }
            (address, port)
        }
    };
    let count = inside.1 - inside.0;
    if outside.is_some_and(|(first, last)| last - first != count) {
        return Err(wrong());
    }
    Ok((0..=count)
        .map(|nth| Publish {
            address,
            outside: outside.map_or(0, |(first, _)| first + nth),
            inside: inside.0 + nth,
        })
        .collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// A port of the host that nobody else gets, and that nobody is let in by yet.
#[derive(Debug)]
pub(crate) struct Reserved {
    socket: OwnedFd,
    /// Where, and where to.
    pub(crate) bound: Bound,
}

/// Takes the host's port; where no address was given, of both families that the host has.
pub(crate) fn reserve(publish: &Publish) -> Result<Vec<Reserved>, Failure> {
    if let Some(address) = publish.address {
        return Ok(vec![reserve_at(SocketAddr::new(address, publish.outside), publish.inside)?]);
    }
    let any = |address: IpAddr, port| reserve_at(SocketAddr::new(address, port), publish.inside);
    let first = any(Ipv4Addr::UNSPECIFIED.into(), publish.outside)?;
    let port = first.bound.outside.port();
    // A host without the newer family publishes by the older one only.
    let second = any(Ipv6Addr::UNSPECIFIED.into(), port).ok();
    Ok(std::iter::once(first).chain(second).collect())
}

fn reserve_at(address: SocketAddr, inside: u16) -> Result<Reserved, Failure> {
    let refused = |error: io::Error| {
        let failure = Failure::from(match error.kind() {
            io::ErrorKind::AddrInUse => anyhow!("Bind for {address} failed: port is already allocated"),
            _ => anyhow!("Bind for {address} failed: {error}"),
        });
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                failure.hint("a port below 1024 needs root, or net.ipv4.ip_unprivileged_port_start")
            }
            _ => failure,
        }
    };
    let taken = || -> io::Result<(OwnedFd, SocketAddr)> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let open = || -> io::Result<OwnedFd> {
            let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            if address.is_ipv6() {
                sockopt::set_ipv6_v6only(&socket, true)?;
            }
            Ok(socket)
        };
        // Another program that listens is only noticed by listening.
        let trial = open()?;
        bind(&trial, &address)?;
        listen(&trial, 1)?;
        let address = TcpListener::from(trial).local_addr()?;
        let socket = open()?;
        bind(&socket, &address)?;
        Ok((socket, address))
    };
    let (socket, outside) = taken().map_err(refused)?;
    Ok(Reserved { socket, bound: Bound { outside, inside } })
}

/// Opens each port when something in `network` listens on its other end, for as long as `alive` says so.
pub(crate) fn serve(
    mut ports: Vec<Reserved>,
    network: NetworkNamespace,
    address: Ipv4Addr,
    alive: impl Fn() -> bool + Send + 'static,
) {
    const PAUSE: Duration = Duration::from_millis(20);
    std::thread::spawn(move || {
        while !ports.is_empty() && alive() {
            let listening = network.enter(listening_ports).unwrap_or_default();
            let (open, closed) = ports.into_iter().partition(|port| listening.contains(&port.bound.inside));
            ports = closed;
            open.into_iter().for_each(|port: Reserved| accept(port, network.clone(), address));
            std::thread::sleep(PAUSE);
        }
    });
}

fn accept(port: Reserved, network: NetworkNamespace, address: Ipv4Addr) {
    const QUEUE: i32 = 128;
    if listen(&port.socket, QUEUE).is_err() {
        return;
    }
    let listener = TcpListener::from(port.socket);
    let inside = port.bound.inside;
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(outer) = connection else { continue };
            let network = network.clone();
            std::thread::spawn(move || {
                if let Ok(Ok(inner)) = network.enter(|| TcpStream::connect((address, inside))) {
                    carry(outer, inner);
                }
            });
        }
    });
}

/// The ports that something listens on, in the network of this thread, for more than itself.
fn listening_ports() -> Vec<u16> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let tables = ["tcp", "tcp6"].map(|name| read(name).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().filter_map(listening)).collect()
}

/// A line of `/proc/net/tcp`: number, local address, remote address, state, and more.
fn listening(line: &str) -> Option<u16> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let loopback = address.len() == 8 && address.ends_with("7F");
    (state == LISTEN && !loopback && address != "00000000000000000000000001000000")
        .then(|| u16::from_str_radix(port, 16).ok())?
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mappings_read_as_docker_reads_them() {
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        for (text, address, outside, inside) in [
            ("8000:80", None, 8000, 80),
            ("80", None, 0, 80),
            ("127.0.0.1:8000:80", local, 8000, 80),
            ("127.0.0.1::80/tcp", local, 0, 80),
            ("[::1]:8000:80", Some(Ipv6Addr::LOCALHOST.into()), 8000, 80),
        ] {
            assert_eq!(parse(text), Ok(vec![Publish { address, outside, inside }]), "{text}");
        }
        let range: Vec<_> = parse("8000-8002:80-82").unwrap().iter().map(|p| (p.outside, p.inside)).collect();
        assert_eq!(range, [(8000, 80), (8001, 81), (8002, 82)]);
        for bad in ["", ":", "a:b", "80:0", "70000", "1:2:3:4x", "53/udp", "80-81:80", "81-80"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_service_for_itself_alone_is_not_published() {
        let line = |local: &str, state: &str| format!("  0: {local} 00000000:0000 {state} 00000000:00000000");
        assert_eq!(listening(&line("00000000:1F40", "0A")), Some(8000));
        assert_eq!(listening(&line("00000000000000000000000000000000:1F40", "0A")), Some(8000));
        assert_eq!(listening(&line("0100007F:1F40", "0A")), None);
        assert_eq!(listening(&line("00000000000000000000000001000000:1F40", "0A")), None);
        assert_eq!(listening(&line("00000000:1F40", "01")), None);
        assert_eq!(listening("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn a_port_that_is_taken_is_refused_and_one_of_ours_refuses_until_it_is_opened() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let publish = Publish { address: Some(address.ip()), outside: address.port(), inside: 80 };
        let refused = reserve(&publish).unwrap_err().error.to_string();
        assert!(refused.ends_with("port is already allocated"), "{refused}");
        let ours = reserve(&Publish { outside: 0, ..publish }).unwrap();
        assert!(TcpStream::connect(ours[0].bound.outside).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9a-f:.\\[\\]/-]{0,30}") {
            let _ = parse(&text);
        }
    }
}
