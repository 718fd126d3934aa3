//! A process moves between control groups, at `tp_btf/cgroup_attach_task`.
//!
//! Hook: `cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool
//! threadgroup)`, BTF since 5.5. A process that comes into a watched group gets its tag; one that
//! leaves keeps it, and the leaving is reported. That a watched process moves one that is not watched is an
//! operation on that process. Slips past: a single thread of a threaded group.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Cgroup as Body, Kind, OperationCode, Tag, flag};

use super::operation::{self, Operation};
use crate::kernel::{Cgroup, Task};
use crate::output::Lane;
use crate::path::Builder;
use crate::scope::{self, Actor};

/// Tags who joins, keeps who leaves, reports both.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach(ctx: BtfTracePointContext) -> i32 {
    let cgroup = Cgroup(ctx.arg::<*const u8>(0));
    if !cgroup.is_unified() {
        return 0;
    }
    let moved = Task(ctx.arg::<*const u8>(2));
    let moved_pid = moved.tgid();
    let id = cgroup.id();
    let tag = scope::tag(moved_pid);
    if tag.is_none()
        && let Some(actor) = scope::watched()
    {
        let operation = Operation::new(OperationCode::MoveCgroup, 0, 0);
        operation::report(&actor, Operation { target: moved, ..operation });
    }
    let target = scope::agent_of(id);
    let (agent, flags) = match (tag, target) {
        (None, None) => return 0,
        (None, Some(agent)) => (agent, flag::JOINED),
        (Some(tag), None) => (tag.agent, flag::LEFT),
        (Some(tag), Some(agent)) if tag.agent != agent || tag.left != 0 => (agent, flag::JOINED),
        (Some(_), Some(agent)) => (agent, 0),
    };
    let moved_start = moved.start();
    scope::put_tag(moved_pid, Tag { start: moved_start, agent, left: u32::from(flags & flag::LEFT != 0) });
    let Some(mut tail) = Builder::new::<Body>() else { return 0 };
    let path_len = u32::from(tail.kernel_string(ctx.arg::<*const u8>(1)));
    let actor = Actor { agent, ..scope::anyone() };
    tail.emit(
        Lane::Urgent,
        Kind::CgroupMove,
        &actor,
        flags,
        Body { id, parent: 0, moved_start, moved_pid, path_len },
    );
    0
}
