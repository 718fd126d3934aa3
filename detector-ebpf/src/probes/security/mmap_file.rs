//! A file is mapped executable, at `security_mmap_file`.
//!
//! Hook: `security_mmap_file(struct file *file, unsigned long prot, unsigned long flags)`, since 3.5; the LSM's
//! `mmap_file(struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)`. Only files
//! that a watched process wrote are reported: a system library costs one look-up.

use super::Arguments;
use crate::kernel::{self, File};
use crate::probes::file;
use crate::scope;

hook!("mmap_file", "security_mmap_file", mmap_file_lsm, mmap_file_fentry, mmap_file_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    // Read once: some kernels know it may be null, and their verifier wants to see that this very pointer is not null.
    let (mapped, protection) = (kernel::settled(ctx.number(0)) as *const u8, ctx.number(1));
    if protection & file::PROT_EXEC == 0 || mapped.is_null() {
        return;
    }
    if let Some(actor) = scope::watched() {
        file::mapped(&actor, File(mapped), protection as u32);
    }
}
