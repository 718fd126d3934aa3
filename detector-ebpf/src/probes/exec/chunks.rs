//! Sends what of argv or environment does not fit into the exec record, in order, before that record.

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use detector_common::limits::EXEC_CHUNK;
use detector_common::wire::{ExecChunk, Kind, Stream};

use crate::output::Lane;
use crate::path::Builder;
use crate::scope::Actor;

/// A part of user memory that is sent in chunks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stretch {
    start: u64,
    total: u64,
    offset: u64,
    stream: u32,
    most: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct State {
    actor: Actor,
    stretch: Stretch,
}

/// What is being sent: in a map, since kernels before 5.12 hand global functions nothing but numbers.
#[map]
static SENDING: PerCpuArray<State> = PerCpuArray::with_max_entries(1, 0);

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
    let Some(state) = SENDING.get_ptr_mut(0) else { return };
    // SAFETY: a live map value of this CPU.
    unsafe { state.write(State { actor: *actor, stretch }) };
    for _ in 0..stretch.most {
        if exec_chunk() != 0 {
            break;
        }
    }
}

/// Sends one chunk; 1 ends the loop. A global function, as [`crate::path`] has one: unrolled, its branches would
/// multiply with those of the record.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn exec_chunk() -> i32 {
    let Some(state) = SENDING.get_ptr_mut(0) else { return 1 };
    // SAFETY: a live map value of this CPU, which this program alone uses.
    let State { actor, stretch } = unsafe { &mut *state };
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
