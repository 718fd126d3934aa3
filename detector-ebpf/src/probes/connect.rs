//! connect, at `cgroup/connect4` and `cgroup/connect6` (4.17).
//!
//! Runs inside connect(2), after the kernel copied the address and before a packet leaves, for every
//! task of the control groups that it is attached to and for no other. The result of a TCP connect
//! follows from [`super::socket_state`], which knows the socket by the cookie that is asked for here.
//! Cost: about half a microsecond a connect. Slips past: raw and packet sockets; a watched process
//! outside the attached groups, whose TCP connects `socket_state` reports.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use detector_common::wire::{Kind, Socket};

use crate::kernel::{AF_INET, AF_INET6, context_address, context_word, cookie, netns, widen};
use crate::output::{self, Lane};
use crate::scope;

const ALLOW: i32 = 1;

/// Reports an IPv4 connect.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = scope::watched_or_inside() {
        output::emit(Lane::Bulk, Kind::Connect, &actor, 0, target4(&ctx));
    }
    ALLOW
}

/// Reports an IPv6 connect, v4-mapped ones included.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    if let Some(actor) = scope::watched_or_inside() {
        output::emit(Lane::Bulk, Kind::Connect, &actor, 0, target6(&ctx));
    }
    ALLOW
}

/// The socket of an IPv4 program, and where it goes.
#[inline(always)]
pub fn target4(ctx: &SockAddrContext) -> Socket {
    target(ctx, AF_INET, widen(context_word(ctx.sock_addr, offset_of!(bpf_sock_addr, user_ip4))))
}

/// The socket of an IPv6 program, and where it goes.
#[inline(always)]
pub fn target6(ctx: &SockAddrContext) -> Socket {
    target(ctx, AF_INET6, context_address(ctx.sock_addr, offset_of!(bpf_sock_addr, user_ip6)))
}

#[inline(always)]
fn target(ctx: &SockAddrContext, family: u16, remote: [u8; 16]) -> Socket {
    let port = context_word(ctx.sock_addr, offset_of!(bpf_sock_addr, user_port)) as u16;
    let protocol = context_word(ctx.sock_addr, offset_of!(bpf_sock_addr, protocol)) as u16;
    let cookie = cookie(ctx.sock_addr);
    let netns = netns(ctx.sock_addr);
    Socket { cookie, remote, remote_port: u16::from_be(port), family, protocol, netns, ..Socket::default() }
}
