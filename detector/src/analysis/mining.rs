//! `mining`: the verdict over all that speaks for and against it, by process tree.
//!
//! Other analyses and this one's own eyes give [`Signal`]s; `rules/weights/mining.yml` says what each weighs and why.

use super::{Around, Observation};
use crate::event::{Event, Look, Rounding};
use crate::network::Recognised;

mod signal;

pub(super) use signal::Mark;
pub(super) use signal::Signal;

/// What speaks for and against mining, by process.
#[derive(Debug, Default)]
pub(super) struct Mining {}

impl Mining {
    /// Takes an event: names and options, memory of RandomX, machine registers, provenance.
    pub(super) fn event(&mut self, _around: Around<'_>, _event: &Event, _signals: &mut Vec<Signal>) {}

    /// Takes what the bytes of a flow are: stratum, names of pools.
    pub(super) fn recognised(
        &mut self,
        _around: Around<'_>,
        _recognised: &Recognised,
        _signals: &mut Vec<Signal>,
    ) {
    }

    /// Takes what a busy process is made of.
    pub(super) fn look(&mut self, _around: Around<'_>, _look: &Look, _signals: &mut Vec<Signal>) {}

    /// Takes how a busy process rounds.
    pub(super) fn rounding(&mut self, _around: Around<'_>, _rounding: Rounding, _signals: &mut Vec<Signal>) {}

    /// Takes what another analysis saw.
    pub(super) fn observed(&mut self, _observation: &Observation, _signals: &mut Vec<Signal>) {}

    /// Weighs a signal with all others of its process tree; a verdict is appended to `out`.
    pub(super) fn signal(&mut self, _around: Around<'_>, _signal: Signal, _out: &mut Vec<Observation>) {}

    pub(super) fn dropped(&self) -> u64 {
        0
    }
}
