//! Connections to Unix sockets, called by [`super::syscall`] when connect(2) succeeded.
//!
//! No hook of control groups sees them. Who is asked is read from the other end: the name that the service
//! was bound to, in kernel memory, so that neither a symbolic link nor a bind mount nor a changed argument
//! hides it. Reported are services below `/run`, where managers of services listen. Slips past: io_uring,
//! datagrams without connect(2), abstract names.

use detector_common::wire::{Kind, Operation as Body, OperationCode};

use crate::kernel::{self, Task};
use crate::output::Lane;
use crate::path::Builder;
use crate::scope::Actor;

/// How the names of services begin: `/run` or `/var/run`.
const RUN: u32 = u32::from_ne_bytes(*b"/run");
const VAR: u32 = u32::from_ne_bytes(*b"/var");

/// A socket was connected: reported if it leads to a service.
#[inline(always)]
pub fn connected(actor: &Actor, fd: u32) {
    let name = Task::current().file(fd).peer_name();
    if name.is_null() {
        return;
    }
    let (first, second): (u32, u32) = (kernel::read(name), kernel::read(name.wrapping_add(4)));
    if first != RUN && (first != VAR || second != RUN) {
        return;
    }
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let len = tail.kernel_string(name);
    let body = Body { code: OperationCode::UnixConnect as u32, lens: [0, len, 0, 0], ..Body::default() };
    tail.emit(Lane::UrgentLazy, Kind::Operation, actor, 0, body);
}
