//! File records: of open files in every tier, of names in the fallback tier.
//!
//! An open is reported from the `struct file` that it made: path, inode and mode are the kernel's.
//! Operations on names leave no file behind: when a syscall on names returns, only its arguments are left. For
//! [`super::syscall`] the directory is resolved in the kernel, the name is the caller's string, and the
//! record says so (`PATH_FROM_STRING`). The better tiers are in [`super::security`].

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use detector_common::limits;
use detector_common::wire::{File as Body, InodeKey, Kind, OperationCode, Written, flag};

use super::operation::{self, Operation};
use crate::kernel::{self, File, Inode, OpenFile, Path, Task};
use crate::output::{self, Lane};
use crate::path::{Builder, Walked};
use crate::scope::Actor;

/// Which watched process opened an inode for writing last.
#[map]
static WRITTEN: LruHashMap<InodeKey, Written> = LruHashMap::with_max_entries(limits::WRITTEN, 0);

/// Which inode a thread empties by the open that it is in.
#[map]
static EMPTIED: LruHashMap<u32, u64> = LruHashMap::with_max_entries(limits::EMPTIED, 0);

/// The extended attribute that gives an executable capabilities.
pub const CAPABILITY: [u8; 20] = *b"security.capability\0";
/// Memory may be executed.
pub const PROT_EXEC: u64 = 4;
const S_IFMT: u16 = 0o170_000;
const S_IFREG: u16 = 0o100_000;
const S_IFBLK: u16 = 0o060_000;
const S_IFCHR: u16 = 0o020_000;
const PROC_MAGIC: u32 = 0x9fa0;
/// The name of a process's memory in `/proc`.
const MEM: u32 = u32::from_ne_bytes(*b"mem\0");
const AT_FDCWD: i32 = -100;

/// First four bytes of the names of the system's own top directories.
const SYSTEM: [u32; 9] = [
    u32::from_ne_bytes(*b"etc\0"),
    u32::from_ne_bytes(*b"var\0"),
    u32::from_ne_bytes(*b"run\0"),
    u32::from_ne_bytes(*b"usr\0"),
    u32::from_ne_bytes(*b"lib\0"),
    u32::from_ne_bytes(*b"boot"),
    u32::from_ne_bytes(*b"dev\0"),
    u32::from_ne_bytes(*b"proc"),
    u32::from_ne_bytes(*b"sys\0"),
];

/// A directory descriptor and a user pointer to a name below it.
pub type Named = (u64, u64);

/// A file was opened so that it changes or can be changed.
#[inline(always)]
pub fn opened(actor: &Actor, file: File, open: OpenFile, flags: u16) {
    let inode = file.inode();
    if inode.mode() & S_IFMT != S_IFREG && !is_raw_device(inode) {
        return;
    }
    if open.is_emptied() {
        let _ = EMPTIED.insert(actor.tid, inode.0 as u64, 0);
    }
    let (now, created) = (output::now(), open.is_created());
    let key = InodeKey { inode: inode.number(), dev: inode.device(), generation: inode.generation() };
    // A file that was created is reported whatever went before under its inode number.
    if !created && is_repeat(actor, &key, now) {
        return;
    }
    let Actor { pid, start, agent, .. } = *actor;
    let _ = WRITTEN.insert(key, Written { time: now, start, pid, agent }, 0);
    if inode.magic() == PROC_MAGIC && file.path().name_is(MEM) {
        let operation = Operation::new(OperationCode::WriteMemory, 0, 0);
        operation::report(actor, Operation { target: inode.about(), ..operation });
    }
    let created = if created { flag::CREATED } else { 0 };
    let emptied = if open.is_emptied() { flag::EMPTIED } else { 0 };
    report(actor, Kind::FileOpen, file, u32::from(inode.mode()), flags | created | emptied);
}

/// Whether this process was reported a moment ago to open this file.
#[inline(always)]
fn is_repeat(actor: &Actor, key: &InodeKey, now: u64) -> bool {
    let Some(written) = WRITTEN.get_ptr(key) else { return false };
    // SAFETY: a live map value; at worst it is that of an entry which replaces this one now, and one
    // report more or less is made.
    let (time, pid) = unsafe { ((&raw const (*written).time).read(), (&raw const (*written).pid).read()) };
    pid == actor.pid && now.wrapping_sub(time) < limits::DEDUPE_WINDOW
}

/// Whether the cutting of this file belongs to the open that the thread is in.
#[inline(always)]
pub fn is_part_of_open(actor: &Actor, inode: Inode) -> bool {
    // SAFETY: a copy is taken at once; a thread is in one open at a time.
    let is = unsafe { EMPTIED.get(actor.tid) }.is_some_and(|emptied| *emptied == inode.0 as u64);
    if is {
        let _ = EMPTIED.remove(actor.tid);
    }
    is
}

/// A file was mapped executable: reported if a watched process wrote it.
#[inline(always)]
pub fn mapped(actor: &Actor, file: File, protection: u32) {
    let inode = file.inode();
    let key = InodeKey { inode: inode.number(), dev: inode.device(), generation: inode.generation() };
    if WRITTEN.get_ptr(key).is_none() || inode.mode() & S_IFMT != S_IFREG {
        return;
    }
    record(actor, Kind::ImageLoad, file, (u32::from(inode.mode()), protection), 0);
}

