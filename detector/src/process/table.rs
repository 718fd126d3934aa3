//! Stand-in for the table of processes, with the two questions that rules ask.

use hashbrown::HashMap;

use super::Process;
use crate::event::ProcessId;

/// The processes that are known.
#[derive(Debug, Default)]
pub struct ProcessTable {
    known: HashMap<ProcessId, Process>,
}

impl ProcessTable {
    /// Remembers a process.
    pub fn insert(&mut self, process: Process) {
        self.known.insert(process.id, process);
    }

    /// A process by its identity.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.known.get(&id)
    }

    /// Parent first, then upwards, at most 64.
    pub fn ancestors(&self, id: ProcessId) -> impl Iterator<Item = &Process> {
        let mut at = self.get(id).and_then(|process| process.parent);
        std::iter::from_fn(move || {
            let process = self.get(at?)?;
            at = process.parent;
            Some(process)
        })
        .take(64)
    }
}
