//! bind, at `cgroup/post_bind4` and `cgroup/post_bind6` (4.17).
//!
//! Runs at the end of bind(2), when the port is chosen. A TCP socket that binds may be a client, so
//! rules look at the listen that [`super::socket_state`] reports; for UDP the bind is all there is.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use detector_common::wire::{Kind, Socket};

use crate::kernel::{self, AF_INET6};
use crate::output::{self, Lane};
use crate::scope;

const AF_INET: u16 = 2;
const ALLOW: i32 = 1;

/// Reports an IPv4 bind.
#[cgroup_sock(post_bind4)]
pub fn post_bind4(ctx: SockContext) -> i32 {
    let address = field(ctx.sock, offset_of!(bpf_sock, src_ip4));
    report(&ctx, AF_INET, kernel::widen(address));
    ALLOW
}

/// Reports an IPv6 bind.
#[cgroup_sock(post_bind6)]
pub fn post_bind6(ctx: SockContext) -> i32 {
    let mut local = [0; 16];
    for (word, bytes) in local.chunks_exact_mut(4).enumerate() {
        let value = field(ctx.sock, offset_of!(bpf_sock, src_ip6) + word * 4);
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
    report(&ctx, AF_INET6, local);
    ALLOW
}

#[inline(always)]
fn report(ctx: &SockContext, family: u16, local: [u8; 16]) {
    let Some(actor) = scope::watched_or_inside() else { return };
    // SAFETY: the context is the program's own.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.sock.cast()) };
    let local_port = field(ctx.sock, offset_of!(bpf_sock, src_port)) as u16;
    let protocol = field(ctx.sock, offset_of!(bpf_sock, protocol)) as u16;
    let body = Socket { cookie, local, local_port, family, protocol, ..Socket::default() };
    output::emit(Lane::Bulk, Kind::Bind, &actor, 0, body);
}

#[inline(always)]
fn field(sock: *const bpf_sock, offset: usize) -> u32 {
    // SAFETY: `offset` is that of a field of the context; the verifier checks the access.
    unsafe { sock.cast::<u8>().wrapping_add(offset).cast::<u32>().read_volatile() }
}
