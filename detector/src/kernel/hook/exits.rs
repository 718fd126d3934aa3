//! The hooks at the returns of single syscalls: operations on processes and the kernel, without a hook on all syscalls.

use super::needs::FILE;
use super::{Attach, Hook, RANDOMX_BLIND, Tier, Vital, When, event};

const OPERATION_BLIND: &[&str] = &["operations on processes and the kernel by 32-bit syscalls"];

/// The row of one syscall. Kernels may be built without any but those that say otherwise.
macro_rules! exit {
    ($name:literal, $function:literal) => {
        exit!($name, $function, event::OPERATION, OPERATION_BLIND, Vital::Part)
    };
    ($name:literal, $function:literal, $event:expr, $blind:expr, $vital:expr) => {
        Hook {
            program: concat!($name, "_fexit"),
            attach: Attach::Fexit(concat!("__x64_sys_", $function)),
            when: When::Agents,
            serves: &[$event],
            needs: FILE,
            pieces: &[],
            blind: $blind,
            vital: $vital,
            tier: Some(Tier::Fentry),
        }
    };
}

/// A row a syscall. The last is asked all the time: it compares a length before anything else.
pub(super) const HOOKS: &[Hook] = &[
    exit!("ptrace", "ptrace", event::OPERATION, OPERATION_BLIND, Vital::No),
    exit!("kill", "kill"),
    exit!("tkill", "tkill"),
    exit!("tgkill", "tgkill"),
    exit!("rt_sigqueueinfo", "rt_sigqueueinfo"),
    exit!("rt_tgsigqueueinfo", "rt_tgsigqueueinfo"),
    exit!("pidfd_send_signal", "pidfd_send_signal"),
    exit!("process_vm_writev", "process_vm_writev"),
    exit!("prctl", "prctl"),
    exit!("chroot", "chroot"),
    exit!("pivot_root", "pivot_root"),
    exit!("mount", "mount"),
    exit!("move_mount", "move_mount"),
    exit!("umount2", "umount"),
    exit!("init_module", "init_module"),
    exit!("finit_module", "finit_module"),
    exit!("delete_module", "delete_module"),
    exit!("kexec_load", "kexec_load"),
    exit!("kexec_file_load", "kexec_file_load"),
    exit!("setns", "setns"),
    exit!("unshare", "unshare"),
    exit!("memfd_create", "memfd_create"),
    exit!("bpf", "bpf"),
    exit!("userfaultfd", "userfaultfd"),
    exit!("mmap", "mmap", event::RANDOMX, &[RANDOMX_BLIND], Vital::No),
];
