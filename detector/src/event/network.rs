//! Flows, what they carry, and where somebody listens.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::NetnsId;

/// Transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Another IPPROTO number.
    Other(u16),
}

impl Protocol {
    /// Sigma's and the kernel's word for it.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Tcp => Cow::Borrowed("tcp"),
            Self::Udp => Cow::Borrowed("udp"),
            Self::Other(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// An outgoing flow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Socket cookie; names the flow as long as it lives.
    pub cookie: u64,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it goes; a v4-mapped IPv6 address is given as IPv4.
    pub remote: SocketAddr,
    /// Where it comes from, as far as chosen.
    pub local: Option<SocketAddr>,
    /// The socket is an IPv6 one that was given a v4-mapped address.
    pub v4_mapped: bool,
    /// The watched socket asked for the connection; otherwise it accepted it, or that is not known.
    pub initiated: bool,
    /// Network namespace of the socket.
    pub netns: NetnsId,
}

/// Which way bytes went, seen from the watched socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Sent by it.
    Out,
    /// Received by it.
    In,
}

/// Bytes at the beginning of a flow, as many as the kernel half thought worth looking at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The flow; accepted ones as well as those that go out.
    pub flow: Flow,
    /// Which way they went.
    pub direction: Direction,
    /// They begin a message as far as the kernel half can say; otherwise they continue the bytes before.
    pub begins: bool,
    /// Number of this segment or datagram among those with payload of this direction, from 0.
    pub segment: u32,
    /// Bytes of the whole segment.
    pub total: u32,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

/// What a flow carried until now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowStats {
    /// The flow.
    pub flow: Flow,
    /// Whether it was closed; otherwise it lives on.
    pub closed: bool,
    /// Nanoseconds since the socket was made or first seen.
    pub age: u64,
    /// Sent.
    pub sent: Carried,
    /// Received.
    pub received: Carried,
}

/// What a flow carried in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Bytes of payload, those that TCP sent again included.
    pub bytes: u64,
    /// Segments or datagrams with payload.
    pub packets: u64,
    /// Segments that came more than a second after the one before: bursts, less one.
    pub pauses: u32,
    /// Longest silence between two segments, nanoseconds.
    pub longest_gap: u64,
    /// Nanoseconds since the last segment; 0 where there was none.
    pub idle: u64,
}

/// The end of a TCP connect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowResult {
    /// The flow, with its local address.
    pub flow: Flow,
    /// 0, or the errno that it failed with.
    pub errno: u32,
}

/// A local endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Socket cookie.
    pub cookie: u64,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Bound address; port 0 where the kernel has not chosen one yet.
    pub local: SocketAddr,
}

impl Endpoint {
    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.local.ip())
    }
}

/// Whether an address stays on this machine.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether an address is private, link-local or shared (RFC 1918, 3927, 4193, 6598).
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether an address is one of another machine beyond this network.
pub fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !is_private(ip) && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}
