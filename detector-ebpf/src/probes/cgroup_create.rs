//! A new control group, at `tp_btf/cgroup_mkdir`.
//!
//! Hook: `cgroup_mkdir(struct cgroup *cgrp, const char *path)`, BTF since 5.5. A child of a watched
//! group is watched from birth, before any task can enter it, and so is one that is born where a pattern
//! expects agents; userspace says afterwards whether it is one. Every new group of cgroup2 is reported,
//! so that userspace can match it against the configured patterns. Rare, so its cost is no concern.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Cgroup as Body, Kind};

use crate::kernel::Cgroup;
use crate::output::Lane;
use crate::path::Builder;
use crate::scope::{self, Actor};

/// Hands the parent's agent down and reports the new group.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_create(ctx: BtfTracePointContext) -> i32 {
    let cgroup = Cgroup(ctx.arg::<*const u8>(0));
    if !cgroup.is_unified() {
        return 0;
    }
    let (id, parent) = (cgroup.id(), cgroup.parent_id());
    let agent = scope::agent_at_birth(parent);
    if agent != 0 {
        scope::put_cgroup(id, agent);
    }
    let Some(mut tail) = Builder::new::<Body>() else { return 0 };
    let path_len = u32::from(tail.kernel_string(ctx.arg::<*const u8>(1)));
    let actor = Actor { agent, ..scope::anyone() };
    tail.emit(Lane::Urgent, Kind::CgroupCreate, &actor, 0, Body { id, parent, path_len, ..Body::default() });
    0
}
