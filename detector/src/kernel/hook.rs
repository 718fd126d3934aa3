//! The one table of hooks: which program serves which events, what it needs, what slips past it.

use crate::event::Direction;

pub mod event;
mod exits;
mod needs;
mod network;
mod security;

use needs::{CGROUP, EXEC, EXIT, FILE, SIGNAL, TASK};

/// A way to come by an event that there are several ways to come by, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Programs of the BPF LSM: at the kernel's own access control, once it allowed.
    Lsm,
    /// Programs at the entry or return of kernel functions.
    Fentry,
    /// Kprobes on the same functions.
    Kprobe,
    /// The exits of syscalls.
    Syscall,
}

impl Tier {
    /// All, best first.
    pub const ALL: [Self; 4] = [Self::Lsm, Self::Fentry, Self::Kprobe, Self::Syscall];

    /// As the configuration and `doctor` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Syscall => "syscall",
        }
    }
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// `tp_btf/NAME`, for the whole machine; leaves at once for tasks that are not watched.
    BtfTracepoint(&'static str),
    /// `lsm/NAME`, for the whole machine, as the next four.
    Lsm(&'static str),
    /// `fentry/FUNCTION`
    Fentry(&'static str),
    /// `fexit/FUNCTION`
    Fexit(&'static str),
    /// `kprobe/FUNCTION`
    Kprobe(&'static str),
    /// `kretprobe/FUNCTION`
    Kretprobe(&'static str),
    /// A `cgroup/…` program of socket addresses, on the agents' control groups.
    CgroupSockAddr,
    /// A `cgroup/…` program of sockets, on the agents' control groups.
    CgroupSock,
    /// A `cgroup_skb/…` program, on the agents' control groups.
    CgroupSkb(Direction),
}

/// When a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From start to end.
    Always,
    /// While at least one agent exists; programs of control groups also where one is expected.
    Agents,
    /// While a process is under suspicion.
    Suspicion,
}

/// One eBPF program and its place.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program in the object.
    pub program: &'static str,
    /// Where it goes.
    pub attach: Attach,
    /// When it goes there.
    pub when: When,
    /// What it reports, in the words of `doctor`.
    pub serves: &'static [&'static str],
    /// Fields of [`detector_common::offsets::Offsets`] without which it is left out.
    pub needs: &'static [&'static str],
    /// What it tells only where the kernel has more than every kernel has.
    pub pieces: &'static [Piece],
    /// Evasions that it cannot see, one sentence each.
    pub blind: &'static [&'static str],
    /// Whether the detector can do without it.
    pub vital: Vital,
    /// Where others serve the same events: its rank among them.
    pub tier: Option<Tier>,
}

/// Every hook.
pub fn hooks() -> impl Iterator<Item = &'static Hook> {
    HOOKS
        .iter()
        .chain(network::HOOKS)
        .chain(security::HOOKS.as_flattened())
        .chain(security::SETSID)
        .chain(exits::HOOKS)
}

/// A part of what a hook tells that needs a younger kernel.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// A bit of [`detector_common::features`].
    pub feature: u32,
    /// What holds without, as a sentence.
    pub without: &'static str,
}

/// Whether the detector can do without a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vital {
    /// No: scope depends on it.
    Yes,
    /// Yes: its events are missing and `coverage` says so.
    No,
    /// Yes: kernels that lack what it hooks serve its events by the other hooks of its tier.
    Part,
}

const RANDOMX_BLIND: &str = "RandomX in memory that was asked for in parts, or in more than it needs";

/// Hooks that stand for themselves, and that of the last tier.
const HOOKS: &[Hook] = &[
    Hook {
        program: "fork",
        attach: Attach::BtfTracepoint("sched_process_fork"),
        when: When::Always,
        serves: &["fork"],
        needs: TASK,
        pieces: &[],
        blind: &[],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "exec",
        attach: Attach::BtfTracepoint("sched_process_exec"),
        when: When::Always,
        serves: &["exec"],
        needs: EXEC,
        pieces: &[],
        blind: &["code that runs without exec: shared libraries, ptrace, a JIT"],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "exit",
        attach: Attach::BtfTracepoint("sched_process_exit"),
        when: When::Always,
        serves: &["exit"],
        needs: EXIT,
        pieces: &[],
        blind: &[],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "cgroup_create",
        attach: Attach::BtfTracepoint("cgroup_mkdir"),
        when: When::Always,
        serves: &["cgroup_create"],
        needs: CGROUP,
        pieces: &[],
        blind: &[],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "cgroup_remove",
        attach: Attach::BtfTracepoint("cgroup_rmdir"),
        when: When::Always,
        serves: &["cgroup_remove"],
        needs: CGROUP,
        pieces: &[],
        blind: &[],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "cgroup_attach",
        attach: Attach::BtfTracepoint("cgroup_attach_task"),
        when: When::Always,
        serves: &["cgroup_move"],
        needs: CGROUP,
        pieces: &[],
        blind: &["a single thread moved within a threaded control group"],
        vital: Vital::Yes,
        tier: None,
    },
    Hook {
        program: "io_uring",
        attach: Attach::BtfTracepoint("io_uring_create"),
        when: When::Agents,
        serves: &["io_uring made"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "signal",
        attach: Attach::BtfTracepoint("signal_generate"),
        when: When::Agents,
        serves: &["operation (signals to others)"],
        needs: SIGNAL,
        pieces: &[],
        blind: &["signals that fcntl(F_SETSIG) has the kernel send"],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "rounding",
        attach: Attach::BtfTracepoint("x86_fpu_regs_deactivated"),
        when: When::Suspicion,
        serves: &["rounding mode of busy processes"],
        needs: &["fpu_mxcsr"],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "syscall",
        attach: Attach::BtfTracepoint("sys_exit"),
        when: When::Agents,
        serves: &[
            event::OPEN,
            event::TRUNCATE,
            event::RENAME,
            event::LINK,
            event::SYMLINK,
            event::UNLINK,
            event::CHMOD,
            event::MAP,
            event::CAPABILITY,
            event::SETSID,
            event::OPERATION,
            event::RANDOMX,
        ],
        needs: FILE,
        pieces: &[],
        blind: &[
            "file operations through io_uring (that a ring is made, is)",
            "file operations by 32-bit syscalls",
            "code that was mapped for reading and made executable afterwards",
            "writes through a descriptor that was opened before the watch began or received over a socket",
            RANDOMX_BLIND,
        ],
        vital: Vital::No,
        tier: Some(Tier::Syscall),
    },
];

#[cfg(test)]
mod tests {
    use detector_common::offsets::Offsets;

    use super::*;

    #[test]
    fn every_needed_field_is_one_that_is_resolved() {
        for hook in hooks() {
            for field in hook.needs {
                assert!(Offsets::PATHS.iter().any(|(name, _)| name == field), "{}: {field}", hook.program);
            }
        }
    }

    #[test]
    fn the_syscall_tier_can_be_asked_for_each_event_alone() {
        for hook in hooks().filter(|hook| hook.tier == Some(Tier::Syscall)) {
            let known = |event: &&str| event::FALLBACK.iter().any(|(name, _)| name == event);
            assert!(hook.serves.iter().all(known), "{}", hook.program);
        }
    }

    #[test]
    fn programs_have_names_of_their_own() {
        let mut names: Vec<&str> = hooks().map(|hook| hook.program).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
