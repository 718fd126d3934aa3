//! What one process did with processors lately, sample by sample, and what that looks like.

use std::collections::VecDeque;

use crate::event::CpuProcess;

/// Most samples that are kept: five minutes of two seconds each.
const MOST: usize = 150;
/// Samples shorter than this are put together, so that [`MOST`] of them are minutes.
const SHORTEST: u64 = 1_000_000_000;
/// From this share of a processor on a sample is one of work, and below the second one of rest.
const ON: f64 = 0.25;
const OFF: f64 = 0.05;

const SECOND: f64 = 1e9;

/// The last samples of one process, oldest first.
#[derive(Debug, Default)]
pub(super) struct Series {
    turns: VecDeque<Turn>,
}

/// What was added between two samples; nanoseconds, and pairs of an amount and the nanoseconds in which it is known.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    interval: u64,
    user: u64,
    system: u64,
    waited: u64,
    switches: (u64, u64),
    transferred: (u64, u64),
    /// Busy threads times nanoseconds.
    threads: (u64, u64),
}

/// What samples say together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shape {
    /// Seconds that it spans.
    pub(super) seconds: f64,
    /// Processors that were used.
    pub(super) processors: f64,
    /// Those and what was waited for.
    pub(super) wanted: f64,
    /// Share of the used time that was in user mode.
    pub(super) user: f64,
    /// Threads that were busy, on average.
    pub(super) threads: f64,
    /// Voluntary switches a second and busy thread; none where they were not read.
    pub(super) switches: Option<f64>,
    /// Bytes a second; 0 where they cannot be read.
    pub(super) transferred: f64,
    /// The least that was wanted in one sample.
    pub(super) least: f64,
    /// How much what is wanted varies from sample to sample: standard deviation over mean.
    pub(super) variation: f64,
}

/// How often work began again after a rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bursts {
    pub(super) count: u32,
    /// What the samples of work say together, their use spread over all of the time.
    pub(super) work: Shape,
    /// Processors over all of the time.
    pub(super) processors: f64,
    /// Seconds of all.
    pub(super) seconds: f64,
}

impl Series {
    /// Adds a sample; `None` where the process used nothing. `processors` are online.
    pub(super) fn push(&mut self, interval: u64, processors: u32, used: Option<&CpuProcess>) {
        let mut turn = Turn { interval, ..Turn::default() };
        if let Some(used) = used {
            turn.user = used.user;
            turn.system = used.system;
            turn.waited = used.waited.unwrap_or(0);
            turn.switches = used.voluntary_switches.map_or((0, 0), |count| (count, interval));
            turn.transferred = used.transferred.map_or((0, 0), |bytes| (bytes, interval));
            // Without a count of those that ran, as many as a miner would start: one for each two processors.
            let threads = used.busy_threads.unwrap_or_else(|| used.threads.min((processors / 2).max(1)));
            turn.threads = (u64::from(threads).saturating_mul(interval), interval);
        }
        match self.turns.back_mut() {
            Some(last) if last.interval < SHORTEST => last.add(&turn),
            _ => self.turns.push_back(turn),
        }
        if self.turns.len() > MOST {
            self.turns.pop_front();
        }
    }

    /// What the latest samples say, of at least so many seconds; nothing where there are not so many yet.
    pub(super) fn shape(&self, seconds: f64) -> Option<Shape> {
        let mut lasted = 0.0;
        let mut turns = Vec::new();
        for turn in self.turns.iter().rev() {
            if lasted >= seconds {
                break;
            }
            lasted += nanos(turn.interval);
            turns.push(*turn);
        }
        // The clock of samples is not exact: nine and a half seconds are ten.
        (lasted >= 0.95 * seconds).then(|| Shape::of(&turns))
    }

    /// How often work began in the latest samples, of at least so many seconds.
    pub(super) fn bursts(&self, seconds: f64) -> Option<Bursts> {
        let mut lasted = 0.0;
        let (mut count, mut rests) = (0, false);
        let mut work = Vec::new();
        for turn in &self.turns {
            lasted += nanos(turn.interval);
            let used = turn.used();
            if used >= ON {
                count += u32::from(rests);
                rests = false;
                work.push(*turn);
            } else if used < OFF {
                rests = true;
            }
        }
        if lasted < seconds {
            return None;
        }
        let used: f64 = work.iter().map(|turn| nanos(turn.user.saturating_add(turn.system))).sum();
        Some(Bursts { count, work: Shape::of(&work), processors: used / lasted, seconds: lasted })
    }
}

impl Turn {
    fn add(&mut self, other: &Self) {
        let Self { interval, user, system, waited, switches, transferred, threads } = self;
        let sum = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        sum(interval, other.interval);
        sum(user, other.user);
        sum(system, other.system);
        sum(waited, other.waited);
        for (to, more) in
            [(switches, other.switches), (transferred, other.transferred), (threads, other.threads)]
        {
            sum(&mut to.0, more.0);
            sum(&mut to.1, more.1);
        }
    }

    /// Processors that were used.
    fn used(&self) -> f64 {
        ratio(nanos(self.user.saturating_add(self.system)), nanos(self.interval))
    }

    /// Those and what was waited for.
    fn wanted(&self) -> f64 {
        self.used() + ratio(nanos(self.waited), nanos(self.interval))
    }
}

impl Shape {
    fn of(turns: &[Turn]) -> Self {
        let mut all = Turn::default();
        for turn in turns {
            all.add(turn);
        }
        let seconds = nanos(all.interval);
        let threads = ratio(nanos(all.threads.0), nanos(all.threads.1));
        let a_second = |amount: (u64, u64)| (amount.1 > 0).then(|| float(amount.0) / nanos(amount.1));
        let wanted: Vec<f64> = turns.iter().map(Turn::wanted).collect();
        Self {
            seconds,
            processors: all.used(),
            wanted: all.wanted(),
            user: ratio(nanos(all.user), nanos(all.user.saturating_add(all.system))),
            threads,
            switches: a_second(all.switches).map(|rate| rate / threads.max(1.0)),
            transferred: a_second(all.transferred).unwrap_or(0.0),
            least: wanted.iter().copied().reduce(f64::min).unwrap_or(0.0),
            variation: variation(&wanted),
        }
    }
}

/// Standard deviation over mean.
fn variation(values: &[f64]) -> f64 {
    let count = float(values.len().try_into().unwrap_or(u64::MAX));
    let mean = ratio(values.iter().sum(), count);
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum();
    ratio(ratio(squares, count).sqrt(), mean)
}

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

fn nanos(nanos: u64) -> f64 {
    float(nanos) / SECOND
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds of three months fit exactly, and thresholds are coarse"
)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
