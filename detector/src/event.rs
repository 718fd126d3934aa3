//! What happened, as owned and typed values: the only language that the rooms behind the kernel speak.
//!
//! Strings come from the kernel and are hostile: bytes that are no UTF-8 are written `\xNN` by
//! [`text`], so that every later room may treat them as text.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod id;
mod own;
mod telemetry;
mod text;

pub use id::{AgentId, CgroupId, Nanos, NetnsId, ProcessId, Ticks};
pub use own::Own;
pub use telemetry::{CpuAgent, CpuProcess, CpuSample, GpuDevice, GpuProcess, GpuSample, Look, Rounding};
pub use text::text;

/// One thing that a watched process did, or that was done to a watched control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the kernel saw it; nanoseconds since the Unix epoch.
    pub time: Nanos,
    /// When userspace took it from the ring; [`Event::time`] where nobody did.
    pub received: Nanos,
    /// Agent that the acting process belongs to.
    pub agent: AgentId,
    /// The acting process.
    pub process: ProcessId,
    /// The acting thread.
    pub thread: u32,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// Control group of the acting process at that moment.
    pub cgroup: CgroupId,
    /// What it did.
    pub kind: EventKind,
}

/// The closed list of what an event can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// A program was executed.
    Exec(Arc<Exec>),
    /// A process was created.
    Fork(Fork),
    /// A process ended.
    Exit(Exit),
    /// A connect was asked for; [`EventKind::ConnectResult`] follows for TCP.
    Connect(Flow),
    /// A TCP connect ended.
    ConnectResult(FlowResult),
    /// First bytes that a flow carried.
    Payload(Box<Payload>),
    /// What a flow carried until now: at its close, and while it lives from time to time.
    FlowStats(Box<FlowStats>),
    /// A datagram went to an address of its own.
    Send(Flow),
    /// A local address was bound.
    Bind(Endpoint),
    /// A TCP socket listens.
    Listen(Endpoint),
    /// A file was touched.
    File(FileEvent),
    /// Something was done to another process or to the kernel.
    Operation(Box<Operation>),
    /// The process leads a new session.
    Setsid,
    /// A process was moved between control groups.
    CgroupMove(CgroupMove),
    /// A control group was made.
    CgroupCreate(CgroupChange),
    /// A control group was removed.
    CgroupRemove(CgroupChange),
    /// The sensor itself lost events.
    Lost(Lost),
}

/// A program was executed. Facts come from the new address space and the opened executable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// Resolved path of the executable: the interpreter, where a script was run.
    pub exe: Box<str>,
    /// Inode of the executable.
    pub inode: u64,
    /// Device of the executable, `major << 20 | minor` as the kernel keeps it.
    pub dev: u32,
    /// Link count; 0 for a deleted file and for a memfd.
    pub nlink: u32,
    /// File type and permission bits.
    pub mode: u32,
    /// Arguments, the program's own name first.
    pub argv: Vec<Box<str>>,
    /// Bytes of argv in memory where not all of it was taken.
    pub argv_truncated: Option<u32>,
    /// Working directory.
    pub cwd: Box<str>,
    /// Path given to execve of a script that `exe` interprets.
    pub script: Option<Box<str>>,
    /// Parent process.
    pub parent: ProcessId,
    /// Group id.
    pub gid: u32,
    /// Task name.
    pub comm: Box<str>,
    /// Environment variables that decide which code runs, of [`Exec::WATCHED_ENV`], with values.
    pub env: Vec<(Box<str>, Box<str>)>,
    /// The environment was longer than what was looked at.
    pub env_truncated: bool,
    /// The path of the executable or cwd lacks its first components.
    pub path_truncated: bool,
    /// Which of its descriptors 0, 1 and 2 are TCP sockets.
    pub stdio: Vec<StdioSocket>,
    /// Which agent's process opened the executable for writing last, if the kernel half remembers one.
    pub written: Option<Written>,
    /// Whether it is a program of the distribution that writes where others have no business.
    pub trust: Trust,
}

/// How far what a program writes is taken for what the distribution wants. Told by the inode of the
/// executable and by its environment, never by a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trust {
    /// Not at all.
    #[default]
    None,
    /// What it writes itself.
    Writer,
    /// What it writes, and what the system's programs below it write: it runs the scripts of packages.
    Installer,
}

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// When it was opened for writing last; nanoseconds since the Unix epoch.
    pub time: Nanos,
    /// By whom.
    pub by: ProcessId,
    /// Agent of that process.
    pub agent: AgentId,
}

