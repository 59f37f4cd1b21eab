//! Datagrams: a socket of ours for each pair of ends, until it has been quiet for a while.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::Routes;
use super::device::Wire;
use super::packet::{self, Flow};

const QUIET: Duration = Duration::from_secs(60);
/// More pairs than this at a time are an attack.
const MOST: usize = 512;

pub(super) struct Flows {
    routes: Routes,
    open: HashMap<Flow, (UdpSocket, Instant)>,
}

impl Flows {
    pub(super) fn new(routes: Routes) -> Self {
        Self { routes, open: HashMap::new() }
    }

    /// Sends what the container has said. What cannot be sent is lost, as datagrams are.
    pub(super) fn send(&mut self, flow: Flow, payload: Vec<u8>) {
        if !self.open.contains_key(&flow) {
            self.open.retain(|_, (_, used)| used.elapsed() < QUIET);
            let socket = self.routes.target(*flow.outside.ip(), flow.outside.port()).and_then(|target| {
                let any = if target.is_ipv4() {
                    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
                } else {
                    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
                };
                let socket = any.ok()?;
                socket.connect(target).ok()?;
                socket.set_nonblocking(true).ok()?;
                Some(socket)
            });
            let Some(socket) = socket.filter(|_| self.open.len() < MOST) else { return };
            self.open.insert(flow, (socket, Instant::now()));
        }
        if let Some((socket, used)) = self.open.get_mut(&flow) {
            *used = Instant::now();
            let _ = socket.send(&payload);
        }
    }

    /// Passes answers on.
    pub(super) fn receive(&mut self, wire: &mut Wire) {
        let mut buffer = vec![0; 65_536];
        for (flow, (socket, used)) in &mut self.open {
            while let Ok(count) = socket.recv(&mut buffer) {
                *used = Instant::now();
                wire.send(&packet::datagram(flow, &buffer[..count]));
            }
        }
    }

    pub(super) fn interest(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.open.values().map(|(socket, _)| (socket.as_fd(), PollFlags::IN))
    }
}
