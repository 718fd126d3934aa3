//! Typed reads of kernel structs at the offsets of the running kernel.
//!
//! A read that fails gives zeros, as `bpf_probe_read_kernel` leaves them: no branch on the result, so
//! that the verifier explores one path. Callers treat 0 and null as "unknown".

use core::ptr::read_volatile;

use detector_common::offsets::Offsets;

/// Filled by the loader and frozen: the verifier sees constants.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::unknown();

/// Filled likewise: bits of [`detector_common::features`].
#[unsafe(no_mangle)]
static FEATURES: u32 = 0;

/// Whether this kernel has a feature; the verifier knows the answer and does not look at the other way.
#[inline(always)]
pub fn has(feature: u32) -> bool {
    // SAFETY: a frozen map value; volatile, since the loader wrote it.
    unsafe { read_volatile(&raw const FEATURES) & feature != 0 }
}

/// Where a field stands in its struct.
macro_rules! offset {
    ($field:ident) => {{
        // SAFETY: OFFSETS is a frozen map value of this layout; volatile, since the loader wrote it.
        (unsafe { core::ptr::read_volatile(&raw const crate::kernel::OFFSETS.$field) }) as usize
    }};
}

/// Whether this kernel has a field.
macro_rules! known {
    ($field:ident) => {
        offset!($field) != detector_common::offsets::UNKNOWN as usize
    };
}

/// The address of a field.
macro_rules! inside {
    ($base:expr, $field:ident) => {
        $base.wrapping_add(offset!($field))
    };
}

/// The value of a field.
macro_rules! at {
    ($base:expr, $field:ident) => {
        crate::kernel::memory::read(inside!($base, $field))
    };
}

/// The value of a field behind a typed BTF pointer.
macro_rules! field {
    ($base:expr, $field:ident) => {
        crate::kernel::memory::load($base, offset!($field))
    };
}

mod cgroup;
mod context;
mod file;
mod memory;
mod numbered;
mod path;
mod socket;
mod task;

pub use cgroup::Cgroup;
pub use context::{context_address, context_sock, context_word, cookie, netns};
pub use file::{File, Inode, OpenFile};
pub use memory::{Plain, Word, load, read, read_user, settled};
pub use path::Path;
pub use socket::{AF_INET, AF_INET6, Ends, Sock, widen};
pub use task::{Binprm, FpuState, SignalInfo, Task};
