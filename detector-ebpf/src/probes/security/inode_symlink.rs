//! A symbolic link is made, at `security_inode_symlink`.
//!
//! Hook: `security_inode_symlink(struct inode *dir, struct dentry *dentry, const char *old_name)`, since 2.6; the LSM's
//! `inode_symlink` likewise. It runs after the permission to write the directory was checked. The target is the
//! kernel's copy.

use super::{Arguments, asked, record};
use crate::scope;

hook!(
    "inode_symlink",
    "security_inode_symlink",
    inode_symlink_lsm,
    inode_symlink_fentry,
    inode_symlink_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let dentry = ctx.pointer(1);
    if let Some(asked) = asked::about(actor.tid, dentry) {
        record::symlinked(&actor, asked.place(dentry), ctx.pointer(2));
    }
}
