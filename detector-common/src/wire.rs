//! The records that travel through the ring buffers, each a [`Header`], a body and a tail of bytes.

/// What a record says. Never renumbered.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A program was executed: [`Exec`].
    Exec = 1,
    /// More argv or environment of an exec that follows: [`ExecChunk`].
    ExecChunk = 2,
    /// A process was created: [`Fork`].
    Fork = 3,
    /// A process ended: [`Exit`].
    Exit = 4,
    /// connect(2) was asked for: [`Socket`].
    Connect = 5,
    /// A TCP connect succeeded or failed: [`Socket`]. The header names no process; the cookie does.
    ConnectResult = 6,
    /// A datagram goes to an address of its own: [`Socket`].
    Send = 7,
    /// A local address was bound: [`Socket`].
    Bind = 8,
    /// A TCP socket listens: [`Socket`].
    Listen = 9,
    /// A file was opened for writing or created: [`File`].
    FileOpen = 10,
    /// A file was truncated by path or descriptor: [`File`].
    FileTruncate = 11,
    /// A name was moved: [`File`].
    FileRename = 12,
    /// A hard link was made: [`File`].
    FileLink = 13,
    /// A symbolic link was made: [`File`].
    FileSymlink = 14,
    /// A name was removed: [`File`].
    FileUnlink = 15,
    /// Permission bits were changed: [`File`].
    FileChmod = 16,
    /// A process became leader of a new session: header only.
    Setsid = 17,
    /// A process was moved to another control group: [`Cgroup`].
    CgroupMove = 18,
    /// A control group was made: [`Cgroup`].
    CgroupCreate = 19,
    /// A control group was removed: [`Cgroup`].
    CgroupRemove = 20,
    /// First bytes of a flow: [`Payload`].
    Payload = 21,
    /// What a flow carried: [`Flow`].
    Flow = 22,
    /// A file that is watched for itself, a canary, was opened, whatever for: [`File`].
    FileAccess = 23,
    /// A file was mapped executable: [`File`].
    ImageLoad = 24,
    /// Something was done to another process or to the kernel: [`Operation`].
    Operation = 25,
}

impl Kind {
    /// Its bit in the set of what the fallback tier is asked to report.
    pub const fn bit(self) -> u64 {
        1 << self as u16
    }

    /// Every kind, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Exec,
        Self::ExecChunk,
        Self::Fork,
        Self::Exit,
        Self::Connect,
        Self::ConnectResult,
        Self::Send,
        Self::Bind,
        Self::Listen,
        Self::FileOpen,
        Self::FileTruncate,
        Self::FileRename,
        Self::FileLink,
        Self::FileSymlink,
        Self::FileUnlink,
        Self::FileChmod,
        Self::Setsid,
        Self::CgroupMove,
        Self::CgroupCreate,
        Self::CgroupRemove,
        Self::Payload,
        Self::Flow,
        Self::FileAccess,
        Self::ImageLoad,
        Self::Operation,
    ];

    /// The kind with this number, if there is one.
    pub fn from_u16(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| *kind as u16 == number)
    }
}

/// Bits of [`Header::flags`].
pub mod flag {
    /// The path of the record did not fit and lacks its first components.
    pub const PATH_TRUNCATED: u16 = 1;
    /// argv is longer than what was taken.
    pub const ARGV_TRUNCATED: u16 = 1 << 1;
    /// The environment is longer than what was taken.
    pub const ENV_TRUNCATED: u16 = 1 << 2;
    /// The working directory did not fit.
    pub const CWD_TRUNCATED: u16 = 1 << 3;
    /// A file was created by this operation.
    pub const CREATED: u16 = 1 << 4;
    /// The path comes from a user string and a directory, not from a struct file.
    pub const PATH_FROM_STRING: u16 = 1 << 5;
    /// The process came into a watched cgroup (of a [`Cgroup`](super::Cgroup) move).
    pub const JOINED: u16 = 1 << 6;
    /// The process left every watched cgroup.
    pub const LEFT: u16 = 1 << 7;
    /// The bytes of a [`Payload`](super::Payload) were received, not sent.
    pub const INBOUND: u16 = 1 << 8;
    /// The bytes of a [`Payload`](super::Payload) begin a message.
    pub const BEGINS: u16 = 1 << 9;
    /// The socket was closed.
    pub const CLOSED: u16 = 1 << 10;
    /// The file was opened by another process and received over a socket.
    pub const RECEIVED: u16 = 1 << 11;
    /// The other process of an [`Operation`](super::Operation) belongs to the agent that acts.
    pub const SAME_AGENT: u16 = 1 << 12;
    /// The open cut the file to nothing; the open file does not tell afterwards.
    pub const EMPTIED: u16 = 1 << 13;
}

