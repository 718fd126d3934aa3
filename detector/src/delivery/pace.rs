//! How fast: waits after failures, messages a minute, updates of one incident.

use std::time::{Duration, Instant};

/// The first wait after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(300);
/// The least wait that a server can ask for.
const LEAST: Duration = Duration::from_millis(100);
/// Waits between messages about one incident.
const SPACING: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
/// Most messages that may go at once where there is a rate.
const BURST: f64 = 20.0;

/// How long a sink is left alone after so many failures in a row; `chance` in 0..1 spreads sinks that failed together.
/// What the sink asks for counts, and is never undercut.
pub(super) fn backoff(failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    match asked {
        Some(asked) => asked.max(LEAST).mul_f64(1.0 + 0.1 * chance),
        None => {
            let doubled =
                FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
            doubled.min(LONGEST).mul_f64(0.8 + 0.4 * chance)
        }
    }
}

/// A number in 0..1 that nobody can tell before.
pub(super) fn chance() -> f64 {
    let random = u32::try_from(ulid::Ulid::new().random() & u128::from(u32::MAX)).unwrap_or(0);
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

/// How long after a message about an incident the next one goes, where so many went before it.
pub(super) fn spacing(messages: u32) -> Duration {
    let at = usize::try_from(messages).unwrap_or(usize::MAX).min(SPACING.len() - 1);
    SPACING.get(at).copied().unwrap_or(LONGEST)
}

/// Messages a minute, as a bucket of tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Tokens a second; none is no limit.
    rate: Option<f64>,
    most: f64,
    tokens: f64,
    last: Instant,
}

impl Bucket {
    pub(super) fn new(per_minute: Option<u32>, now: Instant) -> Self {
        let rate = per_minute.map(|rate| f64::from(rate) / 60.0);
        let most = per_minute.map_or(BURST, |rate| (f64::from(rate) / 3.0).clamp(1.0, BURST));
        Self { rate, most, tokens: most, last: now }
    }

    /// How many messages may go now.
    pub(super) fn available(&mut self, now: Instant) -> u32 {
        let Some(rate) = self.rate else { return u32::MAX };
        let past = now.saturating_duration_since(self.last);
        self.last = now;
        self.tokens = (self.tokens + past.as_secs_f64() * rate).min(self.most);
        // Between 0 and 20.
        (1..=20).take_while(|count| f64::from(*count) <= self.tokens).count() as u32
    }

    /// One has gone.
    pub(super) fn take(&mut self) {
        if self.rate.is_some() {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
    }

    /// How long until one may go.
    pub(super) fn wait(&self) -> Duration {
        match self.rate {
            Some(rate) if rate > 0.0 => {
                Duration::from_secs_f64(((1.0 - self.tokens) / rate).clamp(0.001, 3_600.0))
            }
            Some(_) | None => Duration::from_millis(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_are_spread() {
        let seconds: Vec<u64> = (1..=10).map(|failures| backoff(failures, None, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff(u32::MAX, None, 0.5), LONGEST);
        assert_eq!(backoff(1, None, 0.0), Duration::from_millis(800));
        assert!(backoff(1, None, 0.999) < Duration::from_millis(1_200));
        for _ in 0..100 {
            assert!((0.0..1.0).contains(&chance()));
        }
    }

    #[test]
    fn what_a_server_asks_for_is_never_undercut() {
        assert_eq!(backoff(9, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7));
        assert!(backoff(9, Some(Duration::from_secs(7)), 0.999) < Duration::from_secs(8));
        assert_eq!(backoff(1, Some(Duration::ZERO), 0.0), LEAST);
    }

    #[test]
    fn updates_of_an_incident_grow_rarer() {
        let seconds: Vec<u64> = (0..6).map(|messages| spacing(messages).as_secs()).collect();
        assert_eq!(seconds, [5, 30, 120, 600, 600, 600]);
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(60), start);
        assert_eq!(bucket.available(start), 20);
        for _ in 0..20 {
            bucket.take();
        }
        assert_eq!(bucket.available(start), 0);
        assert!((0.9..=1.0).contains(&bucket.wait().as_secs_f64()));
        assert_eq!(bucket.available(start + Duration::from_millis(3_500)), 3);
        assert_eq!(bucket.available(start + Duration::from_secs(600)), 20);
        assert_eq!(Bucket::new(Some(2), start).available(start), 1);
        assert_eq!(Bucket::new(None, start).available(start), u32::MAX);
    }
}
