//! The syscall exits of the fallback tier, at `tp_btf/sys_exit`.
//!
//! Hook: `sys_exit(struct pt_regs *regs, long ret)`, BTF since 5.5. Attaching it makes every syscall of
//! the machine take the slow path, which is its whole cost for tasks that are not watched, so it is
//! attached only while an agent exists, and one program serves all file syscalls. Where a better tier
//! serves some of the events, those are left out here; where it serves all, this is not attached at all. Slips
//! past, named by `doctor`: io_uring, 32-bit syscalls, files received over sockets.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Kind, OperationCode};

use super::{canary, file, unix};
use crate::kernel::{self, Task};
use crate::output::{self, Lane};
use crate::scope;

mod asked;
pub mod exits;

/// What no better tier serves, filled by the loader: bits of [`Kind::bit`] and of operations.
#[map]
static FALLBACK: Array<u64> = Array::with_max_entries(1, 0);

/// x86-64 numbers of the syscalls that are looked at.
pub mod number {
    /// open(path, flags, mode)
    pub const OPEN: u64 = 2;
    /// mmap(address, length, protection, flags, fd, offset)
    pub const MMAP: u64 = 9;
    /// connect(fd, address, length)
    pub const CONNECT: u64 = 42;
    /// truncate(path, length)
    pub const TRUNCATE: u64 = 76;
    /// ftruncate(fd, length)
    pub const FTRUNCATE: u64 = 77;
    /// rename(old, new)
    pub const RENAME: u64 = 82;
    /// rmdir(path)
    pub const RMDIR: u64 = 84;
    /// creat(path, mode)
    pub const CREAT: u64 = 85;
    /// link(old, new)
    pub const LINK: u64 = 86;
    /// unlink(path)
    pub const UNLINK: u64 = 87;
    /// symlink(target, path)
    pub const SYMLINK: u64 = 88;
    /// chmod(path, mode)
    pub const CHMOD: u64 = 90;
    /// fchmod(fd, mode)
    pub const FCHMOD: u64 = 91;
    /// setsid()
    pub const SETSID: u64 = 112;
    /// setxattr(path, name, value, size, flags)
    pub const SETXATTR: u64 = 188;
    /// lsetxattr(path, name, value, size, flags)
    pub const LSETXATTR: u64 = 189;
    /// fsetxattr(fd, name, value, size, flags)
    pub const FSETXATTR: u64 = 190;
    /// openat(dirfd, path, flags, mode)
    pub const OPENAT: u64 = 257;
    /// unlinkat(dirfd, path, flags)
    pub const UNLINKAT: u64 = 263;
    /// renameat(olddirfd, old, newdirfd, new)
    pub const RENAMEAT: u64 = 264;
    /// linkat(olddirfd, old, newdirfd, new, flags)
    pub const LINKAT: u64 = 265;
    /// symlinkat(target, dirfd, path)
    pub const SYMLINKAT: u64 = 266;
    /// fchmodat(dirfd, path, mode)
    pub const FCHMODAT: u64 = 268;
    /// open_by_handle_at(mountfd, handle, flags)
    pub const OPEN_BY_HANDLE_AT: u64 = 304;
    /// renameat2(olddirfd, old, newdirfd, new, flags)
    pub const RENAMEAT2: u64 = 316;
    /// openat2(dirfd, path, how, size)
    pub const OPENAT2: u64 = 437;
    /// fchmodat2(dirfd, path, mode, flags)
    pub const FCHMODAT2: u64 = 452;
}

/// What access an open asked for, and whether it may change the file without it.
const WRITES: u64 = 0o3 | 0o100 | 0o1000;
const MAP_ANONYMOUS: u64 = 0x20;
const AT_FDCWD: u64 = -100_i32 as u32 as u64;

/// The registers that hold syscall arguments, as words of x86-64's `struct pt_regs`.
#[derive(Clone, Copy)]
pub struct Arguments(*const u8);

