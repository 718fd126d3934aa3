//! What happened, as owned and typed values: the only language that the rooms behind the kernel speak.
//!
//! Strings come from the kernel and are hostile: bytes that are no UTF-8 are written `\xNN` by
//! [`text`], so that every later room may treat them as text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod file;
mod id;
mod network;
mod operation;
mod own;
mod program;
mod telemetry;
mod text;

pub use file::{FileEvent, FileOp, FileText};
pub use id::{AgentId, CgroupId, Nanos, NetnsId, ProcessId, Ticks};
pub use network::{
    Carried, Direction, Endpoint, Flow, FlowResult, FlowStats, Payload, Protocol, is_loopback, is_private,
    is_public,
};
pub use operation::{Operation, OperationCode};
pub use own::Own;
pub use program::{Exec, StdioSocket, Trust, Written};
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
