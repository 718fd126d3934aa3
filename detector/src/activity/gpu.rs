//! Whose the work of a GPU was: what each agent's processes did of one sample, by device.

use std::collections::BTreeMap;

use crate::event::{AgentId, GpuDevice, GpuProcess, GpuSample};

/// What processes that belong together did on one device since the sample before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// Share of the device, 0 to 1; `None` where nobody knows.
    pub(super) share: Option<f64>,
    /// Bytes of its memory.
    pub(super) memory: u64,
    /// Joules that fall to them, where the device tells its energy or its power.
    pub(super) energy: Option<f64>,
}

/// The work on each device (by its place in the sample), by what `whose` says of a process; of no agent's, nothing.
pub(super) fn work<K: Ord>(
    sample: &GpuSample,
    mut whose: impl FnMut(&GpuProcess) -> Option<K>,
) -> BTreeMap<(K, u32), Work> {
    let mut alone: BTreeMap<u32, u32> = BTreeMap::new();
    for process in &sample.processes {
        *alone.entry(process.device).or_default() += 1;
    }
    let is_alone = |process: &GpuProcess| alone.get(&process.device) == Some(&1);
    // All processes count where energy is divided, those of nobody too.
    let mut busy: BTreeMap<u32, f64> = BTreeMap::new();
    let mut out: BTreeMap<(K, u32), Work> = BTreeMap::new();
    for process in &sample.processes {
        let Some(device) = device(sample, process.device) else { continue };
        let share = share(device, process, is_alone(process));
        *busy.entry(process.device).or_default() += share.unwrap_or(0.0);
        if process.agent == AgentId::NONE {
            continue;
        }
        let Some(key) = whose(process) else { continue };
        let work = out.entry((key, process.device)).or_default();
        work.share = add(work.share, share);
        let memory = process.memory.or(device.memory_used.filter(|_| is_alone(process)));
        work.memory = work.memory.saturating_add(memory.unwrap_or(0));
    }
    for ((_, place), work) in &mut out {
        let (Some(device), Some(share)) = (device(sample, *place), work.share) else { continue };
        let all = busy.get(place).copied().unwrap_or(0.0);
        let part = if all > 0.0 { share / all } else { 0.0 };
        work.energy = joules(device, sample.interval).map(|joules| joules * part);
        work.share = Some(share.min(1.0));
    }
    out
}

/// A device by its place in the sample.
pub(super) fn device(sample: &GpuSample, place: u32) -> Option<&GpuDevice> {
    sample.devices.get(usize::try_from(place).ok()?)
}

/// Joules that a device took since the sample before.
pub(super) fn joules(device: &GpuDevice, interval: u64) -> Option<f64> {
    let counted = device.energy.map(|energy| energy as f64 / 1e3);
    counted.or_else(|| Some(f64::from(device.power?) / 1e3 * (interval as f64 / 1e9)))
}

/// Share of a device that a process used: its own where the driver tells it, the device's where it is there alone.
fn share(device: &GpuDevice, process: &GpuProcess, alone: bool) -> Option<f64> {
    let percent = process.sm.or(device.utilization.filter(|_| alone))?;
    Some(f64::from(percent.min(100)) / 100.0)
}

fn add(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (one, None) | (None, one) => one,
    }
}
