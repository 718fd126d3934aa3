//! The rim that measures: threads of their own that sample processors and GPUs and hand what they saw to the ring
//! thread. None of them may delay it: what it cannot take at once is dropped and counted.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{AgentId, CgroupId, ProcessId};
use crate::pipeline::Input;

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
pub struct Roster(Arc<Mutex<Vec<Watched>>>);

impl Roster {
    /// Replaces it.
    pub fn set(&self, watched: Vec<Watched>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    /// A copy of it.
    pub fn get(&self) -> Vec<Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
