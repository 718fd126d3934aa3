//! Permission bits are changed, at `security_path_chmod`.
//!
//! Hook: `security_path_chmod(const struct path *path, umode_t mode)`, since 2.6.33 with `CONFIG_SECURITY_PATH`; the
//! LSM's `path_chmod` likewise. It runs before it is checked that the file belongs to the caller.

use detector_common::wire::Kind;

use super::{Arguments, record};
use crate::kernel::Path;
use crate::scope;

hook!("path_chmod", "security_path_chmod", path_chmod_lsm, path_chmod_fentry, path_chmod_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    if let Some(actor) = scope::watched() {
        let place = Path::at(ctx.pointer(0));
        record::changed(&actor, Kind::FileChmod, place, place.inode(), u32::from(ctx.number(1) as u16));
    }
}
