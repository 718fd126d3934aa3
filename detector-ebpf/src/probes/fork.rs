//! fork, at `tp_btf/sched_process_fork`.
//!
//! Hook: `sched_process_fork(struct task_struct *parent, struct task_struct *child)`, BTF since 5.5.
//! It runs before the child does: the child has its tag before its first instruction. Threads are no
//! processes and leave at once. A child that `CLONE_INTO_CGROUP` puts into a watched control group is
//! watched whoever its parent is; one that it puts outside of them stays watched, and its leaving is
//! reported, without a path. Cost: two reads and a hash look-up for an unwatched fork.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Cgroup, Fork, Kind, Tag, flag};

use crate::kernel::Task;
use crate::output::{self, Lane};
use crate::scope::{self, Actor};

/// Tags the child of a watched process and reports it.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn fork(ctx: BtfTracePointContext) -> i32 {
    let child = Task(ctx.arg::<*const u8>(1));
    let pid = child.tgid();
    if child.tid() != pid {
        return 0;
    }
    let parent = scope::current_tag();
    let (agent, left) = match parent {
        Some(tag) => (tag.agent, tag.left),
        None => match scope::agent_of(child.cgroup()) {
            Some(agent) => (agent, 0),
            None => return 0,
        },
    };
    let start = child.start();
    let actor = Actor { agent, ..scope::anyone() };
    let born_in = child.cgroup();
    let leaves = left == 0 && born_in != actor.cgroup && scope::agent_of(born_in).is_none();
    scope::put_tag(pid, Tag { start, agent, left: left | u32::from(leaves) });
    output::emit(
        Lane::UrgentLazy,
        Kind::Fork,
        &actor,
        0,
        Fork { child_start: start, child_pid: pid, pad: 0 },
    );
    if leaves {
        let moved = Cgroup { id: born_in, moved_start: start, moved_pid: pid, ..Cgroup::default() };
        output::emit(Lane::Urgent, Kind::CgroupMove, &actor, flag::LEFT, moved);
    }
    0
}
