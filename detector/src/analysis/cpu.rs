//! What processes and agents do with the processors, over seconds and over hours.

use super::mining::Signal;
use super::{Around, Observation};
use crate::event::{CpuSample, Event};

/// What is known of the use of processors.
#[derive(Debug, Default)]
pub(super) struct Cpu {}

impl Cpu {
    /// Takes an event: forks, execs and exits say what a process tree does beside computing.
    pub(super) fn event(&mut self, _around: Around<'_>, _event: &Event, _signals: &mut Vec<Signal>) {}

    /// Takes a sample.
    pub(super) fn sample(
        &mut self,
        _around: Around<'_>,
        _sample: &CpuSample,
        _signals: &mut Vec<Signal>,
        _out: &mut Vec<Observation>,
    ) {
    }

    pub(super) fn dropped(&self) -> u64 {
        0
    }
}