/// A TCP socket that a program was given as standard input, output or error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StdioSocket {
    /// 0, 1 or 2.
    pub fd: u8,
    /// Where it is connected to.
    pub remote: SocketAddr,
    /// Its own end.
    pub local: SocketAddr,
}

impl Exec {
    /// Environment variables that are kept; all others are dropped unread.
    pub const WATCHED_ENV: [&'static str; 7] =
        ["LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "PERL5LIB", "PERL5OPT"];

    /// Whether the executable lives in memory only.
    pub fn is_memfd(&self) -> bool {
        self.nlink == 0 && self.exe.starts_with("/memfd:")
    }

    /// Whether the executable had no name left when it was run.
    pub fn is_deleted(&self) -> bool {
        self.nlink == 0 && !self.is_memfd()
    }

    /// Arguments joined by one space, as Sigma's `CommandLine`.
    pub fn command_line(&self) -> String {
        self.argv.join(" ")
    }
}

/// A process was created by the event's process.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The new process.
    pub child: ProcessId,
}

/// A process ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Nanoseconds in user mode, of all its threads.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Exit code, where it ended by itself.
    pub code: u8,
    /// Signal that ended it.
    pub signal: Option<u8>,
}

/// Transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Another IPPROTO number.
    Other(u16),
}

impl Protocol {
    /// Sigma's and the kernel's word for it.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Tcp => Cow::Borrowed("tcp"),
            Self::Udp => Cow::Borrowed("udp"),
            Self::Other(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// An outgoing flow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Socket cookie; names the flow as long as it lives.
    pub cookie: u64,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it goes; a v4-mapped IPv6 address is given as IPv4.
    pub remote: SocketAddr,
    /// Where it comes from, as far as chosen.
    pub local: Option<SocketAddr>,
    /// The socket is an IPv6 one that was given a v4-mapped address.
    pub v4_mapped: bool,
    /// The watched socket asked for the connection; otherwise it accepted it, or that is not known.
    pub initiated: bool,
    /// Network namespace of the socket.
    pub netns: NetnsId,
}

/// Which way bytes went, seen from the watched socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Sent by it.
    Out,
    /// Received by it.
    In,
}

/// Bytes at the beginning of a flow, as many as the kernel half thought worth looking at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The flow; accepted ones as well as those that go out.
    pub flow: Flow,
    /// Which way they went.
    pub direction: Direction,
    /// They begin a message as far as the kernel half can say; otherwise they continue the bytes before.
    pub begins: bool,
    /// Number of this segment or datagram among those with payload of this direction, from 0.
    pub segment: u32,
    /// Bytes of the whole segment.
    pub total: u32,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

/// What a flow carried until now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowStats {
    /// The flow.
    pub flow: Flow,
    /// Whether it was closed; otherwise it lives on.
    pub closed: bool,
    /// Nanoseconds since the socket was made or first seen.
    pub age: u64,
    /// Sent.
    pub sent: Carried,
    /// Received.
    pub received: Carried,
}

/// What a flow carried in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Bytes of payload, those that TCP sent again included.
    pub bytes: u64,
    /// Segments or datagrams with payload.
    pub packets: u64,
    /// Segments that came more than a second after the one before: bursts, less one.
    pub pauses: u32,
    /// Longest silence between two segments, nanoseconds.
    pub longest_gap: u64,
    /// Nanoseconds since the last segment; 0 where there was none.
    pub idle: u64,
}

/// The end of a TCP connect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowResult {
    /// The flow, with its local address.
    pub flow: Flow,
    /// 0, or the errno that it failed with.
    pub errno: u32,
}

/// A local endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Socket cookie.
    pub cookie: u64,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Bound address; port 0 where the kernel has not chosen one yet.
    pub local: SocketAddr,
}

impl Endpoint {
    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.local.ip())
    }
}

/// Whether an address stays on this machine.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether an address is private, link-local or shared (RFC 1918, 3927, 4193, 6598).
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether an address is one of another machine beyond this network.
pub fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !is_private(ip) && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}