/// The first bytes of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// CLOCK_BOOTTIME, nanoseconds.
    pub time: u64,
    /// Control group of the acting task (cgroup2 directory inode).
    pub cgroup: u64,
    /// CLOCK_BOOTTIME at which the process started, nanoseconds.
    pub start: u64,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Agent that the process belongs to; 0 for none.
    pub agent: u32,
    /// Bytes of the whole record.
    pub size: u32,
    /// A [`Kind`].
    pub kind: u16,
    /// Bits of [`flag`].
    pub flags: u16,
    /// User id in the initial user namespace.
    pub uid: u32,
}

/// A program was executed. Tail: exe path, cwd path, argv, environment, script, [`Stdio`] entries, in that order.
///
/// Paths are components from the leaf up, each with its NUL: `xmrig\0tmp\0` is `/tmp/xmrig`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// Inode of the executable.
    pub inode: u64,
    /// Device of the executable, as the kernel numbers it.
    pub dev: u32,
    /// Link count; 0 for a deleted file or a memfd.
    pub nlink: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Parent process id.
    pub ppid: u32,
    /// Group id in the initial user namespace.
    pub gid: u32,
    /// Bytes of argv in user memory, all of it.
    pub argv_total: u32,
    /// Bytes of environment in user memory, all of it.
    pub env_total: u32,
    /// Bytes of argv in this record.
    pub argv_len: u16,
    /// Bytes of environment in this record.
    pub env_len: u16,
    /// Bytes of the exe path.
    pub path_len: u16,
    /// Bytes of the cwd path.
    pub cwd_len: u16,
    /// Bytes of the script path, 0 where the executable is no script.
    pub script_len: u16,
    /// Bytes of the [`Stdio`] entries.
    pub stdio_len: u16,
    /// Zero.
    pub pad: [u16; 2],
    /// Parent's CLOCK_BOOTTIME start, nanoseconds.
    pub parent_start: u64,
    /// Name of the task as the kernel keeps it: sixteen bytes, two words so that they are copied as such.
    pub comm: [u64; 2],
    /// Which agent wrote the executable last; all zero where none did.
    pub written: Written,
}

/// Who opened an inode for writing last, among the watched processes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// When, CLOCK_BOOTTIME nanoseconds.
    pub time: u64,
    /// The writer's start, CLOCK_BOOTTIME nanoseconds.
    pub start: u64,
    /// The writer's process id.
    pub pid: u32,
    /// Its agent.
    pub agent: u32,
}

/// Key of what is remembered of a file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InodeKey {
    /// Inode.
    pub inode: u64,
    /// Device as the kernel numbers it.
    pub dev: u32,
    /// Which of the files that had this number it is; 0 where that is not asked.
    pub generation: u32,
}

/// What an [`ExecChunk`] continues.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// argv.
    Argv = 0,
    /// Environment.
    Env = 1,
}

/// A further part of argv or environment; sent before the [`Exec`] record that it belongs to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecChunk {
    /// A [`Stream`].
    pub stream: u32,
    /// Where the bytes stand in the stream.
    pub offset: u32,
    /// Bytes in the tail.
    pub len: u32,
    /// Zero.
    pub pad: u32,
}

/// A process was created by the process of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fork {
    /// The child's start.
    pub child_start: u64,
    /// The child's process id.
    pub child_pid: u32,
    /// Zero.
    pub pad: u32,
}

/// A process ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// wait(2) status: exit code in the second byte, signal in the first.
    pub status: u32,
    /// Zero.
    pub pad: u32,
    /// What it used of the processors, all its threads.
    pub times: Times,
}

/// Processor time in nanoseconds. The kernel's share of the two modes may be counted by the tick; their sum is then
/// no more than a guess, and `ran` is exact.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// In both, by the scheduler's clock.
    pub ran: u64,
}

/// A socket operation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// Socket cookie; joins a result to its connect.
    pub cookie: u64,
    /// Remote address; IPv4 in the first four bytes.
    pub remote: [u8; 16],
    /// Local address, likewise; zero where unknown.
    pub local: [u8; 16],
    /// Remote port.
    pub remote_port: u16,
    /// Local port; 0 where not chosen yet.
    pub local_port: u16,
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// IPPROTO_*.
    pub protocol: u16,
    /// errno of a failed connect, 0 for success.
    pub errno: u32,
    /// Zero.
    pub pad: u32,
    /// Cookie of the network namespace; 0 where unknown.
    pub netns: u64,
}

/// A TCP socket at descriptor 0, 1 or 2 of a program that is executed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stdio {
    /// Remote address; IPv4 in the first four bytes.
    pub remote: [u8; 16],
    /// Local address, likewise.
    pub local: [u8; 16],
    /// Remote port.
    pub remote_port: u16,
    /// Local port.
    pub local_port: u16,
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// The descriptor.
    pub fd: u16,
}

