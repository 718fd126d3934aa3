//! Notices that NVML keeps the sampler waiting, and says so once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::telemetry::Gaps;

/// How long a round may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Under which name the gap is told.
const GAPS: &str = "gpu that hangs";

/// Since when the sampler is in a round.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    zero: Instant,
    /// Milliseconds after `zero` at which the round began, and one; 0 between rounds.
    busy: AtomicU64,
    over: AtomicBool,
}

impl Default for Pace {
    fn default() -> Self {
        let (busy, over) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Shared { zero: Instant::now(), busy, over }))
    }
}

impl Pace {
    /// A round begins.
    pub(super) fn busy(&self) {
        let now = u64::try_from(self.0.zero.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.0.busy.store(now + 1, Ordering::Relaxed);
    }

    /// It ended.
    pub(super) fn rests(&self) {
        self.0.busy.store(0, Ordering::Relaxed);
    }

    /// The sampler ends.
    pub(super) fn over(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    /// How long the round has taken, if there is one.
    fn taken(&self) -> Option<Duration> {
        let begun = self.0.busy.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.0.zero.elapsed().saturating_sub(Duration::from_millis(begun)))
    }
}

/// Starts to look.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn start(pace: Pace, gaps: Gaps) -> io::Result<()> {
    thread::Builder::new().name("gpu-watch".to_owned()).spawn(move || look(&pace, &gaps))?;
    Ok(())
}

fn look(pace: &Pace, gaps: &Gaps) {
    let mut hangs = false;
    while !pace.0.over.load(Ordering::Relaxed) {
        thread::park_timeout(LOOK);
        let late = pace.taken().is_some_and(|taken| taken >= PATIENCE);
        if late == hangs {
            continue;
        }
        hangs = late;
        if late {
            let seconds = PATIENCE.as_secs();
            tracing::warn!(seconds, "NVML does not return; GPUs are not measured, everything else goes on");
            gaps.set(GAPS, vec!["GPUs are not measured now: a call of NVML does not return".to_owned()]);
        } else {
            tracing::info!("NVML returned");
            gaps.set(GAPS, Vec::new());
        }
    }
}
