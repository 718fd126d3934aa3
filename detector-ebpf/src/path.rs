//! Puts records together in the scratch buffer: resolved paths, strings, bytes of user memory.
//!
//! A path is written as its components from the leaf up, each with its NUL, by walking directory
//! entries and mounts; userspace turns it round. The walk, some steps of it and a single one are global functions
//! (Linux 5.6): the verifier checks each once and on its own, and takes a call for one instruction. So neither the
//! depth nor how many walks a program has makes it longer, and kernels without `bpf_loop` (5.17) are served.

use core::ffi::c_void;

use aya_ebpf::helpers::generated;
use detector_common::limits::{NAME_MAX, PATH_COMPONENTS, PATH_MAX};
use detector_common::wire::{Header, Kind};

use crate::kernel::Path;
use crate::output::{self, Lane, START_MASK, Scratch};
use crate::scope::Actor;

/// A record under construction in the scratch buffer.
pub struct Builder {
    scratch: &'static mut Scratch,
    slot: u32,
}

impl Drop for Builder {
    #[inline(always)]
    fn drop(&mut self) {
        output::release(self.scratch);
    }
}

/// What a path walk found.
#[derive(Clone, Copy)]
pub struct Walked {
    /// Bytes written.
    pub len: u16,
    /// The first components are missing.
    pub truncated: bool,
    /// First bytes of the topmost directory's name.
    pub top: u32,
    /// Some component begins with a dot.
    pub hidden: bool,
    /// Bytes written before it left the mount that it began in.
    pub within: u16,
}

macro_rules! get {
    ($scratch:expr, $field:ident) => {
        // SAFETY: a field of a live map value; volatile, so that the compiler keeps no copy whose range
        // the verifier would track.
        unsafe { (&raw const $scratch.$field).read_volatile() }
    };
}

macro_rules! set {
    ($scratch:expr, $field:ident, $value:expr) => {{
        let value = $value;
        // SAFETY: as in `get!`.
        unsafe { (&raw mut $scratch.$field).write_volatile(value) }
    }};
}

impl Builder {
    /// An empty record with room for a header and a body of type `B` before its tail.
    #[inline(always)]
    pub fn new<B>() -> Option<Self> {
        let slot = output::take_scratch();
        let scratch = output::scratch(slot)?;
        set!(scratch, len, (size_of::<Header>() + size_of::<B>()) as u64);
        Some(Self { scratch, slot })
    }

    /// Appends a path.
    #[inline(always)]
    pub fn path(&mut self, place: Path) -> Walked {
        let slot = self.slot;
        let scratch = &mut *self.scratch;
        let from = get!(scratch, len);
        // A name is written whole or not at all: room for one more than counts.
        set!(scratch, end, from + (PATH_MAX + NAME_MAX) as u64);
        set!(scratch, last, from);
        set!(scratch, hidden, 0);
        set!(scratch, done, 0);
        set!(scratch, root, 0);
        // Unless it gets to the root of a mount, this is more than was written.
        set!(scratch, within, from + u64::from(u16::MAX));
        set!(scratch, dentry, place.dentry as u64);
        set!(scratch, mount, place.mount as u64);
        path_walk(slot);
        let start = get!(scratch, last) as usize & START_MASK;
        let top = scratch.bytes.get(start..start + 4).map_or(0, |bytes| {
            // SAFETY: four bytes of the buffer.
            unsafe { bytes.as_ptr().cast::<u32>().read_unaligned() }
        });
        Walked {
            len: get!(scratch, len).wrapping_sub(from) as u16,
            truncated: get!(scratch, done) == 0,
            top,
            hidden: get!(scratch, hidden) != 0,
            within: get!(scratch, within).wrapping_sub(from) as u16,
        }
    }

    /// Appends where the mount that the last path began in hangs in its file system: nothing, but for a bind
    /// mount. To be called right after [`Self::path`]; gives the bytes.
    #[inline(always)]
    pub fn above(&mut self) -> u16 {
        let scratch = &mut *self.scratch;
        let from = get!(scratch, len);
        // Behind two paths and two names there may be no room, and a start beyond the mask is no start.
        let root = get!(scratch, root);
        if from > START_MASK as u64 || root == 0 {
            return 0;
        }
        set!(scratch, end, from + (PATH_MAX + NAME_MAX) as u64);
        set!(scratch, dentry, root);
        // No mount has a root there: the walk ends where a directory is its own parent.
        set!(scratch, mount, 0);
        path_walk(self.slot);
        get!(scratch, len).wrapping_sub(from) as u16
    }

    /// Appends a NUL-terminated string of kernel memory, the NUL included; gives its length.
    #[inline(always)]
    pub fn kernel_string(&mut self, address: *const u8) -> u16 {
        let Some(target) = self.part() else { return 0 };
        // SAFETY: `target` has room for PATH_MAX bytes; the helper checks the source.
        let got =
            unsafe { generated::bpf_probe_read_kernel_str(target.cast(), PATH_MAX as u32, address.cast()) };
        self.grow(got)
    }

    /// Appends a NUL-terminated string of user memory, the NUL included; gives its length.
    #[inline(always)]
    pub fn user_string(&mut self, address: u64) -> u16 {
        let Some(target) = self.part() else { return 0 };
        // SAFETY: as above.
        let got = unsafe {
            generated::bpf_probe_read_user_str(target.cast(), PATH_MAX as u32, address as *const c_void)
        };
        self.grow(got)
    }

