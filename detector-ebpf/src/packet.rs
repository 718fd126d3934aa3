//! Reads packets, as the programs of control groups see them: from the network header on.

use core::ffi::c_void;
use core::mem::{MaybeUninit, offset_of};

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated;
use aya_ebpf::programs::SkBuffContext;

use crate::kernel::{Plain, context_sock, context_word, cookie};

/// A packet.
#[derive(Clone, Copy)]
pub struct Packet(pub *mut __sk_buff);

impl Packet {
    /// The packet of a program's context.
    #[inline(always)]
    pub fn of(ctx: &SkBuffContext) -> Self {
        Self(ctx.skb.skb)
    }

    /// Bytes from the network header on.
    #[inline(always)]
    pub fn len(self) -> u32 {
        context_word(self.0, offset_of!(__sk_buff, len))
    }

    /// Whether it is TCP in the usual form, without options or extensions of IP, and carries nothing. Read in
    /// place, without a helper call: most packets of short flows are such.
    #[inline(always)]
    pub fn is_bare(self) -> bool {
        const TCP: u8 = 6;
        let data = context_word(self.0, offset_of!(__sk_buff, data)) as usize;
        let end = context_word(self.0, offset_of!(__sk_buff, data_end)) as usize;
        // SAFETY: the verifier knows these for the packet's bounds and checks each read against them.
        let byte = |at: usize| unsafe { ((data + at) as *const u8).read_volatile() };
        if data + 40 > end {
            return false;
        }
        let first = byte(0);
        if first == 0x45 {
            return byte(9) == TCP && self.len() <= 20 + u32::from(byte(32) >> 4) * 4;
        }
        if first >> 4 != 6 || byte(6) != TCP || data + 60 > end {
            return false;
        }
        self.len() <= 40 + u32::from(byte(52) >> 4) * 4
    }

    /// Its socket; null where there is none.
    #[inline(always)]
    pub fn sock(self) -> *mut c_void {
        context_sock(self.0, offset_of!(__sk_buff, __bindgen_anon_2))
    }

    /// Cookie of its socket.
    #[inline(always)]
    pub fn cookie(self) -> u64 {
        cookie(self.0)
    }

    /// Control group of its socket.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        // SAFETY: always allowed for programs of packets in control groups.
        unsafe { generated::bpf_skb_cgroup_id(self.0) }
    }

    /// The value at `offset`, in network order; `None` beyond the packet's end.
    #[inline(always)]
    pub fn load<T: Plain>(self, offset: u32) -> Option<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        self.copy(offset, value.as_mut_ptr().cast(), size_of::<T>() as u32).then(|| {
            // SAFETY: zeroed or written; any bytes are a value of a Plain type.
            unsafe { value.assume_init() }
        })
    }

    /// Copies `len` bytes to memory that the verifier knows to have room for them.
    #[inline(always)]
    pub fn copy(self, offset: u32, target: *mut u8, len: u32) -> bool {
        // SAFETY: the verifier checks target and length; the helper checks the packet, and writes zeros where
        // it has less.
        unsafe { generated::bpf_skb_load_bytes(self.0.cast(), offset, target.cast(), len) == 0 }
    }
}

/// A length from 1 to `N`, in a form whose bounds the verifier sees.
#[inline(always)]
pub fn bounded<const N: usize>(len: u32) -> u32 {
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
