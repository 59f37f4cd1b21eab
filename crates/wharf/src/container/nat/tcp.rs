//! Connections: one of the container's with our stack, and one of ours with whoever it is for.

use std::collections::HashMap;
use std::io::{ErrorKind, PipeWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::PollFlags;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{IpAddress, IpListenEndpoint};

use super::Routes;
use super::packet::Flow;

/// Of each direction of a connection, in bytes.
const WINDOW: usize = 256 << 10;
/// How long somebody outside may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// More connections than this at a time are an attack.
const MOST: usize = 1024;

/// All connections.
pub(super) struct Flows {
    routes: Routes,
    /// Being made, with the packet that asked for it.
    opening: HashMap<Flow, Vec<u8>>,
    open: HashMap<Flow, Connection>,
    sender: Sender<(Flow, Option<TcpStream>)>,
    receiver: Receiver<(Flow, Option<TcpStream>)>,
    wake: PipeWriter,
}

struct Connection {
    socket: SocketHandle,
    outside: TcpStream,
    /// Nothing more comes from outside.
    read: bool,
    /// Outside has been told that nothing more comes from the container.
    written: bool,
    /// Outside takes nothing at the moment.
    full: bool,
    /// The stack has one more word to say about it.
    over: bool,
}

impl Flows {
    pub(super) fn new(routes: Routes, wake: PipeWriter) -> Self {
        let (sender, receiver) = channel();
        Self { routes, opening: HashMap::new(), open: HashMap::new(), sender, receiver, wake }
    }

    /// Begins to connect to where the container wants to. The packet waits for the outcome.
    pub(super) fn open(&mut self, flow: Flow, packet: Vec<u8>, sockets: &mut SocketSet<'static>) {
        self.forget_ended(&flow, sockets);
        let known = self.opening.contains_key(&flow) || self.open.contains_key(&flow);
        if known || self.opening.len() + self.open.len() >= MOST {
            return;
        }
        let target = self.routes.target(*flow.outside.ip(), flow.outside.port());
        self.opening.insert(flow, packet);
        let (sender, wake) = (self.sender.clone(), self.wake.try_clone());
        std::thread::spawn(move || {
            let stream = target.and_then(|target| TcpStream::connect_timeout(&target, PATIENCE).ok());
            let stream = stream.filter(|stream| stream.set_nonblocking(true).is_ok());
            // The router goes only with the process.
            let _ = sender.send((flow, stream));
            if let Ok(mut wake) = wake {
                let _ = wake.write(b"!");
            }
        });
    }

    /// The same pair of ports may be used again before the stack has forgotten the last time.
    fn forget_ended(&mut self, flow: &Flow, sockets: &mut SocketSet<'static>) {
        let Some(connection) = self.open.get(flow) else { return };
        let state = sockets.get::<Socket<'_>>(connection.socket).state();
        if matches!(state, State::TimeWait | State::Closed) {
            sockets.remove(connection.socket);
            self.open.remove(flow);
        }
    }

    /// The packets whose connections have been made, or refused, each to be given to the stack: where there is
    /// no socket for it, the stack refuses, too.
    pub(super) fn connected(&mut self, sockets: &mut SocketSet<'static>) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Ok((flow, stream)) = self.receiver.try_recv() {
            let Some(packet) = self.opening.remove(&flow) else { continue };
            packets.push(packet);
            let Some(outside) = stream else { continue };
            let buffer = || SocketBuffer::new(vec![0; WINDOW]);
            let mut socket = Socket::new(buffer(), buffer());
            socket.set_nagle_enabled(false);
            let endpoint = IpListenEndpoint {
                addr: Some(IpAddress::Ipv4(*flow.outside.ip())),
                port: flow.outside.port(),
            };
            if socket.listen(endpoint).is_ok() {
                let _ = outside.set_nodelay(true);
                let socket = sockets.add(socket);
                let connection =
                    Connection { socket, outside, read: false, written: false, full: false, over: false };
                self.open.insert(flow, connection);
            }
        }
        packets
    }

    /// Moves bytes both ways; whether the stack has something to do for it.
    pub(super) fn carry(&mut self, sockets: &mut SocketSet<'static>) -> bool {
        let mut moved = false;
        self.open.retain(|_, connection| {
            let socket = sockets.get_mut::<Socket<'_>>(connection.socket);
            moved |= connection.outward(socket);
            moved |= connection.inward(socket);
            if socket.is_open() {
                return true;
            }
            if connection.over {
                sockets.remove(connection.socket);
                return false;
            }
            // A connection that was broken off is only told so in the next round.
            (connection.over, moved) = (true, true);
            true
        });
        moved
    }

    /// What each connection waits for.
    pub(super) fn interest<'a>(
        &'a self,
        sockets: &'a SocketSet<'static>,
    ) -> impl Iterator<Item = (BorrowedFd<'a>, PollFlags)> {
        self.open.values().filter_map(|connection| {
            let socket = sockets.get::<Socket<'_>>(connection.socket);
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !connection.read && socket.can_send());
            flags.set(PollFlags::OUT, connection.full);
            (!flags.is_empty()).then(|| (connection.outside.as_fd(), flags))
        })
    }
}

impl Connection {
    /// From the container to outside.
    fn outward(&mut self, socket: &mut Socket<'_>) -> bool {
        let mut moved = false;
        self.full = false;
        while socket.can_recv() {
            let outside = &mut self.outside;
            let sent = socket.recv(|bytes| match outside.write(bytes) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match sent {
                Ok(Ok(count)) if count > 0 => moved = true,
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                    self.full = true;
                    break;
                }
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                _ => {
                    socket.abort();
                    return true;
                }
            }
        }
        if !self.written && !self.full && socket.is_active() && !socket.may_recv() && finished(socket) {
            let _ = self.outside.shutdown(Shutdown::Write);
            self.written = true;
        }
        moved
    }

    /// From outside to the container.
    fn inward(&mut self, socket: &mut Socket<'_>) -> bool {
        let mut moved = false;
        while !self.read && socket.can_send() {
            let outside = &mut self.outside;
            let received = socket.send(|space| match outside.read(space) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match received {
                Ok(Ok(0)) => {
                    self.read = true;
                    socket.close();
                    moved = true;
                }
                Ok(Ok(_)) => moved = true,
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                _ => {
                    self.read = true;
                    socket.abort();
                    return true;
                }
            }
        }
        moved
    }
}

/// The container has said that nothing more comes, rather than not having begun.
fn finished(socket: &Socket<'_>) -> bool {
    matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
}
