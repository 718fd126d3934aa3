//! A sum over the last hour, by minutes: of time on processors, or of anything else that adds up.

/// Minutes of an hour.
const MINUTES: usize = 60;
/// Nanoseconds of a minute.
const MINUTE: u64 = 60_000_000_000;

/// What was added in each of the last sixty minutes, by a clock that does not jump.
#[derive(Clone, Debug)]
pub(super) struct Hour {
    minutes: [u64; MINUTES],
    /// The minute of the newest entry, counted from when the clock began.
    now: u64,
}

impl Hour {
    pub(super) fn new() -> Self {
        Self { minutes: [0; MINUTES], now: 0 }
    }

    /// Adds an amount at a time in nanoseconds.
    pub(super) fn add(&mut self, time: u64, amount: u64) {
        self.turn(time);
        if let Some(minute) = self.minutes.get_mut(place(self.now)) {
            *minute = minute.saturating_add(amount);
        }
    }

    /// The sum of the last hour.
    pub(super) fn sum(&mut self, time: u64) -> u64 {
        self.turn(time);
        self.minutes.iter().fold(0, |sum, minute| sum.saturating_add(*minute))
    }

    /// Forgets what is older than an hour.
    fn turn(&mut self, time: u64) {
        let minute = (time / MINUTE).max(self.now);
        let passed = usize::try_from(minute - self.now).unwrap_or(MINUTES).min(MINUTES);
        for step in 0..passed {
            let old = place(minute - u64::try_from(step).unwrap_or(0));
            if let Some(old) = self.minutes.get_mut(old) {
                *old = 0;
            }
        }
        self.now = minute;
    }
}

fn place(minute: u64) -> usize {
    usize::try_from(minute % 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let mut hour = Hour::new();
        for minute in 0..120 {
            hour.add(minute * MINUTE, 10);
        }
        assert_eq!(hour.sum(119 * MINUTE), 600);
        assert_eq!(hour.sum(149 * MINUTE), 300);
        hour.add(149 * MINUTE, u64::MAX);
        assert_eq!(hour.sum(149 * MINUTE), u64::MAX);
        assert_eq!(hour.sum(1_000 * MINUTE), 0);
    }

    #[test]
    fn a_clock_that_goes_back_counts_as_standing_still() {
        let mut hour = Hour::new();
        hour.add(10 * MINUTE, 1);
        hour.add(0, 1);
        assert_eq!(hour.sum(5 * MINUTE), 2);
    }
}
