//! Reads memory: the kernel's, a process's, the probes' own.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::read_volatile;

use aya_ebpf::helpers::generated;

/// Plain old data that any bytes are a value of.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl<T> Plain for *const T {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The kernel value at `address`, zeros if it cannot be read.
#[inline(always)]
pub fn read<T: Plain>(address: *const u8) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address and writes all of `value`, zeros on failure.
    unsafe {
        generated::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address.cast());
    }
    // SAFETY: zeroed or written; any bytes are a value of a Plain type.
    unsafe { value.assume_init() }
}

/// The value in user memory at `address`, zeros if it cannot be read.
#[inline(always)]
pub fn read_user<T: Plain>(address: u64) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address and writes all of `value`, zeros on failure.
    unsafe {
        generated::bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
    }
    // SAFETY: zeroed or written; any bytes are a value of a Plain type.
    unsafe { value.assume_init() }
}

/// The value at a typed BTF pointer plus a constant, read without a helper call.
#[inline(always)]
pub fn load<T: Plain>(pointer: *const u8, offset: usize) -> T {
    // SAFETY: the verifier knows the pointer's BTF type and checks the field at this offset.
    unsafe { read_volatile(pointer.wrapping_add(offset).cast()) }
}

/// The same value, of which the compiler knows no more where it is from: choosing between two words of a context, it
/// would choose between their addresses, which the verifier refuses.
#[inline(always)]
pub fn settled(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: moves a register to itself.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack)) };
    value
}

/// A number that any CPU may read and write; aligned words are never torn.
pub struct Word<T>(UnsafeCell<T>);

// SAFETY: all access is volatile and of one word; users say why a lost update does no harm.
unsafe impl<T: Plain> Sync for Word<T> {}

impl<T: Plain> Word<T> {
    /// Holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// What it holds.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: points into a live global.
        unsafe { self.0.get().read_volatile() }
    }

    /// Holds `value` from now on.
    #[inline(always)]
    pub fn set(&self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.get().write_volatile(value) }
    }
}
