//! What is done to other processes and to the kernel: one record for every way to see it.
//!
//! Called by [`super::syscall`] at the exits of its syscalls, by [`super::signal`], by [`super::cgroup_attach`],
//! and by [`super::file`] for `/proc/PID/mem`; takes values, not registers, so that any other hook may call it. What the kernel
//! refused is reported, too: an attempt is a fact. Strings are the caller's and could be changed meanwhile
//! by another thread; the records say so (`PATH_FROM_STRING`).

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use detector_common::limits;
use detector_common::wire::{Kind, Operation as Body, OperationCode, OperationKey, flag};

use crate::kernel::{Path, Task};
use crate::output::{self, Lane};
use crate::path::Builder;
use crate::recent;
use crate::scope::{self, Actor};

/// When a process was last reported to do something to another one.
#[map]
static OPERATIONS: LruHashMap<OperationKey, u64> = LruHashMap::with_max_entries(limits::LRU, 0);

/// What is done: all that a record says, apart from who does it.
#[derive(Clone, Copy)]
pub struct Operation {
    /// What.
    pub code: OperationCode,
    /// What the code says it is.
    pub number: u64,
    /// Type of a bpf(2) program, MAP_* flags of memory.
    pub subtype: u32,
    /// What it failed with; 0 where it was done.
    pub errno: u32,
    /// The other process; null where there is none.
    pub target: Task,
    /// A place, or what [`Self::name`] is relative to.
    pub place: Path,
    /// User pointer to a name below that place; 0 for the place itself.
    pub name: u64,
    /// User pointer to what is mounted there; 0 for none.
    pub source: u64,
    /// User pointer to a type or name; 0 for none, and where there is another process.
    pub detail: u64,
}

impl Operation {
    /// One without target and place.
    #[inline(always)]
    pub fn new(code: OperationCode, number: u64, errno: u32) -> Self {
        Self {
            code,
            number,
            subtype: 0,
            errno,
            target: Task(core::ptr::null()),
            place: Path::NONE,
            name: 0,
            source: 0,
            detail: 0,
        }
    }
}

/// Whether a process belongs to the agent that acts.
#[inline(always)]
pub fn is_same_agent(actor: &Actor, target: Task) -> bool {
    !target.0.is_null() && scope::tag(target.tgid()).is_some_and(|tag| tag.agent == actor.agent)
}

/// Writes the record, unless it is about the process itself or repeats what was said within the last second.
#[inline(always)]
pub fn report(actor: &Actor, operation: Operation) {
    let Operation { code, number, subtype, errno, target, place, name, source, detail } = operation;
    let known = !target.0.is_null();
    let target_pid = if known { target.tgid() } else { 0 };
    if target_pid == actor.pid {
        return;
    }
    // What names a place or a thing is told by it, and each is reported.
    if name == 0 && detail == 0 && place.dentry.is_null() {
        let target = if known { target_pid } else { subtype };
        let key = OperationKey { number, pid: actor.pid, target, code: code as u32, errno };
        if recent::is_repeat(&OPERATIONS, &key, output::now(), limits::OPERATION_WINDOW) {
            return;
        }
    }
    let Some(mut tail) = Builder::new::<Body>() else { return };
    // Strings that are missing are appended as nothing: no branch for the verifier.
    let walked = tail.path(place);
    let name = tail.user_string(name);
    let source = tail.user_string(source);
    let detail = if known { tail.kernel_string(target.name()) } else { tail.user_string(detail) };
    let body = Body {
        target_start: if known { target.start() } else { 0 },
        number,
        target_pid,
        code: code as u32,
        lens: [walked.len, name, source, detail],
        errno,
        subtype,
        mntns: Task::current().mount_namespace(),
        pad: 0,
    };
    let mut flags = if name == 0 { 0 } else { flag::PATH_FROM_STRING };
    if walked.truncated && walked.len != 0 {
        flags |= flag::PATH_TRUNCATED;
    }
    if is_same_agent(actor, target) {
        flags |= flag::SAME_AGENT;
    }
    let lane = match code {
        OperationCode::Memfd | OperationCode::Unshare => Lane::BulkLazy,
        OperationCode::Ptrace
        | OperationCode::WriteMemory
        | OperationCode::Signal
        | OperationCode::Bpf
        | OperationCode::ModuleLoad
        | OperationCode::IoUring
        | OperationCode::Mount
        | OperationCode::Setns
        | OperationCode::Userfaultfd
        | OperationCode::ChangeRoot
        | OperationCode::Kexec
        | OperationCode::Unmount
        | OperationCode::SetName
        | OperationCode::ModuleUnload
        | OperationCode::MoveCgroup
        | OperationCode::FileCapability
        | OperationCode::UnixConnect
        | OperationCode::RandomxMemory => Lane::Urgent,
    };
    tail.emit(lane, Kind::Operation, actor, flags, body);
}
