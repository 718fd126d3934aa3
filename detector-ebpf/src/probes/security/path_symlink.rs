//! A symbolic link is to be made, at `security_path_symlink`.
//!
//! Hook: `security_path_symlink(const struct path *dir, struct dentry *dentry, const char *old_name)`, since 2.6.29
//! with `CONFIG_SECURITY_PATH`; the LSM's `path_symlink` likewise. [`super::inode_symlink`] reports.

use super::{Arguments, asked};

hook!(
    "path_symlink",
    "security_path_symlink",
    path_symlink_lsm,
    path_symlink_fentry,
    path_symlink_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    asked::put(ctx.pointer(0), ctx.pointer(1), 0);
}
