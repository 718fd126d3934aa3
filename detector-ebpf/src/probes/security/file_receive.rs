//! A descriptor comes in from another process, at `security_file_receive`.
//!
//! Hook: `security_file_receive(struct file *file)`, since 2.6; the LSM's `file_receive` likewise. It runs for
//! each descriptor of a message over a Unix socket, and for `pidfd_getfd`. Whoever receives a file that is
//! open for writing need not open it. Rare, so its cost is no concern.

use detector_common::wire::flag;

use super::Arguments;
use crate::kernel::{File, OpenFile};
use crate::probes::file;
use crate::scope;

hook!(
    "file_receive",
    "security_file_receive",
    file_receive_lsm,
    file_receive_fentry,
    file_receive_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let open = OpenFile { mode: ctx.field(0, File::mode_at()), flags: 0 };
    if !open.is_change() {
        return;
    }
    if let Some(actor) = scope::watched() {
        file::opened(&actor, File(ctx.pointer(0)), open, flag::RECEIVED);
    }
}
