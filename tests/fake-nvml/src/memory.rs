//! Memory of a device or of a MIG instance.

use std::ffi::{c_uint, c_ulonglong};

use crate::code::{Code, INVALID_ARGUMENT};
use crate::entry::{Handle, Place, at, code, put};

/// `nvmlMemory_t`.
#[repr(C)]
pub struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// Bytes in use and in all.
fn held(place: &Place) -> Result<(u64, u64), Code> {
    let device = place.device()?;
    Ok(match place.instance()? {
        Some(instance) => (instance.memory_used.now(&place.scenario), instance.memory_total),
        None => (device.memory_used.now(&place.scenario), device.memory_total),
    })
}

/// Memory, first form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Handle, to: *mut Memory) -> Code {
    code(at("nvmlDeviceGetMemoryInfo", device).and_then(|place| {
        let (used, total) = held(&place)?;
        // SAFETY: the caller gives a place for it.
        unsafe { put(to, Memory { total, free: total.saturating_sub(used), used }) }
    }))
}

/// Memory, second form; its version must have been filled in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, to: *mut MemoryV2) -> Code {
    code(at("nvmlDeviceGetMemoryInfo_v2", device).and_then(|place| {
        let (used, total) = held(&place)?;
        if to.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, and the caller gives one whose version it filled in.
        let version = unsafe { (*to).version };
        if version as usize != size_of::<MemoryV2>() | (2 << 24) {
            return Err(INVALID_ARGUMENT);
        }
        let free = total.saturating_sub(used);
        // SAFETY: the caller gives a place for it.
        unsafe { put(to, MemoryV2 { version, total, reserved: 0, free, used }) }
    }))
}