/// First bytes of a flow in one direction. Tail: the bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The flow.
    pub socket: Socket,
    /// Number of the segment among those of its direction that carried bytes, from 0.
    pub segment: u32,
    /// Bytes of the segment.
    pub total: u32,
    /// Bytes in the tail.
    pub len: u32,
    /// Number of the mark that matched, plus 1; 0 where none did yet.
    pub mark: u32,
}

/// What a flow carried in one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes.
    pub bytes: u64,
    /// Segments or datagrams that carried bytes.
    pub packets: u64,
    /// Longest time between two of them, nanoseconds.
    pub longest_gap: u64,
    /// Nanoseconds since the last.
    pub idle: u64,
    /// How many came more than a second after the one before.
    pub pauses: u32,
    /// Zero.
    pub pad: u32,
}

/// What a flow carried until now.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// The flow.
    pub socket: Socket,
    /// Nanoseconds since it was first seen.
    pub age: u64,
    /// Sent.
    pub sent: Carried,
    /// Received.
    pub received: Carried,
}

/// A file operation. Tail: the byte strings of [`Self::lens`], then that of [`Self::above`].
///
/// 0: the directory (or, for an open, the file) as a path walk, the root of the process for a name that begins
/// with a slash; 1: the name given below it;
/// 2 and 3: the same for the second name of rename and link. A symlink's target is string 3.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Inode; 0 where the operation has no struct file.
    pub inode: u64,
    /// Device of the file, or of the directory of a name, as the kernel numbers it; 0 where unknown.
    pub dev: u32,
    /// Type and permission bits; for chmod the bits asked for.
    pub mode: u32,
    /// O_* flags of an open, RENAME_* of a rename, AT_* of an unlink, PROT_* of a mapping.
    pub oflags: u32,
    /// Link count.
    pub nlink: u32,
    /// Number of the mount namespace of the process; 0 where unknown.
    pub mntns: u32,
    /// Magic number of the file system; 0 where unknown.
    pub magic: u32,
    /// Bytes of the four strings.
    pub lens: [u16; 4],
    /// How many bytes of string 0 and of string 2 the walk wrote before it left the file's own mount; more than
    /// the string has, where it did not come that far.
    pub within: [u16; 2],
    /// Bytes of the fifth string: a walk from the root of that mount (of string 2's, where there are two) to the
    /// root of its file system, where these are not the same (a bind mount).
    pub above: u16,
    /// Zero.
    pub pad: u16,
}

/// What was done in an [`Operation`]. Never renumbered.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationCode {
    /// ptrace(2) of another process; the number is the request.
    Ptrace = 1,
    /// Memory of another process was written: process_vm_writev(2), `/proc/PID/mem`.
    WriteMemory = 2,
    /// A signal was sent to a process that is not of the same agent; the number is the signal.
    Signal = 3,
    /// bpf(2); the number is the command, string 3 the name of a program that is loaded.
    Bpf = 4,
    /// A kernel module was loaded, from the file of string 0, where it has one.
    ModuleLoad = 5,
    /// An io_uring was made.
    IoUring = 6,
    /// Something was mounted: string 0 and 1 where, 2 what, 3 the file system's type; the number is the MS_*
    /// flags of mount(2).
    Mount = 7,
    /// Another namespace was entered; the number is the CLONE_* flags.
    Setns = 8,
    /// A namespace was made; the number is the CLONE_* flags.
    Unshare = 9,
    /// A file in memory was made; string 3 its name, the number its MFD_* flags.
    Memfd = 10,
    /// userfaultfd(2).
    Userfaultfd = 11,
    /// The root directory was changed: chroot(2), pivot_root(2).
    ChangeRoot = 12,
    /// Another kernel was loaded: kexec_load(2).
    Kexec = 13,
    /// A file system was unmounted: string 0 and 1 where.
    Unmount = 14,
    /// A task was given the name of a kernel thread: string 3.
    SetName = 15,
    /// A kernel module was removed; string 3 its name.
    ModuleUnload = 16,
    /// A process that is not watched was moved to another control group.
    MoveCgroup = 17,
    /// An executable was given capabilities: string 0 and 1 which.
    FileCapability = 18,
    /// A Unix socket was connected to one that is bound below `/run`: string 1 its name.
    UnixConnect = 19,
    /// Anonymous memory of a size that RandomX takes was asked for; the number is the length, the subtype the
    /// MAP_* flags.
    RandomxMemory = 20,
}

impl OperationCode {
    /// Its bit in the set of what the fallback tier is asked to report, above those of [`Kind`].
    pub const fn bit(self) -> u64 {
        1 << (self as u32 + 32)
    }
}

