//! Where the running kernel keeps the fields that the probes read, resolved from its BTF at start.
//!
//! rustc emits no CO-RE relocations, so offsets are data: userspace fills one [`Offsets`] and hands
//! it to the loader as a frozen global; the verifier then sees constants.

/// Marks a field that this kernel's BTF does not have. A probe that needs it is left out.
pub const UNKNOWN: u32 = u32::MAX;

macro_rules! offsets {
    ($( $(#[$doc:meta])* $name:ident = $path:literal; )*) => {
        /// Byte offsets into kernel structs; [`UNKNOWN`] where the kernel lacks the field.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Offsets { $( $(#[$doc])* pub $name: u32, )* }

        impl Offsets {
            /// Each field with its BTF path `struct.field.field`; alternatives stand behind `|`,
            /// for fields that kernels have named differently over time.
            pub const PATHS: &'static [(&'static str, &'static str)] =
                &[ $( (stringify!($name), $path), )* ];

            /// Nothing known yet.
            pub const fn unknown() -> Self { Self { $( $name: UNKNOWN, )* } }

            /// The slot of a field by its name in [`Self::PATHS`].
            pub fn slot(&mut self, name: &str) -> Option<&mut u32> {
                match name { $( stringify!($name) => Some(&mut self.$name), )* _ => None }
            }

            /// The offset of a field by its name, if this kernel has it.
            pub fn get(&self, name: &str) -> Option<u32> {
                let offset = match name { $( stringify!($name) => self.$name, )* _ => UNKNOWN };
                (offset != UNKNOWN).then_some(offset)
            }
        }
    };
}

offsets! {
    /// Process id as userspace knows it.
    task_tgid = "task_struct.tgid";
    /// Thread id.
    task_pid = "task_struct.pid";
    /// Leader of the thread group.
    task_group_leader = "task_struct.group_leader";
    /// The task's parent.
    task_real_parent = "task_struct.real_parent";
    /// Nanoseconds of CLOCK_BOOTTIME at creation.
    task_start = "task_struct.start_boottime|task_struct.real_start_time";
    /// Address space; null for kernel threads.
    task_mm = "task_struct.mm";
    /// Root and working directory.
    task_fs = "task_struct.fs";
    /// Open files.
    task_files = "task_struct.files";
    /// State shared by the threads of a process.
    task_signal = "task_struct.signal";
    /// wait(2) status.
    task_exit_code = "task_struct.exit_code";
    /// Credentials that others judge the task by.
    task_cred = "task_struct.cred";
    /// User id.
    cred_uid = "cred.uid";
    /// Control groups of the task.
    task_cgroups = "task_struct.cgroups";
    /// Name of the task, sixteen bytes.
    task_comm = "task_struct.comm";
    /// What numbers the task has.
    task_thread_pid = "task_struct.thread_pid";
    /// Links from the tasks of a number, one a kind of number.
    task_pid_links = "task_struct.pid_links";
    /// How deep its pid namespace is.
    pid_level = "pid.level";
    /// First tasks of a number, one a kind of number.
    pid_tasks = "pid.tasks";
    /// Numbers in each pid namespace, from the initial one on.
    pid_numbers = "pid.numbers";
    /// Pid namespace of a number.
    upid_ns = "upid.ns";
    /// The tree of numbers of a pid namespace.
    pidns_tree = "pid_namespace.idr.idr_rt.xa_head";
    /// How many bits of the index a node's children divide.
    node_shift = "xa_node.shift";
    /// Children of a node.
    node_slots = "xa_node.slots";
    /// Process that a directory of `/proc` is about.
    proc_pid = "proc_inode.pid";
    /// The inode inside that.
    proc_vfs = "proc_inode.vfs_inode";
    /// How a signal came to be.
    siginfo_code = "kernel_siginfo.si_code";
    /// Root directory.
    fs_root = "fs_struct.root";
    /// Number of a device file.
    inode_rdev = "inode.i_rdev";
    /// Control group of the default hierarchy.
    css_set_dfl = "css_set.dfl_cgrp";
    /// Number of live threads.
    signal_live = "signal_struct.live";
    /// First of its threads.
    signal_threads = "signal_struct.thread_head";
    /// User time of threads that were released.
    signal_user = "signal_struct.utime";
    /// Their system time.
    signal_system = "signal_struct.stime";
    /// Their time by the scheduler's clock.
    signal_ran = "signal_struct.sum_sched_runtime";
    /// Link from a thread to the next of its process.
    task_thread = "task_struct.thread_node";
    /// User time of a thread.
    task_user = "task_struct.utime";
    /// Its system time.
    task_system = "task_struct.stime";
    /// Its time by the scheduler's clock.
    task_ran = "task_struct.se.sum_exec_runtime";
    /// File that an area of memory maps.
    area_file = "vm_area_struct.vm_file";
    /// First byte of argv in user memory.
    mm_arg_start = "mm_struct.arg_start";
    /// End of argv.
    mm_arg_end = "mm_struct.arg_end";
    /// First byte of the environment.
    mm_env_start = "mm_struct.env_start";
    /// End of the environment.
    mm_env_end = "mm_struct.env_end";
    /// Working directory.
    fs_pwd = "fs_struct.pwd";
    /// Executable (the interpreter, for a script).
    bprm_file = "linux_binprm.file";
    /// Path as it was given to execve.
    bprm_filename = "linux_binprm.filename";
    /// Path of the interpreter, same pointer as filename where there is none.
    bprm_interp = "linux_binprm.interp";
    /// Path of an open file.
    file_path = "file.f_path";
    /// Inode of an open file.
    file_inode = "file.f_inode";
    /// FMODE_* bits.
    file_mode = "file.f_mode";
    /// O_* flags.
    file_flags = "file.f_flags";
    /// What the file's kind keeps: the socket, for one of a socket.
    file_private = "file.private_data";
    /// The transport's part of a socket.
    socket_sk = "socket.sk";
    /// State of a TCP socket.
    sock_state = "sock.__sk_common.skc_state";
    /// Dentry of a path.
    path_dentry = "path.dentry";
    /// Mount of a path.
    path_mnt = "path.mnt";
    /// Parent directory entry.
    dentry_parent = "dentry.d_parent";
    /// Super block of a directory entry.
    dentry_sb = "dentry.d_sb";
    /// Name bytes of a directory entry.
    dentry_name = "dentry.d_name.name";
    /// Inode of a directory entry.
    dentry_inode = "dentry.d_inode";
    /// Root dentry of a mount.
    vfsmount_root = "vfsmount.mnt_root";
    /// Super block of a mount.
    vfsmount_sb = "vfsmount.mnt_sb";
    /// The vfsmount inside struct mount.
    mount_mnt = "mount.mnt";
    /// Mount that this one is mounted on.
    mount_parent = "mount.mnt_parent";
    /// Directory that this one is mounted on.
    mount_mountpoint = "mount.mnt_mountpoint";
    /// Inode number.
    inode_ino = "inode.i_ino";
    /// Which of the files that had its number an inode is; 0 where the file system does not say.
    inode_generation = "inode.i_generation";
    /// Super block.
    inode_sb = "inode.i_sb";
    /// Type and permission bits.
    inode_mode = "inode.i_mode";
    /// Link count.
    inode_nlink = "inode.i_nlink";
    /// Device number.
    sb_dev = "super_block.s_dev";
    /// Magic number of the file system.
    sb_magic = "super_block.s_magic";
    /// Namespaces of a task.
    task_nsproxy = "task_struct.nsproxy";
    /// Its mount namespace.
    nsproxy_mnt = "nsproxy.mnt_ns";
    /// Number of a mount namespace.
    mntns_inum = "mnt_namespace.ns.inum";
    /// File descriptor table.
    files_fdt = "files_struct.fdt";
    /// Array of open files.
    fdt_fd = "fdtable.fd";
    /// Size of that array.
    fdt_max = "fdtable.max_fds";
    /// kernfs node of a control group.
    cgroup_kn = "cgroup.kn";
    /// Its own subsystem state.
    cgroup_self = "cgroup.self";
    /// Hierarchy of a control group.
    cgroup_root = "cgroup.root";
    /// Parent of a subsystem state.
    css_parent = "cgroup_subsys_state.parent";
    /// Number of the hierarchy; 0 is cgroup2.
    root_hierarchy = "cgroup_root.hierarchy_id";
    /// Id of a kernfs node; the inode number of the directory.
    kernfs_id = "kernfs_node.id";
    /// Address family of a socket.
    sock_family = "sock.__sk_common.skc_family";
    /// Remote port, network order.
    sock_dport = "sock.__sk_common.skc_dport";
    /// Local port, host order.
    sock_num = "sock.__sk_common.skc_num";
    /// Remote IPv4 address.
    sock_daddr = "sock.__sk_common.skc_daddr";
    /// Local IPv4 address.
    sock_saddr = "sock.__sk_common.skc_rcv_saddr";
    /// Remote IPv6 address.
    sock_daddr6 = "sock.__sk_common.skc_v6_daddr";
    /// Local IPv6 address.
    sock_saddr6 = "sock.__sk_common.skc_v6_rcv_saddr";
    /// Socket cookie; 0 until somebody asked for it.
    sock_cookie = "sock.__sk_common.skc_cookie";
    /// Control group of a socket; kernels before 5.15 keep it tagged in a union, which is not understood.
    sock_cgroup = "sock.sk_cgrp_data.cgroup";
    /// Pending error, errno.
    sock_err = "sock.sk_err";
    /// Transport protocol.
    sock_protocol = "sock.sk_protocol";
    /// The other end of a Unix socket.
    unix_peer = "unix_sock.peer";
    /// Where a task's floating-point state is; kernels before 5.16 keep it inside.
    fpu_fpstate = "fpu.fpstate";
    /// Control and status register of the saved state.
    fpu_mxcsr = "fpstate.regs.fxsave.mxcsr|fpu.state.fxsave.mxcsr";
    /// The name that a Unix socket was bound to.
    unix_addr = "unix_sock.addr";
    /// The sockaddr_un of such a name.
    unix_name = "unix_address.name";
}
