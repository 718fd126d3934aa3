//! A file is cut by its path, and before 6.2 by its descriptor, at `security_path_truncate`.
//!
//! Hook: `security_path_truncate(const struct path *path)`, since 2.6.29 with `CONFIG_SECURITY_PATH`; the LSM's
//! `path_truncate` likewise. An open that empties its file comes here too, and is left out: the open is reported.

use detector_common::wire::Kind;

use super::{Arguments, record};
use crate::kernel::Path;
use crate::probes::file;
use crate::scope;

hook!(
    "path_truncate",
    "security_path_truncate",
    path_truncate_lsm,
    path_truncate_fentry,
    path_truncate_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let place = Path::at(ctx.pointer(0));
    if !file::is_part_of_open(&actor, place.inode()) {
        record::changed(&actor, Kind::FileTruncate, place, place.inode(), 0);
    }
}
