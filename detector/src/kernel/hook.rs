//! The one table of hooks: which program serves which events, what it needs, what slips past it.

use crate::event::Direction;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// `tp_btf/NAME`, for the whole machine; leaves at once for tasks that are not watched.
    BtfTracepoint(&'static str),
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
    /// Evasions that it cannot see, one sentence each.
    pub blind: &'static [&'static str],
    /// Without it the detector does not start.
    pub vital: Vital,
}

/// Whether the detector can do without a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vital {
    /// No: scope depends on it.
    Yes,
    /// Yes: its events are missing and `coverage` says so.
    No,
}

const TASK: &[&str] = &[
    "task_tgid",
    "task_pid",
    "task_group_leader",
    "task_start",
    "task_cgroups",
    "css_set_dfl",
    "cgroup_kn",
    "kernfs_id",
];
const CGROUP: &[&str] = &[
    "cgroup_kn",
    "kernfs_id",
    "cgroup_self",
    "css_parent",
    "cgroup_root",
    "root_hierarchy",
    "task_tgid",
    "task_group_leader",
    "task_start",
];
const SOCK: &[&str] = &[
    "sock_family",
    "sock_dport",
    "sock_num",
    "sock_daddr",
    "sock_saddr",
    "sock_cookie",
    "sock_cgroup",
    "sock_err",
    "sock_protocol",
];
const EXEC: &[&str] = &[
    "task_mm",
    "mm_arg_start",
    "mm_arg_end",
    "mm_env_start",
    "mm_env_end",
    "task_files",
    "files_fdt",
    "fdt_fd",
    "fdt_max",
    "file_private",
    "socket_sk",
    "sock_state",
    "task_fs",
    "fs_pwd",
    "bprm_file",
    "bprm_filename",
    "bprm_interp",
    "file_path",
    "file_inode",
    "path_dentry",
    "path_mnt",
    "dentry_parent",
    "dentry_name",
    "vfsmount_root",
    "mount_mnt",
    "mount_parent",
    "mount_mountpoint",
    "inode_ino",
    "inode_sb",
    "inode_mode",
    "inode_nlink",
    "sb_dev",
    "task_real_parent",
    "task_tgid",
    "task_start",
];
const FILE: &[&str] = &[
    "task_files",
    "files_fdt",
    "fdt_fd",
    "fdt_max",
    "file_mode",
    "file_flags",
    "file_path",
    "file_inode",
    "task_fs",
    "fs_pwd",
    "path_dentry",
    "path_mnt",
    "dentry_parent",
    "dentry_name",
    "vfsmount_root",
    "mount_mnt",
    "mount_parent",
    "mount_mountpoint",
    "inode_ino",
    "inode_sb",
    "inode_mode",
    "inode_nlink",
    "sb_dev",
    "sb_magic",
    "task_nsproxy",
    "nsproxy_mnt",
    "mntns_inum",
    "task_comm",
    "fs_root",
    "inode_rdev",
];
const SIGNAL: &[&str] = &[
    "task_tgid",
    "task_group_leader",
    "task_start",
    "task_comm",
    "siginfo_code",
    "task_nsproxy",
    "nsproxy_mnt",
    "mntns_inum",
];
const CONNECT_BLIND: &[&str] = &["raw and packet sockets"];

/// Every hook of this tier. Other tiers are further rows that serve the same events.
pub const HOOKS: &[Hook] = &[
    Hook {
        program: "fork",
        attach: Attach::BtfTracepoint("sched_process_fork"),
        when: When::Always,
        serves: &["fork"],
        needs: TASK,
        blind: &[],
        vital: Vital::Yes,
    },
    Hook {
        program: "exec",
        attach: Attach::BtfTracepoint("sched_process_exec"),
        when: When::Always,
        serves: &["exec"],
        needs: EXEC,
        blind: &["code that runs without exec: shared libraries, ptrace, a JIT"],
        vital: Vital::Yes,
    },
    Hook {
        program: "exit",
        attach: Attach::BtfTracepoint("sched_process_exit"),
        when: When::Always,
        serves: &["exit"],
        needs: &["task_signal", "signal_live", "task_exit_code"],
        blind: &[],
        vital: Vital::Yes,
    },
    Hook {
        program: "cgroup_create",
        attach: Attach::BtfTracepoint("cgroup_mkdir"),
        when: When::Always,
        serves: &["cgroup_create"],
        needs: CGROUP,
        blind: &[],
        vital: Vital::Yes,
    },
    Hook {
        program: "cgroup_remove",
        attach: Attach::BtfTracepoint("cgroup_rmdir"),
        when: When::Always,
        serves: &["cgroup_remove"],
        needs: CGROUP,
        blind: &[],
        vital: Vital::Yes,
    },
    Hook {
        program: "cgroup_attach",
        attach: Attach::BtfTracepoint("cgroup_attach_task"),
        when: When::Always,
        serves: &["cgroup_move"],
        needs: CGROUP,
        blind: &["a single thread moved within a threaded control group"],
        vital: Vital::Yes,
    },
    Hook {
        program: "socket_state",
        attach: Attach::BtfTracepoint("inet_sock_set_state"),
        when: When::Agents,
        serves: &["listen", "connect_result", "flow (TCP, at its close)"],
        needs: SOCK,
        blind: &["TCP outside the kernel's own stack"],
        vital: Vital::No,
    },
    Hook {
        program: "connect4",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["connect (IPv4)"],
        needs: &[],
        blind: CONNECT_BLIND,
        vital: Vital::No,
    },
    Hook {
        program: "connect6",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["connect (IPv6)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "sendmsg4",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["send (UDP, IPv4)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "sendmsg6",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["send (UDP, IPv6)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "post_bind4",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["bind (IPv4)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "post_bind6",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["bind (IPv6)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "egress",
        attach: Attach::CgroupSkb(Direction::Out),
        when: When::Agents,
        serves: &["payload (sent)", "flow"],
        needs: &[],
        blind: &["sockets that were made outside the agents' control groups and brought in"],
        vital: Vital::No,
    },
    Hook {
        program: "ingress",
        attach: Attach::CgroupSkb(Direction::In),
        when: When::Agents,
        serves: &["payload (received)", "flow"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "flow_close",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["flow (UDP, at its close)"],
        needs: &[],
        blind: &[],
        vital: Vital::No,
    },
    Hook {
        program: "signal",
        attach: Attach::BtfTracepoint("signal_generate"),
        when: When::Agents,
        serves: &["operation (signals to others)"],
        needs: SIGNAL,
        blind: &["signals that fcntl(F_SETSIG) has the kernel send"],
        vital: Vital::No,
    },
    Hook {
        program: "syscall",
        attach: Attach::BtfTracepoint("sys_exit"),
        when: When::Agents,
        serves: &["file (writes, names, modes)", "setsid", "operation (on processes and the kernel)"],
        needs: FILE,
        blind: &[
            "file operations through io_uring",
            "file operations by 32-bit syscalls",
            "writes through a mapping or a descriptor that was opened before the watch began",
        ],
        vital: Vital::No,
    },
];

#[cfg(test)]
mod tests {
    use detector_common::offsets::Offsets;

    use super::*;

    #[test]
    fn every_needed_field_is_one_that_is_resolved() {
        for hook in HOOKS {
            for field in hook.needs {
                assert!(Offsets::PATHS.iter().any(|(name, _)| name == field), "{}: {field}", hook.program);
            }
        }
    }
}
