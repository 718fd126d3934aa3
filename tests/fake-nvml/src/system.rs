//! The library itself: begin, end, versions, and how many devices there are.

use std::ffi::{c_char, c_uint};
use std::sync::atomic::Ordering;

use crate::code::{Code, INVALID_ARGUMENT};
use crate::entry::{Handle, USERS, begin, code, enter, handle, put, put_text};

/// Begins.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> Code {
    code(begin("nvmlInit_v2", None).map(|_| {
        USERS.fetch_add(1, Ordering::SeqCst);
    }))
}

/// Begins.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Code {
    nvmlInit_v2()
}

/// Ends.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> Code {
    code(enter("nvmlShutdown").map(|_| {
        USERS.fetch_sub(1, Ordering::SeqCst);
    }))
}

/// Version of the driver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: c_uint) -> Code {
    code(enter("nvmlSystemGetDriverVersion").and_then(|scenario| {
        // SAFETY: the caller gives a buffer of that size, as NVML asks for.
        unsafe { put_text(to, room, &scenario.driver) }
    }))
}

/// Version of the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(to: *mut c_char, room: c_uint) -> Code {
    code(enter("nvmlSystemGetNVMLVersion").and_then(|scenario| {
        // SAFETY: the caller gives a buffer of that size, as NVML asks for.
        unsafe { put_text(to, room, &format!("12.{}", scenario.driver)) }
    }))
}

/// Number of devices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(to: *mut c_uint) -> Code {
    code(enter("nvmlDeviceGetCount_v2").and_then(|scenario| {
        let count = u32::try_from(scenario.devices.len()).map_err(|_| INVALID_ARGUMENT)?;
        // SAFETY: the caller gives a place for a number.
        unsafe { put(to, count) }
    }))
}

/// A device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, to: *mut Handle) -> Code {
    let found = begin("nvmlDeviceGetHandleByIndex_v2", Some(index))
        .and_then(|_| enter("nvmlDeviceGetHandleByIndex_v2"))
        .and_then(|scenario| match scenario.devices.get(index as usize) {
            Some(_) => Ok(handle(index, None)),
            None => Err(INVALID_ARGUMENT),
        });
    // SAFETY: the caller gives a place for a handle.
    code(found.and_then(|found| unsafe { put(to, found) }))
}