/// Whether a device file gives at memory, processor registers or a whole disk: what is written there goes past
/// all that the kernel guards.
#[inline(always)]
fn is_raw_device(inode: Inode) -> bool {
    /// `/dev/mem`, `/dev/kmem` and `/dev/port`, as the kernel numbers them: major 1, minor 1, 2 and 4.
    const MEMORY: [u32; 3] = [1 << 20 | 1, 1 << 20 | 2, 1 << 20 | 4];
    /// Major number of `/dev/cpu/N/msr`.
    const MSR: u32 = 202;
    match inode.mode() & S_IFMT {
        S_IFBLK => true,
        S_IFCHR => {
            let device = inode.represents();
            device >> 20 == MSR || MEMORY.contains(&device)
        }
        _ => false,
    }
}

/// Which watched process wrote the file with this inode last; all zero where none did.
#[inline(always)]
pub fn written(inode: Inode) -> Written {
    let key = InodeKey { inode: inode.number(), dev: inode.device(), generation: inode.generation() };
    // SAFETY: a copy is taken at once; at worst it is torn with a writer of this very moment.
    unsafe { WRITTEN.get(key) }.copied().unwrap_or_default()
}

/// An extended attribute was set, of a file by name or by descriptor: reported if it gives capabilities.
#[inline(always)]
pub fn attribute_set(actor: &Actor, path: Option<u64>, fd: u32, attribute: u64) {
    if kernel::read_user::<[u8; CAPABILITY.len()]>(attribute) != CAPABILITY {
        return;
    }
    let file = Task::current().file(fd);
    let operation = Operation::new(OperationCode::FileCapability, 0, 0);
    let (place, name) = match path {
        Some(path) => (Task::current().cwd(), path),
        None => (file.path(), 0),
    };
    operation::report(actor, Operation { place, name, ..operation });
}

/// An operation on an open file succeeded.
#[inline(always)]
pub fn by_descriptor(actor: &Actor, kind: Kind, fd: u32, mode: u32) {
    let file = Task::current().file(fd);
    report(actor, kind, file, mode | u32::from(file.inode().mode() & S_IFMT), 0);
}

/// An operation on one name succeeded.
#[inline(always)]
pub fn named(actor: &Actor, kind: Kind, name: Named, mode: u64, oflags: u64) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let Place { directory, text, device } = place(&mut tail, name);
    let body = Body {
        dev: device,
        mode: mode as u32,
        oflags: oflags as u32,
        mntns: Task::current().mount_namespace(),
        lens: [directory.len, text, 0, 0],
        within: [directory.within, 0],
        above: tail.above(),
        ..Body::default()
    };
    let lane = if let Kind::FileUnlink = kind { Lane::BulkLazy } else { Lane::Urgent };
    tail.emit(lane, kind, actor, flag::PATH_FROM_STRING | truncated(directory), body);
}

/// A rename or a hard link succeeded.
#[inline(always)]
pub fn moved(actor: &Actor, kind: Kind, old: Named, new: Named, oflags: u64) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let old = place(&mut tail, old);
    let new = place(&mut tail, new);
    let flags = flag::PATH_FROM_STRING | truncated(old.directory) | truncated(new.directory);
    let body = Body {
        dev: new.device,
        oflags: oflags as u32,
        mntns: Task::current().mount_namespace(),
        lens: [old.directory.len, old.text, new.directory.len, new.text],
        within: [old.directory.within, new.directory.within],
        above: tail.above(),
        ..Body::default()
    };
    tail.emit(Lane::Urgent, kind, actor, flags, body);
}

/// A symbolic link was made.
#[inline(always)]
pub fn symlinked(actor: &Actor, target: u64, name: Named) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let Place { directory, text, device } = place(&mut tail, name);
    let target = tail.user_string(target);
    let body = Body {
        dev: device,
        mntns: Task::current().mount_namespace(),
        lens: [directory.len, text, 0, target],
        within: [directory.within, 0],
        above: tail.above(),
        ..Body::default()
    };
    tail.emit(Lane::Urgent, Kind::FileSymlink, actor, flag::PATH_FROM_STRING | truncated(directory), body);
}

/// Reports an operation on an open file.
#[inline(always)]
pub fn report(actor: &Actor, kind: Kind, file: File, mode: u32, flags: u16) {
    record(actor, kind, file, (mode, file.flags()), flags);
}

#[inline(always)]
fn record(actor: &Actor, kind: Kind, file: File, (mode, oflags): (u32, u32), flags: u16) {
    let Some(mut tail) = Builder::new::<Body>() else { return };
    let inode = file.inode();
    let path = tail.path(file.path());
    let body = Body {
        inode: inode.number(),
        dev: inode.device(),
        mode,
        oflags,
        nlink: inode.links(),
        mntns: Task::current().mount_namespace(),
        magic: inode.magic(),
        lens: [path.len, 0, 0, 0],
        within: [path.within, 0],
        above: tail.above(),
        ..Body::default()
    };
    let lane =
        if kind as u16 != Kind::FileOpen as u16 || is_precious(path) { Lane::Urgent } else { Lane::BulkLazy };
    tail.emit(lane, kind, actor, flags | truncated(path), body);
}

/// A name in the record under construction, and the directory that it is relative to.
struct Place {
    directory: Walked,
    text: u16,
    device: u32,
}

/// Appends the directory that a name is relative to (the root of the process for an absolute one), and the name.
#[inline(always)]
fn place(tail: &mut Builder, (directory, name): Named) -> Place {
    let task = Task::current();
    let base: Path = if kernel::read_user::<u8>(name) == b'/' {
        task.root()
    } else if directory as i32 == AT_FDCWD {
        task.cwd()
    } else {
        task.file(directory as u32).path()
    };
    let walked = tail.path(base);
    Place { directory: walked, text: tail.user_string(name), device: base.device() }
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
