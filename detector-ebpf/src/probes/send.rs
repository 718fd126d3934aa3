//! Datagrams with an address of their own, at `cgroup/sendmsg4` and `cgroup/sendmsg6` (4.18).
//!
//! A UDP socket need not connect: sendto(2) and sendmsg(2) name the address each time. One report a
//! socket and address in ten seconds is enough to know the flow. Cost: one LRU look-up a datagram.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::macros::{cgroup_sock_addr, map};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::SockAddrContext;
use detector_common::limits;
use detector_common::wire::{Kind, SendKey, Socket};

use super::connect::{cookie, field, port, remote6};
use crate::kernel::{self, AF_INET6};
use crate::output::{self, Lane};
use crate::scope;

/// When a socket was last reported to send to an address.
#[map]
static SENDS: LruHashMap<SendKey, u64> = LruHashMap::with_max_entries(limits::LRU, 0);

const AF_INET: u16 = 2;
const IPPROTO_UDP: u16 = 17;
const ALLOW: i32 = 1;

/// Reports an IPv4 datagram.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    let address = field(ctx.sock_addr, offset_of!(bpf_sock_addr, user_ip4));
    report(&ctx, AF_INET, kernel::widen(address));
    ALLOW
}

/// Reports an IPv6 datagram.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    report(&ctx, AF_INET6, remote6(ctx.sock_addr));
    ALLOW
}

#[inline(always)]
fn report(ctx: &SockAddrContext, family: u16, remote: [u8; 16]) {
    let Some(actor) = scope::watched_or_inside() else { return };
    let remote_port = port(ctx.sock_addr);
    let cookie = cookie(ctx);
    let key = SendKey { cookie, remote, port: u32::from(remote_port), family: u32::from(family) };
    let now = output::now();
    // SAFETY: a copy is taken at once.
    if let Some(last) = unsafe { SENDS.get(key) }.copied()
        && now.wrapping_sub(last) < limits::SEND_WINDOW
    {
        return;
    }
    let _ = SENDS.insert(key, now, 0);
    let body = Socket { cookie, remote, remote_port, family, protocol: IPPROTO_UDP, ..Socket::default() };
    output::emit(Lane::Bulk, Kind::Send, &actor, 0, body);
}
