//! An io_uring is made, at `tp_btf/io_uring_create`.
//!
//! Hook: `io_uring_create(int fd, void *ctx, u32 sq_entries, u32 cq_entries, u32 flags)`, since 5.2. What goes through
//! a ring is no syscall of its own, so the fallback tier does not see it; that there is a ring, it does. Rare, so
//! its cost is no concern.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::wire::{Kind, Operation, OperationCode};

use crate::output::{self, Lane};
use crate::scope;

/// Reports that a watched process made a ring.
#[btf_tracepoint(function = "io_uring_create")]
pub fn io_uring(_ctx: BtfTracePointContext) -> i32 {
    if let Some(actor) = scope::watched() {
        let body = Operation { code: OperationCode::IoUring as u32, ..Operation::default() };
        output::emit(Lane::UrgentLazy, Kind::Operation, &actor, 0, body);
    }
    0
}
