//! Hooks of the kernel's own access control: file events and operations, whatever asked for them.
//!
//! What a program asks of a file passes a `security_*` function, by a syscall, by io_uring or by a handle. One body
//! a file here, with three ways in, of which the loader takes the first that works: a program of the BPF LSM
//! (5.7, where `bpf` is in `/sys/kernel/security/lsm`), one at the entry of the function (fentry, 5.5), or a
//! kprobe on it. The LSM's programs run after every other security module allowed; the other two run before
//! it was asked. Cost: one look at the arguments, then one hash look-up, for tasks that are not watched.
//!
//! Slips past fentry, and the LSM before 6.2: a call that comes while a task that was preempted in the same
//! program waits on the same processor.

use aya_ebpf::programs::{FEntryContext, LsmContext, ProbeContext};

use crate::kernel::{self, Plain};

/// Makes the three programs of one hook from its body.
macro_rules! hook {
    ($name:literal, $function:literal, $lsm:ident, $fentry:ident, $kprobe:ident, $body:path) => {
        #[doc = concat!("`", $name, "` of the BPF LSM.")]
        #[aya_ebpf::macros::lsm(hook = $name)]
        pub fn $lsm(ctx: aya_ebpf::programs::LsmContext) -> i32 {
            $body(&ctx);
            0
        }

        #[doc = concat!("The entry of `", $function, "`.")]
        #[aya_ebpf::macros::fentry(function = $function)]
        pub fn $fentry(ctx: aya_ebpf::programs::FEntryContext) -> i32 {
            $body(&ctx);
            0
        }

        #[doc = concat!("A kprobe on `", $function, "`.")]
        #[aya_ebpf::macros::kprobe(function = $function)]
        pub fn $kprobe(ctx: aya_ebpf::programs::ProbeContext) -> u32 {
            $body(&ctx);
            0
        }
    };
}

mod asked;
pub mod file_mprotect;
pub mod file_open;
pub mod file_receive;
pub mod file_truncate;
pub mod inode_link;
pub mod inode_rename;
pub mod inode_rmdir;
pub mod inode_setxattr;
pub mod inode_symlink;
pub mod inode_unlink;
pub mod mmap_file;
pub mod path_chmod;
pub mod path_link;
pub mod path_rename;
pub mod path_rmdir;
pub mod path_symlink;
pub mod path_truncate;
pub mod path_unlink;
mod record;
pub mod setsid;

/// The arguments of a hook, however it was come by.
pub trait Arguments {
    /// Argument `n`, counted from 0, as a number; what is above its type is not defined.
    fn number(&self, n: usize) -> u64;

    /// Argument `n` as a pointer.
    #[inline(always)]
    fn pointer(&self, n: usize) -> *const u8 {
        self.number(n) as *const u8
    }

    /// A field of the struct that argument `n` points to, at `offset`.
    fn field<T: Plain>(&self, n: usize, offset: usize) -> T;
}

macro_rules! typed {
    ($context:ty) => {
        impl Arguments for $context {
            #[inline(always)]
            fn number(&self, n: usize) -> u64 {
                self.arg(n)
            }

            /// The verifier knows the pointer's type: a load without a helper's call.
            #[inline(always)]
            fn field<T: Plain>(&self, n: usize, offset: usize) -> T {
                kernel::load(self.arg(n), offset)
            }
        }
    };
}

typed!(LsmContext);
typed!(FEntryContext);

impl Arguments for ProbeContext {
    #[inline(always)]
    fn number(&self, n: usize) -> u64 {
        self.arg(n).unwrap_or(0)
    }

    #[inline(always)]
    fn field<T: Plain>(&self, n: usize, offset: usize) -> T {
        kernel::read(self.pointer(n).wrapping_add(offset))
    }
}
