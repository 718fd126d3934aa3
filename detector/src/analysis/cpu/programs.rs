//! How often programs are started below a process: what builds and tests do, and miners do not.

use std::collections::VecDeque;

use super::super::kept::Kept;
use super::super::program;
use crate::event::ProcessId;
use crate::process::{Process, ProcessTable};

/// Most processes whose starts are counted.
const MOST: usize = 4_096;
/// Generations between a process and one that is started below it, at most.
const GENERATIONS: usize = 6;
/// For how many seconds a start counts.
const WINDOW: u64 = 60;
/// Most starts that are remembered of one process: more a minute is churn by any measure.
const MOST_STARTS: usize = 256;

/// When programs were started below processes, in nanoseconds of a clock that does not jump.
#[derive(Debug)]
pub(super) struct Programs(Kept<ProcessId, VecDeque<u64>>);

impl Default for Programs {
    fn default() -> Self {
        Self(Kept::new(MOST))
    }
}

impl Programs {
    /// A process executed a program: it counts for those above it of the same agent, as far as the next shell, whose
    /// other commands have nothing to do with each other.
    pub(super) fn started(&mut self, table: &ProcessTable, id: ProcessId, clock: u64) {
        for above in above(table, id) {
            if let Some(starts) = self.0.get_or_insert_with(above, VecDeque::new) {
                if starts.len() >= MOST_STARTS {
                    starts.pop_front();
                }
                starts.push_back(clock);
            }
        }
    }

    /// Programs that were started below a process, a second, over the last `seconds`.
    pub(super) fn below(&self, id: ProcessId, clock: u64, seconds: u64) -> f64 {
        let Some(starts) = self.0.get(&id) else { return 0.0 };
        let from = clock.saturating_sub(seconds.min(WINDOW) * 1_000_000_000);
        let count = starts.iter().rev().take_while(|start| **start >= from).count();
        super::series::float(count.try_into().unwrap_or(u64::MAX)) / super::series::float(seconds.max(1))
    }

    /// The same below that process or one above it that it works for.
    pub(super) fn around(&self, table: &ProcessTable, id: ProcessId, clock: u64) -> f64 {
        let those = std::iter::once(id).chain(above(table, id));
        those.map(|id| self.below(id, clock, WINDOW)).fold(0.0, f64::max)
    }

    pub(super) fn ended(&mut self, id: ProcessId) {
        self.0.remove(&id);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

/// The processes above one that it works for: of the same agent, and no shell.
fn above(table: &ProcessTable, id: ProcessId) -> impl Iterator<Item = ProcessId> {
    let agent = table.get(id).map(|process| process.agent);
    let is_shell = |process: &Process| process.exec.as_deref().is_some_and(program::is_shell);
    let of_it = move |process: &&Process| Some(process.agent) == agent && !is_shell(process);
    table.ancestors(id).take(GENERATIONS).take_while(of_it).map(|process| process.id)
}
