//! Values of fields: the counters of PCIe bytes.

use std::ffi::{c_int, c_longlong, c_uint, c_ulonglong};

use crate::code::{Code, INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS};
use crate::entry::{Handle, Place, at, code};
use crate::scenario::Measure;

/// `NVML_FI_DEV_PCIE_COUNT_TX_BYTES`.
const SENT: c_uint = 197;
/// `NVML_FI_DEV_PCIE_COUNT_RX_BYTES`.
const RECEIVED: c_uint = 198;
/// `NVML_VALUE_TYPE_UNSIGNED_LONG_LONG`.
const LONG: c_uint = 3;

/// `nvmlFieldValue_t`; the union is as wide as its widest member.
#[repr(C)]
pub struct FieldValue {
    field: c_uint,
    scope: c_uint,
    timestamp: c_longlong,
    latency: c_longlong,
    kind: c_uint,
    code: Code,
    value: c_ulonglong,
}

/// Fills in the values of the fields that are asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: Handle,
    count: c_int,
    values: *mut FieldValue,
) -> Code {
    code(at("nvmlDeviceGetFieldValues", device).and_then(|place| {
        let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
        if values.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, and the caller gives that many, filled in.
        let values = unsafe { std::slice::from_raw_parts_mut(values, count) };
        for value in values {
            let found = match value.field {
                SENT => counted(&place, &place.device()?.pcie_sent),
                RECEIVED => counted(&place, &place.device()?.pcie_received),
                _ => Err(NOT_SUPPORTED),
            };
            value.code = found.err().unwrap_or(SUCCESS);
            value.kind = LONG;
            value.value = found.unwrap_or(0);
        }
        Ok(())
    }))
}

/// Bytes since the library was loaded, of kilobytes a second.
fn counted(place: &Place, measure: &Measure) -> Result<u64, Code> {
    if place.instance.is_some() || !place.device()?.pcie_counters {
        return Err(NOT_SUPPORTED);
    }
    // Kilobytes a second times milliseconds are bytes.
    u64::try_from(measure.sum(&place.scenario)).map_err(|_| INVALID_ARGUMENT)
}
