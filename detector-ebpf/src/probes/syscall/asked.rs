//! What a process asks of the kernel for other processes and for itself, read from a syscall's arguments.
//!
//! Signals that were sent are [`super::super::signal`]'s; here are those that the kernel refused.

use detector_common::wire::OperationCode;

use super::{Arguments, MAP_ANONYMOUS};
use crate::kernel::{self, Task};
use crate::probes::operation::{self, Operation};
use crate::scope;

/// x86-64 numbers of the syscalls that are looked at.
pub mod number {
    pub use super::super::number::MMAP;

    /// kill(pid, signal)
    pub const KILL: u64 = 62;
    /// ptrace(request, pid, address, data)
    pub const PTRACE: u64 = 101;
    /// rt_sigqueueinfo(pid, signal, info)
    pub const RT_SIGQUEUEINFO: u64 = 129;
    /// pivot_root(new, old)
    pub const PIVOT_ROOT: u64 = 155;
    /// prctl(option, …)
    pub const PRCTL: u64 = 157;
    /// chroot(path)
    pub const CHROOT: u64 = 161;
    /// mount(source, target, type, flags, data)
    pub const MOUNT: u64 = 165;
    /// umount2(target, flags)
    pub const UMOUNT2: u64 = 166;
    /// init_module(image, length, parameters)
    pub const INIT_MODULE: u64 = 175;
    /// delete_module(name, flags)
    pub const DELETE_MODULE: u64 = 176;
    /// tkill(tid, signal)
    pub const TKILL: u64 = 200;
    /// tgkill(pid, tid, signal)
    pub const TGKILL: u64 = 234;
    /// kexec_load(entry, count, segments, flags)
    pub const KEXEC_LOAD: u64 = 246;
    /// unshare(flags)
    pub const UNSHARE: u64 = 272;
    /// rt_tgsigqueueinfo(pid, tid, signal, info)
    pub const RT_TGSIGQUEUEINFO: u64 = 297;
    /// setns(fd, type)
    pub const SETNS: u64 = 308;
    /// process_vm_writev(pid, local, count, remote, count, flags)
    pub const PROCESS_VM_WRITEV: u64 = 311;
    /// finit_module(fd, parameters, flags)
    pub const FINIT_MODULE: u64 = 313;
    /// memfd_create(name, flags)
    pub const MEMFD_CREATE: u64 = 319;
    /// kexec_file_load(kernel fd, initrd fd, …)
    pub const KEXEC_FILE_LOAD: u64 = 320;
    /// bpf(command, attributes, size)
    pub const BPF: u64 = 321;
    /// userfaultfd(flags)
    pub const USERFAULTFD: u64 = 323;
    /// pidfd_send_signal(pidfd, signal, info, flags)
    pub const PIDFD_SEND_SIGNAL: u64 = 424;
    /// move_mount(from fd, from path, to fd, to path, flags)
    pub const MOVE_MOUNT: u64 = 429;
}

const EPERM: i64 = -1;
const EACCES: i64 = -13;
const ENOSYS: i64 = -38;
const AT_FDCWD: i32 = -100;

const PTRACE_ATTACH: u64 = 16;
const PTRACE_SEIZE: u64 = 0x4206;
const PR_SET_NAME: u64 = 15;
/// Every CLONE_NEW* flag.
const CLONE_NEW: u64 = 0x7e02_0080;
/// Commands of bpf(2) that load, attach, detach or take hold of what others loaded, as bits: PROG_LOAD,
/// OBJ_GET, PROG_ATTACH, PROG_DETACH, PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, RAW_TRACEPOINT_OPEN, LINK_CREATE,
/// LINK_UPDATE, LINK_GET_FD_BY_ID, LINK_DETACH.
const BPF_COMMANDS: u64 = 1 << BPF_PROG_LOAD
    | 1 << 7
    | 1 << 8
    | 1 << 9
    | 1 << 13
    | 1 << 14
    | 1 << 17
    | 1 << 28
    | 1 << 29
    | 1 << 30
    | 1 << 34;
const BPF_PROG_LOAD: u64 = 5;
/// Where a program's name stands in the attributes of PROG_LOAD.
const BPF_PROG_NAME: u64 = 48;
/// Where that name ends.
const BPF_PROG_NAME_END: u64 = 64;

