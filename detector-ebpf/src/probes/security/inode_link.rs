//! A hard link is made, at `security_inode_link`.
//!
//! Hook: `security_inode_link(struct dentry *old_dentry, struct inode *dir, struct dentry *new_dentry)`, since 2.6; the
//! LSM's `inode_link` likewise. It runs after the permission to write the directory was checked. A hard link
//! stays within its mount, so the mount of the new name is that of the old one.

use detector_common::wire::Kind;

use super::{Arguments, asked, record};
use crate::scope;

hook!("inode_link", "security_inode_link", inode_link_lsm, inode_link_fentry, inode_link_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let (old, new) = (ctx.pointer(0), ctx.pointer(2));
    if let Some(asked) = asked::about(actor.tid, new) {
        record::moved(&actor, Kind::FileLink, asked.place(old), asked.place(new), 0);
    }
}
