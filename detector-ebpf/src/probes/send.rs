//! Datagrams with an address of their own, at `cgroup/sendmsg4` and `cgroup/sendmsg6` (4.18).
//!
//! A UDP socket need not connect: sendto(2) and sendmsg(2) name the address each time. One report a
//! socket and address in ten seconds is enough to know the flow. Cost: one LRU look-up a datagram.
//! Slips past: a watched process outside the attached groups.

use aya_ebpf::macros::{cgroup_sock_addr, map};
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::SockAddrContext;
use detector_common::limits;
use detector_common::wire::{Kind, SendKey, Socket};

use super::connect::{target4, target6};
use crate::output::{self, Lane};
use crate::recent;
use crate::scope;

/// When a socket was last reported to send to an address.
#[map]
static SENDS: LruHashMap<SendKey, u64> = LruHashMap::with_max_entries(limits::LRU, 0);

const ALLOW: i32 = 1;

/// Reports an IPv4 datagram.
#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    report(target4(&ctx));
    ALLOW
}

/// Reports an IPv6 datagram.
#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    report(target6(&ctx));
    ALLOW
}

#[inline(always)]
fn report(socket: Socket) {
    let Some(actor) = scope::watched_or_inside() else { return };
    let Socket { cookie, remote, remote_port, family, .. } = socket;
    let key = SendKey { cookie, remote, port: u32::from(remote_port), family: u32::from(family) };
    if recent::is_repeat(&SENDS, &key, output::now(), limits::SEND_WINDOW) {
        return;
    }
    output::emit(Lane::Bulk, Kind::Send, &actor, 0, socket);
}
