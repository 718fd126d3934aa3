//! A directory is to be removed, at `security_path_rmdir`.
//!
//! Hook: `security_path_rmdir(const struct path *dir, struct dentry *dentry)`, since 2.6.29 with
//! `CONFIG_SECURITY_PATH`; the LSM's `path_rmdir` likewise. [`super::inode_rmdir`] reports.

use super::{Arguments, asked};

hook!("path_rmdir", "security_path_rmdir", path_rmdir_lsm, path_rmdir_fentry, path_rmdir_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    asked::put(ctx.pointer(0), ctx.pointer(1), 0);
}
