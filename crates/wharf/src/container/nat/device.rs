//! The tunnel as the stack sees it: packets in, packets out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// The tunnel, and what the stack is to read next.
pub(super) struct Wire {
    tunnel: File,
    mtu: usize,
    inbox: VecDeque<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) fn new(tunnel: File, mtu: usize) -> Self {
        Self { tunnel, mtu, inbox: VecDeque::new(), buffer: vec![0; 65_536] }
    }

    pub(super) fn tunnel(&self) -> BorrowedFd<'_> {
        self.tunnel.as_fd()
    }

    /// The next packet of the container, if there is one.
    pub(super) fn receive(&mut self) -> Option<Vec<u8>> {
        let count = self.tunnel.read(&mut self.buffer).ok().filter(|count| *count > 0)?;
        Some(self.buffer[..count].to_vec())
    }

    /// Gives a packet to the stack.
    pub(super) fn inject(&mut self, packet: Vec<u8>) {
        self.inbox.push_back(packet);
    }

    /// Sends a packet to the container. A full tunnel loses it, as wires do.
    pub(super) fn send(&mut self, packet: &[u8]) {
        let _ = self.tunnel.write(packet);
    }
}

impl Device for Wire {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _timestamp: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let packet = self.inbox.pop_front()?;
        Some((Incoming(packet), Outgoing(&mut self.tunnel)))
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.tunnel))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

pub(super) struct Incoming(Vec<u8>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

pub(super) struct Outgoing<'a>(&'a mut File);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        // A full tunnel loses it, as wires do; the stack sends it again.
        let _ = self.0.write(&packet);
        result
    }
}
