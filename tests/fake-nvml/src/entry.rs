//! What every function does first: hang, fail, or find the device that its handle means.

use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::code::{Code, GPU_IS_LOST, INSUFFICIENT_SIZE, INVALID_ARGUMENT, SUCCESS, UNINITIALIZED};
use crate::scenario::{self, Device, Instance, Scenario};

/// `nvmlDevice_t`: here a number, never followed. The device and one, and above 16 bits the instance and one.
pub(crate) type Handle = *mut c_void;

/// How often a call that hangs looks whether it still should.
const LOOK: Duration = Duration::from_millis(20);

/// How often it was initialised, less how often it was shut down.
pub(crate) static USERS: AtomicU32 = AtomicU32::new(0);

/// The handle of a device, or of an instance of it.
pub(crate) fn handle(device: u32, instance: Option<u32>) -> Handle {
    let instance = instance.map_or(0, |instance| instance as usize + 1);
    std::ptr::without_provenance_mut((instance << 16) | (device as usize + 1))
}

/// What a handle means.
pub(crate) fn meant(handle: Handle) -> Result<(u32, Option<u32>), Code> {
    let number = handle.addr();
    let device = u32::try_from(number & 0xffff).ok().and_then(|device| device.checked_sub(1));
    let instance = u32::try_from(number >> 16).ok().and_then(|instance| instance.checked_sub(1));
    Ok((device.ok_or(INVALID_ARGUMENT)?, instance))
}

/// Before a function of the whole library.
pub(crate) fn enter(function: &str) -> Result<Arc<Scenario>, Code> {
    let scenario = begin(function, None)?;
    if USERS.load(Ordering::SeqCst) == 0 { Err(UNINITIALIZED) } else { Ok(scenario) }
}

/// Before any function: it hangs, or fails.
pub(crate) fn begin(function: &str, device: Option<u32>) -> Result<Arc<Scenario>, Code> {
    let mut scenario = scenario::current();
    while scenario.hang.iter().any(|hanging| hanging == function) {
        std::thread::park_timeout(LOOK);
        scenario = scenario::current();
    }
    let on_device = device.and_then(|device| scenario.errors.get(&format!("{function}@{device}")));
    let code = on_device.or_else(|| scenario.errors.get(function)).or_else(|| scenario.errors.get("*"));
    match code.copied() {
        None | Some(SUCCESS) => Ok(scenario),
        Some(code) => Err(code),
    }
}

/// A device or an instance of one, as the scenario has it now.
pub(crate) struct Place {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) index: u32,
    pub(crate) instance: Option<u32>,
}

impl Place {
    pub(crate) fn device(&self) -> Result<&Device, Code> {
        self.scenario.devices.get(self.index as usize).ok_or(GPU_IS_LOST)
    }

    pub(crate) fn instance(&self) -> Result<Option<&Instance>, Code> {
        let Some(number) = self.instance else { return Ok(None) };
        let instances = self.device()?.mig.as_deref().unwrap_or_default();
        instances.get(number as usize).map(Some).ok_or(GPU_IS_LOST)
    }
}

/// Before a function of a device.
pub(crate) fn at(function: &str, handle: Handle) -> Result<Place, Code> {
    let (index, instance) = meant(handle)?;
    let scenario = begin(function, Some(index))?;
    if USERS.load(Ordering::SeqCst) == 0 {
        return Err(UNINITIALIZED);
    }
    let place = Place { scenario, index, instance };
    place.instance()?;
    place.device()?;
    Ok(place)
}

/// The code of a result.
pub(crate) fn code(result: Result<(), Code>) -> Code {
    result.err().unwrap_or(SUCCESS)
}

/// Writes what was asked for.
///
/// # Safety
/// `to` is null or may be written.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, and the caller says that it may be written.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes a string and its end.
///
/// # Safety
/// `to` is null or has room for `room` bytes.
pub(crate) unsafe fn put_text(to: *mut c_char, room: u32, text: &str) -> Result<(), Code> {
    let text = CString::new(text).map_err(|_| INVALID_ARGUMENT)?;
    let bytes = text.as_bytes_with_nul();
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if bytes.len() > room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    // SAFETY: there is room for that many bytes, as was just compared with what the caller says.
    unsafe { to.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}

/// Fills a list as NVML does: with too little room the number that there are, and [`INSUFFICIENT_SIZE`].
///
/// # Safety
/// `count` may be read and written; `to` is null or has room for as many as `count` says.
pub(crate) unsafe fn put_list<T>(count: *mut u32, to: *mut T, list: Vec<T>) -> Result<(), Code> {
    if count.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, and the caller says that it may be read.
    let room = unsafe { count.read() };
    let length = u32::try_from(list.len()).map_err(|_| INVALID_ARGUMENT)?;
    // SAFETY: not null, and the caller says that it may be written.
    unsafe { count.write(length) };
    if length == 0 {
        return Ok(());
    }
    if to.is_null() || room < length {
        return Err(INSUFFICIENT_SIZE);
    }
    for (place, item) in list.into_iter().enumerate() {
        // SAFETY: within the room that the caller says.
        let to = unsafe { to.add(place) };
        // SAFETY: the same.
        unsafe { to.write(item) };
    }
    Ok(())
}
