//! Processes that keep a processor busy have their rounding mode counted for some seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use detector_common::limits;

use super::Engine;
use crate::event::{CpuProcess, CpuSample, ProcessId, Rounding};
use crate::kernel::rounding::Rounded;
use crate::kernel::{clock, proc};
use crate::pipeline::Input;

/// How long one is counted.
const COUNTED: Duration = Duration::from_secs(4);
/// After which time it is counted again, from the beginning of the count on. A miner computes for seconds before its first
/// hash, with every number rounded to nearest; two more counts fit into the thirty seconds that a verdict may take.
const AGAIN: Duration = Duration::from_secs(12);

/// Who is counted, who was, and since when.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    counted: BTreeMap<ProcessId, Instant>,
    /// No more than are counted in [`AGAIN`].
    known: BTreeMap<ProcessId, Instant>,
}

impl Suspicion {
    /// Suspects the busiest of a sample, as many as there is room for; whether there are new ones.
    fn sampled(&mut self, sample: &CpuSample, now: Instant) -> bool {
        self.known.retain(|_, since| now.saturating_duration_since(*since) < AGAIN);
        let is_new = |process: &&CpuProcess| {
            is_suspicious(process, sample.interval) && !self.known.contains_key(&process.process)
        };
        let mut new: Vec<&CpuProcess> = sample.processes.iter().filter(is_new).collect();
        new.sort_by_key(|process| std::cmp::Reverse(process.user));
        let most = usize::try_from(limits::ROUNDING).unwrap_or(usize::MAX);
        new.truncate(most.saturating_sub(self.counted.len()));
        for process in &new {
            self.counted.insert(process.process, now);
            self.known.insert(process.process, now);
        }
        !new.is_empty()
    }

    /// Those who were counted for long enough, which they are no longer.
    fn done(&mut self, now: Instant) -> Vec<ProcessId> {
        let is_over = |since: &Instant| now.saturating_duration_since(*since) >= COUNTED;
        let over = self.counted.iter().filter(|(_, since)| is_over(since)).map(|(process, _)| *process);
        let over: Vec<ProcessId> = over.collect();
        self.counted.retain(|_, since| !is_over(since));
        over
    }

    fn pids(&self) -> BTreeSet<u32> {
        self.counted.keys().map(|process| process.pid).collect()
    }
}

/// Whether a process used an eighth of a processor or more, nearly all of it in user mode: a miner at 30 % of one
/// thread, or at full pace where six others want the processor too.
fn is_suspicious(process: &CpuProcess, interval: u64) -> bool {
    let used = process.user.saturating_add(process.system);
    interval > 0 && used >= interval / 8 && process.user >= used / 10 * 9
}

impl Engine {
    /// Begins to count those of a sample who draw suspicion.
    pub(super) fn suspect(&mut self, sample: &CpuSample) {
        if self.suspicion.sampled(sample, Instant::now()) {
            self.count_suspects();
        }
    }

    /// Tells the core how those rounded who were counted for long enough.
    pub(super) fn resolve_suspicion(&mut self) {
        let done = self.suspicion.done(Instant::now());
        if done.is_empty() {
            return;
        }
        for process in done {
            let Some(Rounded { looked, other }) = self.sensor.rounding(process.pid) else { continue };
            // One that ended may have left its number to another.
            if looked > 0 && proc::identity(process.pid) == Some(process) {
                let (looked, other) = (looked.into(), other.into());
                let rounding = Rounding { time: clock::now(), process, looked, other };
                self.core.feed(Input::Rounding(rounding), clock::now);
            }
        }
        self.count_suspects();
    }

    fn count_suspects(&mut self) {
        if let Err(error) = self.sensor.watch_rounding(&self.suspicion.pids()) {
            tracing::warn!(%error, "the rounding mode of busy processes is not counted for now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ticks;

    const SECOND: u64 = 1_000_000_000;

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: Ticks(7) }
    }

    /// A sample of two seconds, in hundredths of one processor.
    fn sample(processes: &[(u32, u64, u64)]) -> CpuSample {
        let used = |(pid, user, system): &(u32, u64, u64)| CpuProcess {
            process: id(*pid),
            user: user * SECOND / 50,
            system: system * SECOND / 50,
            ..CpuProcess::default()
        };
        let processes = processes.iter().map(used).collect();
        CpuSample { interval: 2 * SECOND, processes, ..CpuSample::default() }
    }

    #[test]
    fn an_eighth_of_a_processor_in_user_mode_draws_suspicion() {
        let mut suspicion = Suspicion::default();
        let now = Instant::now();
        assert!(!suspicion.sampled(&sample(&[(1, 11, 1), (2, 60, 10), (3, 0, 100)]), now));
        assert!(suspicion.sampled(&sample(&[(4, 50, 0), (5, 760, 40)]), now));
        assert_eq!(suspicion.pids(), [4, 5].into());
        assert!(!Suspicion::default().sampled(&CpuSample { interval: 0, ..sample(&[(1, 0, 0)]) }, now));
    }

    #[test]
    fn one_is_counted_for_four_seconds_and_again_after_twelve() {
        let mut suspicion = Suspicion::default();
        let began = Instant::now();
        let busy = sample(&[(1, 100, 0)]);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(suspicion.sampled(&busy, at(0)));
        assert!(!suspicion.sampled(&busy, at(2)) && suspicion.done(at(3)).is_empty());
        assert_eq!(suspicion.done(at(4)), [id(1)]);
        assert!(suspicion.pids().is_empty());
        assert!(!suspicion.sampled(&busy, at(11)));
        assert!(suspicion.sampled(&busy, at(12)));
    }

    #[test]
    fn the_busiest_come_first_where_there_is_not_room_for_all() {
        let mut suspicion = Suspicion::default();
        let began = Instant::now();
        let all: Vec<(u32, u64, u64)> = (1..=10).map(|pid| (pid, 90 + u64::from(pid), 0)).collect();
        assert!(suspicion.sampled(&sample(&all), began));
        assert_eq!(suspicion.pids(), (3..=10).collect());
        assert!(!suspicion.sampled(&sample(&all), began));
        let later = began + COUNTED;
        assert_eq!(suspicion.done(later).len(), 8);
        assert!(suspicion.sampled(&sample(&all), later));
        assert_eq!(suspicion.pids(), [1, 2].into());
    }
}