const MAP_HUGETLB: u64 = 0x4_0000;
const PAGE: u64 = 4096;
/// The memory that RandomX takes for its dataset, as the kernel rounds it: what xmrig asks for, and librandomx for
/// 64 bytes less.
const RANDOMX_DATASET: u64 = 0x8200_0000;
/// The same by malloc, which adds its own words: a page more.
const RANDOMX_DATASET_MALLOC: u64 = RANDOMX_DATASET + PAGE;
/// What it takes for its cache, 256 MiB: a length that others ask for as well, though hardly in huge pages.
const RANDOMX_CACHE: u64 = 0x1000_0000;

/// First four bytes of names that kernel threads have.
const KERNEL_THREADS: [u32; 8] = [
    u32::from_ne_bytes(*b"kwor"),
    u32::from_ne_bytes(*b"ksof"),
    u32::from_ne_bytes(*b"kthr"),
    u32::from_ne_bytes(*b"kswa"),
    u32::from_ne_bytes(*b"kcom"),
    u32::from_ne_bytes(*b"khug"),
    u32::from_ne_bytes(*b"migr"),
    u32::from_ne_bytes(*b"rcu_"),
];

/// Whether this syscall is one of those that are looked at.
#[inline(always)]
pub fn is_served(number: u64) -> bool {
    matches!(
        number,
        number::KILL
            | number::PTRACE
            | number::RT_SIGQUEUEINFO
            | number::PIVOT_ROOT
            | number::PRCTL
            | number::CHROOT
            | number::MOUNT
            | number::UMOUNT2
            | number::INIT_MODULE
            | number::DELETE_MODULE
            | number::TKILL
            | number::TGKILL
            | number::KEXEC_LOAD
            | number::UNSHARE
            | number::RT_TGSIGQUEUEINFO
            | number::SETNS
            | number::PROCESS_VM_WRITEV
            | number::FINIT_MODULE
            | number::MEMFD_CREATE
            | number::KEXEC_FILE_LOAD
            | number::BPF
            | number::USERFAULTFD
            | number::PIDFD_SEND_SIGNAL
            | number::MOVE_MOUNT
    )
}

