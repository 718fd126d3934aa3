//! connect, at `cgroup/connect4` and `cgroup/connect6` (4.17).
//!
//! Runs inside connect(2), after the kernel copied the address and before a packet leaves, for every
//! task of the control groups that it is attached to and for no other. The result of a TCP connect
//! follows from [`super::socket_state`], which knows the socket by the cookie that is asked for here.
//! Cost: about half a microsecond a connect. Slips past: raw and
//! packet sockets; a watched process outside the attached groups, whose TCP `socket_state` reports.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use detector_common::wire::{Kind, Socket};

use crate::kernel::{self, AF_INET6};
use crate::output::{self, Lane};
use crate::scope::{self, Actor};

const AF_INET: u16 = 2;
const ALLOW: i32 = 1;

/// Reports an IPv4 connect.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = scope::watched_or_inside() {
        let address = field(ctx.sock_addr, offset_of!(bpf_sock_addr, user_ip4));
        report(&ctx, &actor, AF_INET, kernel::widen(address));
    }
    ALLOW
}

/// Reports an IPv6 connect, v4-mapped ones included.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = scope::watched_or_inside() {
        report(&ctx, &actor, AF_INET6, remote6(ctx.sock_addr));
    }
    ALLOW
}

#[inline(always)]
fn report(ctx: &SockAddrContext, actor: &Actor, family: u16, remote: [u8; 16]) {
    let cookie = cookie(ctx);
    let protocol = field(ctx.sock_addr, offset_of!(bpf_sock_addr, protocol)) as u16;
    let body =
        Socket { cookie, remote, remote_port: port(ctx.sock_addr), family, protocol, ..Socket::default() };
    output::emit(Lane::Bulk, Kind::Connect, actor, 0, body);
}

/// The cookie of the socket that the program runs for.
#[inline(always)]
pub fn cookie(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the context is the program's own.
    unsafe { bpf_get_socket_cookie(ctx.sock_addr.cast()) }
}

/// The remote port, host order.
#[inline(always)]
pub fn port(address: *const bpf_sock_addr) -> u16 {
    u16::from_be(field(address, offset_of!(bpf_sock_addr, user_port)) as u16)
}

/// The remote IPv6 address.
#[inline(always)]
pub fn remote6(address: *const bpf_sock_addr) -> [u8; 16] {
    let mut remote = [0; 16];
    for (word, bytes) in remote.chunks_exact_mut(4).enumerate() {
        let value = field(address, offset_of!(bpf_sock_addr, user_ip6) + word * 4);
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
    remote
}

/// One word of the context, in one load as the verifier wants it.
#[inline(always)]
pub fn field(address: *const bpf_sock_addr, offset: usize) -> u32 {
    // SAFETY: `offset` is that of a field of the context; the verifier checks the access.
    unsafe { address.cast::<u8>().wrapping_add(offset).cast::<u32>().read_volatile() }
}
