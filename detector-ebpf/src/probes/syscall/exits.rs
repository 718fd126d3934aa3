//! The returns of single syscalls that act on processes and the kernel, and of mmap, by fexit on their own functions.
//!
//! Hook: `long __x64_sys_NAME(const struct pt_regs *regs)`, since 4.17; fexit since 5.5. The other syscalls of the machine
//! pay nothing, unlike with `sys_exit`, and what is reported is the same. Slips past: 32-bit syscalls. None of these
//! can be asked for through io_uring.

use aya_ebpf::programs::FExitContext;

use super::Arguments;
use super::asked::{matters, number, report};

macro_rules! exits {
    ($($program:ident = $function:literal, $number:ident;)*) => {
        $(
            #[doc = concat!("The return of `", $function, "`.")]
            #[aya_ebpf::macros::fexit(function = $function)]
            pub fn $program(ctx: FExitContext) -> i32 {
                let (args, result) = (Arguments(ctx.arg::<*const u8>(0)), ctx.arg::<i64>(1));
                if matters(number::$number, result, args) {
                    report(number::$number, result, args);
                }
                0
            }
        )*
    };
}

exits! {
    mmap_fexit = "__x64_sys_mmap", MMAP;
    ptrace_fexit = "__x64_sys_ptrace", PTRACE;
    kill_fexit = "__x64_sys_kill", KILL;
    tkill_fexit = "__x64_sys_tkill", TKILL;
    tgkill_fexit = "__x64_sys_tgkill", TGKILL;
    rt_sigqueueinfo_fexit = "__x64_sys_rt_sigqueueinfo", RT_SIGQUEUEINFO;
    rt_tgsigqueueinfo_fexit = "__x64_sys_rt_tgsigqueueinfo", RT_TGSIGQUEUEINFO;
    pidfd_send_signal_fexit = "__x64_sys_pidfd_send_signal", PIDFD_SEND_SIGNAL;
    process_vm_writev_fexit = "__x64_sys_process_vm_writev", PROCESS_VM_WRITEV;
    prctl_fexit = "__x64_sys_prctl", PRCTL;
    chroot_fexit = "__x64_sys_chroot", CHROOT;
    pivot_root_fexit = "__x64_sys_pivot_root", PIVOT_ROOT;
    mount_fexit = "__x64_sys_mount", MOUNT;
    move_mount_fexit = "__x64_sys_move_mount", MOVE_MOUNT;
    umount2_fexit = "__x64_sys_umount", UMOUNT2;
    init_module_fexit = "__x64_sys_init_module", INIT_MODULE;
    finit_module_fexit = "__x64_sys_finit_module", FINIT_MODULE;
    delete_module_fexit = "__x64_sys_delete_module", DELETE_MODULE;
    kexec_load_fexit = "__x64_sys_kexec_load", KEXEC_LOAD;
    kexec_file_load_fexit = "__x64_sys_kexec_file_load", KEXEC_FILE_LOAD;
    setns_fexit = "__x64_sys_setns", SETNS;
    unshare_fexit = "__x64_sys_unshare", UNSHARE;
    memfd_create_fexit = "__x64_sys_memfd_create", MEMFD_CREATE;
    bpf_fexit = "__x64_sys_bpf", BPF;
    userfaultfd_fexit = "__x64_sys_userfaultfd", USERFAULTFD;
}
