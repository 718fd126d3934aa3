//! The end of a flow of datagrams, at `cgroup/sock_release` (5.9).
//!
//! Runs when the last descriptor of a socket is closed, by its process or by the kernel at its end, for
//! the sockets of the control groups that it is attached to. A TCP socket may go on sending then;
//! [`super::socket_state`] reports it when it is done, where the kernel lets it look (5.11). Cost: one storage look-up a close.

use core::mem::offset_of;

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use detector_common::features::SOCKET_STORAGE;
use detector_common::wire::flag;

use crate::flow;
use crate::kernel::{self, context_word, cookie};
use crate::output;

const ALLOW: i32 = 1;
const TCP: u32 = 6;

/// Reports what a closed flow of datagrams carried, or any closed flow where nobody else can.
#[cgroup_sock(sock_release)]
pub fn flow_close(ctx: SockContext) -> i32 {
    let protocol = context_word(ctx.sock, offset_of!(bpf_sock, protocol));
    if (protocol != TCP || !kernel::has(SOCKET_STORAGE))
        && let Some(state) = flow::known(ctx.sock.cast())
        && state.opened != 0
    {
        state.report(cookie(ctx.sock), output::now(), flag::CLOSED);
    }
    ALLOW
}