/// Whether this call is worth a record, judged by its registers, before anything is read or looked up.
#[inline(always)]
pub fn matters(number: u64, result: i64, args: Arguments) -> bool {
    let refused = result == EPERM || result == EACCES || result == ENOSYS;
    match number {
        // The option first: no other option of this frequent call costs more than that.
        number::PRCTL => result == 0 && args.get(0) == PR_SET_NAME,
        number::KILL
        | number::TKILL
        | number::TGKILL
        | number::RT_SIGQUEUEINFO
        | number::RT_TGSIGQUEUEINFO
        | number::PIDFD_SEND_SIGNAL => result == EPERM,
        number::PTRACE => {
            let request = args.get(0);
            (result == 0 || refused) && (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
        }
        number::BPF => {
            let command = args.get(0);
            (result >= 0 || refused) && command < 64 && BPF_COMMANDS >> command & 1 != 0
        }
        // Whatever came of it: a miner asks for huge pages first, and often there are none.
        number::MMAP => {
            let (length, flags) = (args.get(1).wrapping_add(PAGE - 1) & !(PAGE - 1), args.get(3));
            flags & MAP_ANONYMOUS != 0
                && match length {
                    RANDOMX_DATASET | RANDOMX_DATASET_MALLOC => true,
                    RANDOMX_CACHE => flags & MAP_HUGETLB != 0,
                    _ => false,
                }
        }
        number::UNSHARE => result == 0 && args.get(0) & CLONE_NEW != 0,
        number::MEMFD_CREATE | number::USERFAULTFD => result >= 0,
        // Whatever is wrong with a module or a kernel: who tries to load or remove one is to be known.
        number::INIT_MODULE
        | number::FINIT_MODULE
        | number::DELETE_MODULE
        | number::KEXEC_LOAD
        | number::KEXEC_FILE_LOAD => true,
        _ => result >= 0 || refused,
    }
}

/// Reports what a watched process asked for.
#[inline(always)]
pub fn report(number: u64, result: i64, args: Arguments) {
    let Some(actor) = scope::watched() else { return };
    let task = Task::current();
    let errno = if result < 0 { result.wrapping_neg() as u32 } else { 0 };
    let new = |code, number| Operation::new(code, number, errno);
    let operation = match number {
        number::KILL | number::TKILL | number::RT_SIGQUEUEINFO => {
            let target = task.numbered(args.get(0) as u32);
            Operation { target, ..new(OperationCode::Signal, args.get(1)) }
        }
        number::TGKILL | number::RT_TGSIGQUEUEINFO => {
            let target = task.numbered(args.get(1) as u32);
            Operation { target, ..new(OperationCode::Signal, args.get(2)) }
        }
        number::PIDFD_SEND_SIGNAL => new(OperationCode::Signal, args.get(1)),
        number::PTRACE => {
            let target = task.numbered(args.get(1) as u32);
            Operation { target, ..new(OperationCode::Ptrace, args.get(0)) }
        }
        number::PROCESS_VM_WRITEV => {
            let target = task.numbered(args.get(0) as u32);
            Operation { target, ..new(OperationCode::WriteMemory, 0) }
        }
        number::PRCTL => {
            let name: u32 = kernel::read_user(args.get(1));
            if name as u8 != b'[' && !KERNEL_THREADS.contains(&name) {
                return;
            }
            Operation { detail: args.get(1), ..new(OperationCode::SetName, 0) }
        }
        number::PIVOT_ROOT | number::CHROOT if errno == 0 => {
            Operation { place: task.root(), ..new(OperationCode::ChangeRoot, 0) }
        }
        number::PIVOT_ROOT | number::CHROOT => {
            Operation { place: task.cwd(), name: args.get(0), ..new(OperationCode::ChangeRoot, 0) }
        }
        number::MOUNT => Operation {
            place: task.cwd(),
            name: args.get(1),
            source: args.get(0),
            detail: args.get(2),
            ..new(OperationCode::Mount, args.get(3))
        },
        number::MOVE_MOUNT => {
            let directory = args.get(2);
            let place =
                if directory as i32 == AT_FDCWD { task.cwd() } else { task.file(directory as u32).path() };
            Operation { place, name: args.get(3), source: args.get(1), ..new(OperationCode::Mount, 0) }
        }
        number::UMOUNT2 => {
            Operation { place: task.cwd(), name: args.get(0), ..new(OperationCode::Unmount, args.get(1)) }
        }
        number::INIT_MODULE => new(OperationCode::ModuleLoad, 0),
        number::FINIT_MODULE => {
            Operation { place: task.file(args.get(0) as u32).path(), ..new(OperationCode::ModuleLoad, 0) }
        }
        number::DELETE_MODULE => {
            Operation { detail: args.get(0), ..new(OperationCode::ModuleUnload, args.get(1)) }
        }
        number::KEXEC_LOAD => new(OperationCode::Kexec, 0),
        number::KEXEC_FILE_LOAD => {
            Operation { place: task.file(args.get(0) as u32).path(), ..new(OperationCode::Kexec, 0) }
        }
        number::SETNS => new(OperationCode::Setns, args.get(1)),
        number::UNSHARE => new(OperationCode::Unshare, args.get(0) & CLONE_NEW),
        number::MEMFD_CREATE => Operation { detail: args.get(0), ..new(OperationCode::Memfd, args.get(1)) },
        number::BPF => {
            let (command, attributes) = (args.get(0), args.get(1));
            let loads = command == BPF_PROG_LOAD;
            let named = loads && args.get(2) >= BPF_PROG_NAME_END;
            Operation {
                subtype: if loads { kernel::read_user(attributes) } else { 0 },
                detail: if named { attributes + BPF_PROG_NAME } else { 0 },
                ..new(OperationCode::Bpf, command)
            }
        }
        number::MMAP => {
            Operation { subtype: args.get(3) as u32, ..new(OperationCode::RandomxMemory, args.get(1)) }
        }
        number::USERFAULTFD => new(OperationCode::Userfaultfd, args.get(0)),
        _ => return,
    };
    let is_signal = matches!(operation.code, OperationCode::Signal);
    // Signal 0 asks whether somebody is there.
    if is_signal && (operation.number == 0 || operation::is_same_agent(&actor, operation.target)) {
        return;
    }
    operation::report(&actor, operation);
}
