//! What was seen of processes that speaks for mining or against it: bounded, forgotten when it no longer counts.

use std::collections::BTreeMap;

use super::super::kept::Kept;
use super::Mark;
use super::verdict::{Rank, Weights};
use crate::alert::Level;
use crate::event::{AgentId, Nanos, ProcessId};
use crate::process::ProcessTable;

/// Most agents, and most processes of one, of which anything is known.
const MAX_AGENTS: usize = 1_024;
pub(super) const MAX_OF_AGENT: usize = 64;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// When last.
    pub(super) time: Nanos,
    /// The fact as a sentence.
    pub(super) text: Box<str>,
    /// Level of the alert that a rule gave for it, where it was a rule that saw it.
    pub(super) alerted: Option<Level>,
}

/// What was seen of one process.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) process: ProcessId,
    /// Who made it, the next first, as far as a family goes.
    pub(super) above: Vec<ProcessId>,
    pub(super) marks: BTreeMap<Mark, Seen>,
    /// The certainty that was told already.
    pub(super) told: Option<Rank>,
}

impl Known {
    /// Whether one of two processes made the other, within the generations of a family.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        let is_above = |one: &Self, other: &Self| other.above.contains(&one.process);
        self.process == other.process || is_above(self, other) || is_above(other, self)
    }

    /// Whether the process itself computes.
    pub(super) fn computes(&self) -> bool {
        self.marks.keys().any(|mark| mark.computes())
    }

    /// What is lost if this one goes: points first, then how new it is.
    fn worth(&self, weights: &Weights) -> (bool, i32, Nanos) {
        let points =
            self.marks.keys().filter_map(|mark| weights.weight(*mark)).map(|weight| weight.weight).sum();
        let latest = self.marks.values().map(|seen| seen.time).max().unwrap_or(Nanos(0));
        (self.told.is_some(), points, latest)
    }
}

/// All of it, by agent.
#[derive(Debug)]
pub(super) struct Evidence {
    agents: Kept<AgentId, Vec<Known>>,
    dropped: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { agents: Kept::new(MAX_AGENTS), dropped: 0 }
    }
}

impl Evidence {
    /// Adds what was seen. Whether that is more than a later time of what was known.
    pub(super) fn add(
        &mut self,
        weights: &Weights,
        processes: &ProcessTable,
        agent: AgentId,
        (process, mark, seen): (ProcessId, Mark, Seen),
    ) -> bool {
        let Some(all) = self.agents.get_or_insert_with(agent, Vec::new) else { return false };
        if let Some(known) = all.iter_mut().find(|known| known.process == process) {
            return match known.marks.get_mut(&mark) {
                Some(before) => {
                    let time = before.time.max(seen.time);
                    let alerted = before.alerted.max(seen.alerted);
                    *before = Seen { time, alerted, ..seen };
                    false
                }
                None => {
                    known.above = weights.family_of(processes, process);
                    known.marks.insert(mark, seen).is_none()
                }
            };
        }
        if all.len() >= MAX_OF_AGENT {
            self.dropped = self.dropped.saturating_add(1);
            let least =
                all.iter().enumerate().min_by_key(|(_, known)| known.worth(weights)).map(|(at, _)| at);
            if let Some(at) = least {
                all.swap_remove(at);
            }
        }
        let above = weights.family_of(processes, process);
        all.push(Known { process, above, marks: BTreeMap::from([(mark, seen)]), told: None });
        true
    }

    /// Takes back what no longer holds.
    pub(super) fn remove(&mut self, agent: AgentId, process: ProcessId, mark: Mark) {
        let all = self.agents.get_mut(&agent).into_iter().flatten();
        for known in all.filter(|known| known.process == process) {
            known.marks.remove(&mark);
        }
    }

    /// What is known of the processes of an agent.
    pub(super) fn of(&self, agent: AgentId) -> &[Known] {
        self.agents.get(&agent).map_or(&[], Vec::as_slice)
    }

    /// Remembers that a certainty was told of a process.
    pub(super) fn told(&mut self, agent: AgentId, process: ProcessId, rank: Rank) {
        let all = self.agents.get_mut(&agent).into_iter().flatten();
        for known in all.filter(|known| known.process == process) {
            known.told = known.told.max(Some(rank));
        }
    }

    /// Forgets what no longer counts; gives the agents of which something is still known.
    pub(super) fn expire(&mut self, table: &Weights, now: Nanos) -> Vec<AgentId> {
        let counts =
            |mark: Mark, seen: &Seen| table.weight(mark).is_some_and(|weight| weight.counts(seen.time, now));
        let agents: Vec<AgentId> = self.agents.keys().collect();
        for agent in &agents {
            let Some(all) = self.agents.get_mut(agent) else { continue };
            for known in &mut *all {
                known.marks.retain(|mark, seen| counts(*mark, seen));
            }
            all.retain(|known| !known.marks.is_empty());
            if all.is_empty() {
                self.agents.remove(agent);
            }
        }
        agents.into_iter().filter(|agent| self.agents.get(agent).is_some()).collect()
    }

    /// Processes that had to make room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.saturating_add(self.agents.dropped())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.agents.keys().map(|agent| self.of(agent).len()).sum()
    }
}
