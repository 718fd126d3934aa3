//! Where the payload stands in a packet: IPv4 with options, IPv6 with extension headers, TCP and UDP.

use crate::kernel::{AF_INET, AF_INET6, widen};
use crate::packet::Packet;

/// IPPROTO_TCP.
pub const TCP: u16 = 6;
/// IPPROTO_UDP.
pub const UDP: u16 = 17;

/// Where a packet's payload stands, and its ends.
pub struct Segment {
    /// Offset of the payload.
    pub at: u32,
    /// Bytes of payload.
    pub len: u32,
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// IPPROTO_*.
    pub protocol: u16,
    /// Where it comes from; IPv4 in the first four bytes.
    pub source: [u8; 16],
    /// Where it goes.
    pub destination: [u8; 16],
    /// Source port, destination port, network order.
    pub ports: [u16; 2],
}

/// Finds the payload; `None` where there is none, or no TCP or UDP.
#[inline(always)]
pub fn segment(packet: Packet) -> Option<Segment> {
    // The fixed part of IPv4; of IPv6, all but the addresses' ends.
    let [first, second, third, fourth, fifth]: [u32; 5] = packet.load(0)?;
    let version = first as u8 >> 4;
    let (family, protocol, at) = match version {
        4 => {
            // Only the first fragment has ports.
            if u16::from_be((second >> 16) as u16) & 0x1fff != 0 {
                return None;
            }
            (AF_INET, (third >> 8) as u8, u32::from(first as u8 & 0xf) * 4)
        }
        6 => {
            let (protocol, at) = behind_extensions(packet, (second >> 16) as u8)?;
            (AF_INET6, protocol, at)
        }
        _ => return None,
    };
    let protocol = u16::from(protocol);
    let header = match protocol {
        TCP => {
            let offset: u8 = packet.load(at + 12)?;
            u32::from(offset >> 4) * 4
        }
        UDP => 8,
        _ => return None,
    };
    let total = packet.len();
    if total <= at + header {
        return None;
    }
    let ports: u32 = packet.load(at)?;
    let ports = [ports as u16, (ports >> 16) as u16];
    let (source, destination) =
        if version == 4 { (widen(fourth), widen(fifth)) } else { (packet.load(8)?, packet.load(24)?) };
    Some(Segment { at: at + header, len: total - at - header, family, protocol, source, destination, ports })
}

/// The transport protocol of an IPv6 packet, and where its header begins.
#[inline(always)]
fn behind_extensions(packet: Packet, first: u8) -> Option<(u8, u32)> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    /// Most extension headers that are passed.
    const MOST: u32 = 6;
    let mut next = first;
    let mut at = 40;
    for _ in 0..MOST {
        let step = match next {
            HOP_BY_HOP | ROUTING | DESTINATION => (u32::from(packet.load::<u8>(at + 1)?) + 1) * 8,
            AUTHENTICATION => (u32::from(packet.load::<u8>(at + 1)?) + 2) * 4,
            FRAGMENT => {
                let offset: u16 = packet.load(at + 2)?;
                if u16::from_be(offset) & 0xfff8 != 0 {
                    return None;
                }
                8
            }
            _ => return Some((next, at)),
        };
        next = packet.load(at)?;
        at += step;
    }
    None
}
