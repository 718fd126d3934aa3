//! Records of sockets become flows, their ends and their bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use detector_common::wire::{self, Header, flag};

use super::{Malformed, secret, take};
use crate::event::{Carried, Direction, Endpoint, EventKind, Flow, FlowStats, NetnsId, Payload, Protocol};

const AF_INET6: u16 = 10;

/// The flow of a socket that asked for it.
pub(super) fn initiated(socket: &wire::Socket) -> Flow {
    Flow { initiated: true, ..flow(socket) }
}

fn flow(socket: &wire::Socket) -> Flow {
    let remote = address(socket.family, socket.remote);
    let local = SocketAddr::new(address(socket.family, socket.local).to_canonical(), socket.local_port);
    Flow {
        cookie: socket.cookie,
        protocol: protocol(socket.protocol),
        remote: SocketAddr::new(remote.to_canonical(), socket.remote_port),
        local: (local.port() != 0).then_some(local),
        v4_mapped: remote != remote.to_canonical(),
        initiated: false,
        netns: NetnsId(socket.netns),
    }
}

pub(super) fn endpoint(socket: &wire::Socket) -> Endpoint {
    Endpoint {
        cookie: socket.cookie,
        protocol: protocol(socket.protocol),
        local: SocketAddr::new(address(socket.family, socket.local).to_canonical(), socket.local_port),
    }
}

pub(super) fn payload(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
    let (payload, rest) = take::<wire::Payload>(rest)?;
    let len = usize::try_from(payload.len).map_err(|_| Malformed)?;
    let mut bytes = rest.get(..len).ok_or(Malformed)?.to_vec();
    secret::mask(&mut bytes);
    let has = |bit: u16| header.flags & bit != 0;
    Ok(EventKind::Payload(Box::new(Payload {
        flow: flow(&payload.socket),
        direction: if has(flag::INBOUND) { Direction::In } else { Direction::Out },
        begins: has(flag::BEGINS),
        segment: payload.segment,
        total: payload.total,
        bytes,
    })))
}

pub(super) fn flow_stats(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
    let (stats, _) = take::<wire::Flow>(rest)?;
    let has = |bit: u16| header.flags & bit != 0;
    Ok(EventKind::FlowStats(Box::new(FlowStats {
        flow: flow(&stats.socket),
        closed: has(flag::CLOSED),
        age: stats.age,
        sent: carried(stats.sent),
        received: carried(stats.received),
    })))
}

fn carried(carried: wire::Carried) -> Carried {
    let wire::Carried { bytes, packets, longest_gap, idle, pauses, pad: _ } = carried;
    // Where there was no segment, the kernel half counts from boot.
    let idle = if packets == 0 { 0 } else { idle };
    Carried { bytes, packets, pauses, longest_gap, idle }
}

fn protocol(number: u16) -> Protocol {
    match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        other => Protocol::Other(other),
    }
}

pub(super) fn address(family: u16, bytes: [u8; 16]) -> IpAddr {
    if family == AF_INET6 {
        return IpAddr::V6(Ipv6Addr::from(bytes));
    }
    let [a, b, c, d, ..] = bytes;
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}
