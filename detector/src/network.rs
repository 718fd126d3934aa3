//! What goes over the wire: bytes become recognised applications, DNS answers become names of addresses.

use serde_json::Value;

use crate::event::{AgentId, CgroupId, Flow, Nanos, ProcessId};

pub mod automaton;
mod flows;
mod handshake;
mod names;
pub mod protocol;
mod queries;

pub use flows::Network;
pub use names::Names;
pub use protocol::Application;

/// Fields that rules and evidence may ask for, by the names of the field reference.
pub type Fields = Vec<(&'static str, Value)>;

/// What the bytes of a flow turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// When the kernel saw the decisive bytes.
    pub time: Nanos,
    /// When userspace took them from the ring.
    pub received: Nanos,
    /// Agent of the process.
    pub agent: AgentId,
    /// Process that owns the flow.
    pub process: ProcessId,
    /// Its user.
    pub uid: u32,
    /// Control group of the socket.
    pub cgroup: CgroupId,
    /// The flow.
    pub flow: Flow,
    /// What is spoken.
    pub application: Application,
    /// Which part the watched process plays in it.
    pub role: Role,
    /// What the protocol's parser found, such as `Sni` or `StratumDialect`.
    pub fields: Fields,
}

/// Who speaks, or which part the watched process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Asks.
    Client,
    /// Answers.
    Server,
}

impl Role {
    /// Word for rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}
