//! The rim that measures: threads of their own that sample processors and GPUs and hand what they saw to the ring
//! thread. None of them may delay it: what it cannot take at once is dropped and counted.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, ProcessId};
use crate::pipeline::Input;

pub mod cpu;
mod file;
pub mod gpu;
mod look;

/// Most inputs that wait for the ring thread.
const WAITING: usize = 1024;

/// Hands inputs to the ring thread and wakes it.
#[derive(Clone, Debug)]
pub struct Feeder {
    sender: SyncSender<Input>,
    wake: Arc<OwnedFd>,
    dropped: Arc<AtomicU64>,
}

impl Feeder {
    /// One, and where its inputs arrive.
    pub fn new(wake: Arc<OwnedFd>) -> (Self, Receiver<Input>) {
        let (sender, receiver) = sync_channel(WAITING);
        (Self { sender, wake, dropped: Arc::default() }, receiver)
    }

    /// Hands over an input; one that finds no room is dropped and counted. Whether somebody still listens.
    pub fn feed(&self, input: Input) -> bool {
        match self.sender.try_send(input) {
            Ok(()) => {
                // A full counter is a wake-up already.
                let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
                true
            }
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Inputs that found no room since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A process that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The process.
    pub process: ProcessId,
    /// Its agent.
    pub agent: AgentId,
    /// Its control group.
    pub cgroup: CgroupId,
}

/// Who is watched now, told once a second by the ring thread.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    processes: Arc<Mutex<Vec<Watched>>>,
    agents: Arc<Mutex<Vec<Agent>>>,
}

impl Roster {
    /// Replaces the processes.
    pub fn set(&self, watched: Vec<Watched>) {
        *self.processes.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    /// Replaces the agents.
    pub fn set_agents(&self, agents: Vec<Agent>) {
        *self.agents.lock().unwrap_or_else(PoisonError::into_inner) = agents;
    }

    /// A copy of the processes.
    pub fn get(&self) -> Vec<Watched> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A copy of the agents.
    pub fn agents(&self) -> Vec<Agent> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What cannot be measured now, a sentence each, by who would measure it. The ring thread adds it once a second to what
/// the sensor cannot see.
#[derive(Clone, Debug, Default)]
pub struct Gaps(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    by: BTreeMap<&'static str, Vec<String>>,
    is_new: bool,
}

impl Gaps {
    /// Replaces what `who` said before; nothing where all can be measured.
    pub fn set(&self, who: &'static str, gaps: Vec<String>) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Said { by, is_new } = &mut *said;
        let before = if gaps.is_empty() { by.remove(who) } else { by.insert(who, gaps) };
        *is_new |= before.as_ref() != by.get(who);
    }

    /// All of them, where any changed since they were asked for last.
    pub fn news(&self) -> Option<Vec<String>> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut said.is_new).then(|| said.by.values().flatten().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_several_add_up_and_are_told_once() {
        let gaps = Gaps::default();
        assert_eq!(gaps.news(), None);
        gaps.set("gpu", vec!["no driver".to_owned()]);
        gaps.set("cpu", vec!["no pressure".to_owned()]);
        assert_eq!(gaps.news(), Some(vec!["no pressure".to_owned(), "no driver".to_owned()]));
        gaps.set("gpu", vec!["no driver".to_owned()]);
        assert_eq!(gaps.news(), None, "nothing changed");
        gaps.set("gpu", Vec::new());
        assert_eq!(gaps.news(), Some(vec!["no pressure".to_owned()]));
    }
}
