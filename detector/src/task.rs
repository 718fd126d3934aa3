//! What agents were meant to do: declared tasks and tool calls. Part of the core: no I/O, no clock.

use serde::{Deserialize, Serialize};

use crate::event::Nanos;

mod ledger;

pub use ledger::{InFlight, Ledger};

/// What a task was declared to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Use GPUs.
    Gpu,
    /// Use the processors for long.
    Cpu,
    /// Listen on this port.
    Listen(u16),
    /// Connect to this host: a name with all names below it, or an address.
    Egress(Box<str>),
    /// Leave a process of this name running.
    Daemon(Box<str>),
}

/// A declared task of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, unique on this machine.
    pub id: Box<str>,
    /// Name of the agent, or the path of its control group.
    pub agent: Box<str>,
    /// What it is called, for people.
    pub name: Box<str>,
    /// What it is expected to do.
    pub expects: Vec<Expect>,
    /// Only processes whose executable matches this glob; any process of the agent otherwise.
    pub exe: Option<Box<str>>,
    /// When it began.
    pub started: Nanos,
    /// When it expires by itself.
    pub expires: Option<Nanos>,
}

/// A task begins or ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskChange {
    /// It begins.
    Started(Task),
    /// It ends: its id, and when.
    Ended(Box<str>, Nanos),
}

/// Whether a tool call begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It begins.
    Started,
    /// It ends.
    Ended,
}

/// An agent called a tool, or the call came back: what its framework says, by its own clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Name of the agent, or the path of its control group; empty where only one agent is watched.
    pub agent: Box<str>,
    /// Id of the call (`gen_ai.tool.call.id`).
    pub id: Box<str>,
    /// The tool (`gen_ai.tool.name`).
    pub name: Box<str>,
    /// Conversation (`gen_ai.conversation.id`), if named.
    pub conversation: Option<Box<str>>,
    /// Begins or ends.
    pub phase: Phase,
    /// When, by the agent's clock.
    pub time: Nanos,
    /// When it was received, by ours.
    pub received: Nanos,
}
