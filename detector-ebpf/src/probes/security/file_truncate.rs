//! An open file is cut, at `security_file_truncate`.
//!
//! Hook: `security_file_truncate(struct file *file)`, since 6.2; the LSM's `file_truncate` likewise. Before,
//! [`super::path_truncate`] sees it. An open that empties its file comes here too, and is left out.

use detector_common::wire::Kind;

use super::{Arguments, record};
use crate::kernel::File;
use crate::probes::file;
use crate::scope;

hook!(
    "file_truncate",
    "security_file_truncate",
    file_truncate_lsm,
    file_truncate_fentry,
    file_truncate_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let open = File(ctx.pointer(0));
    if !file::is_part_of_open(&actor, open.inode()) {
        record::changed(&actor, Kind::FileTruncate, open.path(), open.inode(), 0);
    }
}
