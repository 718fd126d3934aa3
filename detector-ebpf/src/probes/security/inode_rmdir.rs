//! A directory is removed, at `security_inode_rmdir`.
//!
//! Hook: `security_inode_rmdir(struct inode *dir, struct dentry *dentry)`, since 2.6; the LSM's `inode_rmdir` likewise. It
//! runs after the permission to write the directory was checked.

use detector_common::wire::Kind;

use super::{Arguments, asked, record};
use crate::scope;

hook!("inode_rmdir", "security_inode_rmdir", inode_rmdir_lsm, inode_rmdir_fentry, inode_rmdir_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let Some(actor) = scope::watched() else { return };
    let dentry = ctx.pointer(1);
    if let Some(asked) = asked::about(actor.tid, dentry) {
        let place = asked.place(dentry);
        record::changed(&actor, Kind::FileUnlink, place, place.inode(), 0);
    }
}
