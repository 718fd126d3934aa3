//! Writes records: two rings, the scratch buffer for long ones, counts of what was lost.
//!
//! The rings wake userspace at most once in a window; userspace goes on looking for a window after it
//! found something, so nothing waits longer than one look and a storm costs few wake-ups.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray, RingBuf};
use detector_common::limits;
use detector_common::wire::{Header, Kind, LossKey};

use crate::kernel::Word;
use crate::scope::Actor;

/// What must not be lost: exec, exit, persistence, control groups.
#[map]
static URGENT: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Network and ordinary file writes.
#[map]
static BULK: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Records lost since start, by agent and kind.
#[map]
static LOST: HashMap<LossKey, u64> = HashMap::with_max_entries(16_384, 0);

/// Room to put long records together. Programs at LSM hooks and function entries may be preempted by a task
/// that runs another one on the same processor (5.11), so there are some, each taken by one at a time.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(SLOTS, 0);

/// Scratch buffers of each processor.
pub const SLOTS: u32 = 4;

/// When userspace was last woken; a lost update costs one more wake-up.
static WOKEN: Word<u64> = Word::new(0);

/// A record under construction, and all that is known of it while it grows.
///
/// The counters live here and not on the stack, since the verifier tracks the range of every number on
/// the stack through every turn of a loop; what it reads from a map it takes for any number, once.
#[repr(C, align(8))]
pub struct Scratch {
    /// The bytes.
    pub bytes: [u8; SCRATCH_SIZE],
    /// How many of them are used.
    pub len: u64,
    /// Where the walk under way may not write any more.
    pub end: u64,
    /// Where its last component begins.
    pub last: u64,
    /// Whether a component began with a dot.
    pub hidden: u64,
    /// Whether it came to the root.
    pub done: u64,
    /// Where it was when it left the mount that it began in, or ended.
    pub within: u64,
    /// Root of that mount.
    pub root: u64,
    /// Where it is: directory entry.
    pub dentry: u64,
    /// Where it is: mount.
    pub mount: u64,
    /// How many want this buffer: whoever adds to it and finds 1 has it.
    pub takers: u64,
}

/// Size of [`Scratch::bytes`]: the highest start of a part, plus the longest part.
pub const SCRATCH_SIZE: usize = 24 << 10;
/// Mask that bounds the start of a part.
pub const START_MASK: usize = 0x3fff;

/// Which ring, and how soon it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Must not be lost, wakes userspace.
    Urgent,
    /// Must not be lost, can wait for the next wake-up.
    UrgentLazy,
    /// May be lost under load.
    Bulk,
    /// May be lost under load, can wait for the next wake-up.
    BulkLazy,
}

/// Takes a scratch buffer of this processor; gives its number, [`SLOTS`] where none is free. A global function,
/// or the verifier would go through what follows once for each buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn take_scratch() -> u32 {
    for slot in 0..SLOTS {
        let Some(scratch) = scratch(slot) else { return SLOTS };
        let takers = &raw mut scratch.takers;
        add(takers, 1);
        // SAFETY: a live map value. Two that come at once may both find 2, never both 1.
        if unsafe { takers.read_volatile() } == 1 {
            return slot;
        }
        add(takers, u64::MAX);
    }
    SLOTS
}

/// Gives a scratch buffer back.
#[inline(always)]
pub fn release(scratch: &mut Scratch) {
    add(&raw mut scratch.takers, u64::MAX);
}

/// The scratch buffer with this number of this processor.
#[inline(always)]
pub fn scratch(slot: u32) -> Option<&'static mut Scratch> {
    let scratch = SCRATCH.get_ptr_mut(slot)?;
    // SAFETY: per-CPU memory that lives as long as the map; one program at a time uses it, see
    // `take_scratch`, and its parts hold no reference across calls.
    Some(unsafe { &mut *scratch })
}

/// Adds to a word of a map value.
#[inline(always)]
pub fn add(word: *mut u64, value: u64) {
    // SAFETY: a live map value of eight aligned bytes; the instruction is BPF's atomic add, which
    // core does not offer for this target.
    unsafe { core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) word, in(reg) value) };
}

