//! bind, at `cgroup/post_bind4` and `cgroup/post_bind6` (4.17).
//!
//! Runs at the end of bind(2), when the port is chosen. A TCP socket that binds may be a client, so
//! rules look at the listen that [`super::socket_state`] reports; for UDP the bind is all there is.
//! Cost: about half a microsecond a bind. Slips past: a watched process outside the attached groups.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use detector_common::wire::{Kind, Socket};

use crate::kernel::{AF_INET, AF_INET6, context_address, context_word, cookie, netns, widen};
use crate::output::{self, Lane};
use crate::scope;

const ALLOW: i32 = 1;

/// Reports an IPv4 bind.
#[cgroup_sock(post_bind4)]
pub fn post_bind4(ctx: SockContext) -> i32 {
    report(&ctx, AF_INET, widen(context_word(ctx.sock, offset_of!(bpf_sock, src_ip4))));
    ALLOW
}

/// Reports an IPv6 bind.
#[cgroup_sock(post_bind6)]
pub fn post_bind6(ctx: SockContext) -> i32 {
    report(&ctx, AF_INET6, context_address(ctx.sock, offset_of!(bpf_sock, src_ip6)));
    ALLOW
}

#[inline(always)]
fn report(ctx: &SockContext, family: u16, local: [u8; 16]) {
    let Some(actor) = scope::watched_or_inside() else { return };
    let local_port = context_word(ctx.sock, offset_of!(bpf_sock, src_port)) as u16;
    let protocol = context_word(ctx.sock, offset_of!(bpf_sock, protocol)) as u16;
    let cookie = cookie(ctx.sock);
    let netns = netns(ctx.sock);
    let body = Socket { cookie, local, local_port, family, protocol, netns, ..Socket::default() };
    output::emit(Lane::Bulk, Kind::Bind, &actor, 0, body);
}
