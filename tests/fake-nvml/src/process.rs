//! Processes on a device or instance, and what they use of it.

use std::ffi::{c_uint, c_ulonglong};
use std::time::SystemTime;

use crate::code::{Code, NOT_FOUND, NOT_SUPPORTED};
use crate::entry::{Handle, Place, at, code, put_list};
use crate::scenario::Process;

/// `NVML_VALUE_NOT_AVAILABLE`.
const UNKNOWN: c_ulonglong = c_ulonglong::MAX;
/// What stands for no instance.
const NO_INSTANCE: c_uint = c_uint::MAX;
/// Microseconds between two samples of the driver's own.
const SAMPLED: u64 = 20_000;

/// `nvmlProcessInfo_v2_t`, which the third form of the functions gives too.
#[repr(C)]
pub struct ProcessInfo {
    pid: c_uint,
    memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// `nvmlProcessUtilizationSample_t`.
#[repr(C)]
pub struct Sample {
    pid: c_uint,
    timestamp: c_ulonglong,
    sm: c_uint,
    memory: c_uint,
    encoder: c_uint,
    decoder: c_uint,
}

fn list(place: &Place, graphics: bool) -> Result<Vec<ProcessInfo>, Code> {
    let info = |process: &Process, instance: Option<(u32, u32)>| {
        let memory = process.memory.as_ref().map_or(UNKNOWN, |memory| memory.now(&place.scenario));
        let (gpu_instance, compute_instance) = instance.unwrap_or((NO_INSTANCE, NO_INSTANCE));
        ProcessInfo { pid: process.pid, memory, gpu_instance, compute_instance }
    };
    if let Some(instance) = place.instance()? {
        let ids = Some((instance.gpu_instance, instance.compute_instance));
        let processes = instance.processes.iter().filter(|process| process.graphics == graphics);
        return Ok(processes.map(|process| info(process, ids)).collect());
    }
    let processes = place.device()?.processes.iter().filter(|process| process.graphics == graphics);
    Ok(processes.map(|process| info(process, None)).collect())
}

macro_rules! running {
    ($( $name:ident $graphics:literal $doc:literal; )*) => { $(
        #[doc = $doc]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(device: Handle, count: *mut c_uint, to: *mut ProcessInfo) -> Code {
            code(at(stringify!($name), device).and_then(|place| {
                let processes = list(&place, $graphics)?;
                // SAFETY: the caller gives a count, and room for as many.
                unsafe { put_list(count, to, processes) }
            }))
        }
    )* };
}

running! {
    nvmlDeviceGetComputeRunningProcesses_v2 false "Processes that compute, second form.";
    nvmlDeviceGetComputeRunningProcesses_v3 false "Processes that compute.";
    nvmlDeviceGetGraphicsRunningProcesses_v2 true "Processes that draw, second form.";
    nvmlDeviceGetGraphicsRunningProcesses_v3 true "Processes that draw.";
}

/// What processes used since a time, in microseconds since the epoch; not under MIG.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: Handle,
    to: *mut Sample,
    count: *mut c_uint,
    since: c_ulonglong,
) -> Code {
    code(at("nvmlDeviceGetProcessUtilization", device).and_then(|place| {
        let found = place.device()?;
        if place.instance.is_some() || found.mig.is_some() {
            return Err(NOT_SUPPORTED);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A sample stays what it was, however often it is asked for.
        let timestamp = u64::try_from(now.as_micros()).unwrap_or(u64::MAX) / SAMPLED * SAMPLED;
        let sample = |process: &Process| {
            let sm = process.sm.small(&place.scenario);
            let memory = process.memory_utilization.small(&place.scenario);
            Sample { pid: process.pid, timestamp, sm, memory, encoder: 0, decoder: 0 }
        };
        let samples: Vec<Sample> =
            found.processes.iter().map(sample).filter(|sample| sample.sm > 0 || sample.memory > 0).collect();
        if samples.is_empty() || timestamp <= since {
            return Err(NOT_FOUND);
        }
        // SAFETY: the caller gives a count, and room for as many.
        unsafe { put_list(count, to, samples) }
    }))
}
