//! Alerts that belong to one story become one incident that grows.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use xxhash_rust::xxh3::Xxh3;

use super::{AgentRef, Alert, Level};
use crate::event::{AgentId, Nanos, ProcessId};

/// What ties an alert to a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tie {
    /// What one process tree of an agent does: the agent, and its topmost process above the one that acted. Also the
    /// tree that wrote what another one runs, and the process itself, which may outlive those above it.
    Tree {
        /// The agent.
        agent: AgentId,
        /// The process.
        root: ProcessId,
    },
    /// What is done in one tool call, whichever trees it makes.
    Call {
        /// The agent.
        agent: AgentId,
        /// Hash of the call's id.
        call: u64,
    },
    /// What a task declares: it stays out of the stories of what none does.
    Declared {
        /// The agent.
        agent: AgentId,
        /// Its topmost process.
        root: ProcessId,
    },
    /// What is about no process: losses, tampering.
    Rule {
        /// The agent, if it is about one.
        agent: AgentId,
        /// Hash of the rule's id.
        rule: u64,
    },
}

/// How long stories stay open, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nanoseconds without an alert after which a story is over.
    pub quiet: u64,
    /// Nanoseconds after which it is over in any case.
    pub longest: u64,
    /// Most stories open at once; the one that opened first goes.
    pub stories: usize,
    /// Most ties of one story that are remembered.
    pub ties: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { quiet: 15 * 60 * 1_000_000_000, longest: 6 * 3_600 * 1_000_000_000, stories: 4_096, ties: 64 }
    }
}

/// The open stories.
#[derive(Debug, Default)]
pub struct Incidents {
    limits: Limits,
    /// By number, so that the one that opened first is the first.
    open: BTreeMap<u64, Open>,
    ties: HashMap<Tie, u64>,
    opened: u64,
}

#[derive(Debug)]
struct Open {
    id: String,
    began: Nanos,
    last: Nanos,
    ties: Vec<Tie>,
}

impl Incidents {
    /// The incident that an alert belongs to: the first open one that one of its ties leads to, or a new one. Every
    /// tie leads there from then on, unless it led elsewhere. The same input gives the same id.
    pub fn place(&mut self, ties: &[Tie], now: Nanos) -> String {
        let known = ties.iter().find_map(|tie| self.leads_to(tie, now));
        let number = known.unwrap_or_else(|| {
            self.opened += 1;
            let id = ties.first().map(|tie| id(tie, now)).unwrap_or_default();
            self.open.insert(self.opened, Open { id, began: now, last: now, ties: Vec::new() });
            self.opened
        });
        for tie in ties {
            if self.leads_to(tie, now).is_none()
                && let Some(open) = self.open.get_mut(&number)
                && open.ties.len() < self.limits.ties
            {
                open.ties.push(*tie);
                self.ties.insert(*tie, number);
            }
        }
        while self.open.len() > self.limits.stories {
            let Some((oldest, open)) = self.open.pop_first() else { break };
            for tie in open.ties {
                if self.ties.get(&tie) == Some(&oldest) {
                    self.ties.remove(&tie);
                }
            }
        }
        let Some(open) = self.open.get_mut(&number) else { return String::new() };
        open.last = now;
        open.id.clone()
    }

    fn leads_to(&self, tie: &Tie, now: Nanos) -> Option<u64> {
        let number = *self.ties.get(tie)?;
        let open = self.open.get(&number)?;
        let is_open = now.since(open.last) < self.limits.quiet && now.since(open.began) < self.limits.longest;
        is_open.then_some(number)
    }
}

fn id(tie: &Tie, now: Nanos) -> String {
    let mut hash = Xxh3::new();
    let mut add = |kind: &[u8], agent: AgentId, root: ProcessId, number: u64| {
        hash.update(&agent.0.to_le_bytes());
        hash.update(&root.pid.to_le_bytes());
        hash.update(&root.start.0.to_le_bytes());
        hash.update(kind);
        if number != 0 {
            hash.update(&number.to_le_bytes());
        }
    };
    match tie {
        Tie::Tree { agent, root } => add(b"", *agent, *root, 0),
        Tie::Call { agent, call } => add(b"call", *agent, ProcessId::default(), *call),
        Tie::Declared { agent, root } => add(b"declared", *agent, *root, 0),
        Tie::Rule { agent, rule } => add(b"rule", *agent, ProcessId::default(), *rule),
    }
    Ulid::from_parts(now.0 / 1_000_000, hash.digest128()).to_string()
}

