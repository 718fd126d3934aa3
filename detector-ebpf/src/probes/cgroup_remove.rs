//! A removed control group, at `tp_btf/cgroup_rmdir`.
//!
//! Hook: `cgroup_rmdir(struct cgroup *cgrp, const char *path)`, BTF since 5.5. Ids are used again, so
//! a removed group is forgotten at once.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Cgroup as Body, Kind};

use crate::kernel::Cgroup;
use crate::output::Lane;
use crate::path::Builder;
use crate::scope::{self, Actor};

/// Forgets a watched group and reports its end.
#[btf_tracepoint(function = "cgroup_rmdir")]
pub fn cgroup_remove(ctx: BtfTracePointContext) -> i32 {
    let cgroup = Cgroup(ctx.arg::<*const u8>(0));
    if !cgroup.is_unified() {
        return 0;
    }
    let id = cgroup.id();
    let Some(agent) = scope::agent_of(id) else { return 0 };
    scope::remove_cgroup(id);
    let Some(mut tail) = Builder::new::<Body>() else { return 0 };
    let path_len = u32::from(tail.kernel_string(ctx.arg::<*const u8>(1)));
    let actor = Actor { agent, ..scope::anyone() };
    tail.emit(Lane::UrgentLazy, Kind::CgroupRemove, &actor, 0, Body { id, path_len, ..Body::default() });
    0
}
