//! Who is on a device: processes that hold memory there, joined with what they used of it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::{ProcessInfo, ProcessUtilizationSample};

use super::board::had;
use crate::event::{GpuProcess, ProcessId, Ticks};

/// Percent below which a device does next to nothing.
pub(super) const IDLE: u32 = 5;

/// Most processes of a device that are followed.
const MOST: usize = 1_024;

/// The time by the clock that the driver stamps samples with: microseconds since the epoch.
pub(super) fn stamp() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Appends the processes that hold a device, one entry for each process.
pub(super) fn held(
    device: &Device<'_>,
    place: u32,
    missing: &mut BTreeMap<&'static str, String>,
    out: &mut Vec<GpuProcess>,
) {
    let from = out.len();
    let computing = had(missing, "processes", device.running_compute_processes());
    // Most servers know no graphics; that they say so is no gap.
    let drawing = device.running_graphics_processes().ok();
    for ProcessInfo { pid, used_gpu_memory, .. } in computing.into_iter().chain(drawing).flatten() {
        let memory = match used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let room = out.len() - from < MOST;
        let known = out.iter_mut().skip(from).find(|known| known.process.pid == pid);
        match known {
            Some(known) => known.memory = known.memory.max(memory),
            None if room => out.push(nobody(pid, place, memory)),
            None => {}
        }
    }
}

/// What processes used since the last time, one entry a process; empty where none used anything.
pub(super) fn used(device: &Device<'_>, seen: &mut u64) -> Result<Vec<Used>, NvmlError> {
    let samples = match device.process_utilization_stats(*seen) {
        // Nothing newer.
        Err(NvmlError::NotFound) => Vec::new(),
        samples => samples?,
    };
    let mut used: Vec<Used> = Vec::new();
    for ProcessUtilizationSample { pid, timestamp, sm_util, mem_util, .. } in samples {
        // The driver may hand out what it handed out before.
        if timestamp <= *seen && *seen != 0 || sm_util > 100 || mem_util > 100 {
            continue;
        }
        let room = used.len() < MOST;
        match used.iter_mut().find(|used| used.pid == pid) {
            Some(known) => {
                known.samples += 1;
                known.sm += sm_util;
                known.memory += mem_util;
                known.last = known.last.max(timestamp);
            }
            None if room => {
                used.push(Used { pid, samples: 1, sm: sm_util, memory: mem_util, last: timestamp });
            }
            None => {}
        }
    }
    *seen = used.iter().map(|used| used.last).fold(*seen, u64::max);
    Ok(used)
}

/// The sum of what one process used.
#[derive(Debug)]
pub(super) struct Used {
    pid: u32,
    samples: u32,
    sm: u32,
    memory: u32,
    last: u64,
}

/// Joins what was used with who holds the device. Without any sample, those on a device that is idle used nothing;
/// on a busy one it is not known.
pub(super) fn join(used: &[Used], place: u32, busy: bool, from: usize, out: &mut Vec<GpuProcess>) {
    let unknown = used.is_empty() && busy;
    for process in out.iter_mut().skip(from).filter(|_| !unknown) {
        (process.sm, process.memory_utilization) = (Some(0), Some(0));
    }
    for Used { pid, samples, sm, memory, .. } in used {
        let (sm, memory) = (sm / samples.max(&1), memory / samples.max(&1));
        let place_of = out.iter().skip(from).position(|known| known.process.pid == *pid);
        let known = match place_of {
            Some(known) => out.get_mut(from + known),
            // It used the device and is gone already, or it is of a kind that is not listed.
            None => {
                out.push(nobody(*pid, place, None));
                out.last_mut()
            }
        };
        if let Some(known) = known {
            (known.sm, known.memory_utilization) = (Some(sm), Some(memory));
        }
    }
}

fn nobody(pid: u32, device: u32, memory: Option<u64>) -> GpuProcess {
    let process = ProcessId { pid, start: Ticks(0) };
    GpuProcess { device, process, memory, ..GpuProcess::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(pid: u32, samples: u32, sm: u32, memory: u32) -> Used {
        Used { pid, samples, sm, memory, last: 1 }
    }

    #[test]
    fn what_was_used_is_a_mean_and_who_is_gone_is_kept() {
        let mut out = vec![nobody(7, 0, Some(1 << 30)), nobody(8, 0, None)];
        join(&[used(7, 2, 190, 80), used(9, 1, 5, 1)], 0, true, 0, &mut out);
        let found: Vec<_> = out.iter().map(|found| (found.process.pid, found.sm, found.memory)).collect();
        assert_eq!(found, [(7, Some(95), Some(1 << 30)), (8, Some(0), None), (9, Some(5), None)]);
    }

    #[test]
    fn without_a_sample_a_busy_device_says_nothing_of_its_processes() {
        let mut out = vec![nobody(7, 0, None)];
        join(&[], 0, true, 0, &mut out);
        assert_eq!(out[0].sm, None);
        join(&[], 0, false, 0, &mut out);
        assert_eq!(out[0].sm, Some(0));
    }
}
