//! What processes do with GPUs, and whether anybody asked for it.

use super::mining::Signal;
use super::{Around, Observation};
use crate::event::GpuSample;

/// What is known of the use of GPUs.
#[derive(Debug, Default)]
pub(super) struct Gpu {}

impl Gpu {
    /// Takes a sample.
    pub(super) fn sample(
        &mut self,
        _around: Around<'_>,
        _sample: &GpuSample,
        _signals: &mut Vec<Signal>,
        _out: &mut Vec<Observation>,
    ) {
    }

    /// Lets time pass: what no sample came for is forgotten.
    pub(super) fn tick(&mut self, _around: Around<'_>) {}

    pub(super) fn dropped(&self) -> u64 {
        0
    }
}
