//! First bytes and volume of flows, at `cgroup_skb/egress` and `cgroup_skb/ingress` (4.10; socket storage
//! makes it 5.2).
//!
//! Runs for each packet of the sockets that belong to the control groups that it is attached to, whatever
//! sent it (write, sendfile, `io_uring`) and wherever it goes, loopback included; often in softirq, when any
//! task may be current. Whose the flow is was remembered with the socket, see [`crate::flow`]. A packet
//! without payload leaves after its headers were read; bulk transfer costs its counters. Slips past:
//! raw and packet sockets; later fragments of a datagram; sockets that were made outside the groups.

use core::mem::offset_of;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated;
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use detector_common::limits;
use detector_common::wire::{Kind, Payload, flag};

use crate::automaton::{self, CHUNK};
use crate::flow::{self, RECEIVED, SENT, State};
use crate::kernel::{AF_INET, AF_INET6, context_sock, context_word, cookie, widen};
use crate::output::{self, Lane};
use crate::scope;

const ALLOW: i32 = 1;
const TCP: u16 = 6;
const UDP: u16 = 17;

/// Looks at what is sent.
#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    packet::<SENT>(&ctx);
    ALLOW
}

/// Looks at what is received.
#[cgroup_skb(ingress)]
pub fn ingress(ctx: SkBuffContext) -> i32 {
    packet::<RECEIVED>(&ctx);
    ALLOW
}

/// Where a packet's payload stands, and its ends.
struct Segment {
    /// Offset of the payload.
    at: u32,
    /// Bytes of payload.
    len: u32,
    family: u16,
    protocol: u16,
    source: [u8; 16],
    destination: [u8; 16],
    /// Source port, destination port, network order.
    ports: [u16; 2],
}

#[inline(always)]
fn packet<const WAY: usize>(ctx: &SkBuffContext) {
    let Some(segment) = segment(ctx) else { return };
    let sock = context_sock(ctx.skb.skb, offset_of!(__sk_buff, __bindgen_anon_2));
    if sock.is_null() {
        return;
    }
    let Some(state) = flow::known(sock).or_else(|| stranger::<WAY>(ctx, sock)) else { return };
    if WAY == SENT && state.pid == 0 {
        adopt(state);
    }
    let now = output::now();
    if state.opened == 0 {
        state.opened = now;
        state.reported = now;
    }
    // Datagrams of one socket may go to many places; a stream has two ends for good.
    if segment.protocol == UDP || state.family == 0 {
        place::<WAY>(state, &segment);
    }
    let way = &mut state.ways[WAY];
    way.count(segment.len, now);
    // From here on the verifier knows nothing of the many ways that led here: it goes on once, not once
    // for each.
    way.at.set(segment.at);
    way.len.set(segment.len);
    if is_worth_a_look(way) {
        look::<WAY>(ctx, state);
    }
    if now.wrapping_sub(state.reported) > limits::FLOW_REPORT {
        state.report(cookie(ctx.skb.skb), now, 0);
    }
}

/// A socket that carries its first bytes. What it sends, it sends for the current task, if that one is of
/// its group; userspace knows better where it saw the connect.
#[inline(always)]
fn stranger<const WAY: usize>(
    ctx: &SkBuffContext,
    sock: *mut core::ffi::c_void,
) -> Option<&'static mut State> {
    // SAFETY: always allowed for this program type.
    let cgroup = unsafe { generated::bpf_skb_cgroup_id(ctx.skb.skb) };
    let agent = scope::agent_of(cgroup)?;
    let state = flow::known_or_new(sock)?;
    state.agent = agent;
    state.cgroup = cgroup;
    if WAY == SENT {
        adopt(state);
    }
    Some(state)
}

/// Takes the current task for the owner, if it is of the socket's group.
#[inline(always)]
fn adopt(state: &mut State) {
    if let Some(actor) = scope::watched_or_inside()
        && actor.cgroup == state.cgroup
    {
        state.owned_by(&actor);
    }
}

/// Finds the payload; `None` where there is none, or no TCP or UDP.
#[inline(always)]
fn segment(ctx: &SkBuffContext) -> Option<Segment> {
    // The fixed part of IPv4; of IPv6, all but the addresses' ends.
    let [first, second, third, fourth, fifth]: [u32; 5] = load(ctx, 0)?;
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
            let (protocol, at) = behind_extensions(ctx, (second >> 16) as u8)?;
            (AF_INET6, protocol, at)
        }
        _ => return None,
    };
    let protocol = u16::from(protocol);
    let header = match protocol {
        TCP => {
            let offset: u8 = load(ctx, at + 12)?;
            u32::from(offset >> 4) * 4
        }
        UDP => 8,
        _ => return None,
    };
    let total = context_word(ctx.skb.skb, offset_of!(__sk_buff, len));
    if total <= at + header {
        return None;
    }
    let ports: u32 = load(ctx, at)?;
    let ports = [ports as u16, (ports >> 16) as u16];
    let (source, destination) = if version == 4 {
        (widen(fourth), widen(fifth))
    } else {
        (load(ctx, 8)?, load(ctx, 24)?)
    };
    Some(Segment { at: at + header, len: total - at - header, family, protocol, source, destination, ports })
}

