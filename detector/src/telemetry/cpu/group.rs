//! What control groups of agents used: `cpu.stat` and `cpu.pressure`.

use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use super::super::file;
use crate::agent::Agent;
use crate::event::{AgentId, CpuAgent};

/// Most agents that are looked at in one round.
const MOST: usize = 512;
/// Most agents whose last reading is kept.
const MOST_KEPT: usize = 4_096;

/// The last readings.
#[derive(Debug)]
pub(super) struct Groups {
    mount: PathBuf,
    known: HashMap<AgentId, Times>,
    buffer: Vec<u8>,
}

/// Nanoseconds since the group was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    user: u64,
    system: u64,
    throttled: u64,
}

impl Groups {
    pub(super) fn new(mount: &Path) -> Self {
        Self { mount: mount.to_owned(), known: HashMap::new(), buffer: Vec::new() }
    }

    /// Reads the groups of these agents; gives those that used something since they were read last.
    pub(super) fn round(&mut self, agents: &[&Agent]) -> Vec<CpuAgent> {
        if self.known.len() > MOST_KEPT {
            self.known.clear();
        }
        agents.iter().take(MOST).filter_map(|agent| self.group(agent)).collect()
    }

    fn group(&mut self, agent: &Agent) -> Option<CpuAgent> {
        let directory = self.mount.join(agent.path.trim_start_matches('/'));
        file::read(&directory.join("cpu.stat"), 16_384, &mut self.buffer).ok()?;
        let now = times(&self.buffer)?;
        let before = self.known.insert(agent.id, now)?;
        let pressure = file::read(&directory.join("cpu.pressure"), 4_096, &mut self.buffer).ok();
        Some(CpuAgent {
            agent: agent.id,
            cgroup: agent.cgroup,
            user: now.user.saturating_sub(before.user),
            system: now.system.saturating_sub(before.system),
            throttled: now.throttled.saturating_sub(before.throttled),
            pressure: pressure.and_then(|()| pressure_of(&self.buffer)),
        })
    }
}

/// The times of a `cpu.stat`, which counts in microseconds. Without a quota, no time is spent held back.
fn times(text: &[u8]) -> Option<Times> {
    let nanos = |key| file::number(text, key).map(|micros| micros.saturating_mul(1_000));
    Some(Times {
        user: nanos("user_usec ")?,
        system: nanos("system_usec ")?,
        throttled: nanos("throttled_usec ").unwrap_or(0),
    })
}

/// Share of the last ten seconds in which some task waited; the first line of a file of pressure.
fn pressure_of(text: &[u8]) -> Option<f64> {
    let line = std::str::from_utf8(text).ok()?.lines().next()?;
    let record = procfs::parse_pressure_record(line).ok()?;
    Some(f64::from(record.avg10) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_a_quota_is_never_held_back() {
        let text = b"usage_usec 5\nuser_usec 3\nsystem_usec 2\n";
        assert_eq!(times(text), Some(Times { user: 3_000, system: 2_000, throttled: 0 }));
        let text = b"usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_throttled 1\nthrottled_usec 7\n";
        assert_eq!(times(text).map(|times| times.throttled), Some(7_000));
        assert_eq!(times(b""), None);
    }

    #[test]
    fn pressure_is_a_share() {
        let text = b"some avg10=12.50 avg60=1.00 avg300=0.10 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(pressure_of(text), Some(0.125));
        assert_eq!(pressure_of(b"some avg10=x"), None);
        assert_eq!(pressure_of(b"\xff"), None);
    }
}
