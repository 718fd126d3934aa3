//! Signals to processes of others, at `tp_btf/signal_generate`.
//!
//! Hook: `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int
//! result)`, BTF since 5.5. It names the very process that a signal goes to, once for each that kill(-1), a
//! process group or a pidfd reaches, whatever pid namespace the sender counts in. Signals are rare: a task
//! that is not watched pays for one hash look-up. Slips past: signals that the kernel refused (the
//! syscall's exit tells of those) and those of fcntl(F_SETSIG).

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::OperationCode;

use super::operation::{self, Operation};
use crate::kernel::{SignalInfo, Task};
use crate::scope;

/// Reports a signal that a watched process sends to one that is not of its agent.
#[btf_tracepoint(function = "signal_generate")]
pub fn signal(ctx: BtfTracePointContext) -> i32 {
    let Some(actor) = scope::watched() else { return 0 };
    let number: i32 = ctx.arg(0);
    let info = SignalInfo(ctx.arg::<*const u8>(1));
    let target = Task(ctx.arg::<*const u8>(2));
    if info.is_asked_for() && !operation::is_same_agent(&actor, target) {
        operation::report(
            &actor,
            Operation { target, ..Operation::new(OperationCode::Signal, number as u64, 0) },
        );
    }
    0
}
