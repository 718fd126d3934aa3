//! Turns many events into one observation: facts that no single event carries.

use serde_json::Value;

use crate::event::{AgentId, CgroupId, Event, Nanos, ProcessId};
use crate::process::ProcessTable;

mod daemonised;

use daemonised::Daemonised;

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

/// Every analysis, in the order that they are asked.
#[derive(Debug, Default)]
pub struct Analyses {
    daemonised: Daemonised,
}

impl Analyses {
    /// Takes an event that the table knows already.
    pub fn event(&mut self, table: &ProcessTable, event: &Event) {
        let Self { daemonised } = self;
        daemonised.event(table, event);
    }

    /// Lets time pass.
    pub fn tick(&mut self, table: &ProcessTable, now: Nanos, out: &mut Vec<Observation>) {
        let Self { daemonised } = self;
        daemonised.tick(table, now, out);
    }

    /// Things that were not followed because too many were.
    pub fn dropped(&self) -> u64 {
        let Self { daemonised } = self;
        daemonised.dropped()
    }
}
