//! What a device is and measures.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

use crate::code::{Code, INVALID_ARGUMENT, NOT_SUPPORTED};
use crate::entry::{Handle, Place, at, code, put, put_text};

/// `nvmlUtilization_t`.
#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlClockType_t`: graphics, SM, memory, video.
const MEMORY_CLOCK: c_uint = 2;

/// What NVML tells of physical devices alone, and not while MIG splits one.
fn whole(place: &Place) -> Result<(), Code> {
    if place.instance.is_some() || place.device()?.mig.is_some() { Err(NOT_SUPPORTED) } else { Ok(()) }
}

/// What NVML tells of physical devices alone.
fn physical(place: &Place) -> Result<(), Code> {
    if place.instance.is_some() { Err(NOT_SUPPORTED) } else { Ok(()) }
}

/// Product name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: Handle, to: *mut c_char, room: c_uint) -> Code {
    code(at("nvmlDeviceGetName", device).and_then(|place| {
        let name = place.instance()?.map_or(&place.device()?.name, |instance| &instance.name);
        // SAFETY: the caller gives a buffer of that size.
        unsafe { put_text(to, room, name) }
    }))
}

/// UUID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, to: *mut c_char, room: c_uint) -> Code {
    code(at("nvmlDeviceGetUUID", device).and_then(|place| {
        let uuid = place.instance()?.map_or(&place.device()?.uuid, |instance| &instance.uuid);
        let kind = if place.instance.is_some() { "MIG" } else { "GPU" };
        let part = place.instance.unwrap_or(0);
        let made = format!("{kind}-{:08x}-{part:04x}-0000-0000-000000000000", place.index);
        // SAFETY: the caller gives a buffer of that size.
        unsafe { put_text(to, room, if uuid.is_empty() { &made } else { uuid }) }
    }))
}

/// Index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetIndex(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: the caller gives a place for a number.
    code(at("nvmlDeviceGetIndex", device).and_then(|place| unsafe { put(to, place.index) }))
}

/// Share of time that a kernel ran, and that memory was busy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, to: *mut Utilization) -> Code {
    code(at("nvmlDeviceGetUtilizationRates", device).and_then(|place| {
        whole(&place)?;
        let found = place.device()?;
        let gpu = found.utilization.small(&place.scenario);
        let memory = found.memory_utilization.small(&place.scenario);
        // SAFETY: the caller gives a place for it.
        unsafe { put(to, Utilization { gpu, memory }) }
    }))
}

/// Milliwatts now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetPowerUsage", device).and_then(|place| {
        physical(&place)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, place.device()?.power.small(&place.scenario)) }
    }))
}

/// Millijoules since the driver was loaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Handle, to: *mut c_ulonglong) -> Code {
    code(at("nvmlDeviceGetTotalEnergyConsumption", device).and_then(|place| {
        physical(&place)?;
        let energy = place.device()?.power.sum(&place.scenario) / 1_000;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, u64::try_from(energy).unwrap_or(u64::MAX)) }
    }))
}

/// Milliwatts that are enforced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetEnforcedPowerLimit", device).and_then(|place| {
        physical(&place)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, place.device()?.power_limit) }
    }))
}

/// Milliwatts that were set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementLimit(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: as the caller of this one says.
    unsafe { nvmlDeviceGetEnforcedPowerLimit(device, to) }
}

/// MHz now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(device: Handle, clock: c_uint, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetClockInfo", device).and_then(|place| {
        physical(&place)?;
        let found = place.device()?;
        let measure = if clock == MEMORY_CLOCK { &found.memory_clock } else { &found.sm_clock };
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, measure.small(&place.scenario)) }
    }))
}

/// MHz at most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxClockInfo(device: Handle, clock: c_uint, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetMaxClockInfo", device).and_then(|place| {
        physical(&place)?;
        let found = place.device()?;
        let most = if clock == MEMORY_CLOCK { found.memory_clock_max } else { found.sm_clock_max };
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, most) }
    }))
}

/// Kilobytes a second over the last 20 ms: sent is 0, received 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieThroughput(
    device: Handle,
    counter: c_uint,
    to: *mut c_uint,
) -> Code {
    code(at("nvmlDeviceGetPcieThroughput", device).and_then(|place| {
        physical(&place)?;
        let found = place.device()?;
        let measure = match counter {
            0 => &found.pcie_sent,
            1 => &found.pcie_received,
            _ => return Err(INVALID_ARGUMENT),
        };
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, measure.small(&place.scenario)) }
    }))
}

/// Degrees Celsius.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(device: Handle, _sensor: c_uint, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetTemperature", device).and_then(|place| {
        physical(&place)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, place.device()?.temperature) }
    }))
}

/// Persistence mode.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPersistenceMode(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetPersistenceMode", device).and_then(|place| {
        physical(&place)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, c_uint::from(place.device()?.persistence)) }
    }))
}

/// Version of CUDA.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(to: *mut c_int) -> Code {
    // SAFETY: the caller gives a place for a number.
    code(crate::entry::enter("nvmlSystemGetCudaDriverVersion").and_then(|_| unsafe { put(to, 12_080) }))
}
