//! First bytes and volume of flows, at `cgroup_skb/egress` and `cgroup_skb/ingress` (4.10; socket storage
//! makes it 5.2).
//!
//! Runs for each packet of the sockets that belong to the control groups that it is attached to, whatever
//! sent it (write, sendfile, `io_uring`) and wherever it goes, loopback included; often in softirq, when any
//! task may be current. Whose the flow is was remembered with the socket, see [`crate::flow`]. A packet
//! without payload leaves after its headers were read; bulk transfer costs its counters. Slips past:
//! raw and packet sockets; later fragments of a datagram; sockets that were made outside the groups.

use core::ffi::c_void;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use detector_common::limits;
use detector_common::wire::{Kind, Payload, Want, flag};

use crate::automaton::{self, CHUNK};
use crate::flow::{self, RECEIVED, SENT, State};
use crate::output::{self, Lane};
use crate::packet::{Packet, bounded};
use crate::scope;

mod segment;

use segment::{Segment, TCP, UDP};

const ALLOW: i32 = 1;

/// A segment of a watched flow, counted; its bytes are worth a look.
const LOOK: u32 = 1;
/// The flow is to be reported again.
const REPORT: u32 = 2;

/// A program for one way, and its two halves. These are global functions, which the verifier checks once each and
/// not at the end of every way that leads there, and whose stacks do not add up; exported, or they would be none.
macro_rules! program {
    ($(#[$doc:meta])* $name:ident, $direction:ident, $way:ident, $count:ident, $look:ident) => {
        $(#[$doc])*
        #[cgroup_skb($direction)]
        pub fn $name(ctx: SkBuffContext) -> i32 {
            let packet = Packet::of(&ctx);
            if packet.is_bare() {
                return ALLOW;
            }
            let next = $count(packet.0);
            if next & LOOK != 0 {
                $look(packet.0);
            }
            if next & REPORT != 0 {
                payload_report(packet.0);
            }
            ALLOW
        }

        /// Finds the segment in the packet and counts it; gives what is to be done next.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $count(skb: *mut __sk_buff) -> u32 {
            count::<$way>(Packet(skb))
        }

        /// Looks at the bytes.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $look(skb: *mut __sk_buff) -> u32 {
            let packet = Packet(skb);
            if let Some(state) = state(packet) {
                look::<$way>(packet, state);
            }
            0
        }
    };
}

program!(
    /// Looks at what is sent.
    egress, egress, SENT, payload_sent, payload_sent_look
);
program!(
    /// Looks at what is received.
    ingress, ingress, RECEIVED, payload_received, payload_received_look
);

/// What is known of the packet's socket.
#[inline(always)]
fn state(packet: Packet) -> Option<&'static mut State> {
    let sock = packet.sock();
    if sock.is_null() { None } else { flow::known(sock) }
}

#[inline(always)]
fn count<const WAY: usize>(packet: Packet) -> u32 {
    let Some(segment) = segment::segment(packet) else { return 0 };
    let sock = packet.sock();
    if sock.is_null() {
        return 0;
    }
    let Some(state) = flow::known(sock).or_else(|| stranger::<WAY>(packet, sock)) else { return 0 };
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
    way.at.set(segment.at);
    way.len.set(segment.len);
    let look = if is_worth_a_look(way) { LOOK } else { 0 };
    let report = if now.wrapping_sub(state.reported) > limits::FLOW_REPORT { REPORT } else { 0 };
    look | report
}

/// Says what the flow carried until now. A global function like [`payload_walk`], with a stack of its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn payload_report(skb: *mut __sk_buff) -> i32 {
    let packet = Packet(skb);
    if let Some(state) = state(packet) {
        state.report(packet.cookie(), output::now(), 0);
    }
    0
}

/// A socket that carries its first bytes. What it sends, it sends for the current task, if that one is of
/// its group; userspace knows better where it saw the connect.
#[inline(always)]
fn stranger<const WAY: usize>(packet: Packet, sock: *mut c_void) -> Option<&'static mut State> {
    let cgroup = packet.cgroup();
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
    if let Some(actor) = scope::sender()
        && actor.cgroup == state.cgroup
    {
        state.owned_by(&actor);
    }
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
fn look<const WAY: usize>(packet: Packet, state: &mut State) {
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
    let reached = payload_walk(packet.0, way.state, way.at.get(), len);
    let taken = least(len, limits::LOOKED_AT);
    way.state = 0;
    if let Some(want) = automaton::want(reached) {
        let wanted = if begins { framed(packet, way.at.get(), want) } else { want.bytes };
        let bytes = least(len, wanted);
        way.mark = reached - u32::from(limits::AUTOMATON_ACCEPT) + 1;
        way.follow = if protocol == TCP { wanted.saturating_sub(bytes + way.looked) } else { 0 };
        look_again(way, protocol, want.again);
        let mark = way.mark;
        hand_over::<WAY>(packet, bytes, mark, flags);
    } else if way.follow > 0 {
        let (take, mark) = (least(len, way.follow), way.mark);
        way.follow -= take;
        // What may follow a handshake may begin in this segment.
        if way.left > 0 {
            way.go_on(reached, taken);
        }
        hand_over::<WAY>(packet, take, mark, 0);
    } else if reached != u32::from(limits::AUTOMATON_DEAD) {
        if protocol == TCP {
            way.go_on(reached, taken);
        }
        hand_over::<WAY>(packet, taken, 0, flags);
    } else if first && is_noise::<WAY>(state, len) {
        hand_over::<WAY>(packet, taken, 0, flags);
    }
}

