//! File events of the fallback tier, called by [`super::syscall`] when a file syscall succeeded.
//!
//! An open is reported from the `struct file` that it made: path, inode and mode are the kernel's.
//! Operations on names leave no file behind; for them the directory is resolved in the kernel, the
//! name is the caller's string, and the record says so (`PATH_FROM_STRING`).

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use detector_common::limits;
use detector_common::wire::{File as Body, InodeKey, Kind, OpenKey, Written, flag};

use super::canary;
use crate::kernel::{File, Inode, Path, Task};
use crate::output::{self, Lane};
use crate::path::{Builder, Walked};
use crate::recent;
use crate::scope::Actor;

/// When a process was last reported to open an inode for writing.
#[map]
static OPENS: LruHashMap<OpenKey, u64> = LruHashMap::with_max_entries(limits::LRU, 0);

/// Which watched process opened an inode for writing last.
#[map]
static WRITTEN: LruHashMap<InodeKey, Written> = LruHashMap::with_max_entries(limits::WRITTEN, 0);

const FMODE_WRITE: u32 = 2;
const FMODE_CREATED: u32 = 0x10_0000;
const O_TRUNC: u32 = 0o1000;
const S_IFMT: u16 = 0o170_000;
const S_IFREG: u16 = 0o100_000;
const AT_FDCWD: i32 = -100;

/// First four bytes of the names of the system's own top directories.
const SYSTEM: [u32; 7] = [
    u32::from_ne_bytes(*b"etc\0"),
    u32::from_ne_bytes(*b"var\0"),
    u32::from_ne_bytes(*b"run\0"),
    u32::from_ne_bytes(*b"usr\0"),
    u32::from_ne_bytes(*b"lib\0"),
    u32::from_ne_bytes(*b"boot"),
    u32::from_ne_bytes(*b"dev\0"),
];

/// A directory descriptor and a user pointer to a name below it.
pub type Named = (u64, u64);

/// An open succeeded and gave `fd`: reported if the file can be written or was created.
#[inline(always)]
pub fn opened(actor: &Actor, fd: u32) {
    let file = Task::current().file(fd);
    canary::opened(actor, file);
    let mode = file.mode();
    let created = mode & FMODE_CREATED != 0;
    if mode & FMODE_WRITE == 0 && !created && file.flags() & O_TRUNC == 0 {
        return;
    }
    let inode = file.inode();
    if inode.mode() & S_IFMT != S_IFREG {
        return;
    }
    let key = OpenKey { inode: inode.number(), dev: inode.device(), pid: actor.pid };
    // A file that was created is reported whatever went before under its inode number.
    if recent::is_repeat(&OPENS, &key, output::now(), limits::DEDUPE_WINDOW) && !created {
        return;
    }
    let Actor { pid, start, agent, .. } = *actor;
    let written = Written { time: output::now(), start, pid, agent };
    let _ = WRITTEN.insert(InodeKey { inode: key.inode, dev: key.dev, pad: 0 }, written, 0);
    report(actor, Kind::FileOpen, file, u32::from(inode.mode()), if created { flag::CREATED } else { 0 });
}

/// Which watched process wrote the file with this inode last; all zero where none did.
#[inline(always)]
pub fn written(inode: Inode) -> Written {
    let key = InodeKey { inode: inode.number(), dev: inode.device(), pad: 0 };
    // SAFETY: a copy is taken at once; at worst it is torn with a writer of this very moment.
    unsafe { WRITTEN.get(key) }.copied().unwrap_or_default()
}

/// An operation on an open file succeeded.
#[inline(always)]
pub fn by_descriptor(actor: &Actor, kind: Kind, fd: u32, mode: u32) {
    report(actor, kind, Task::current().file(fd), mode, 0);
}

/// An operation on one name succeeded.
#[inline(always)]
pub fn named(actor: &Actor, kind: Kind, name: Named, mode: u64, oflags: u64) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let (directory, text) = place(&mut tail, name);
    let body = Body {
        mode: mode as u32,
        oflags: oflags as u32,
        lens: [directory.len, text, 0, 0],
        ..Body::default()
    };
    let lane = if let Kind::FileUnlink = kind { Lane::BulkLazy } else { Lane::Urgent };
    tail.emit(lane, kind, actor, flag::PATH_FROM_STRING | truncated(directory), body);
}

/// A rename or a hard link succeeded.
#[inline(always)]
pub fn moved(actor: &Actor, kind: Kind, old: Named, new: Named, oflags: u64) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let (old_directory, old_text) = place(&mut tail, old);
    let (new_directory, new_text) = place(&mut tail, new);
    let lens = [old_directory.len, old_text, new_directory.len, new_text];
    let flags = flag::PATH_FROM_STRING | truncated(old_directory) | truncated(new_directory);
    tail.emit(Lane::Urgent, kind, actor, flags, Body { oflags: oflags as u32, lens, ..Body::default() });
}

/// A symbolic link was made.
#[inline(always)]
pub fn symlinked(actor: &Actor, target: u64, name: Named) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let (directory, text) = place(&mut tail, name);
    let target = tail.user_string(target);
    let body = Body { lens: [directory.len, text, 0, target], ..Body::default() };
    tail.emit(Lane::Urgent, Kind::FileSymlink, actor, flag::PATH_FROM_STRING | truncated(directory), body);
}

/// Reports an operation on an open file.
#[inline(always)]
pub fn report(actor: &Actor, kind: Kind, file: File, mode: u32, flags: u16) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let inode = file.inode();
    let path = tail.path(file.path());
    let body = Body {
        inode: inode.number(),
        dev: inode.device(),
        mode,
        oflags: file.flags(),
        nlink: inode.links(),
        mntns: Task::current().mount_namespace(),
        magic: inode.magic(),
        lens: [path.len, 0, 0, 0],
        ..Body::default()
    };
    let lane =
        if kind as u16 != Kind::FileOpen as u16 || is_precious(path) { Lane::Urgent } else { Lane::BulkLazy };
    tail.emit(lane, kind, actor, flags | truncated(path), body);
}

/// Appends the directory that a name is relative to, and the name.
#[inline(always)]
fn place(tail: &mut Builder, (directory, name): Named) -> (Walked, u16) {
    let task = Task::current();
    let base: Path =
        if directory as i32 == AT_FDCWD { task.cwd() } else { task.file(directory as u32).path() };
    let walked = tail.path(base);
    (walked, tail.user_string(name))
}

/// Whether a write here may be persistence: below the system's own directories, or a dot file.
#[inline(always)]
fn is_precious(path: Walked) -> bool {
    path.hidden || SYSTEM.contains(&path.top)
}

#[inline(always)]
fn truncated(path: Walked) -> u16 {
    if path.truncated { flag::PATH_TRUNCATED } else { 0 }
}
