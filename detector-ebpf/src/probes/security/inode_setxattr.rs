//! A file is given capabilities, at `security_inode_setxattr`.
//!
//! Hook: `security_inode_setxattr(struct mnt_idmap *idmap, struct dentry *dentry, const char *name, const void *value,
//! size_t size, int flags)`, the LSM's `inode_setxattr` likewise; before 5.12 without the first argument, and then
//! with a namespace in its place. It names no mount: the path is whole where the file lies on the file system of the
//! task's root or working directory, and else begins at the root of its own, which the record says. An overlay asks
//! for the file below as well, without a mount of its own.

use detector_common::features::MAPPED_IDS;
use detector_common::wire::{Kind, Operation, OperationCode, flag};

use super::Arguments;
use crate::kernel::{self, Path, Task};
use crate::output::Lane;
use crate::path::Builder;
use crate::probes::file;
use crate::scope;

hook!(
    "inode_setxattr",
    "security_inode_setxattr",
    inode_setxattr_lsm,
    inode_setxattr_fentry,
    inode_setxattr_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let argument = |n| kernel::settled(ctx.number(n)) as *const u8;
    let (dentry, name) =
        if kernel::has(MAPPED_IDS) { (argument(1), argument(2)) } else { (argument(0), argument(1)) };
    let Some(actor) = scope::watched() else { return };
    if kernel::read::<[u8; file::CAPABILITY.len()]>(name) != file::CAPABILITY {
        return;
    }
    let inode = Path { dentry, mount: core::ptr::null() }.inode();
    let (root, cwd) = (Task::current().root(), Task::current().cwd());
    let (mount, cut) = if root.mounts(inode) {
        (root.mount, 0)
    } else if cwd.mounts(inode) {
        (cwd.mount, 0)
    } else {
        (core::ptr::null(), flag::PATH_TRUNCATED)
    };
    let Some(mut tail) = Builder::new::<Operation>() else { return };
    let walked = tail.path(Path { dentry, mount });
    let code = OperationCode::FileCapability as u32;
    let body = Operation { code, lens: [walked.len, 0, 0, 0], ..Operation::default() };
    tail.emit(Lane::Urgent, Kind::Operation, &actor, cut, body);
}
