//! exit, at `tp_btf/sched_process_exit`.
//!
//! Hook: `sched_process_exit(struct task_struct *p)`, BTF since 5.5; from 6.16 it runs a little
//! earlier and has a second argument. It fires for every thread; the last one is the end of the
//! process. Cost: one hash look-up for an unwatched thread.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Exit, Kind};

use crate::kernel::Task;
use crate::output::{self, Lane};
use crate::scope;

/// Reports the end of a watched process and forgets its tag.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn exit(_ctx: BtfTracePointContext) -> i32 {
    let Some(actor) = scope::watched() else { return 0 };
    let task = Task::current();
    if !task.group_is_dead() {
        return 0;
    }
    output::emit(
        Lane::UrgentLazy,
        Kind::Exit,
        &actor,
        0,
        Exit { status: task.exit_code(), pad: 0, times: task.times() },
    );
    scope::remove_tag(actor.pid);
    0
}
