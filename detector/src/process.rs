//! Who did it: the table of processes, their ancestry, agent and container, bounded and pid-reuse safe.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{AgentId, CgroupId, Exec, Nanos, ProcessId};

mod table;

pub use table::ProcessTable;

/// One process, alive or remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Identity.
    pub id: ProcessId,
    /// Parent, where known.
    pub parent: Option<ProcessId>,
    /// What it executes; shared with the event that said so. `None` until an exec or `/proc` told.
    pub exec: Option<Arc<Exec>>,
    /// Agent that it belongs to.
    pub agent: AgentId,
    /// Control group that it was last seen in.
    pub cgroup: CgroupId,
    /// User id.
    pub uid: u32,
    /// When it was first seen.
    pub since: Nanos,
    /// When it ended, if it did.
    pub ended: Option<Nanos>,
    /// When it became leader of a session of its own, if it did.
    pub setsid: Option<Nanos>,
}
