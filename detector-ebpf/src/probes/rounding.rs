//! How busy processes round, at `tp_btf/x86_fpu_regs_deactivated`.
//!
//! Hook: `x86_fpu_regs_deactivated(struct fpu *fpu)`, since 4.10, BTF since 5.5. RandomX sets the rounding mode of SSE
//! anew in each of its programs, to each mode as often as to any other; hardly anything else leaves "to nearest".
//! `__switch_to` calls the hook for the task that leaves its processor, when the registers have just been written to
//! memory (`switch_fpu_prepare`; since 6.13 `switch_fpu`) and before the next task is current: what is read is the
//! task's own and of that moment. XSAVEC may leave the register's old value where all of SSE is as at the start of a
//! program, so a task that computes nothing is told wrongly, until it does.
//!
//! Cost: every switch of the machine away from a task in user mode, kernel threads excepted, pays one look-up in a map
//! of at most eight processes: 0.35 µs a switch with the kernel's own timing (`kernel.bpf_stats_enabled`) on 6.18, two
//! busy processors, most of them hits. Hence it is attached only while some process is under suspicion. Slips past: a thread
//! that nothing ever takes off its processor, and one that rounds otherwise for moments only.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::limits;

use crate::kernel::FpuState;
use crate::output;

/// Process id → how often it was looked at, and above bit 32 how often it did not round to nearest.
#[map]
static ROUNDING: HashMap<u32, u64> = HashMap::with_max_entries(limits::ROUNDING, 0);

/// The rounding bits of MXCSR; 0 is "to nearest".
const ROUNDING_CONTROL: u32 = 0b11 << 13;

/// Counts for the processes that userspace asks about.
#[btf_tracepoint(function = "x86_fpu_regs_deactivated")]
pub fn rounding(ctx: BtfTracePointContext) -> i32 {
    let pid = (bpf_get_current_pid_tgid() >> 32) as u32;
    if let Some(counts) = ROUNDING.get_ptr_mut(pid) {
        let mode = FpuState(ctx.arg::<*const u8>(0)).mxcsr() & ROUNDING_CONTROL;
        output::add(counts, if mode == 0 { 1 } else { 1 << 32 | 1 });
    }
    0
}
