//! `mining`: the verdict over all that speaks for and against it, by process tree.
//!
//! Other analyses and this one's own eyes give [`Signal`]s; `rules/weights/mining.yml` says what each weighs and why.

use super::{Around, Observation};
use crate::event::{Event, Look, Rounding};
use crate::network::Recognised;
use crate::rules::weights::{Form, Table, Tables, numbers};

mod signal;

pub(crate) use signal::Mark;
pub(super) use signal::Signal;

numbers! {
    /// From how many points on it is what.
    struct Numbers {
        /// Points of `possible`.
        possible,
        /// Points of `likely`.
        likely,
        /// Points of `sure`.
        sure,
        /// Most points of weak marks.
        weak_most,
        /// Generations between processes of one family, at most.
        family,
        /// Share of looks that found another rounding mode.
        rounding_share,
        /// Looks before there is a share.
        rounding_looked,
    }
}

/// What `rules/weights/mining.yml` must say.
pub(super) const FORM: Form = Form { name: "mining", numbers: Numbers::NAMES, marks: Mark::ALL };

/// What speaks for and against mining, by process.
#[derive(Debug)]
pub(super) struct Mining {
    table: Table,
    numbers: Numbers,
}

impl Default for Mining {
    fn default() -> Self {
        let table = Tables::builtin().get(FORM);
        Self { numbers: Numbers::of(&table), table }
    }
}

impl Mining {
    /// Takes the weights to judge by from now on.
    pub(super) fn set_table(&mut self, tables: &Tables) {
        self.table = tables.get(FORM);
        self.numbers = Numbers::of(&self.table);
    }

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