/// How much of a message that begins at `at` is handed over: no more than the message has.
#[inline(always)]
fn framed(packet: Packet, at: u32, want: &Want) -> u32 {
    if want.length_at == 0 {
        return want.bytes;
    }
    let length_at = want.length_at - 1;
    let length = packet.load::<u16>(at + length_at).map_or(0, |length| u32::from(u16::from_be(length)));
    if length < limits::FRAME_LEAST { want.bytes } else { least(want.bytes, length_at + 2 + length) }
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

/// Walks the automaton over the segment, a chunk at a time; and the strings of canaries, where there are any.
/// A string that is split between two segments is found only where a mark has the first one handed over. A global function, which the verifier checks once and
/// not at the end of each way that leads here; exported, or it would be none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn payload_walk(skb: *mut __sk_buff, from: u32, at: u32, total: u32) -> u32 {
    let packet = Packet(skb);
    let mut state = from;
    let mut string = automaton::strings();
    let mut done = 0;
    while done < limits::LOOKED_AT {
        if done >= total {
            break;
        }
        let len = bounded::<CHUNK>(total.wrapping_sub(done));
        let mut chunk = automaton::chunk();
        if !packet.copy(at + done, chunk.as_mut_ptr().cast(), len) {
            return u32::from(limits::AUTOMATON_DEAD);
        }
        state = automaton::walk(state, &chunk, len);
        if state >= u32::from(limits::AUTOMATON_ACCEPT) {
            break;
        }
        if string != 0 {
            string = automaton::walk_strings(string, &chunk, len);
            if string == u32::from(limits::STRINGS_FOUND) {
                return u32::from(limits::AUTOMATON_STRING);
            }
        } else if state == u32::from(limits::AUTOMATON_DEAD) {
            break;
        }
        done += CHUNK as u32;
    }
    state
}

/// Most bytes of a short record.
const SHORT: usize = 256;

#[inline(always)]
fn hand_over<const WAY: usize>(packet: Packet, take: u32, mark: u32, flags: u16) {
    payload_write(packet.0, WAY as u32, take, mark, u32::from(flags));
}

/// Hands over bytes of the segment. A global function like [`payload_walk`], with a stack of its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn payload_write(skb: *mut __sk_buff, way: u32, take: u32, mark: u32, flags: u32) -> i32 {
    let packet = Packet(skb);
    let Some(state) = state(packet) else { return 0 };
    let flags = flags as u16;
    match (way as usize == SENT, take <= SHORT as u32) {
        (true, true) => write::<SENT, SHORT>(packet, state, take, mark, flags),
        (true, false) => write::<SENT, { limits::PAYLOAD_MAX }>(packet, state, take, mark, flags),
        (false, true) => write::<RECEIVED, SHORT>(packet, state, take, mark, flags),
        (false, false) => write::<RECEIVED, { limits::PAYLOAD_MAX }>(packet, state, take, mark, flags),
    }
    0
}

#[inline(always)]
fn write<const WAY: usize, const N: usize>(packet: Packet, state: &State, take: u32, mark: u32, flags: u16) {
    let len = bounded::<N>(take);
    let way = &state.ways[WAY];
    let inbound = if WAY == RECEIVED { flag::INBOUND } else { 0 };
    let lane = if automaton::is_urgent(mark) { Lane::Urgent } else { Lane::Bulk };
    let payload = Payload {
        socket: state.socket(packet.cookie()),
        segment: (way.packets - 1) as u32,
        total: way.len.get(),
        len,
        mark,
    };
    let at = way.at.get();
    output::emit_with::<_, N>(lane, Kind::Payload, &state.owner(), flags | inbound, payload, |tail| {
        packet.copy(at, tail, len);
    });
}

#[inline(always)]
fn least(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}
