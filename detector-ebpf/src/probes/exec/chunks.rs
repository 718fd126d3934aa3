//! Sends what of argv or environment does not fit into the exec record, in order, before that record.
//!
//! The loop is a `bpf_loop`: unrolled, its branches would multiply with those of the record.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use detector_common::limits::EXEC_CHUNK;
use detector_common::wire::{ExecChunk, Kind, Stream};

use crate::output::Lane;
use crate::path::Builder;
use crate::scope::Actor;

/// A part of user memory that is sent in chunks.
#[repr(C)]
pub struct Stretch {
    start: u64,
    total: u64,
    offset: u64,
    stream: u32,
    most: u32,
}

#[repr(C)]
struct State {
    actor: Actor,
    stretch: Stretch,
}

impl Stretch {
    /// What follows the first `inline` bytes of `(start, total)`, at most `most` chunks.
    #[inline(always)]
    pub fn new(stream: Stream, (start, total): (u64, u64), inline: usize, most: u32) -> Self {
        Self { start, total, offset: inline as u64, stream: stream as u32, most }
    }
}

/// Sends a stretch.
#[inline(always)]
pub fn send(actor: &Actor, stretch: Stretch) {
    let most = stretch.most;
    let mut state = State { actor: *actor, stretch };
    // SAFETY: the callback has the signature that bpf_loop wants, and `state` outlives the call.
    unsafe { bpf_loop(most, one as *mut c_void, (&raw mut state).cast(), 0) };
}

/// Sends one chunk; 1 ends the loop.
extern "C" fn one(_: u32, state: *mut c_void) -> i64 {
    // SAFETY: bpf_loop hands over the pointer to the State on its caller's stack.
    let State { actor, stretch } = unsafe { &mut *state.cast::<State>() };
    let Stretch { start, total, offset, stream, .. } = *stretch;
    if offset >= total {
        return 1;
    }
    let Some(mut tail) = Builder::new::<ExecChunk>() else { return 1 };
    let len = tail.user_bytes::<{ EXEC_CHUNK as u64 }>(start.wrapping_add(offset), total - offset);
    let body = ExecChunk { stream, offset: offset as u32, len: u32::from(len), pad: 0 };
    tail.emit(Lane::UrgentLazy, Kind::ExecChunk, actor, 0, body);
    stretch.offset = offset + EXEC_CHUNK as u64;
    0
}
