//! The end of a flow, at `cgroup/sock_release` (5.9).
//!
//! Runs when the last descriptor of a socket is closed, by its process or by the kernel at its end, for
//! the sockets of the control groups that it is attached to. A flow that carried nothing is not
//! reported: its connect and the result said all. Cost: one storage look-up a close. Slips past: bytes
//! that the kernel still sends after the close.

use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use detector_common::wire::flag;

use crate::flow;
use crate::kernel::cookie;
use crate::output;

const ALLOW: i32 = 1;

/// Reports what a closed flow carried.
#[cgroup_sock(sock_release)]
pub fn flow_close(ctx: SockContext) -> i32 {
    if let Some(state) = flow::known(ctx.sock.cast())
        && state.opened != 0
    {
        state.report(cookie(ctx.sock), output::now(), flag::CLOSED);
    }
    ALLOW
}
