//! What is done to other processes and to the kernel.

use serde::{Deserialize, Serialize};

use super::ProcessId;

/// Something was done to another process or to the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// What.
    pub code: OperationCode,
    /// The other process, where there is one.
    pub target: Option<ProcessId>,
    /// The other process belongs to the agent that acts.
    pub same_agent: bool,
    /// What was asked for: a ptrace request, a signal, a bpf command, CLONE_*, MS_* or MFD_* flags.
    pub number: u64,
    /// Huge pages were asked for, of memory.
    pub huge: bool,
    /// What it failed with; 0 where it was done.
    pub errno: u32,
    /// Type of a program that bpf(2) loads.
    pub program_type: Option<u32>,
    /// Number of the mount namespace of the process, afterwards; 0 where unknown.
    pub mntns: u32,
    /// Where, for mounts and roots; as the process sees it.
    pub path: Option<Box<str>>,
    /// What is mounted there.
    pub source: Option<Box<str>>,
    /// Task name of the other process; type of the file system that is mounted; name of a memfd, of a bpf
    /// program, of a module that is removed, of the task from now on.
    pub detail: Option<Box<str>>,
}

/// What an [`Operation`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OperationCode {
    /// ptrace(2) of another process.
    Ptrace,
    /// Memory of another process was written.
    WriteMemory,
    /// A signal was sent to a process that is not of the same agent.
    Signal,
    /// bpf(2).
    Bpf,
    /// A kernel module was loaded.
    ModuleLoad,
    /// An io_uring was made.
    IoUring,
    /// Something was mounted.
    Mount,
    /// Another namespace was entered.
    Setns,
    /// A namespace was made.
    Unshare,
    /// A file in memory was made.
    Memfd,
    /// userfaultfd(2).
    Userfaultfd,
    /// The root directory was changed.
    ChangeRoot,
    /// Another kernel was loaded.
    Kexec,
    /// A file system was unmounted.
    Unmount,
    /// A task was given the name of a kernel thread.
    SetName,
    /// A kernel module was removed.
    ModuleUnload,
    /// A process that is not watched was moved to another control group.
    MoveCgroup,
    /// An executable was given capabilities.
    FileCapability,
    /// A connection to a Unix socket below `/run` was made.
    UnixConnect,
    /// Anonymous memory of a size that RandomX takes was asked for: [`Operation::number`] bytes, with
    /// [`Operation::huge`] pages or without.
    RandomxMemory,
}

impl OperationCode {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::Ptrace,
        Self::WriteMemory,
        Self::Signal,
        Self::Bpf,
        Self::ModuleLoad,
        Self::IoUring,
        Self::Mount,
        Self::Setns,
        Self::Unshare,
        Self::Memfd,
        Self::Userfaultfd,
        Self::ChangeRoot,
        Self::Kexec,
        Self::Unmount,
        Self::SetName,
        Self::ModuleUnload,
        Self::MoveCgroup,
        Self::FileCapability,
        Self::UnixConnect,
        Self::RandomxMemory,
    ];

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// One word for rules and evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ptrace => "ptrace",
            Self::WriteMemory => "write_memory",
            Self::Signal => "signal",
            Self::Bpf => "bpf",
            Self::ModuleLoad => "module_load",
            Self::IoUring => "io_uring",
            Self::Mount => "mount",
            Self::Setns => "setns",
            Self::Unshare => "unshare",
            Self::Memfd => "memfd",
            Self::Userfaultfd => "userfaultfd",
            Self::ChangeRoot => "change_root",
            Self::Kexec => "kexec",
            Self::Unmount => "unmount",
            Self::SetName => "set_name",
            Self::ModuleUnload => "module_unload",
            Self::MoveCgroup => "move_cgroup",
            Self::FileCapability => "file_capability",
            Self::UnixConnect => "unix_connect",
            Self::RandomxMemory => "randomx_memory",
        }
    }
}
