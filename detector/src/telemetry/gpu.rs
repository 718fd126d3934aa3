//! Samples GPUs through NVML in a thread of its own, which a driver may keep waiting as long as it likes.
//!
//! The driver may be absent, come later, fail and come back: each is said once in the log and stands in `coverage`
//! while it holds. A call that does not return is noticed by a second thread. Nobody waits for either thread: they
//! end when nobody listens any more, or with the program.
//!
//! While NVML is open the driver stays loaded and its GPUs stay initialised, as under persistence mode.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{Feeder, Gaps, Roster};
use crate::config::GpuConfig;
use crate::kernel::clock;
use crate::pipeline::Input;

mod board;
mod driver;
mod instance;
mod look;
mod reader;
mod users;
mod watchdog;

pub use driver::GpuError;
pub use look::{Rounds, Seen};
use reader::{Reader, Round};

use watchdog::Pace;

/// Shortest time between two samples: NVML's own are no shorter.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// How long after a failure the driver is tried again, at first and at most; doubled each time.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Under which name gaps are told.
const GAPS: &str = "gpu";

/// The library that a configuration names, or `DETECTOR_NVML`, which reaches commands without one.
pub fn library(config: &GpuConfig) -> Option<PathBuf> {
    let named = || std::env::var_os("DETECTOR_NVML").filter(|name: &OsString| !name.is_empty());
    config.library.clone().or_else(|| named().map(PathBuf::from))
}

/// Starts to sample, where the configuration wants it.
///
/// # Errors
/// A thread cannot be started.
pub fn start(config: &GpuConfig, feeder: Feeder, roster: Roster, gaps: Gaps) -> io::Result<()> {
    let library = library(config);
    if !config.enabled {
        if driver::is_there() {
            gaps.set(GAPS, vec!["GPUs are not measured: `telemetry.gpu.enabled` is false".to_owned()]);
        }
        return Ok(());
    }
    let pace = Pace::default();
    watchdog::start(pace.clone(), gaps.clone())?;
    let interval = config.interval.max(LEAST_INTERVAL);
    let sampler = Sampler { library, interval, feeder, roster, gaps, pace, state: State::New, wait: RETRY };
    thread::Builder::new().name("gpu".to_owned()).spawn(move || sampler.run())?;
    Ok(())
}

/// What was said of the driver last.
enum State {
    New,
    Works,
    Fails,
}

/// Why a session with the driver ended.
enum End {
    /// Nobody listens any more.
    Over,
    /// The driver does not answer any more.
    Failed(GpuError),
}

struct Sampler {
    library: Option<PathBuf>,
    interval: Duration,
    feeder: Feeder,
    roster: Roster,
    gaps: Gaps,
    pace: Pace,
    state: State,
    wait: Duration,
}

impl Sampler {
    fn run(mut self) {
        loop {
            self.pace.busy();
            let opened = driver::open(self.library.as_deref());
            let end = match opened {
                Ok(nvml) => self.session(&nvml),
                Err(error) => End::Failed(error),
            };
            self.pace.rests();
            match end {
                End::Over => {
                    self.pace.over();
                    return;
                }
                End::Failed(error) => self.failed(&error),
            }
            thread::park_timeout(self.wait);
            self.wait = (self.wait * 2).min(RETRY_MOST);
        }
    }

    /// Samples until the driver fails or nobody listens.
    fn session(&mut self, nvml: &nvml_wrapper::Nvml) -> End {
        let mut reader = match Reader::new(nvml) {
            Ok(reader) => reader,
            Err(source) => return End::Failed(GpuError::Lost { source }),
        };
        let mut next = Instant::now();
        loop {
            self.pace.busy();
            let round = match reader.read(clock::now(), &self.roster.get()) {
                Ok(round) => round,
                Err(source) => return End::Failed(GpuError::Lost { source }),
            };
            self.works(reader.devices());
            let Round { sample, gaps } = round;
            if let Some(gaps) = gaps {
                self.gaps.set(GAPS, gaps);
            }
            if !self.feeder.feed(Input::Gpu(Box::new(sample))) {
                return End::Over;
            }
            self.pace.rests();
            next = (next + self.interval).max(Instant::now());
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                thread::park_timeout(left);
            }
        }
    }

    fn works(&mut self, devices: usize) {
        match self.state {
            State::New => tracing::info!(devices, "GPUs are measured"),
            State::Fails => tracing::info!(devices, "GPUs are measured again"),
            State::Works => {}
        }
        self.state = State::Works;
        self.wait = RETRY;
    }

    fn failed(&mut self, error: &GpuError) {
        let reason = error.chain();
        match (&self.state, error) {
            (State::Fails, _) => {}
            (State::New, GpuError::NoDriver) => {
                tracing::info!("there is no NVIDIA driver; GPUs are measured when one comes");
            }
            (State::New | State::Works, _) => {
                tracing::warn!(reason, "GPUs are not measured; it is tried again, everything else goes on");
            }
        }
        self.state = State::Fails;
        let gap = match error {
            // Without a driver nobody uses a GPU of NVIDIA's; those of others are not measured at all.
            GpuError::NoDriver => driver::others(),
            GpuError::Library { .. } | GpuError::Hangs | GpuError::Init { .. } | GpuError::Lost { .. } => {
                Some(format!("GPUs are not measured: {reason}"))
            }
        };
        self.gaps.set(GAPS, gap.into_iter().collect());
    }
}
