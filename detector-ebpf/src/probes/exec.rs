//! exec, at `tp_btf/sched_process_exec`.
//!
//! Hook: `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, BTF
//! since 5.5. It runs after the new address space is in place and every other thread is gone, before
//! the program's first instruction: argv cannot be changed any more, and the path is that of the file
//! that was really opened. Cost: one record of some hundred bytes to some KiB for a watched exec, a
//! hash look-up or two for any other. Slips past: code run without exec (dlopen, ptrace, a JIT).

use aya_ebpf::helpers::generated::bpf_get_current_comm;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::limits::{ARGV_CHUNKS, ARGV_INLINE, ENV_CHUNKS, ENV_INLINE};
use detector_common::wire::{Exec, Kind, Stream, flag};

use crate::kernel::{Binprm, Ends, Task};
use crate::output::Lane;
use crate::path::Builder;
use crate::scope::{self, Actor};

mod chunks;

/// Reports an exec of a watched process.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec(ctx: BtfTracePointContext) -> i32 {
    if let Some(actor) = scope::watched_or_inside() {
        let bprm = Binprm(ctx.arg::<*const u8>(2));
        aya_log_ebpf::debug!(&ctx, "exec pid {} agent {}", actor.pid, actor.agent);
        report(&actor, bprm);
    }
    0
}

#[inline(always)]
fn report(actor: &Actor, bprm: Binprm) {
    let memory = Task::current().memory();
    let argv = (memory.arg_start, memory.arg_end.wrapping_sub(memory.arg_start));
    let env = (memory.env_start, memory.env_end.wrapping_sub(memory.env_start));
    if argv.1 > ARGV_INLINE as u64 || env.1 > ENV_INLINE as u64 {
        chunks::send(actor, chunks::Stretch::new(Stream::Argv, argv, ARGV_INLINE, ARGV_CHUNKS));
        chunks::send(actor, chunks::Stretch::new(Stream::Env, env, ENV_INLINE, ENV_CHUNKS));
    }
    record(actor, bprm);
}

#[inline(always)]
fn record(actor: &Actor, bprm: Binprm) {
    let Some(mut tail) = Builder::new::<Exec>() else { return };
    let task = Task::current();
    // Read again: what `report` compared would have the verifier go through the rest once for each outcome.
    let memory = task.memory();
    let file = bprm.file();
    let inode = file.inode();
    let parent = task.parent();
    let argv_total = memory.arg_end.wrapping_sub(memory.arg_start);
    let env_total = memory.env_end.wrapping_sub(memory.env_start);

    let written = super::file::written(inode);
    let path = tail.path(file.path());
    let cwd = tail.path(task.cwd());
    let argv_len = tail.user_bytes::<{ ARGV_INLINE as u64 }>(memory.arg_start, argv_total);
    let env_len = tail.user_bytes::<{ ENV_INLINE as u64 }>(memory.env_start, env_total);
    let script = bprm.script();
    let script_len = if script.is_null() { 0 } else { tail.kernel_string(script) };

    let before = tail.len();
    stdio(&mut tail, task, 0);
    stdio(&mut tail, task, 1);
    stdio(&mut tail, task, 2);
    let stdio_len = tail.len().wrapping_sub(before) as u16;

    let mut flags = 0;
    if path.truncated {
        flags |= flag::PATH_TRUNCATED;
    }
    if cwd.truncated {
        flags |= flag::CWD_TRUNCATED;
    }
    tail.emit(
        Lane::Urgent,
        Kind::Exec,
        actor,
        flags,
        Exec {
            inode: inode.number(),
            dev: inode.device(),
            nlink: inode.links(),
            mode: u32::from(inode.mode()),
            ppid: parent.tgid(),
            gid: (aya_ebpf::helpers::bpf_get_current_uid_gid() >> 32) as u32,
            argv_total: saturate(argv_total),
            env_total: saturate(env_total),
            argv_len,
            env_len,
            path_len: path.len,
            cwd_len: cwd.len,
            script_len,
            stdio_len,
            pad: [0; 2],
            parent_start: parent.start(),
            comm: comm(),
            written,
        },
    );
}

/// Appends the TCP socket behind a descriptor, if it is one: a [`Stdio`](detector_common::wire::Stdio),
/// field by field, since the stack has no room for it.
#[inline(always)]
fn stdio(tail: &mut Builder, task: Task, fd: u16) {
    let sock = task.file(u32::from(fd)).connected();
    if sock.is_null() {
        return;
    }
    let ends = Ends(sock);
    tail.value(ends.remote());
    tail.value(ends.local());
    tail.value([ends.remote_port(), ends.local_port(), ends.family(), fd]);
}

#[inline(always)]
fn saturate(value: u64) -> u32 {
    if value > u64::from(u32::MAX) { u32::MAX } else { value as u32 }
}

#[inline(always)]
fn comm() -> [u64; 2] {
    let mut comm = [0_u64; 2];
    // SAFETY: writes at most the sixteen bytes of `comm`.
    unsafe { bpf_get_current_comm((&raw mut comm).cast(), 16) };
    comm
}
