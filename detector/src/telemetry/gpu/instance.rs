//! The numbers of a MIG device, which `nvml-wrapper` has no safe form of. The only unsafe code of this room.

use nvml_wrapper::Device;

/// GPU instance and compute instance of a MIG device.
pub(super) fn numbers(device: &Device<'_>) -> Option<(u32, u32)> {
    let lib = device.nvml().lib();
    let gpu = lib.nvmlDeviceGetGpuInstanceId.as_ref().ok()?;
    let compute = lib.nvmlDeviceGetComputeInstanceId.as_ref().ok()?;
    // SAFETY: the handle is passed on to NVML while `device` borrows the library that made it.
    let handle = unsafe { device.handle() };
    let mut numbers = (0, 0);
    // SAFETY: a handle of this library, and a place for a number.
    let first = unsafe { gpu(handle, &raw mut numbers.0) };
    // SAFETY: the same.
    let second = unsafe { compute(handle, &raw mut numbers.1) };
    (first == 0 && second == 0).then_some(numbers)
}
