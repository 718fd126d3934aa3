//! Reads processes and threads: who they are, what they use, where their memory is.

use aya_ebpf::helpers::bpf_get_current_task;
use detector_common::limits;
use detector_common::wire::Times;

use super::cgroup::Cgroup;
use super::file::File;
use super::memory::read;
use super::path::Path;

/// A process or thread.
#[derive(Clone, Copy)]
pub struct Task(pub *const u8);

impl Task {
    /// The task that the program runs for.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: always allowed, returns the current task_struct.
        Self(unsafe { bpf_get_current_task() } as *const u8)
    }

    /// Process id.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        at!(self.0, task_tgid)
    }

    /// Thread id.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        at!(self.0, task_pid)
    }

    /// Start of the process, CLOCK_BOOTTIME nanoseconds.
    #[inline(always)]
    pub fn start(self) -> u64 {
        let leader: *const u8 = at!(self.0, task_group_leader);
        at!(leader, task_start)
    }

    /// User id.
    #[inline(always)]
    pub fn uid(self) -> u32 {
        let credentials: *const u8 = at!(self.0, task_cred);
        at!(credentials, cred_uid)
    }

    /// Parent.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(at!(self.0, task_real_parent))
    }

    /// wait(2) status.
    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        at!(self.0, task_exit_code)
    }

    /// What all threads of its process used of the processors, those that ended included.
    ///
    /// The kernel adds a thread's time to the process's when it releases the thread, which at the end of the last one
    /// need not have come to all, and never has to the last and the first. One that is released between the
    /// two reads is missed; of the one that runs, what it ran since the last tick.
    #[inline(always)]
    pub fn times(self) -> Times {
        let signal: *const u8 = at!(self.0, task_signal);
        let mut times = Times {
            user: at!(signal, signal_user),
            system: at!(signal, signal_system),
            ran: at!(signal, signal_ran),
        };
        let head = inside!(signal, signal_threads);
        // `next` is the first word of a list_head.
        let mut link: *const u8 = read(head);
        for _ in 0..limits::THREADS {
            if link == head || link.is_null() {
                break;
            }
            let thread = link.wrapping_sub(offset!(task_thread));
            let (user, system, ran): (u64, u64, u64) =
                (at!(thread, task_user), at!(thread, task_system), at!(thread, task_ran));
            times.user = times.user.wrapping_add(user);
            times.system = times.system.wrapping_add(system);
            times.ran = times.ran.wrapping_add(ran);
            link = read(link);
        }
        times
    }

    /// Whether no thread of the process lives any more.
    #[inline(always)]
    pub fn group_is_dead(self) -> bool {
        let signal: *const u8 = at!(self.0, task_signal);
        let live: u32 = at!(signal, signal_live);
        live == 0
    }

    /// Id of its control group in cgroup2.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        let set: *const u8 = at!(self.0, task_cgroups);
        Cgroup(at!(set, css_set_dfl)).id()
    }

    /// Working directory.
    #[inline(always)]
    pub fn cwd(self) -> Path {
        let fs: *const u8 = at!(self.0, task_fs);
        Path::at(inside!(fs, fs_pwd))
    }

    /// Root directory.
    #[inline(always)]
    pub fn root(self) -> Path {
        let fs: *const u8 = at!(self.0, task_fs);
        Path::at(inside!(fs, fs_root))
    }

    /// Where its name stands: sixteen bytes, a NUL among them.
    #[inline(always)]
    pub fn name(self) -> *const u8 {
        inside!(self.0, task_comm)
    }

    /// Number of its mount namespace.
    #[inline(always)]
    pub fn mount_namespace(self) -> u32 {
        let namespaces: *const u8 = at!(self.0, task_nsproxy);
        let mounts: *const u8 = at!(namespaces, nsproxy_mnt);
        at!(mounts, mntns_inum)
    }

    /// Where argv and environment stand in user memory.
    #[inline(always)]
    pub fn memory(self) -> Memory {
        let mm: *const u8 = at!(self.0, task_mm);
        Memory {
            arg_start: at!(mm, mm_arg_start),
            arg_end: at!(mm, mm_arg_end),
            env_start: at!(mm, mm_env_start),
            env_end: at!(mm, mm_env_end),
        }
    }

    /// The open file behind a descriptor; null if there is none.
    #[inline(always)]
    pub fn file(self, fd: u32) -> File {
        let files: *const u8 = at!(self.0, task_files);
        let table: *const u8 = at!(files, files_fdt);
        let slots: *const u8 = at!(table, fdt_fd);
        let max: u32 = at!(table, fdt_max);
        if fd >= max {
            return File(core::ptr::null());
        }
        File(read(slots.wrapping_add(fd as usize * size_of::<usize>())))
    }
}

/// User memory of a process.
#[derive(Clone, Copy)]
pub struct Memory {
    /// First byte of argv.
    pub arg_start: u64,
    /// End of argv.
    pub arg_end: u64,
    /// First byte of the environment.
    pub env_start: u64,
    /// End of the environment.
    pub env_end: u64,
}

/// What is being executed.
#[derive(Clone, Copy)]
pub struct Binprm(pub *const u8);

impl Binprm {
    /// The executable, or the interpreter of a script.
    #[inline(always)]
    pub fn file(self) -> File {
        File(at!(self.0, bprm_file))
    }

    /// The script's path as given to execve, null where no script is run.
    #[inline(always)]
    pub fn script(self) -> *const u8 {
        let filename: *const u8 = at!(self.0, bprm_filename);
        let interp: *const u8 = at!(self.0, bprm_interp);
        if filename == interp { core::ptr::null() } else { filename }
    }
}

/// How a signal came to be that the kernel gives no account of.
#[derive(Clone, Copy)]
pub struct SignalInfo(pub *const u8);

impl SignalInfo {
    /// Whether a process asked for it by kill(2) or one of its kin. 0 and 1 are no addresses: sent without an
    /// account, as cgroup.kill does, and by the kernel itself.
    #[inline(always)]
    pub fn is_asked_for(self) -> bool {
        const SI_USER: i32 = 0;
        const SI_QUEUE: i32 = -1;
        const SI_TKILL: i32 = -6;
        match self.0 as u64 {
            0 => true,
            1 => false,
            _ => {
                let code: u32 = at!(self.0, siginfo_code);
                matches!(code as i32, SI_USER | SI_QUEUE | SI_TKILL)
            }
        }
    }
}

/// Floating-point state of a task, as last saved.
#[derive(Clone, Copy)]
pub struct FpuState(pub *const u8);

impl FpuState {
    /// The register that says, among else, how SSE rounds.
    #[inline(always)]
    pub fn mxcsr(self) -> u32 {
        let state: *const u8 = if known!(fpu_fpstate) { at!(self.0, fpu_fpstate) } else { self.0 };
        at!(state, fpu_mxcsr)
    }
}
