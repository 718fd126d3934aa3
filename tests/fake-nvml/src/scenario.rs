//! The scenario file: devices, what they measure over time, processes, and what goes wrong.
//!
//! A measure is a number, or a list that is played round and round, an entry each `step_ms` since the library was
//! loaded. `errors` maps a function, a function on one device (`nvmlDeviceGetPowerUsage@2`) or `*` to a return code;
//! calls of functions in `hang` come back when the file no longer names them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

/// How long a file counts as read.
const FRESH: Duration = Duration::from_millis(20);

/// What the file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scenario {
    pub(crate) driver: String,
    /// Milliseconds of an entry of a list.
    pub(crate) step_ms: u64,
    pub(crate) errors: BTreeMap<String, u32>,
    pub(crate) hang: Vec<String>,
    pub(crate) devices: Vec<Device>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            driver: "570.86.15".to_owned(),
            step_ms: 1_000,
            errors: BTreeMap::new(),
            hang: Vec::new(),
            devices: Vec::new(),
        }
    }
}

/// A GPU; MIG is on where instances are named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) uuid: String,
    /// Percent.
    pub(crate) utilization: Measure,
    /// Percent.
    pub(crate) memory_utilization: Measure,
    /// Bytes.
    pub(crate) memory_used: Measure,
    pub(crate) memory_total: u64,
    /// Milliwatts.
    pub(crate) power: Measure,
    pub(crate) power_limit: u32,
    /// MHz.
    pub(crate) sm_clock: Measure,
    pub(crate) sm_clock_max: u32,
    pub(crate) memory_clock: Measure,
    pub(crate) memory_clock_max: u32,
    /// Kilobytes a second.
    pub(crate) pcie_received: Measure,
    pub(crate) pcie_sent: Measure,
    /// Whether the counters of PCIe bytes are there; the 20 ms look always is.
    pub(crate) pcie_counters: bool,
    pub(crate) temperature: u32,
    pub(crate) persistence: bool,
    pub(crate) mig: Option<Vec<Instance>>,
    pub(crate) processes: Vec<Process>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: "Fake GPU".to_owned(),
            uuid: String::new(),
            utilization: Measure::One(0),
            memory_utilization: Measure::One(0),
            memory_used: Measure::One(0),
            memory_total: 80 << 30,
            power: Measure::One(70_000),
            power_limit: 700_000,
            sm_clock: Measure::One(345),
            sm_clock_max: 1_980,
            memory_clock: Measure::One(2_619),
            memory_clock_max: 2_619,
            pcie_received: Measure::One(0),
            pcie_sent: Measure::One(0),
            pcie_counters: true,
            temperature: 35,
            persistence: true,
            mig: None,
            processes: Vec::new(),
        }
    }
}

/// A MIG device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Instance {
    pub(crate) gpu_instance: u32,
    pub(crate) compute_instance: u32,
    pub(crate) name: String,
    pub(crate) uuid: String,
    pub(crate) memory_used: Measure,
    pub(crate) memory_total: u64,
    pub(crate) processes: Vec<Process>,
}

/// A process on a device or instance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Bytes; not to be had where none is said.
    pub(crate) memory: Option<Measure>,
    /// Percent.
    pub(crate) sm: Measure,
    /// Percent.
    pub(crate) memory_utilization: Measure,
    pub(crate) graphics: bool,
}

/// A number, or one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Measure {
    One(u64),
    Turns(Vec<u64>),
}

impl Default for Measure {
    fn default() -> Self {
        Self::One(0)
    }
}

impl Measure {
    /// What it is now.
    pub(crate) fn now(&self, scenario: &Scenario) -> u64 {
        let step = scenario.elapsed() / u128::from(scenario.step_ms.max(1));
        match self {
            Self::One(value) => *value,
            Self::Turns(list) => {
                let turn = usize::try_from(step).unwrap_or(0).checked_rem(list.len()).unwrap_or(0);
                list.get(turn).copied().unwrap_or(0)
            }
        }
    }

    /// The same as 32 bits.
    pub(crate) fn small(&self, scenario: &Scenario) -> u32 {
        u32::try_from(self.now(scenario)).unwrap_or(u32::MAX)
    }

    /// Its sum since the library was loaded, in units times milliseconds.
    pub(crate) fn sum(&self, scenario: &Scenario) -> u128 {
        let elapsed = scenario.elapsed();
        let step = u128::from(scenario.step_ms.max(1));
        match self {
            Self::One(value) => u128::from(*value) * elapsed,
            Self::Turns(list) if list.is_empty() => 0,
            Self::Turns(list) => {
                let round = step * list.len() as u128;
                let whole: u128 = list.iter().map(|value| u128::from(*value) * step).sum();
                let mut left = elapsed % round;
                let mut sum = whole * (elapsed / round);
                for value in list {
                    let part = left.min(step);
                    sum += u128::from(*value) * part;
                    left -= part;
                }
                sum
            }
        }
    }
}

impl Scenario {
    /// Milliseconds since the library was loaded.
    fn elapsed(&self) -> u128 {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_millis()
    }
}

struct Read {
    at: Instant,
    changed: Option<SystemTime>,
    scenario: Arc<Scenario>,
}

/// What the file says now; a file that is not to be read or is no scenario leaves what was said before.
pub(crate) fn current() -> Arc<Scenario> {
    static READ: Mutex<Option<Read>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(read) = read.as_ref().filter(|read| read.at.elapsed() < FRESH) {
        return Arc::clone(&read.scenario);
    }
    let path = PathBuf::from(std::env::var_os("FAKE_NVML").unwrap_or_default());
    let changed = path.metadata().and_then(|file| file.modified()).ok();
    let before = read.take();
    let scenario = match before {
        Some(before) if before.changed == changed => before.scenario,
        before => match parse(&path) {
            Ok(scenario) => Arc::new(scenario),
            Err(error) => {
                eprintln!("fake-nvml: {}: {error}", path.display());
                before.map_or_else(Arc::default, |before| before.scenario)
            }
        },
    };
    *read = Some(Read { at: Instant::now(), changed, scenario: Arc::clone(&scenario) });
    scenario
}

fn parse(path: &std::path::Path) -> Result<Scenario, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