/// The transport protocol of an IPv6 packet, and where its header begins.
#[inline(always)]
fn behind_extensions(ctx: &SkBuffContext, first: u8) -> Option<(u8, u32)> {
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
            HOP_BY_HOP | ROUTING | DESTINATION => (u32::from(load::<u8>(ctx, at + 1)?) + 1) * 8,
            AUTHENTICATION => (u32::from(load::<u8>(ctx, at + 1)?) + 2) * 4,
            FRAGMENT => {
                let offset: u16 = load(ctx, at + 2)?;
                if u16::from_be(offset) & 0xfff8 != 0 {
                    return None;
                }
                8
            }
            _ => return Some((next, at)),
        };
        next = load(ctx, at)?;
        at += step;
    }
    None
}

/// The ends of a segment, as its socket sees them.
#[inline(always)]
fn place<const WAY: usize>(state: &mut State, segment: &Segment) {
    let [source, destination] = segment.ports;
    state.family = segment.family;
    state.protocol = segment.protocol;
    if WAY == SENT {
        state.local = segment.source;
        state.remote = segment.destination;
        state.local_port = u16::from_be(source);
        state.remote_port = u16::from_be(destination);
    } else {
        state.local = segment.destination;
        state.remote = segment.source;
        state.local_port = u16::from_be(destination);
        state.remote_port = u16::from_be(source);
    }
}

#[inline(always)]
fn is_worth_a_look(way: &flow::Way) -> bool {
    way.follow > 0
        || way.state != 0
        || way.left > 0
        || (way.packets.is_multiple_of(limits::SAMPLED) && way.len.get() <= limits::SAMPLED_MAX)
}

/// Judges the segment by its bytes, and hands over what userspace wants to see of it.
#[inline(always)]
fn look<const WAY: usize>(ctx: &SkBuffContext, state: &mut State) {
    let protocol = state.protocol;
    let way = &mut state.ways[WAY];
    let first = way.packets == 1;
    let len = way.len.get();
    let begins = way.state == 0;
    if begins {
        way.left = way.left.saturating_sub(1);
        way.looked = 0;
        way.state = u32::from(if protocol == TCP {
            limits::AUTOMATON_START_TCP
        } else {
            limits::AUTOMATON_START_UDP
        });
    }
    let flags = if begins { flag::BEGINS } else { 0 };
    let reached = walk(ctx, way.state, way.at.get(), len);
    let taken = least(len, limits::LOOKED_AT);
    way.state = 0;
    if let Some(want) = automaton::want(reached) {
        let bytes = least(len, want.bytes);
        way.mark = reached - u32::from(limits::AUTOMATON_ACCEPT) + 1;
        way.follow = if protocol == TCP { want.bytes.saturating_sub(bytes + way.looked) } else { 0 };
        look_again(way, protocol, want.again);
        let mark = way.mark;
        hand_over::<WAY>(ctx, state, bytes, mark, flags);
    } else if way.follow > 0 {
        let (take, mark) = (least(len, way.follow), way.mark);
        way.follow -= take;
        hand_over::<WAY>(ctx, state, take, mark, 0);
    } else if reached != u32::from(limits::AUTOMATON_DEAD) {
        way.looked += taken;
        if way.looked < limits::LOOKED_AT && protocol == TCP {
            way.state = reached;
        }
        hand_over::<WAY>(ctx, state, taken, 0, flags);
    } else if first && is_noise::<WAY>(state, len) {
        hand_over::<WAY>(ctx, state, taken, 0, flags);
    }
}

/// Says how many of the segments to come are looked at. A stream that goes on with messages of interest has
/// shown what it is after some of them; datagrams (DNS) count one by one.
#[inline(always)]
fn look_again(way: &mut flow::Way, protocol: u16, again: u32) {
    way.accepted = way.accepted.saturating_add(1);
    if again == 0 {
        way.left = 0;
    } else if way.left < again && (protocol == UDP || way.accepted <= limits::ACCEPTED_MAX) {
        way.left = again;
    }
}

