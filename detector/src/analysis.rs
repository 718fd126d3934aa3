//! Turns many events into one observation: facts that no single event carries.

use serde_json::Value;

use crate::event::{AgentId, CgroupId, Event, Nanos, ProcessId};
use crate::network::{Names, Recognised};
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

/// What an analysis may ask beside what it is told.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The processes; they know the event already.
    pub table: &'a ProcessTable,
    /// Names of addresses.
    pub names: &'a Names,
    /// The time of the input.
    pub now: Nanos,
}

/// Every analysis, in the order that they are asked.
#[derive(Debug, Default)]
pub struct Analyses {
    daemonised: Daemonised,
}

impl Analyses {
    /// Takes an event; what it completes is appended to `out`.
    pub fn event(&mut self, around: Around<'_>, event: &Event, _out: &mut Vec<Observation>) {
        let Self { daemonised } = self;
        daemonised.event(around.table, event);
    }

    /// Takes what the bytes of a flow turned out to be.
    pub fn recognised(&mut self, _around: Around<'_>, _recognised: &Recognised, _out: &mut Vec<Observation>) {
        let Self { daemonised: _ } = self;
    }

    /// Lets time pass.
    pub fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        let Self { daemonised } = self;
        daemonised.tick(around.table, around.now, out);
    }

    /// Things that were not followed because too many were.
    pub fn dropped(&self) -> u64 {
        let Self { daemonised } = self;
        daemonised.dropped()
    }
}
