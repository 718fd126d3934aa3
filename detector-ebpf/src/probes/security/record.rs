//! Records of what has entries in the kernel: both names whole, as walks from the entry to the root.

use detector_common::wire::{File as Body, Kind, flag};

use crate::kernel::{Inode, Path, Task};
use crate::output::Lane;
use crate::path::{Builder, Walked};
use crate::scope::Actor;

/// Something is done to the file at one place.
#[inline(always)]
pub fn changed(actor: &Actor, kind: Kind, place: Path, inode: Inode, mode: u32) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let walked = tail.path(place);
    let lens = [walked.len, 0, 0, 0];
    let lane = if let Kind::FileUnlink = kind { Lane::BulkLazy } else { Lane::Urgent };
    tail.emit(lane, kind, actor, truncated(walked), Body { mode, lens, ..body(inode) });
}

/// A name is moved, or a second one is made.
#[inline(always)]
pub fn moved(actor: &Actor, kind: Kind, old: Path, new: Path, oflags: u32) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let from = tail.path(old);
    let to = tail.path(new);
    let body = Body { oflags, lens: [from.len, 0, to.len, 0], ..body(old.inode()) };
    tail.emit(Lane::Urgent, kind, actor, truncated(from) | truncated(to), body);
}

/// A symbolic link is made.
#[inline(always)]
pub fn symlinked(actor: &Actor, place: Path, target: *const u8) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let walked = tail.path(place);
    let target = tail.kernel_string(target);
    // It has no inode yet.
    let body = Body { lens: [walked.len, 0, 0, target], mntns: mount_namespace(), ..Body::default() };
    tail.emit(Lane::Urgent, Kind::FileSymlink, actor, truncated(walked), body);
}

#[inline(always)]
fn body(inode: Inode) -> Body {
    Body {
        inode: inode.number(),
        dev: inode.device(),
        nlink: inode.links(),
        mntns: mount_namespace(),
        magic: inode.magic(),
        ..Body::default()
    }
}

#[inline(always)]
fn mount_namespace() -> u32 {
    Task::current().mount_namespace()
}

#[inline(always)]
fn truncated(path: Walked) -> u16 {
    if path.truncated { flag::PATH_TRUNCATED } else { 0 }
}