/// Whether the first segment of a direction has the length of a Noise handshake's: it has no other mark.
#[inline(always)]
fn is_noise<const WAY: usize>(state: &mut State, len: u32) -> bool {
    if len == limits::NOISE_ACT_ONE {
        state.noise = 1;
        return true;
    }
    len == limits::NOISE_ACT_TWO && state.noise == 1
}

/// Walks the automaton over the segment, a chunk at a time.
#[inline(always)]
fn walk(ctx: &SkBuffContext, from: u32, at: u32, total: u32) -> u32 {
    let mut state = from;
    let mut done = 0;
    while done < limits::LOOKED_AT {
        if done >= total {
            break;
        }
        let len = bounded::<CHUNK>(total.wrapping_sub(done));
        let mut chunk = automaton::chunk();
        // SAFETY: `chunk` has room for `len` bytes.
        let failed = unsafe {
            generated::bpf_skb_load_bytes(
                ctx.skb.skb.cast(),
                at + done,
                chunk.as_mut_ptr().cast(),
                len,
            )
        };
        if failed != 0 {
            return u32::from(limits::AUTOMATON_DEAD);
        }
        state = automaton::walk(state, &chunk, len);
        if state == u32::from(limits::AUTOMATON_DEAD) || state >= u32::from(limits::AUTOMATON_ACCEPT) {
            break;
        }
        done += CHUNK as u32;
    }
    state
}

/// A record with room for `N` bytes of payload.
#[repr(C)]
struct Record<const N: usize> {
    header: detector_common::wire::Header,
    payload: Payload,
    bytes: [u8; N],
}

/// Most bytes of a short record.
const SHORT: usize = 256;

#[inline(always)]
fn hand_over<const WAY: usize>(
    ctx: &SkBuffContext,
    state: &State,
    take: u32,
    mark: u32,
    flags: u16,
) {
    if take <= SHORT as u32 {
        write::<WAY, SHORT>(ctx, state, take, mark, flags);
    } else {
        write::<WAY, { limits::PAYLOAD_MAX }>(ctx, state, take, mark, flags);
    }
}

#[inline(always)]
fn write<const WAY: usize, const N: usize>(
    ctx: &SkBuffContext,
    state: &State,
    take: u32,
    mark: u32,
    flags: u16,
) {
    let len = bounded::<N>(take);
    let way = &state.ways[WAY];
    let actor = state.owner();
    let inbound = if WAY == RECEIVED { flag::INBOUND } else { 0 };
    let flags = flags | inbound;
    let size = size_of::<Record<N>>() - N + len as usize;
    let header = output::header(Kind::Payload, &actor, size, flags);
    let urgent = mark > 0 && automaton::want(mark - 1 + u32::from(limits::AUTOMATON_ACCEPT)).is_some_and(|want| want.urgent != 0);
    let lane = if urgent { Lane::Urgent } else { Lane::Bulk };
    let wake = output::wake(lane, header.time);
    let Some(mut entry) = output::ring(lane).reserve::<Record<N>>(0) else {
        output::count_loss(actor.agent, Kind::Payload);
        return;
    };
    let record = entry.as_mut_ptr();
    let payload = Payload {
        socket: state.socket(cookie(ctx.skb.skb)),
        segment: (way.packets - 1) as u32,
        total: way.len.get(),
        len,
        mark,
    };
    // SAFETY: reserved memory of this layout.
    unsafe { (&raw mut (*record).header).write(header) };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).payload).write(payload) };
    // SAFETY: as above; `len` is at most N. What the helper cannot load it fills with zeros.
    unsafe {
        generated::bpf_skb_load_bytes(
            ctx.skb.skb.cast(),
            way.at.get(),
            (&raw mut (*record).bytes).cast(),
            len,
        );
    }
    entry.submit(wake);
}

#[inline(always)]
fn least(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}

/// A length from 1 to `N`, in a form whose bounds the verifier sees.
#[inline(always)]
fn bounded<const N: usize>(len: u32) -> u32 {
    let mut len = u64::from(len);
    // SAFETY: compares and replaces one register; no memory, no flags.
    unsafe {
        core::arch::asm!(
            "if {0} <= {1} goto +1", "{0} = {1}",
            "if {0} >= 1 goto +1", "{0} = 1",
            inout(reg) len, const N
        );
    }
    len as u32
}

#[inline(always)]
fn load<T: Copy + Default>(ctx: &SkBuffContext, offset: u32) -> Option<T> {
    let mut value = T::default();
    // SAFETY: writes exactly the size of `value`, or nothing.
    let failed = unsafe {
        generated::bpf_skb_load_bytes(
            ctx.skb.skb.cast(),
            offset,
            (&raw mut value).cast(),
            size_of::<T>() as u32,
        )
    };
    (failed == 0).then_some(value)
}
