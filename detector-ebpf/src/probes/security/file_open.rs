//! A file is opened, at `security_file_open`.
//!
//! Hook: `security_file_open(struct file *file)`, since 4.19; the LSM's `file_open` likewise. It runs after the
//! permission was checked, with the file's path, mode and flags in place. An overlay opens the file below
//! it as well: that one is marked and left out. Cost: two loads for an open that only reads.

use super::Arguments;
use crate::kernel::{File, OpenFile};
use crate::probes::{canary, file};
use crate::scope;

hook!("file_open", "security_file_open", file_open_lsm, file_open_fentry, file_open_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let open = OpenFile { mode: ctx.field(0, File::mode_at()), flags: ctx.field(0, File::flags_at()) };
    if !open.is_change() && !canary::exist() {
        return;
    }
    let Some(actor) = scope::watched() else { return };
    let opened = File(ctx.pointer(0));
    canary::opened(&actor, opened);
    if open.is_change() {
        file::opened(&actor, opened, open, 0);
    }
}