/// An incident as far as it has grown, as the store knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// ULID.
    pub id: String,
    /// How often it has changed; from 1.
    pub revision: u64,
    /// Host name.
    pub host: String,
    /// The highest level of its alerts.
    pub level: Level,
    /// RFC 3339: the first alert.
    pub began: String,
    /// RFC 3339: the last one.
    pub last: String,
    /// Which agent; absent for findings about the sensor itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// Its alerts, oldest first; of very many the first, the gravest and the last.
    pub alerts: Vec<Alert>,
    /// How many alerts it has.
    pub total: u64,
    /// How many findings: repeats are counted.
    pub findings: u64,
    /// Who acknowledged it, and when (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ticks;

    const SECOND: u64 = 1_000_000_000;

    fn tree(pid: u32) -> Tie {
        Tie::Tree { agent: AgentId(1), root: ProcessId { pid, start: Ticks(1) } }
    }

    #[test]
    fn a_story_goes_on_until_it_is_quiet_or_too_long() {
        let mut incidents = Incidents::default();
        let first = incidents.place(&[tree(1)], Nanos(SECOND));
        assert_eq!(incidents.place(&[tree(1)], Nanos(800 * SECOND)), first);
        assert_ne!(incidents.place(&[tree(2)], Nanos(800 * SECOND)), first);
        assert_ne!(incidents.place(&[tree(1)], Nanos(1_701 * SECOND)), first);
        let long = incidents.place(&[tree(3)], Nanos(0));
        for minute in 1..360 {
            assert_eq!(incidents.place(&[tree(3)], Nanos(minute * 60 * SECOND)), long);
        }
        assert_ne!(incidents.place(&[tree(3)], Nanos(360 * 60 * SECOND)), long);
    }

    #[test]
    fn one_tie_is_enough_and_brings_the_others_along() {
        let mut incidents = Incidents::default();
        let call = Tie::Call { agent: AgentId(1), call: 7 };
        let first = incidents.place(&[tree(1), call], Nanos(SECOND));
        assert_eq!(incidents.place(&[tree(2), call], Nanos(2 * SECOND)), first);
        assert_eq!(incidents.place(&[tree(2)], Nanos(3 * SECOND)), first);
        // What a third tree runs, the second one wrote.
        assert_eq!(incidents.place(&[tree(3), tree(2)], Nanos(4 * SECOND)), first);
        let declared = Tie::Declared { agent: AgentId(1), root: ProcessId { pid: 1, start: Ticks(1) } };
        assert_ne!(incidents.place(&[declared], Nanos(5 * SECOND)), first);
        let rule = |rule| Tie::Rule { agent: AgentId::NONE, rule };
        let loss = incidents.place(&[rule(1)], Nanos(5 * SECOND));
        assert_ne!(incidents.place(&[rule(2)], Nanos(5 * SECOND)), loss);
        assert_eq!(incidents.place(&[rule(1)], Nanos(6 * SECOND)), loss);
    }

    #[test]
    fn stories_and_their_ties_are_bounded() {
        let mut incidents = Incidents::default();
        for pid in 0..10_000 {
            incidents.place(&[tree(pid), tree(pid + 100_000)], Nanos(u64::from(pid)));
        }
        assert_eq!(incidents.open.len(), Limits::default().stories);
        assert!(incidents.ties.len() <= 2 * Limits::default().stories);
        let call = Tie::Call { agent: AgentId(1), call: 7 };
        for pid in 0..1_000 {
            incidents.place(&[tree(1_000_000 + pid), call], Nanos(20_000));
        }
        let most = incidents.open.values().map(|open| open.ties.len()).max();
        assert_eq!(most, Some(Limits::default().ties));
    }
}