impl Arguments {
    /// Argument `n`, counted from 0.
    #[inline(always)]
    pub fn get(self, n: usize) -> u64 {
        let word = match n {
            0 => 14,
            1 => 13,
            2 => 12,
            3 => 7,
            4 => 9,
            _ => 8,
        };
        kernel::load(self.0, word * 8)
    }

    #[inline(always)]
    fn number(self) -> u64 {
        kernel::load(self.0, 15 * 8)
    }
}

/// Dispatches on the syscall number, then on the scope.
#[btf_tracepoint(function = "sys_exit")]
pub fn syscall(ctx: BtfTracePointContext) -> i32 {
    let args = Arguments(ctx.arg::<*const u8>(0));
    let number = args.number();
    let result: i64 = ctx.arg(1);
    if number == number::MMAP && asked::matters(number, result, args) {
        if is_asked_for(OperationCode::RandomxMemory.bit()) {
            asked::report(number, result, args);
        }
        return 0;
    }
    if number != number::OPENAT && !is_served(number) {
        if asked::is_served(number)
            && is_asked_for(Kind::Operation.bit())
            && asked::matters(number, result, args)
        {
            asked::report(number, result, args);
        }
        return 0;
    }
    let is_dull = is_read_only(number, args) && (number == number::MMAP || !canary::exist());
    if result < 0 || is_dull || !is_wanted(number) {
        return 0;
    }
    let Some(actor) = scope::watched() else { return 0 };
    match number {
        number::OPEN | number::CREAT | number::OPENAT | number::OPENAT2 | number::OPEN_BY_HANDLE_AT => {
            let opened = Task::current().file(result as u32);
            let open = opened.open().asked(open_flags(number, args));
            canary::opened(&actor, opened);
            if open.is_change() {
                file::opened(&actor, opened, open, 0);
            }
        }
        number::MMAP => {
            let mapped = Task::current().file(args.get(4) as u32);
            file::mapped(&actor, mapped, args.get(2) as u32);
        }
        number::FTRUNCATE => file::by_descriptor(&actor, Kind::FileTruncate, args.get(0) as u32, 0),
        number::FCHMOD => {
            file::by_descriptor(&actor, Kind::FileChmod, args.get(0) as u32, args.get(1) as u32);
        }
        number::SETXATTR | number::LSETXATTR => {
            file::attribute_set(&actor, Some(args.get(0)), 0, args.get(1));
        }
        number::FSETXATTR => file::attribute_set(&actor, None, args.get(0) as u32, args.get(1)),
        number::TRUNCATE => file::named(&actor, Kind::FileTruncate, (AT_FDCWD, args.get(0)), 0, 0),
        number::CHMOD => file::named(&actor, Kind::FileChmod, (AT_FDCWD, args.get(0)), args.get(1), 0),
        number::FCHMODAT => file::named(&actor, Kind::FileChmod, (args.get(0), args.get(1)), args.get(2), 0),
        number::FCHMODAT2 => {
            file::named(&actor, Kind::FileChmod, (args.get(0), args.get(1)), args.get(2), args.get(3));
        }
        number::UNLINK | number::RMDIR => {
            file::named(&actor, Kind::FileUnlink, (AT_FDCWD, args.get(0)), 0, 0);
        }
        number::UNLINKAT => file::named(&actor, Kind::FileUnlink, (args.get(0), args.get(1)), 0, args.get(2)),
        number::RENAME => {
            file::moved(&actor, Kind::FileRename, (AT_FDCWD, args.get(0)), (AT_FDCWD, args.get(1)), 0);
        }
        number::RENAMEAT => {
            let (old, new) = ((args.get(0), args.get(1)), (args.get(2), args.get(3)));
            file::moved(&actor, Kind::FileRename, old, new, 0);
        }
        number::RENAMEAT2 => {
            let (old, new) = ((args.get(0), args.get(1)), (args.get(2), args.get(3)));
            file::moved(&actor, Kind::FileRename, old, new, args.get(4));
        }
        number::LINK => {
            file::moved(&actor, Kind::FileLink, (AT_FDCWD, args.get(0)), (AT_FDCWD, args.get(1)), 0);
        }
        number::LINKAT => {
            let (old, new) = ((args.get(0), args.get(1)), (args.get(2), args.get(3)));
            file::moved(&actor, Kind::FileLink, old, new, args.get(4));
        }
        number::SYMLINK => file::symlinked(&actor, args.get(0), (AT_FDCWD, args.get(1))),
        number::SYMLINKAT => file::symlinked(&actor, args.get(0), (args.get(1), args.get(2))),
        number::CONNECT => unix::connected(&actor, args.get(0) as u32),
        number::SETSID => output::emit(Lane::UrgentLazy, Kind::Setsid, &actor, 0, [0_u64; 0]),
        _ => {}
    }
    0
}

