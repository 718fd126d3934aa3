//! TCP results and listeners, at `tp_btf/inet_sock_set_state`.
//!
//! Hook: `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, BTF
//! since 5.5. Fires for every TCP socket of the machine; all but three transitions leave at the first
//! compare. The result of a connect often comes in softirq, when another task is current: whether the
//! socket is an agent's is asked of the control group that it was made in, and userspace finds the
//! process by the cookie of the connect. It also reports the connects of watched processes that left
//! their control group, which [`super::connect`] does not see, without a result; and what a flow carried,
//! once it is over (socket storage in tracing programs: 5.11; before, [`super::flow_close`] does). Slips past: TCP outside the kernel's stack.

use core::ffi::c_void;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::features::{SOCKET_COOKIE, SOCKET_STORAGE};
use detector_common::wire::{Kind, Socket, flag};

use crate::flow;
use crate::kernel::{self, Sock};
use crate::output::{self, Lane};
use crate::scope::{self, Actor};

const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const CLOSE: i32 = 7;
const LISTEN: i32 = 10;
const ECONNABORTED: u32 = 103;

/// Reports listeners, connects from outside the watched groups, and the results of connects.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn socket_state(ctx: BtfTracePointContext) -> i32 {
    let old: i32 = ctx.arg(1);
    let new: i32 = ctx.arg(2);
    if new == LISTEN {
        listen(Sock(ctx.arg::<*const u8>(0)));
    } else if new == SYN_SENT {
        begin(&ctx);
    } else if old == SYN_SENT && (new == ESTABLISHED || new == CLOSE) {
        end(Sock(ctx.arg::<*const u8>(0)), new);
    } else if new == CLOSE {
        close(&ctx);
    }
    0
}

#[inline(always)]
fn listen(sock: Sock) {
    let Some(actor) = scope::watched() else { return };
    output::emit(Lane::Urgent, Kind::Listen, &actor, 0, body(sock));
}

#[inline(always)]
fn begin(ctx: &BtfTracePointContext) {
    let Some(actor) = scope::watched_outside() else { return };
    let sock = Sock(ctx.arg::<*const u8>(0));
    let cookie = cookie(ctx);
    output::emit(Lane::Bulk, Kind::Connect, &actor, 0, Socket { cookie, ..body(sock) });
}

#[inline(always)]
fn end(sock: Sock, new: i32) {
    // Nobody asked for the cookie of a socket that is no agent's.
    if sock.cookie() == 0 {
        return;
    }
    let cgroup = sock.cgroup();
    let Some(agent) = scope::agent_of(cgroup) else { return };
    let errno = match (new, sock.error()) {
        (ESTABLISHED, _) => 0,
        (_, 0) => ECONNABORTED,
        (_, errno) => errno,
    };
    let actor = Actor { pid: 0, tid: 0, start: 0, agent, uid: 0, cgroup };
    output::emit(Lane::BulkLazy, Kind::ConnectResult, &actor, 0, Socket { errno, ..body(sock) });
}

/// A stream is over: what it carried is final. One that carried nothing is not reported, since its connect
/// and the result said all.
#[inline(always)]
fn close(ctx: &BtfTracePointContext) {
    if !kernel::has(SOCKET_STORAGE) {
        return;
    }
    let Some(state) = flow::known(ctx.arg::<*mut c_void>(0)) else { return };
    if state.opened != 0 {
        state.report(cookie(ctx), output::now(), flag::CLOSED);
    }
}

/// Cookie of the socket; 0 where nobody made one and this kernel lets us make none.
#[inline(always)]
fn cookie(ctx: &BtfTracePointContext) -> u64 {
    let sock = ctx.arg::<*const u8>(0);
    if kernel::has(SOCKET_COOKIE) { kernel::cookie(sock) } else { Sock(sock).cookie() }
}

#[inline(always)]
fn body(sock: Sock) -> Socket {
    Socket {
        cookie: sock.cookie(),
        remote: sock.remote(),
        local: sock.local(),
        remote_port: sock.remote_port(),
        local_port: sock.local_port(),
        family: sock.family(),
        protocol: sock.protocol(),
        errno: 0,
        pad: 0,
        netns: 0,
    }
}
