//! What a packet of the container is about, and datagrams for it.

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpPacket, UdpPacket, UdpRepr};

/// Who speaks to whom: the container's end, and the other one as the container names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) inside: SocketAddrV4,
    pub(super) outside: SocketAddrV4,
}

/// What a packet is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first of a connection.
    Opening(Flow),
    /// A later one.
    Segment(Vec<u8>),
    Datagram(Flow, Vec<u8>),
    /// Nothing that is carried.
    Other,
}

pub(super) fn kind(bytes: &[u8]) -> Kind {
    let Ok(packet) = Ipv4Packet::new_checked(bytes) else { return Kind::Other };
    if packet.more_frags() || packet.frag_offset() != 0 {
        return Kind::Other;
    }
    let flow = |from: u16, to: u16| Flow {
        inside: SocketAddrV4::new(packet.src_addr(), from),
        outside: SocketAddrV4::new(packet.dst_addr(), to),
    };
    match packet.next_header() {
        IpProtocol::Tcp => match TcpPacket::new_checked(packet.payload()) {
            Ok(segment) if segment.syn() && !segment.ack() => {
                Kind::Opening(flow(segment.src_port(), segment.dst_port()))
            }
            Ok(_) => Kind::Segment(bytes.to_vec()),
            Err(_) => Kind::Other,
        },
        IpProtocol::Udp => match UdpPacket::new_checked(packet.payload()) {
            Ok(datagram) => {
                Kind::Datagram(flow(datagram.src_port(), datagram.dst_port()), datagram.payload().to_vec())
            }
            Err(_) => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// A datagram back to the container.
pub(super) fn datagram(flow: &Flow, payload: &[u8]) -> Vec<u8> {
    let header = UdpRepr { src_port: flow.outside.port(), dst_port: flow.inside.port() };
    let (from, to): (Ipv4Addr, Ipv4Addr) = (*flow.outside.ip(), *flow.inside.ip());
    let around = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: header.header_len() + payload.len(),
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; around.buffer_len() + around.payload_len];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    around.emit(&mut packet, &checksums);
    let mut inner = UdpPacket::new_unchecked(packet.payload_mut());
    header.emit(
        &mut inner,
        &IpAddress::Ipv4(from),
        &IpAddress::Ipv4(to),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &checksums,
    );
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_is_what_it_was_made_of() {
        let flow =
            Flow { inside: "10.0.2.3:53".parse().unwrap(), outside: "10.0.2.100:4000".parse().unwrap() };
        let turned = Flow { inside: flow.outside, outside: flow.inside };
        assert_eq!(kind(&datagram(&flow, b"answer")), Kind::Datagram(turned, b"answer".to_vec()));
    }

    proptest! {
        #[test]
        fn any_packet_is_read_without_panic(mut bytes: Vec<u8>, protocol in prop_oneof![Just(6_u8), Just(17)]) {
            kind(&bytes);
            if bytes.len() >= 20 {
                bytes[0] = 0x45;
                bytes[9] = protocol;
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
                bytes[2..4].copy_from_slice(&length);
                kind(&bytes);
            }
        }
    }
}
