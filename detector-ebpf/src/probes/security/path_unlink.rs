//! A name of a file is to be removed, at `security_path_unlink`.
//!
//! Hook: `security_path_unlink(const struct path *dir, struct dentry *dentry)`, since 2.6.29 with
//! `CONFIG_SECURITY_PATH`; the LSM's `path_unlink` likewise. [`super::inode_unlink`] reports.

use super::{Arguments, asked};

hook!("path_unlink", "security_path_unlink", path_unlink_lsm, path_unlink_fentry, path_unlink_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    asked::put(ctx.pointer(0), ctx.pointer(1), 0);
}