/// Something was done to another process or to the kernel. Tail: four byte strings as in [`File`]; where
/// there is another process, string 3 is its task's name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Start of the other process, CLOCK_BOOTTIME nanoseconds; 0 where there is none.
    pub target_start: u64,
    /// What the [`OperationCode`] says it is.
    pub number: u64,
    /// The other process.
    pub target_pid: u32,
    /// An [`OperationCode`].
    pub code: u32,
    /// Bytes of the four strings.
    pub lens: [u16; 4],
    /// What it failed with; 0 where it was done.
    pub errno: u32,
    /// What tells operations of one code and number apart: the type of a program that bpf(2) loads, flags.
    pub subtype: u32,
    /// Number of the mount namespace of the process, afterwards; 0 where unknown.
    pub mntns: u32,
    /// Zero.
    pub pad: u32,
}

/// Key of the dedupe of operations.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationKey {
    /// What the [`OperationCode`] says it is.
    pub number: u64,
    /// Process.
    pub pid: u32,
    /// The other process; where there is none, what [`Operation::subtype`] says.
    pub target: u32,
    /// An [`OperationCode`].
    pub code: u32,
    /// What it failed with.
    pub errno: u32,
}

/// A control group operation. Tail: the path below the cgroup2 mount.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The control group made, removed or moved to.
    pub id: u64,
    /// Its parent, for a creation.
    pub parent: u64,
    /// The process that was moved: its start.
    pub moved_start: u64,
    /// The process that was moved.
    pub moved_pid: u32,
    /// Bytes of the path.
    pub path_len: u32,
}

/// How much of a message is handed over once a mark matched.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Bytes of the message from its first on, at most [`PAYLOAD_MAX`](crate::limits::PAYLOAD_MAX).
    pub bytes: u32,
    /// Later segments of the direction that are looked at afresh.
    pub again: u32,
    /// 1 where it must not be lost.
    pub urgent: u32,
    /// Where the message says its length in two bytes, big-endian, that count what follows them, plus 1; 0
    /// where it does not.
    pub length_at: u32,
}

/// Key of the loss counters: which agent lost how many of which kind.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LossKey {
    /// Agent.
    pub agent: u32,
    /// [`Kind`] as a number.
    pub kind: u32,
}

/// What the kernel remembers of a watched process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// Its start, CLOCK_BOOTTIME nanoseconds; whole ticks where userspace seeded it from `/proc`.
    pub start: u64,
    /// Its agent.
    pub agent: u32,
    /// 1 once it left every watched cgroup.
    pub left: u32,
}

/// Key of the dedupe of opens of canaries.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenKey {
    /// Inode.
    pub inode: u64,
    /// Device.
    pub dev: u32,
    /// Process.
    pub pid: u32,
}

/// Key of the datagram dedupe.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SendKey {
    /// Socket cookie.
    pub cookie: u64,
    /// Remote address; IPv4 in the first four bytes.
    pub remote: [u8; 16],
    /// Remote port.
    pub port: u32,
    /// Address family.
    pub family: u32,
}

const _: () = {
    assert!(size_of::<Header>() == 48);
    assert!(size_of::<Tag>() == 16);
    assert!(size_of::<SendKey>() == 32);
    assert!(size_of::<Exec>() == 104);
    assert!(size_of::<Written>() == 24);
    assert!(size_of::<InodeKey>() == 16);
    assert!(size_of::<Operation>() == 48);
    assert!(size_of::<ExecChunk>() == 16);
    assert!(size_of::<Fork>() == 16);
    assert!(size_of::<Exit>() == 32);
    assert!(size_of::<Socket>() == 64);
    assert!(size_of::<Stdio>() == 40);
    assert!(size_of::<Payload>() == 80);
    assert!(size_of::<Carried>() == 40);
    assert!(size_of::<Flow>() == 152);
    assert!(size_of::<File>() == 48);
    assert!(size_of::<Cgroup>() == 32);
    assert!(size_of::<OpenKey>() == 16);
    assert!(size_of::<OperationKey>() == 24);
};

#[cfg(feature = "user")]
mod pod {
    //! Map keys and values are plain bytes to aya.
    use super::{InodeKey, LossKey, Tag, Want};

    // SAFETY: repr(C), integers only, no padding.
    unsafe impl aya::Pod for Want {}

    // SAFETY: repr(C), integers only, no padding.
    unsafe impl aya::Pod for Tag {}
    // SAFETY: repr(C), integers only, no padding.
    unsafe impl aya::Pod for LossKey {}
    // SAFETY: repr(C), integers only, no padding.
    unsafe impl aya::Pod for InodeKey {}
}
