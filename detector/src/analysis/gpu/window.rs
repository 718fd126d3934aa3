//! The last readings of a process on a device, and what they have in common.

use std::collections::VecDeque;

use crate::event::{GpuDevice, GpuProcess, GpuSample, Nanos};

/// Most readings that are kept.
const MOST: usize = 64;
/// How long a reading is kept where there are enough younger ones, in nanoseconds.
const LONG: u64 = 30_000_000_000;
/// Readings that are kept however old they are.
const LEAST: usize = 10;
/// Shortest time between two readings that are kept, in nanoseconds.
const APART: u64 = 450_000_000;
/// A silence of so many times the interval, and of so long, ends a window.
const SILENT: u64 = 5;
const SILENCE: u64 = 10_000_000_000;

/// What was measured at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) time: Nanos,
    /// Nanoseconds since the sample before.
    interval: u64,
    /// Percent of the multiprocessors that the process used; of the device, where it is there alone.
    pub(super) busy: Option<f64>,
    /// Percent of the memory controller of the device.
    pub(super) controller: Option<f64>,
    /// Watts of the device, over the interval where energy is counted.
    pub(super) power: Option<f64>,
    /// Bytes a second over PCIe.
    pub(super) traffic: Option<f64>,
    /// Bytes that the process holds.
    pub(super) memory: Option<f64>,
    /// Clock of the memory as a share of the highest.
    pub(super) clock: Option<f64>,
}

impl Reading {
    pub(super) fn of(sample: &GpuSample, device: &GpuDevice, process: &GpuProcess, alone: bool) -> Self {
        let seconds = sample.interval as f64 / 1e9;
        let mean = device.energy.filter(|_| seconds > 0.0).map(|energy| energy as f64 / 1e3 / seconds);
        let whole = |share: Option<u32>| share.map(f64::from);
        let of_device = whole(device.utilization).filter(|_| alone);
        Self {
            time: sample.time,
            interval: sample.interval,
            busy: whole(process.sm).or(of_device),
            controller: whole(device.memory_utilization).or(whole(process.memory_utilization)),
            power: mean.or(device.power.map(|power| f64::from(power) / 1e3)),
            traffic: device
                .pcie_received
                .zip(device.pcie_sent)
                .map(|(received, sent)| received.saturating_add(sent) as f64),
            memory: process.memory.or(device.memory_used.filter(|_| alone)).map(|memory| memory as f64),
            clock: device
                .memory_clock
                .zip(device.memory_clock_max.filter(|most| *most > 0))
                .map(|(clock, most)| f64::from(clock) / f64::from(most)),
        }
    }
}

/// Readings, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    readings: VecDeque<Reading>,
    last: Nanos,
}

impl Window {
    pub(super) fn push(&mut self, reading: Reading) {
        let silence = reading.time.since(self.last);
        if silence > SILENCE.max(reading.interval.saturating_mul(SILENT)) || reading.time < self.last {
            self.readings.clear();
        }
        self.last = reading.time;
        if self.readings.back().is_some_and(|last| reading.time.since(last.time) < APART) {
            return;
        }
        let old = |first: &Reading| reading.time.since(first.time) > LONG;
        while self.readings.len() >= MOST
            || self.readings.len() > LEAST && self.readings.front().is_some_and(old)
        {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    /// When the last reading came.
    pub(super) fn last(&self) -> Nanos {
        self.last
    }

    pub(super) fn len(&self) -> usize {
        self.readings.len()
    }

    /// Seconds from the first reading to the last.
    pub(super) fn seconds(&self) -> f64 {
        let ends = self.readings.front().zip(self.readings.back());
        ends.map_or(0.0, |(first, last)| last.time.since(first.time) as f64 / 1e9)
    }

    /// What was measured, in order of size; `None` where most readings lack it.
    pub(super) fn sorted(&self, of: impl Fn(&Reading) -> Option<f64>) -> Option<Sorted> {
        let mut values: Vec<f64> = self.readings.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty() && 2 * values.len() >= self.readings.len()).then_some(Sorted(values))
    }
}

/// Values from the least to the most; never empty.
#[derive(Debug)]
pub(super) struct Sorted(Vec<f64>);

impl Sorted {
    /// The value below which so large a share lies.
    pub(super) fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        // Rounded, and within the list.
        let place = (share * last as f64).round() as usize;
        self.0.get(place.min(last)).copied().unwrap_or(0.0)
    }

    pub(super) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// Share of values of which something is true.
    pub(super) fn share(&self, is: impl Fn(f64) -> bool) -> f64 {
        self.0.iter().filter(|value| is(**value)).count() as f64 / self.0.len().max(1) as f64
    }

    /// How far apart the tenth and the ninetieth percentile are, as a share of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.at(0.9) - self.at(0.1)) / self.median().max(f64::MIN_POSITIVE)
    }

    /// How far apart the least and the most are, as a share of the most.
    pub(super) fn change(&self) -> f64 {
        (self.at(1.0) - self.at(0.0)) / self.at(1.0).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, busy: f64) -> Reading {
        let time = Nanos((100 + seconds) * 1_000_000_000);
        Reading { time, interval: 1_000_000_000, busy: Some(busy), ..Reading::default() }
    }

    #[test]
    fn a_window_is_bounded_and_a_silence_ends_it() {
        let mut window = Window::default();
        (0..10_000).for_each(|second| window.push(at(second, 1.0)));
        assert!(window.len() <= MOST && window.seconds() >= 29.0, "{} {}", window.len(), window.seconds());
        window.push(at(10_030, 1.0));
        assert_eq!(window.len(), 1);
        window.push(at(5, 1.0));
        assert_eq!(window.len(), 1, "a clock that goes back begins anew");
    }

    #[test]
    fn readings_far_apart_are_kept_until_there_are_enough() {
        let mut window = Window::default();
        (0..20).for_each(|turn| {
            let mut reading = at(turn * 30, 1.0);
            reading.interval = 30_000_000_000;
            window.push(reading);
        });
        assert!(window.len() >= LEAST, "{}", window.len());
    }

    #[test]
    fn what_most_readings_lack_is_not_known() {
        let mut window = Window::default();
        (0..10).for_each(|second| window.push(at(second, f64::from(u32::try_from(second).unwrap()))));
        let busy = window.sorted(|reading| reading.busy).unwrap();
        assert_eq!((busy.median(), busy.at(0.0), busy.at(1.0)), (5.0, 0.0, 9.0));
        assert!(window.sorted(|reading| reading.power).is_none());
    }
}
