//! A name is moved, at `security_inode_rename`.
//!
//! Hook: `security_inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
//! struct dentry *new_dentry, unsigned int flags)`, since 3.15; the LSM's `inode_rename` lacks the flags, and is asked
//! twice for an exchange. It runs after the permission to write both directories was checked.

use detector_common::wire::Kind;

use super::{Arguments, asked, record};
use crate::scope;

hook!(
    "inode_rename",
    "security_inode_rename",
    inode_rename_lsm,
    inode_rename_fentry,
    inode_rename_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let (old, new) = (ctx.pointer(1), ctx.pointer(3));
    if let Some(asked) = asked::about(actor.tid, old) {
        record::moved(&actor, Kind::FileRename, asked.place(old), asked.place(new), asked.flags as u32);
    }
}
