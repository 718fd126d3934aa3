//! Rounds for whoever looks for himself: `detector gpu` and `detector doctor`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::watchdog::PATIENCE;
use super::{GpuError, Reader, driver};
use crate::event::GpuSample;
use crate::kernel::clock;

/// What was seen in one round.
#[derive(Debug)]
pub struct Seen {
    /// Version of the driver.
    pub driver: String,
    /// What was measured; the first one has no amounts that grow.
    pub sample: GpuSample,
    /// What cannot be had, a sentence each.
    pub gaps: Vec<String>,
}

/// Rounds, one after the other.
#[derive(Debug)]
pub struct Rounds {
    rounds: Receiver<Result<Seen, GpuError>>,
    interval: Duration,
}

impl Rounds {
    /// Starts to measure in a thread of its own, which a driver may keep waiting.
    pub fn start(library: Option<PathBuf>, interval: Duration) -> Self {
        let (sender, rounds) = sync_channel(0);
        // Without a thread there is no sender, and the first round is one that does not come.
        let _ = thread::Builder::new().name("gpu".to_owned()).spawn(move || {
            if let Err(error) = measure(library.as_deref(), interval, &sender) {
                let _ = sender.send(Err(error));
            }
        });
        Self { rounds, interval }
    }

    /// The next round.
    ///
    /// # Errors
    /// NVML is not there, refuses, fails or does not return.
    pub fn next(&self) -> Result<Seen, GpuError> {
        match self.rounds.recv_timeout(PATIENCE + self.interval) {
            Ok(seen) => seen,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(GpuError::Hangs),
        }
    }
}

/// Measures until nobody listens.
fn measure(
    library: Option<&Path>,
    interval: Duration,
    to: &SyncSender<Result<Seen, GpuError>>,
) -> Result<(), GpuError> {
    let nvml = driver::open(library)?;
    let lost = |source| GpuError::Lost { source };
    let mut reader = Reader::new(&nvml).map_err(lost)?;
    let mut gaps = Vec::new();
    loop {
        let round = reader.read(clock::now(), &[]).map_err(lost)?;
        gaps = round.gaps.unwrap_or(gaps);
        let seen = Seen { driver: reader.driver().to_owned(), sample: round.sample, gaps: gaps.clone() };
        if to.send(Ok(seen)).is_err() {
            return Ok(());
        }
        thread::park_timeout(interval);
    }
}
