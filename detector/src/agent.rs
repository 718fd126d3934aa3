//! Agents: the control groups that are watched, and what they are called.

use serde::{Deserialize, Serialize};

use crate::event::{AgentId, CgroupId};

/// A watched agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its number in the kernel's maps.
    pub id: AgentId,
    /// Name from the configuration, or of the wrap.
    pub name: String,
    /// Its control group.
    pub cgroup: CgroupId,
    /// Path of that control group below the cgroup2 mount, with a leading slash.
    pub path: String,
}
