//! A mapping is made executable, at `security_file_mprotect`.
//!
//! Hook: `security_file_mprotect(struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)`, since 2.6;
//! the LSM's `file_mprotect` likewise. Without it, a library mapped for reading and then made executable slips by.

use super::Arguments;
use crate::kernel::File;
use crate::probes::file;
use crate::scope;

hook!(
    "file_mprotect",
    "security_file_mprotect",
    file_mprotect_lsm,
    file_mprotect_fentry,
    file_mprotect_kprobe,
    look
);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let protection = ctx.number(1);
    if protection & file::PROT_EXEC == 0 {
        return;
    }
    let Some(actor) = scope::watched() else { return };
    let mapped = File::of_area(ctx.pointer(0));
    if !mapped.0.is_null() {
        file::mapped(&actor, mapped, protection as u32);
    }
}
