//! Turns many events into one observation: facts that no single event carries.

use serde_json::Value;

use crate::event::{AgentId, CgroupId, Nanos, ProcessId};

/// A fact about a process that took more than one event to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the decisive event happened.
    pub time: Nanos,
    /// When userspace took that event from the ring.
    pub received: Nanos,
    /// Agent of the process.
    pub agent: AgentId,
    /// The process that the fact is about.
    pub process: ProcessId,
    /// Its control group.
    pub cgroup: CgroupId,
    /// Name that rules match as `Observation`, such as `daemonised`.
    pub name: &'static str,
    /// The fact as a sentence.
    pub text: String,
    /// Further fields for rules and evidence.
    pub fields: Vec<(&'static str, Value)>,
}
