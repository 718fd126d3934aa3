//! A name is to be moved, at `security_path_rename`.
//!
//! Hook: `security_path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
//! struct dentry *new_dentry, unsigned int flags)`, since 3.15 with `CONFIG_SECURITY_PATH`; the LSM's
//! `path_rename` has the flags since 5.19, and before is asked twice for an exchange, the right way round last.
//! [`super::inode_rename`] reports.

use super::{Arguments, asked};

hook!("path_rename", "security_path_rename", path_rename_lsm, path_rename_fentry, path_rename_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    asked::put(ctx.pointer(0), ctx.pointer(1), u64::from(ctx.number(4) as u32));
}