/// A file was touched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileEvent {
    /// How.
    pub op: FileOp,
    /// Resolved path as the process's mount namespace has it: of the file, or of the new name for rename, link
    /// and symlink.
    pub path: Box<str>,
    /// The old name of a rename or link; the target text of a symlink. For any other operation on a file with
    /// several names, the name that was used, where `path` is another that counts.
    pub from: Option<Box<str>>,
    /// Where the file is on the host's own mounts; `None` where it is on none of them (an image's own layer),
    /// or that is not known.
    pub host_path: Option<Box<str>>,
    /// The same for the old name of a rename or link.
    pub host_from: Option<Box<str>>,
    /// The mount namespace of the process is the host's, so that `path` is a path of the host too.
    pub in_host: bool,
    /// Inode, where the operation has an open file or the file was still there.
    pub inode: u64,
    /// Device.
    pub dev: u32,
    /// File type and permission bits; for chmod the bits asked for.
    pub mode: u32,
    /// Link count, where the operation has an open file.
    pub nlink: u32,
    /// Number of the mount namespace of the process; 0 where unknown.
    pub mntns: u32,
    /// Magic number of the file system (statfs(2)); 0 where unknown.
    pub magic: u32,
    /// The file did not exist before.
    pub created: bool,
    /// The open cut it to nothing (O_TRUNC).
    pub emptied: bool,
    /// The path comes from the caller's string (resolved afterwards), not from the open file.
    pub path_from_string: bool,
    /// The path lacks its first components.
    pub path_truncated: bool,
    /// Another process opened the file and this one received it over a socket.
    pub received: bool,
    /// Name of the canary that this file is; `copy of NAME` for a copy that was found.
    pub canary: Option<Box<str>>,
}

/// How a file was touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileOp {
    /// Opened for writing.
    #[default]
    Open,
    /// Cut or extended without an open for writing.
    Truncate,
    /// Renamed.
    Rename,
    /// Hard-linked.
    Link,
    /// Made as a symbolic link.
    Symlink,
    /// Removed.
    Unlink,
    /// Given other permission bits.
    Chmod,
    /// Opened whatever for: a canary.
    Access,
    /// Mapped executable.
    Map,
    /// Found to hold, after it was written, what a canary holds; the old name is that of the canary.
    Copy,
}

impl FileOp {
    /// One word for rules and evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Symlink => "symlink",
            Self::Unlink => "unlink",
            Self::Chmod => "chmod",
            Self::Access => "access",
            Self::Map => "map",
            Self::Copy => "copy",
        }
    }
}

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

/// What a small file held after its writer closed it. Secrets are masked before this is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileText {
    /// When it was read; nanoseconds since the Unix epoch.
    pub time: Nanos,
    /// The event that made it worth reading: its time, process, agent and control group.
    pub written: Nanos,
    /// Who wrote it.
    pub process: ProcessId,
    /// Agent of that process.
    pub agent: AgentId,
    /// Control group of that process.
    pub cgroup: CgroupId,
    /// Path as in that event's [`FileEvent::path`].
    pub path: Box<str>,
    /// Device.
    pub dev: u32,
    /// Inode.
    pub inode: u64,
    /// What it held before the first write, where that is known; empty for a file that was not there.
    pub before: Option<Box<str>>,
    /// What it holds now, or a sentence on why that cannot be said.
    pub text: Result<Box<str>, Box<str>>,
    /// Bytes of the whole file, of which the text is the beginning.
    pub size: u64,
    /// Somebody still had it open for writing: more may come.
    pub unfinished: bool,
}

/// A process was moved between control groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CgroupMove {
    /// The process that was moved; the event's process is the one that moved it.
    pub moved: ProcessId,
    /// Where it is now.
    pub to: CgroupId,
    /// Path of that control group below the cgroup2 mount.
    pub path: Box<str>,
    /// What this means for the watch.
    pub change: Membership,
}

/// What a move means for the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Membership {
    /// From one watched control group to another of the same agent.
    Within,
    /// Into a watched control group.
    Joined,
    /// Out of every watched control group; the process stays watched.
    Left,
}

/// A control group came or went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CgroupChange {
    /// The control group.
    pub id: CgroupId,
    /// Its parent, for a new one.
    pub parent: CgroupId,
    /// Path below the cgroup2 mount.
    pub path: Box<str>,
}

/// The sensor lost events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// Kind of the lost events, one of [`EventKind::name`]'s words.
    pub what: Box<str>,
    /// How many since the last report.
    pub count: u64,
}

impl EventKind {
    /// One word for this kind: in recordings listings, metrics and loss reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Fork(_) => "fork",
            Self::Exit(_) => "exit",
            Self::Connect(_) => "connect",
            Self::ConnectResult(_) => "connect_result",
            Self::Payload(_) => "payload",
            Self::FlowStats(_) => "flow",
            Self::Send(_) => "send",
            Self::Bind(_) => "bind",
            Self::Listen(_) => "listen",
            Self::File(_) => "file",
            Self::Operation(_) => "operation",
            Self::Setsid => "setsid",
            Self::CgroupMove(_) => "cgroup_move",
            Self::CgroupCreate(_) => "cgroup_create",
            Self::CgroupRemove(_) => "cgroup_remove",
            Self::Lost(_) => "lost",
        }
    }
}
