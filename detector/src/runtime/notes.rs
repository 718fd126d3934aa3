//! Carries what agents did from the ring thread into the store. A thread of its own: no alert waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::activity::{Activity, Sample};
use crate::pipeline::Outputs;
use crate::store::Store;

/// Most notes that wait to be put down.
const WAITING: usize = 1_024;

/// What is put down together: what one step of the core gave.
#[derive(Debug)]
struct Note {
    samples: Vec<Sample>,
    activity: Vec<Activity>,
}

/// The ring thread's end.
pub struct Notes {
    sender: SyncSender<Note>,
    thread: JoinHandle<()>,
    dropped: u64,
}

impl Notes {
    /// Starts the thread.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(store: Arc<Store>) -> std::io::Result<Self> {
        let (sender, notes) = sync_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("activity".to_owned()).spawn(move || keep(&store, &notes))?;
        Ok(Self { sender, thread, dropped: 0 })
    }

    /// Takes what is to be put down out of what a step gave; never blocks.
    pub fn take(&mut self, outputs: &mut Outputs) {
        if outputs.samples.is_empty() && outputs.activity.is_empty() {
            return;
        }
        let note = Note {
            samples: std::mem::take(&mut outputs.samples),
            activity: std::mem::take(&mut outputs.activity),
        };
        if self.sender.try_send(note).is_err() {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::warn!(
                    dropped = self.dropped,
                    "the store is too slow; what agents did is not put down"
                );
            }
        }
    }

    /// Waits until everything is put down.
    pub fn finish(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the thread that puts down what agents did panicked");
        }
    }
}

fn keep(store: &Store, notes: &Receiver<Note>) {
    let mut failed = 0_u64;
    while let Ok(Note { samples, activity }) = notes.recv() {
        if let Err(error) = store.add_samples(&samples).and_then(|()| store.add_activity(&activity)) {
            failed += 1;
            if failed.is_power_of_two() {
                let error = anyhow::Error::from(error);
                tracing::error!(failed, error = format!("{error:#}"), "what agents did is not stored");
            }
        }
    }
}
