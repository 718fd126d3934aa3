//! A process becomes leader of a new session, at the return of `ksys_setsid`.
//!
//! Hook: `int ksys_setsid(void)`, since 4.17; no security function is asked. Its return says whether it came to
//! that. By fexit (5.5) or a kretprobe. Rare, so its cost is no concern.

use aya_ebpf::macros::{fexit, kretprobe};
use aya_ebpf::programs::{FExitContext, RetProbeContext};
use detector_common::wire::Kind;

use crate::output::{self, Lane};
use crate::scope;

/// The return of `ksys_setsid`.
#[fexit(function = "ksys_setsid")]
pub fn setsid_fexit(ctx: FExitContext) -> i32 {
    report(ctx.arg(0));
    0
}

/// The return of `ksys_setsid`, by a kprobe.
#[kretprobe(function = "ksys_setsid")]
pub fn setsid_kretprobe(ctx: RetProbeContext) -> u32 {
    report(ctx.ret());
    0
}

#[inline(always)]
fn report(session: i32) {
    if session < 0 {
        return;
    }
    if let Some(actor) = scope::watched() {
        output::emit(Lane::UrgentLazy, Kind::Setsid, &actor, 0, [0_u64; 0]);
    }
}