/// Now, CLOCK_BOOTTIME nanoseconds.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: always allowed.
    unsafe { generated::bpf_ktime_get_boot_ns() }
}

/// The header of a record that `actor` causes.
#[inline(always)]
pub fn header(kind: Kind, actor: &Actor, size: usize, flags: u16) -> Header {
    Header {
        time: now(),
        cgroup: actor.cgroup,
        start: actor.start,
        pid: actor.pid,
        tid: actor.tid,
        agent: actor.agent,
        size: size as u32,
        kind: kind as u16,
        flags,
        uid: actor.uid,
    }
}

/// A record of fixed size.
#[repr(C)]
struct Record<B> {
    header: Header,
    body: B,
}

/// Writes a header and a body.
#[inline(always)]
pub fn emit<B: Copy + 'static>(lane: Lane, kind: Kind, actor: &Actor, flags: u16, body: B) {
    let header = header(kind, actor, size_of::<Record<B>>(), flags);
    let wake = wake(lane, header.time);
    match ring(lane).reserve::<Record<B>>(0) {
        Some(mut entry) => {
            entry.write(Record { header, body });
            entry.submit(wake);
        }
        None => count_loss(actor.agent, kind),
    }
}

/// A record with room for `N` bytes behind it.
#[repr(C)]
struct Tailed<B, const N: usize> {
    record: Record<B>,
    tail: [u8; N],
}

/// Writes a header, a body and what `fill` puts behind it, at most `N` bytes.
#[inline(always)]
pub fn emit_with<B: Copy + 'static, const N: usize>(
    lane: Lane,
    kind: Kind,
    actor: &Actor,
    flags: u16,
    body: B,
    fill: impl FnOnce(*mut u8),
) {
    let header = header(kind, actor, size_of::<Tailed<B, N>>(), flags);
    let wake = wake(lane, header.time);
    let Some(mut entry) = ring(lane).reserve::<Tailed<B, N>>(0) else {
        count_loss(actor.agent, kind);
        return;
    };
    let target = entry.as_mut_ptr();
    // SAFETY: reserved memory of this layout.
    unsafe { (&raw mut (*target).record).write(Record { header, body }) };
    // SAFETY: as above.
    fill(unsafe { (&raw mut (*target).tail).cast() });
    entry.submit(wake);
}

/// Writes the first `len` bytes of the scratch buffer.
#[inline(always)]
pub fn emit_scratch(lane: Lane, kind: Kind, actor: &Actor, time: u64, scratch: &Scratch, len: usize) {
    let wake = wake(lane, time);
    let len = if len > SCRATCH_SIZE { SCRATCH_SIZE } else { len };
    let Some(bytes) = scratch.bytes.get(..len) else { return };
    if ring(lane).output::<[u8]>(bytes, wake).is_err() {
        count_loss(actor.agent, kind);
    }
}

/// Counts a record that could not be written.
#[inline(always)]
pub fn count_loss(agent: u32, kind: Kind) {
    let key = LossKey { agent, kind: kind as u32 };
    if let Some(count) = LOST.get_ptr_mut(key) {
        add(count, 1);
    } else {
        let _ = LOST.insert(key, 1, 0);
    }
}

#[inline(always)]
fn ring(lane: Lane) -> &'static RingBuf {
    match lane {
        Lane::Urgent | Lane::UrgentLazy => &URGENT,
        Lane::Bulk | Lane::BulkLazy => &BULK,
    }
}

#[inline(always)]
fn wake(lane: Lane, now: u64) -> u64 {
    let lazy = match lane {
        Lane::Urgent | Lane::Bulk => false,
        Lane::UrgentLazy | Lane::BulkLazy => true,
    };
    if lazy || now.wrapping_sub(WOKEN.get()) < limits::WAKE_WINDOW {
        return u64::from(BPF_RB_NO_WAKEUP);
    }
    WOKEN.set(now);
    u64::from(BPF_RB_FORCE_WAKEUP)
}
