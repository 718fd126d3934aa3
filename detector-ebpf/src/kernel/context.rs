//! Reads the contexts of programs of sockets and packets, as the verifier wants it.

use core::ptr::read_volatile;

use aya_ebpf::helpers::generated;

/// The word at `offset` of a program's context, in one load as the verifier wants it.
#[inline(always)]
pub fn context_word<C>(context: *const C, offset: usize) -> u32 {
    // SAFETY: the verifier checks the access to the context.
    unsafe { read_volatile(context.cast::<u8>().wrapping_add(offset).cast()) }
}

/// The socket pointer at `offset` of a program's context; null where there is none.
#[inline(always)]
pub fn context_sock<C>(context: *const C, offset: usize) -> *mut core::ffi::c_void {
    // SAFETY: the verifier checks the access and knows the pointer for a socket.
    unsafe { read_volatile(context.cast::<u8>().wrapping_add(offset).cast()) }
}

/// The four words at `offset` of a program's context, as an IPv6 address.
#[inline(always)]
pub fn context_address<C>(context: *const C, offset: usize) -> [u8; 16] {
    let mut address = [0; 16];
    for (word, bytes) in address.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&context_word(context, offset + word * 4).to_ne_bytes());
    }
    address
}

/// Cookie of the socket behind a program's context or a trusted socket pointer; made if there is none.
#[inline(always)]
pub fn cookie<C>(context: *const C) -> u64 {
    // SAFETY: the verifier checks what the pointer is (5.12 for socket pointers of tracing programs).
    unsafe { generated::bpf_get_socket_cookie(context.cast_mut().cast()) }
}

/// Cookie of the network namespace that a cgroup program's socket belongs to (5.7).
#[inline(always)]
pub fn netns<C>(context: *const C) -> u64 {
    // SAFETY: the verifier checks the context.
    unsafe { generated::bpf_get_netns_cookie(context.cast_mut().cast()) }
}
