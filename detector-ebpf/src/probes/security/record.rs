//! Records of what has entries in the kernel: both names whole, as walks from the entry to the root.

use detector_common::wire::{File as Body, Kind, flag};

use crate::kernel::{Inode, Path, Task};
use crate::output::Lane;
use crate::path::{Builder, Walked};
use crate::scope::Actor;

const S_IFMT: u16 = 0o170_000;

/// Something is done to the file at one place.
#[inline(always)]
pub fn changed(actor: &Actor, kind: Kind, place: Path, inode: Inode, mode: u32) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let walked = tail.path(place);
    let kind_bits = u32::from(inode.mode() & S_IFMT);
    let (lens, within, above) = ([walked.len, 0, 0, 0], [walked.within, 0], tail.above());
    let lane = if let Kind::FileUnlink = kind { Lane::BulkLazy } else { Lane::Urgent };
    tail.emit(
        lane,
        kind,
        actor,
        truncated(walked),
        Body { mode: mode | kind_bits, lens, within, above, ..body(inode) },
    );
}

/// A name is moved, or a second one is made.
#[inline(always)]
pub fn moved(actor: &Actor, kind: Kind, old: Path, new: Path, oflags: u32) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let from = tail.path(old);
    let to = tail.path(new);
    let inode = old.inode();
    let body = Body {
        oflags,
        mode: u32::from(inode.mode()),
        lens: [from.len, 0, to.len, 0],
        within: [from.within, to.within],
        above: tail.above(),
        ..body(inode)
    };
    tail.emit(Lane::Urgent, kind, actor, truncated(from) | truncated(to), body);
}

/// A symbolic link is made.
#[inline(always)]
pub fn symlinked(actor: &Actor, place: Path, target: *const u8) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let walked = tail.path(place);
    let target = tail.kernel_string(target);
    // It has no inode yet.
    let body = Body {
        dev: place.device(),
        lens: [walked.len, 0, 0, target],
        within: [walked.within, 0],
        above: tail.above(),
        mntns: mount_namespace(),
        ..Body::default()
    };
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
