//! How far an agent's clock is from ours, from the calls that it tells.
//!
//! A message arrives after it was written, never before. So what lies between its own time and ours is the clocks'
//! difference and a delay, and the least of the last ones bounds the difference from above. Where calls are told as
//! they begin and end, the delay is short and the bound is close. Where whole calls arrive some time after their
//! end, as OTLP's batches do, it may be off by the time between two batches; then clocks are taken to agree, as on
//! one machine they do, wherever the bound leaves room for that.

use std::collections::VecDeque;

use crate::event::Nanos;

/// How many differences are looked at.
const SAMPLES: usize = 32;
/// How many it takes to know a clock that calls are told by live.
const ENOUGH: usize = 3;
/// For how long one counts, nanoseconds.
const WINDOW: u64 = 600_000_000_000;
/// Differences up to this are no skew: messages take a moment, and times are rounded.
pub(super) const SLACK: i64 = 500_000_000;
/// Longest that a call which is told after its end waits to be sent.
const LATEST: i64 = 15_000_000_000;
/// Agreement of so many new differences, all of them larger by this, means that the clock was set back.
const JUMP: i64 = 30_000_000_000;

/// Estimates the difference of two clocks.
#[derive(Debug, Default)]
pub(super) struct Skew {
    /// When each was received, and received less told, nanoseconds.
    samples: VecDeque<(Nanos, i64)>,
}

/// What to add to a time of the agent's clock to get one of ours, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offset {
    /// Most likely.
    pub(super) best: i64,
    /// At least.
    pub(super) low: i64,
    /// At most.
    pub(super) high: i64,
}

impl Skew {
    /// A message of this time was received at that one.
    pub(super) fn sample(&mut self, told: Nanos, received: Nanos) {
        self.samples.push_back((received, difference(received, told)));
        while self.samples.len() > SAMPLES
            || self.samples.front().is_some_and(|(at, _)| received.since(*at) > WINDOW)
        {
            self.samples.pop_front();
        }
        let recent = self.samples.iter().rev().take(ENOUGH).map(|(_, difference)| *difference);
        let (recent, count) = recent.fold((i64::MAX, 0), |(least, count), one| (least.min(one), count + 1));
        let least = self.least();
        if count == ENOUGH && recent.saturating_sub(least) > JUMP {
            let old = self.samples.len().saturating_sub(ENOUGH);
            self.samples.drain(..old);
        }
    }

    /// The estimate. `live` where calls are told as they begin and end.
    pub(super) fn offset(&self, live: bool) -> Offset {
        if self.samples.is_empty() {
            return Offset::default();
        }
        let bound = self.least();
        if bound.saturating_abs() <= SLACK {
            return Offset::default();
        }
        if live && self.samples.len() >= ENOUGH {
            return Offset { best: bound, low: bound, high: bound };
        }
        let low = bound.saturating_sub(LATEST);
        if low <= 0 && bound >= 0 {
            return Offset { best: 0, low: 0, high: bound };
        }
        Offset { best: bound, low, high: bound }
    }

    fn least(&self) -> i64 {
        self.samples.iter().map(|(_, difference)| *difference).min().unwrap_or(0)
    }
}

/// `one` less `other`, as far as it fits.
fn difference(one: Nanos, other: Nanos) -> i64 {
    let wide = i128::from(one.0) - i128::from(other.0);
    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
}

/// A time of the agent's clock by ours.
pub(super) fn shifted(time: Nanos, by: i64) -> Nanos {
    Nanos(time.0.saturating_add_signed(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Nanos {
        Nanos((1_000_000 * SECOND + seconds * SECOND).unsigned_abs())
    }

    fn skew(samples: &[(i64, i64)]) -> Skew {
        let mut skew = Skew::default();
        for (told, received) in samples {
            skew.sample(at(*told), at(*received));
        }
        skew
    }

    #[test]
    fn clocks_that_agree_have_no_skew() {
        assert_eq!(skew(&[(0, 0), (5, 5), (9, 10)]).offset(true), Offset::default());
        assert_eq!(Skew::default().offset(true), Offset::default());
    }

    #[test]
    fn a_live_clock_that_is_ahead_or_behind_is_known_by_its_least_difference() {
        let behind = skew(&[(0, 41), (10, 50), (20, 61)]).offset(true);
        assert_eq!(behind.best, 40 * SECOND);
        let ahead = skew(&[(100, 3), (110, 10), (120, 21)]).offset(true);
        assert_eq!(ahead.best, -100 * SECOND);
    }

    #[test]
    fn a_batch_that_comes_late_is_taken_for_late_where_that_is_possible() {
        let late = skew(&[(0, 5), (1, 5), (2, 5)]).offset(false);
        assert_eq!(late, Offset { best: 0, low: 0, high: 3 * SECOND });
        let wrong = skew(&[(0, 3600), (1, 3600), (2, 3600)]).offset(false);
        assert_eq!(wrong.best, 3598 * SECOND);
        assert_eq!(wrong.low, 3583 * SECOND);
    }

    #[test]
    fn a_clock_that_is_set_is_followed_in_both_directions() {
        let back = skew(&[(0, 0), (1, 1), (2, 2), (-3600, 3), (-3599, 4), (-3598, 5)]).offset(true);
        assert_eq!(back.best, 3603 * SECOND);
        let ahead = skew(&[(0, 0), (1, 1), (2, 2), (3600, 3)]).offset(true);
        assert_eq!(ahead.best, -3597 * SECOND);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let mut skew = Skew::default();
        for _ in 0..4 {
            skew.sample(Nanos(u64::MAX), Nanos(0));
            skew.sample(Nanos(0), Nanos(u64::MAX));
        }
        let Offset { low, .. } = skew.offset(false);
        assert_eq!(shifted(Nanos(5), low), Nanos(0));
        assert!(skew.samples.len() <= SAMPLES);
    }
}
