//! One round over all devices: measures, and says whose the processes are.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::board::{Board, Depth};
use super::users;
use crate::event::{AgentId, CgroupId, GpuSample, Nanos, ProcessId};
use crate::kernel::proc;
use crate::telemetry::Watched;

/// Every how many rounds what changes seldom is looked at: limits, temperature, MIG.
const SELDOM: u64 = 5;

/// Most devices that are measured.
const MOST: u32 = 64;

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO` of the kernel), the only one whose pids NVML gives.
const INITIAL_PIDS: &str = "pid:[4026531836]";

/// NVML, opened, and what the next round needs of the last.
pub(super) struct Reader<'nvml> {
    nvml: &'nvml Nvml,
    driver: String,
    boards: Vec<Result<Board<'nvml>, (u32, NvmlError)>>,
    rounds: u64,
    last: Option<Instant>,
    is_host: bool,
}

/// What one round gives.
#[derive(Debug)]
pub(super) struct Round {
    /// What was measured.
    pub(super) sample: GpuSample,
    /// What cannot be had, a sentence each; looked at every few rounds.
    pub(super) gaps: Option<Vec<String>>,
}

impl<'nvml> Reader<'nvml> {
    /// Finds the devices and reads what does not change.
    ///
    /// # Errors
    /// NVML does not count them.
    pub(super) fn new(nvml: &'nvml Nvml) -> Result<Self, NvmlError> {
        let namespace = std::fs::read_link("/proc/self/ns/pid");
        let mut reader = Self {
            nvml,
            driver: nvml.sys_driver_version().unwrap_or_default(),
            boards: Vec::new(),
            rounds: 0,
            last: None,
            is_host: namespace.is_ok_and(|namespace| namespace.as_os_str() == INITIAL_PIDS),
        };
        let count = nvml.device_count()?;
        reader.find(count);
        Ok(reader)
    }

    /// Version of the driver.
    pub(super) fn driver(&self) -> &str {
        &self.driver
    }

    /// Devices that are measured.
    pub(super) fn devices(&self) -> usize {
        self.boards.iter().flatten().count()
    }

    fn find(&mut self, count: u32) {
        // What was sampled before counts for the first round, as far as it is of this second.
        let seen = users::stamp().saturating_sub(1_000_000);
        let board = |index| Board::new(self.nvml, index, seen).map_err(|error| (index, error));
        self.boards = (0..count.min(MOST)).map(board).collect();
    }

    /// Measures all devices. `watched` says whose processes are.
    ///
    /// # Errors
    /// None of them answers.
    pub(super) fn read(&mut self, time: Nanos, watched: &[Watched]) -> Result<Round, NvmlError> {
        let count = self.nvml.device_count()?;
        if usize::try_from(count.min(MOST)) != Ok(self.boards.len()) {
            self.find(count);
        }
        let depth = if self.rounds.is_multiple_of(SELDOM) { Depth::Full } else { Depth::Quick };
        self.rounds += 1;
        let now = Instant::now();
        let interval = self
            .last
            .replace(now)
            .map_or(0, |last| u64::try_from(now.duration_since(last).as_nanos()).unwrap_or(u64::MAX));
        let mut sample = GpuSample { time, interval, ..GpuSample::default() };
        let mut last = None;
        let mut answers = false;
        let seen = users::stamp().saturating_sub(1_000_000);
        for board in &mut self.boards {
            // One that was lost is looked for again, now and then.
            if let Err((index, _)) = board
                && depth == Depth::Full
            {
                let index = *index;
                *board = Board::new(self.nvml, index, seen).map_err(|error| (index, error));
            }
            let Ok(alive) = board else { continue };
            let seconds = interval as f64 / 1e9;
            match alive.read(depth, seconds, &mut sample.devices, &mut sample.processes) {
                Ok(()) => answers = true,
                Err(error) => *board = Err((alive.index(), error)),
            }
        }
        if !answers {
            for board in &mut self.boards {
                if let Err((_, error)) = board {
                    last = Some(std::mem::replace(error, NvmlError::Unknown));
                }
            }
            if let Some(error) = last {
                return Err(error);
            }
        }
        self.name(&mut sample, watched);
        let gaps = (depth == Depth::Full).then(|| self.gaps());
        Ok(Round { sample, gaps })
    }

    /// Says whose the processes are.
    fn name(&self, sample: &mut GpuSample, watched: &[Watched]) {
        let watched: HashMap<ProcessId, &Watched> =
            watched.iter().map(|watched| (watched.process, watched)).collect();
        let mut known: HashMap<u32, Option<ProcessId>> = HashMap::new();
        for process in sample.processes.iter_mut().filter(|_| self.is_host) {
            let pid = process.process.pid;
            let Some(id) = *known.entry(pid).or_insert_with(|| proc::identity(pid)) else { continue };
            process.process = id;
            let of = watched.get(&id);
            process.agent = of.map_or(AgentId::NONE, |watched| watched.agent);
            process.cgroup = of.map_or(CgroupId(0), |watched| watched.cgroup);
        }
    }

    /// What cannot be had, and why.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if !self.is_host {
            gaps.push(
                "processes on GPUs are not told apart: NVML gives pids of the host, and the detector is in a pid \
                 namespace of its own"
                    .to_owned(),
            );
        }
        let mut missing: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
        for board in &self.boards {
            match board {
                Ok(board) => {
                    for (what, why) in &board.missing {
                        missing.entry((what, why)).or_default().push(board.index());
                    }
                    if let Some(instances) = board.instances() {
                        gaps.push(format!(
                            "GPU {} is split by MIG into {instances}: NVML tells neither how busy they are nor what \
                             each process computes there, only memory and who holds it",
                            board.index()
                        ));
                    }
                }
                Err((index, error)) => gaps.push(format!("GPU {index} is not measured: {error}")),
            }
        }
        for ((what, why), boards) in missing {
            let boards: Vec<String> = boards.iter().map(u32::to_string).collect();
            gaps.push(format!("no {what} of GPU {}: {why}", boards.join(", ")));
        }
        gaps
    }
}
