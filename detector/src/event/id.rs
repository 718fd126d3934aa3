//! Identities and times, each its own type so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nanoseconds from `earlier` to this time; 0 where the order is the other way.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time as RFC 3339 in UTC with nine digits of fraction.
    pub fn rfc3339(self) -> String {
        use time::format_description::BorrowedFormatItem;
        use time::macros::format_description;
        const FORMAT: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");
        time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|time| time.format(FORMAT).ok())
            .unwrap_or_default()
    }
}

/// When a process started: clock ticks of 10 ms since boot, field 22 of `/proc/PID/stat`.
///
/// The kernel gives nanoseconds to probes and ticks to `/proc`; ticks are what both agree on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Ticks from nanoseconds of CLOCK_BOOTTIME.
    pub fn from_boot_nanos(nanos: u64) -> Self {
        Self(nanos / 10_000_000)
    }
}

/// A process: a pid alone is no identity, since pids are used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Start time.
    pub start: Ticks,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.start.0)
    }
}

/// A watched agent: one control group that a configured pattern matched, or one `wrap`. 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub u32);

impl AgentId {
    /// No agent.
    pub const NONE: Self = Self(0);
}

/// A control group of cgroup2: the inode number of its directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CgroupId(pub u64);

/// A network namespace by its kernel cookie, never used again until reboot; 0 where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetnsId(pub u64);