/// Whether this syscall is one of those that are looked at.
#[inline(always)]
fn is_served(number: u64) -> bool {
    matches!(
        number,
        number::OPEN
            | number::MMAP
            | number::SETXATTR
            | number::LSETXATTR
            | number::FSETXATTR
            | number::CONNECT
            | number::TRUNCATE
            | number::FTRUNCATE
            | number::RENAME
            | number::RMDIR
            | number::CREAT
            | number::LINK
            | number::UNLINK
            | number::SYMLINK
            | number::CHMOD
            | number::FCHMOD
            | number::SETSID
            | number::UNLINKAT
            | number::RENAMEAT
            | number::LINKAT
            | number::SYMLINKAT
            | number::FCHMODAT
            | number::OPEN_BY_HANDLE_AT
            | number::RENAMEAT2
            | number::OPENAT2
            | number::FCHMODAT2
    )
}

/// The events that this tier is asked for.
#[inline(always)]
fn is_wanted(number: u64) -> bool {
    let bit = match number {
        number::OPEN | number::CREAT | number::OPENAT | number::OPENAT2 | number::OPEN_BY_HANDLE_AT => {
            Kind::FileOpen.bit()
        }
        number::MMAP => Kind::ImageLoad.bit(),
        number::TRUNCATE | number::FTRUNCATE => Kind::FileTruncate.bit(),
        number::CHMOD | number::FCHMOD | number::FCHMODAT | number::FCHMODAT2 => Kind::FileChmod.bit(),
        number::UNLINK | number::UNLINKAT | number::RMDIR => Kind::FileUnlink.bit(),
        number::RENAME | number::RENAMEAT | number::RENAMEAT2 => Kind::FileRename.bit(),
        number::LINK | number::LINKAT => Kind::FileLink.bit(),
        number::SYMLINK | number::SYMLINKAT => Kind::FileSymlink.bit(),
        number::SETXATTR | number::LSETXATTR | number::FSETXATTR => OperationCode::FileCapability.bit(),
        number::CONNECT => Kind::Operation.bit(),
        _ => Kind::Setsid.bit(),
    };
    is_asked_for(bit)
}

/// Whether no better tier serves an event.
#[inline(always)]
fn is_asked_for(bit: u64) -> bool {
    FALLBACK.get(0).is_some_and(|wanted| *wanted & bit != 0)
}

/// Whether an open asked for reading alone, or a mapping is of no file or not executable, judged by the
/// registers before anything is read.
#[inline(always)]
fn is_read_only(number: u64, args: Arguments) -> bool {
    match number {
        number::OPENAT | number::OPEN_BY_HANDLE_AT | number::OPEN => open_flags(number, args) & WRITES == 0,
        number::MMAP => args.get(2) & file::PROT_EXEC == 0 || args.get(3) & MAP_ANONYMOUS != 0,
        _ => false,
    }
}

/// What O_* flags an open asked for; those of openat2 stand in user memory.
#[inline(always)]
fn open_flags(number: u64, args: Arguments) -> u64 {
    match number {
        number::OPENAT | number::OPEN_BY_HANDLE_AT => args.get(2),
        number::OPEN => args.get(1),
        number::OPENAT2 => kernel::read_user(args.get(2)),
        // creat
        _ => 0o1101,
    }
}
