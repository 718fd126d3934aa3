//! Tells by its first bytes whether a message is worth handing over: one table look-up a byte.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use detector_common::limits::{AUTOMATON_ACCEPT, AUTOMATON_DEAD, AUTOMATON_STATES};
use detector_common::wire::Want;

const CELLS: usize = AUTOMATON_STATES as usize * 256;

/// State and byte to next state, compiled from the marks of all protocols by userspace.
#[map]
static AUTOMATON: Array<[u16; CELLS]> = Array::with_max_entries(1, 0);

/// The same for the strings of canaries, anywhere in a segment. Its first cell, into which nothing leads, is the
/// state that a walk begins in: 0 while there are no strings.
#[map]
static STRINGS: Array<[u16; CELLS]> = Array::with_max_entries(1, 0);

/// What userspace wants to see of a message, by the mark that it matched.
#[map]
static WANTS: Array<Want> = Array::with_max_entries(64, 0);

/// Bytes that are walked over in one go: what the stack has room for.
pub const CHUNK: usize = 64;

/// Zeros for a chunk, stored word by word: a call of memset is a loop that the verifier walks.
#[inline(always)]
pub fn chunk() -> [u64; CHUNK / 8] {
    let mut chunk = core::mem::MaybeUninit::<[u64; CHUNK / 8]>::uninit();
    for at in 0..CHUNK / 8 {
        // SAFETY: inside the chunk.
        unsafe { chunk.as_mut_ptr().cast::<u64>().wrapping_add(at).write_volatile(0) };
    }
    // SAFETY: every word was written.
    unsafe { chunk.assume_init() }
}

/// Walks on from `state` over the first `len` bytes of a chunk.
///
/// No branch in the loop, which would have the verifier go through all that follows once a turn: beyond
/// `len` the state is kept by a mask, and states that end the walk lead to themselves.
#[inline(always)]
pub fn walk(state: u32, chunk: &[u64; CHUNK / 8], len: u32) -> u32 {
    let Some(table) = AUTOMATON.get_ptr(0) else { return u32::from(AUTOMATON_DEAD) };
    go(table.cast(), state, chunk, len)
}

/// Where a walk over strings of canaries begins; 0 where there are none.
#[inline(always)]
pub fn strings() -> u32 {
    let Some(table) = STRINGS.get_ptr(0) else { return 0 };
    // SAFETY: the first cell; volatile, since userspace writes it.
    u32::from(unsafe { table.cast::<u16>().read_volatile() })
}

/// As [`walk`], over the strings of canaries.
#[inline(always)]
pub fn walk_strings(state: u32, chunk: &[u64; CHUNK / 8], len: u32) -> u32 {
    let Some(table) = STRINGS.get_ptr(0) else { return 0 };
    go(table.cast(), state, chunk, len)
}

#[inline(always)]
fn go(table: *const u16, state: u32, chunk: &[u64; CHUNK / 8], len: u32) -> u32 {
    let bytes = chunk.as_ptr().cast::<u8>();
    let mut state = state;
    for at in 0..CHUNK {
        // SAFETY: inside the chunk; volatile, so that the compiler makes one plain loop of this.
        let byte = unsafe { bytes.wrapping_add(at).read_volatile() };
        let cell = cell(state, byte);
        // SAFETY: inside the table.
        let next = u32::from(unsafe { table.wrapping_add(cell).read_volatile() });
        let inside = ((at as u32).wrapping_sub(len) as i32 >> 31) as u32;
        state = (next & inside) | (state & !inside);
    }
    state
}

/// Where the table says what follows on `byte`. The mask comes last and is not the compiler's to move: before 6.10
/// the verifier knows nothing of a number that two others were or-ed into.
#[inline(always)]
fn cell(state: u32, byte: u8) -> usize {
    let mut cell = u64::from((state << 8) | u32::from(byte));
    // SAFETY: masks one register; no memory, no flags.
    unsafe { core::arch::asm!("{0} &= {1}", inout(reg) cell, const CELLS - 1) };
    cell as usize
}

/// Whether a message that matched this mark, plus 1, must not be lost; 0 is none.
#[inline(always)]
pub fn is_urgent(mark: u32) -> bool {
    WANTS.get(mark.wrapping_sub(1)).is_some_and(|want| want.urgent != 0)
}

/// What userspace wants of a message in this accepting state.
#[inline(always)]
pub fn want(state: u32) -> Option<&'static Want> {
    WANTS.get(state.wrapping_sub(u32::from(AUTOMATON_ACCEPT)))
}
