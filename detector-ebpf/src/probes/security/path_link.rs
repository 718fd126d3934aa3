//! A hard link is to be made, at `security_path_link`.
//!
//! Hook: `security_path_link(struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)`,
//! since 2.6.29 with `CONFIG_SECURITY_PATH`; the LSM's `path_link` likewise. [`super::inode_link`] reports.

use super::{Arguments, asked};

hook!("path_link", "security_path_link", path_link_lsm, path_link_fentry, path_link_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    asked::put(ctx.pointer(1), ctx.pointer(2), 0);
}
