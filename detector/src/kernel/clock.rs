//! The kernel's clock and the wall's: probes count from boot, people do not.

use rustix::time::{ClockId, clock_gettime};

use crate::event::Nanos;

/// Nanoseconds since the Unix epoch.
pub fn now() -> Nanos {
    Nanos(nanos(ClockId::Realtime))
}

/// What to add to CLOCK_BOOTTIME to get nanoseconds since the Unix epoch; changes when the clock is set.
pub fn offset() -> u64 {
    nanos(ClockId::Realtime).saturating_sub(nanos(ClockId::Boottime))
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
