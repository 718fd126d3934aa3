//! MIG: whether a device is split, and its instances.

use std::ffi::c_uint;

use crate::code::{Code, INVALID_ARGUMENT, NOT_FOUND};
use crate::entry::{Handle, at, code, handle, put};

/// Most instances of a device.
const MOST: u32 = 7;

/// Whether MIG is on, and will be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(device: Handle, now: *mut c_uint, then: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetMigMode", device).and_then(|place| {
        let on = c_uint::from(place.device()?.mig.is_some());
        // SAFETY: the caller gives a place for a number.
        unsafe { put(now, on) }?;
        // SAFETY: the same.
        unsafe { put(then, on) }
    }))
}

/// Most instances.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: Handle, to: *mut c_uint) -> Code {
    // SAFETY: the caller gives a place for a number.
    code(at("nvmlDeviceGetMaxMigDeviceCount", device).and_then(|_| unsafe { put(to, MOST) }))
}

/// An instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: Handle,
    index: c_uint,
    to: *mut Handle,
) -> Code {
    code(at("nvmlDeviceGetMigDeviceHandleByIndex", device).and_then(|place| {
        let instances = place.device()?.mig.as_deref().unwrap_or_default();
        if index >= MOST {
            return Err(INVALID_ARGUMENT);
        }
        instances.get(index as usize).ok_or(NOT_FOUND)?;
        // SAFETY: the caller gives a place for a handle.
        unsafe { put(to, handle(place.index, Some(index))) }
    }))
}

/// The device that an instance is part of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    device: Handle,
    to: *mut Handle,
) -> Code {
    code(at("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", device).and_then(|place| {
        place.instance()?.ok_or(INVALID_ARGUMENT)?;
        // SAFETY: the caller gives a place for a handle.
        unsafe { put(to, handle(place.index, None)) }
    }))
}

/// Whether a handle is one of an instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceIsMigDeviceHandle", device).and_then(|place| {
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, c_uint::from(place.instance.is_some())) }
    }))
}

/// Number of the GPU instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetGpuInstanceId", device).and_then(|place| {
        let instance = place.instance()?.ok_or(NOT_FOUND)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, instance.gpu_instance) }
    }))
}

/// Number of the compute instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeInstanceId(device: Handle, to: *mut c_uint) -> Code {
    code(at("nvmlDeviceGetComputeInstanceId", device).and_then(|place| {
        let instance = place.instance()?.ok_or(NOT_FOUND)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, instance.compute_instance) }
    }))
}
