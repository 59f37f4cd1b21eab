//! The way out of a container's network, for users as for root: a router in the supervisor.
//!
//! What the container sends comes out of a tunnel as packets. TCP ends here, in a stack of our own, and goes on
//! as connections that the supervisor makes; UDP goes on as datagrams of sockets of ours. So the host needs no
//! interface, no forwarding and no firewall rules, and the container reaches what the supervisor's user may
//! reach. Echo requests are not passed on.

mod device;
mod packet;
mod tcp;
mod udp;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use wharf_sandbox::{NetworkNamespace, Tunnel};

use device::Wire;
use packet::Kind;

/// The container's address.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 100);
/// The router's.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Where names are resolved, by the host's own resolver.
pub(crate) const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

const TUNNEL: Tunnel = Tunnel { address: ADDRESS, netmask: Ipv4Addr::new(255, 255, 255, 0), mtu: 16_384 };

/// Where the container's packets may go, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// The host's own resolver.
    resolver: IpAddr,
    /// The router's address stands for the host itself, for whoever asked for that by `host-gateway`.
    host: bool,
}

impl Routes {
    /// By the host's `resolv.conf`.
    pub(crate) fn new(resolv_conf: &str, host: bool) -> Self {
        let mut servers = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
        let resolver = servers.find_map(|server| server.trim().parse().ok());
        Self { resolver: resolver.unwrap_or(Ipv4Addr::LOCALHOST.into()), host }
    }

    /// The real address behind one that the container names; `None` where there is nobody.
    fn target(&self, address: Ipv4Addr, port: u16) -> Option<SocketAddr> {
        let real = match address {
            RESOLVER if port == 53 => self.resolver,
            GATEWAY if self.host => Ipv4Addr::LOCALHOST.into(),
            RESOLVER | GATEWAY => return None,
            // The host's loopback is not the container's.
            address if address.is_loopback() || address.is_multicast() || address.is_broadcast() => {
                return None;
            }
            address => address.into(),
        };
        Some(SocketAddr::new(real, port))
    }
}

/// Adds the way out to a network, until the process ends. Fails where there is no `/dev/net/tun`.
pub(crate) fn open(network: &NetworkNamespace, routes: Routes) -> Result<(), wharf_sandbox::Error> {
    let tunnel = network.tunnel(&TUNNEL)?;
    let nonblocking = fcntl_getfl(&tunnel).and_then(|flags| fcntl_setfl(&tunnel, flags | OFlags::NONBLOCK));
    nonblocking.map_err(|errno| wharf_sandbox::Error::Host {
        action: "preparing the network of a container".to_owned(),
        source: errno.into(),
    })?;
    let (wake, woken) = std::io::pipe().map_err(|source| wharf_sandbox::Error::Host {
        action: "preparing the network of a container".to_owned(),
        source,
    })?;
    std::thread::spawn(move || Router::new(tunnel, routes, woken, wake).run());
    Ok(())
}

struct Router {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    flows: tcp::Flows,
    datagrams: udp::Flows,
    /// Readable when a connection has been made, or could not be.
    news: std::io::PipeReader,
    started: std::time::Instant,
}

impl Router {
    fn new(tunnel: File, routes: Routes, wake: std::io::PipeWriter, news: std::io::PipeReader) -> Self {
        let mut wire = Wire::new(tunnel, usize::from(TUNNEL.mtu));
        let config = Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        // The stack is the other end of every connection, wherever the container thinks it goes.
        interface.set_any_ip(true);
        interface.update_ip_addrs(|addresses| {
            // There is room for more than one.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(GATEWAY), 24));
        });
        let _ = interface.routes_mut().add_default_ipv4_route(GATEWAY);
        Self {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            flows: tcp::Flows::new(routes.clone(), wake),
            datagrams: udp::Flows::new(routes),
            news,
            started: std::time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    fn run(mut self) {
        loop {
            if self.wait().is_err() {
                return;
            }
            while let Some(packet) = self.wire.receive() {
                self.take(packet);
            }
            for syn in self.flows.connected(&mut self.sockets) {
                // One at a time, so that each finds the socket that was made for it.
                self.wire.inject(syn);
                self.poll();
            }
            self.datagrams.receive(&mut self.wire);
            self.poll();
            if self.flows.carry(&mut self.sockets) {
                self.poll();
            }
        }
    }

    fn poll(&mut self) {
        let now = self.now();
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
    }

    fn take(&mut self, packet: Vec<u8>) {
        match packet::kind(&packet) {
            Kind::Opening(flow) => self.flows.open(flow, packet, &mut self.sockets),
            Kind::Datagram(flow, payload) => self.datagrams.send(flow, payload),
            Kind::Segment(packet) => {
                self.wire.inject(packet);
                self.poll();
            }
            Kind::Other => {}
        }
    }

    /// Sleeps until a packet or a byte can move, or the stack wants to do something again.
    fn wait(&mut self) -> rustix::io::Result<()> {
        let now = self.now();
        let delay = self
            .interface
            .poll_delay(now, &self.sockets)
            .map(|delay| Duration::from_micros(delay.total_micros()));
        let delay = delay.unwrap_or(Duration::from_secs(5)).min(Duration::from_secs(5));
        let timeout =
            Timespec { tv_sec: delay.as_secs().cast_signed(), tv_nsec: delay.subsec_nanos().into() };
        let mut interest: Vec<(BorrowedFd<'_>, PollFlags)> =
            vec![(self.wire.tunnel(), PollFlags::IN), (self.news.as_fd(), PollFlags::IN)];
        interest.extend(self.flows.interest(&self.sockets));
        interest.extend(self.datagrams.interest());
        let mut ready: Vec<PollFd<'_>> = interest
            .iter()
            .map(|(descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags))
            .collect();
        match poll(&mut ready, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if ready[1].revents().contains(PollFlags::IN) {
            let mut byte = [0];
            let _ = std::io::Read::read(&mut self.news, &mut byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_keep_the_host_to_itself_unless_asked() {
        let routes = Routes::new("search x\nnameserver 192.0.2.53\nnameserver 1.1.1.1\n", false);
        let real = |routes: &Routes, address: [u8; 4], port| routes.target(address.into(), port);
        assert_eq!(real(&routes, [10, 0, 2, 3], 53), Some("192.0.2.53:53".parse().unwrap()));
        assert_eq!(real(&routes, [10, 0, 2, 2], 80), None);
        assert_eq!(real(&routes, [127, 0, 0, 1], 80), None);
        assert_eq!(real(&routes, [192, 0, 2, 1], 80), Some("192.0.2.1:80".parse().unwrap()));
        let open = Routes::new("", true);
        assert_eq!(real(&open, [10, 0, 2, 2], 80), Some("127.0.0.1:80".parse().unwrap()));
    }
}