    /// Appends `len` bytes of user memory, at most `MAX`; gives how many.
    #[inline(always)]
    pub fn user_bytes<const MAX: u64>(&mut self, address: u64, len: u64) -> u16 {
        let Some(target) = self.part() else { return 0 };
        let len = clamp::<MAX>(len);
        // SAFETY: `target` has room for MAX bytes; the helper checks the source.
        let failed =
            unsafe { generated::bpf_probe_read_user(target.cast(), len as u32, address as *const c_void) };
        self.grow(if failed == 0 { len as i64 } else { 0 })
    }

    /// Appends a value; its size counts.
    #[inline(always)]
    pub fn value<T: Copy>(&mut self, value: T) {
        let Some(target) = self.part() else { return };
        // SAFETY: START_MASK leaves more room behind any start than any wire struct takes.
        unsafe { target.cast::<T>().write_unaligned(value) };
        self.grow(size_of::<T>() as i64);
    }

    /// Bytes so far.
    #[inline(always)]
    pub fn len(&self) -> u64 {
        get!(self.scratch, len)
    }

    /// Fills in header and body and writes the record.
    #[inline(always)]
    pub fn emit<B: Copy>(self, lane: Lane, kind: Kind, actor: &Actor, flags: u16, body: B) {
        let len = get!(self.scratch, len) as usize;
        let header = output::header(kind, actor, len, flags);
        let base = self.scratch.bytes.as_mut_ptr();
        // SAFETY: the scratch buffer is aligned to eight bytes and larger than header and body.
        unsafe { base.cast::<Header>().write(header) };
        let body_at = base.wrapping_add(size_of::<Header>()).cast::<B>();
        // SAFETY: as above; the header's size keeps the alignment.
        unsafe { body_at.write(body) };
        output::emit_scratch(lane, kind, actor, header.time, self.scratch, len);
    }

    #[inline(always)]
    fn part(&mut self) -> Option<*mut u8> {
        let start = get!(self.scratch, len) as usize & START_MASK;
        Some(self.scratch.bytes.get_mut(start)? as *mut u8)
    }

    /// Adds what a helper says it wrote; gives it.
    #[inline(always)]
    fn grow(&mut self, got: i64) -> u16 {
        let got = if got > 0 { got as u64 & 0xffff } else { 0 };
        set!(self.scratch, len, get!(self.scratch, len) + got);
        got as u16
    }
}

/// Steps that are taken in one go.
const STEPS: u32 = 48;
const _: () = assert!(PATH_COMPONENTS.is_multiple_of(STEPS));

/// Walks from where the scratch buffer says that it is. Exported, or it would be no global function; so are the
/// next two.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn path_walk(slot: u32) -> i32 {
    for _ in 0..PATH_COMPONENTS / STEPS {
        if path_steps(slot) != 0 {
            return 1;
        }
    }
    0
}

/// Takes some steps; 1 ends the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn path_steps(slot: u32) -> i32 {
    for _ in 0..STEPS {
        if path_component(slot) != 0 {
            return 1;
        }
    }
    0
}

/// Writes one component and goes one up; 1 ends the walk. Where it is, it reads from the scratch buffer, since
/// kernels before 5.12 hand global functions nothing but numbers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn path_component(slot: u32) -> i32 {
    let Some(scratch) = output::scratch(slot) else { return 1 };
    let place = Path { dentry: get!(scratch, dentry) as *const u8, mount: get!(scratch, mount) as *const u8 };
    if place.is_mount_root() {
        if get!(scratch, root) == 0 {
            set!(scratch, root, place.dentry as u64);
            set!(scratch, within, get!(scratch, len));
        }
        let above = place.mounted_on();
        if above.mount == place.mount {
            set!(scratch, done, 1);
            return 1;
        }
        set!(scratch, dentry, above.dentry as u64);
        set!(scratch, mount, above.mount as u64);
        return 0;
    }
    if get!(scratch, len) + NAME_MAX as u64 > get!(scratch, end) {
        return 1;
    }
    let parent = place.parent();
    let is_top = parent.dentry == place.dentry;
    if is_top && place.mount.is_null() {
        // The root of a file system, whose name is a slash.
        return 1;
    }
    write_name(scratch, place);
    if is_top {
        // A name that hangs in no tree: a memfd, a pipe.
        set!(scratch, within, get!(scratch, len));
        set!(scratch, done, 1);
        return 1;
    }
    set!(scratch, dentry, parent.dentry as u64);
    0
}

#[inline(always)]
fn write_name(scratch: &mut Scratch, place: Path) {
    let start = get!(scratch, len) as usize & START_MASK;
    let Some(target) = scratch.bytes.get_mut(start) else { return };
    let target: *mut u8 = target;
    // SAFETY: START_MASK leaves room for a name behind any start; the helper checks the source.
    let got =
        unsafe { generated::bpf_probe_read_kernel_str(target.cast(), NAME_MAX as u32, place.name().cast()) };
    // SAFETY: inside the buffer.
    if unsafe { target.read_volatile() } == b'.' {
        set!(scratch, hidden, 1);
    }
    set!(scratch, last, start as u64);
    set!(scratch, len, start as u64 + (got as u64 & 0x1ff));
}

/// `value`, at most `MAX`, in a form whose bound the verifier sees.
#[inline(always)]
fn clamp<const MAX: u64>(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: compares and replaces one register; no memory, no flags.
    unsafe {
        core::arch::asm!("if {0} <= {1} goto +1", "{0} = {1}", inout(reg) value, const MAX);
    }
    value
}
