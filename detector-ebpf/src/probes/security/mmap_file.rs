//! A file is mapped executable, at `security_mmap_file`.
//!
//! Hook: `security_mmap_file(struct file *file, unsigned long prot, unsigned long flags)`, since 3.5; the LSM's
//! `mmap_file(struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)`. Only files
//! that a watched process wrote are reported: a system library costs one look-up.

use super::Arguments;
use crate::kernel::File;
use crate::probes::file;
use crate::scope;

hook!("mmap_file", "security_mmap_file", mmap_file_lsm, mmap_file_fentry, mmap_file_kprobe, look);

#[inline(always)]
fn look<C: Arguments>(ctx: &C) {
    let protection = ctx.number(1);
    if protection & file::PROT_EXEC == 0 || ctx.pointer(0).is_null() {
        return;
    }
    if let Some(actor) = scope::watched() {
        file::mapped(&actor, File(ctx.pointer(0)), protection as u32);
    }
}
