//! What is known of each watched socket that carried bytes, kept with the socket itself.
//!
//! Socket storage (5.2) is freed with its socket and cannot be evicted by other flows. To make one costs a
//! microsecond, so a socket gets it with the first bytes that it carries. Who asked for a connection, or
//! listens for it, is remembered by userspace.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE;
use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE};
use aya_ebpf::helpers::generated;
use aya_ebpf::macros::btf_map;
use detector_common::limits;
use detector_common::wire::{Carried, Flow, Kind, Socket};

use crate::kernel::Word;
use crate::output::{self, Lane};
use crate::scope::Actor;

const FLAGS: usize = BPF_F_NO_PREALLOC as usize;

/// A map definition in BTF; aya-ebpf's own `SkStorage` takes the contexts of connects only.
#[repr(C)]
struct Storage {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const State,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
}

// SAFETY: placeholders that the loader reads and nobody follows.
unsafe impl Sync for Storage {}

#[btf_map]
static FLOWS: Storage = Storage {
    r#type: ptr::null(),
    key: ptr::null(),
    value: ptr::null(),
    max_entries: ptr::null(),
    map_flags: ptr::null(),
};

/// What is known of a socket.
#[repr(C)]
pub struct State {
    /// Start of the owner.
    pub start: u64,
    /// When the socket was first seen; 0 until it carried something.
    pub opened: u64,
    /// When it was last reported.
    pub reported: u64,
    /// Control group that it was made in.
    pub cgroup: u64,
    /// Owner; 0 where not known.
    pub pid: u32,
    /// Thread that made it.
    pub tid: u32,
    /// Agent.
    pub agent: u32,
    /// User.
    pub uid: u32,
    /// 1 where its first segment may be a Noise handshake's.
    pub noise: u32,
    /// Zero.
    pub pad: u32,
    /// Addresses of the last segment.
    pub remote: [u8; 16],
    /// Its own end.
    pub local: [u8; 16],
    /// Remote port.
    pub remote_port: u16,
    /// Local port.
    pub local_port: u16,
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// IPPROTO_*.
    pub protocol: u16,
    /// Sent and received.
    pub ways: [Way; 2],
}

/// One direction of a flow.
#[repr(C)]
pub struct Way {
    /// Bytes.
    pub bytes: u64,
    /// Segments or datagrams.
    pub packets: u64,
    /// When the last was.
    pub last: u64,
    /// Longest time between two.
    pub longest: u64,
    /// How many came after a pause.
    pub pauses: u32,
    /// Segments that are still looked at in any case.
    pub left: u32,
    /// State of the automaton inside a message; 0 between messages.
    pub state: u32,
    /// Bytes of the message that were looked at.
    pub looked: u32,
    /// Bytes of a recognised message that are still handed over.
    pub follow: u32,
    /// Mark that it was recognised by, plus 1.
    pub mark: u32,
    /// Messages that a mark matched.
    pub accepted: u32,
    /// Zero.
    pub pad: u32,
    /// Where the payload of the segment under way stands in its packet. Two threads that send through one
    /// UDP socket at once may read each other's: bytes of the wrong place are then looked at, no memory.
    pub at: Word<u32>,
    /// Its length.
    pub len: Word<u32>,
}

/// Sent: the first of [`State::ways`].
pub const SENT: usize = 0;
/// Received: the second.
pub const RECEIVED: usize = 1;

/// What is known of a socket. `sock` is what the verifier takes for one: the context of socket programs, the
/// `sk` of others.
#[inline(always)]
pub fn known(sock: *mut c_void) -> Option<&'static mut State> {
    get(sock, 0)
}

/// What is known of a socket, nothing yet if need be.
#[inline(always)]
pub fn known_or_new(sock: *mut c_void) -> Option<&'static mut State> {
    get(sock, BPF_SK_STORAGE_GET_F_CREATE.into())
}

#[inline(always)]
fn get(sock: *mut c_void, flags: u64) -> Option<&'static mut State> {
    let map = (&raw const FLOWS).cast_mut().cast();
    // SAFETY: the verifier checks that `sock` is a socket; without a value the kernel starts from zeros.
    let state = unsafe { generated::bpf_sk_storage_get(map, sock, ptr::null_mut(), flags) };
    // SAFETY: storage lives until its socket is freed, after the program. Programs that run for the two
    // directions at once write different fields; what both write is one aligned word each.
    unsafe { state.cast::<State>().as_mut() }
}

impl State {
    /// Who owns the flow.
    #[inline(always)]
    pub fn owner(&self) -> Actor {
        Actor {
            pid: self.pid,
            tid: self.tid,
            start: self.start,
            agent: self.agent,
            uid: self.uid,
            cgroup: self.cgroup,
        }
    }

    /// Its ends, as the wire has them.
    #[inline(always)]
    pub fn socket(&self, cookie: u64) -> Socket {
        Socket {
            cookie,
            remote: self.remote,
            local: self.local,
            remote_port: self.remote_port,
            local_port: self.local_port,
            family: self.family,
            protocol: self.protocol,
            errno: 0,
            pad: 0,
            netns: 0,
        }
    }

    /// It is this process that uses the socket.
    #[inline(always)]
    pub fn owned_by(&mut self, actor: &Actor) {
        self.start = actor.start;
        self.pid = actor.pid;
        self.tid = actor.tid;
        self.uid = actor.uid;
    }

    /// Reports what it carried until now.
    #[inline(always)]
    pub fn report(&mut self, cookie: u64, now: u64, closed: u16) {
        self.reported = now;
        let [sent, received] = &self.ways;
        let flow = Flow {
            socket: self.socket(cookie),
            age: now.wrapping_sub(self.opened),
            sent: sent.carried(now),
            received: received.carried(now),
        };
        output::emit(Lane::BulkLazy, Kind::Flow, &self.owner(), closed, flow);
    }
}

impl Way {
    /// Counts a segment.
    #[inline(always)]
    pub fn count(&mut self, bytes: u32, now: u64) {
        if self.packets == 0 {
            self.left = limits::FIRST_SEGMENTS;
        } else {
            let gap = now.wrapping_sub(self.last);
            if gap > self.longest {
                self.longest = gap;
            }
            if gap > limits::PAUSE {
                self.pauses += 1;
            }
        }
        self.last = now;
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }

    /// The message goes on in the next segment, as far as it is looked at; `state` is where the automaton is.
    #[inline(always)]
    pub fn go_on(&mut self, state: u32, taken: u32) {
        self.looked += taken;
        self.state = if self.looked < limits::LOOKED_AT { state } else { 0 };
    }

    #[inline(always)]
    fn carried(&self, now: u64) -> Carried {
        Carried {
            bytes: self.bytes,
            packets: self.packets,
            longest_gap: self.longest,
            idle: now.wrapping_sub(self.last),
            pauses: self.pauses,
            pad: 0,
        }
    }
}
