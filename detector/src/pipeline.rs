//! The core: one step turns one input into alerts. It does no I/O and reads no clock.

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::alert::Alert;
use crate::event::{AgentId, CgroupId, Event, Nanos};
use crate::process::Process;

/// Everything that can make the core act. A recording is a list of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The kernel saw something.
    Event(Event),
    /// A process that was there before (read from `/proc`).
    Seed(Box<Process>),
    /// An agent is watched from now on.
    AgentAdded(Agent),
    /// An agent's control group is gone.
    AgentRemoved(AgentId),
    /// A control group that was there before: its path below the cgroup2 mount.
    Cgroup {
        /// The control group.
        id: CgroupId,
        /// Its path.
        path: String,
    },
    /// What the sensor cannot see, one sentence each; replaces what was said before.
    Gaps(Vec<String>),
    /// Time went on; sent about once a second.
    Tick(Nanos),
}

/// What one step gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Alerts to deliver, oldest first.
    pub alerts: Vec<Alert>,
}
