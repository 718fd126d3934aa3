//! What control groups and agents are called, remembered a little longer than they exist.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::agent::Agent;
use crate::event::{AgentId, CgroupId};
use crate::process::{ProcessTable, container};

/// How many removed control groups and agents are remembered for late events.
const REMEMBERED: usize = 1_024;

/// Most control groups known at once.
const MAX_CGROUPS: usize = 131_072;

/// A control group, with what its path says.
#[derive(Debug)]
pub(super) struct Cgroup {
    pub(super) path: Box<str>,
    pub(super) container: Option<Box<str>>,
    pub(super) pod: Option<Box<str>>,
    removed: bool,
}

/// Control groups by id.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    known: HashMap<CgroupId, Cgroup>,
    removed: VecDeque<CgroupId>,
    dropped: u64,
}

impl Cgroups {
    pub(super) fn get(&self, id: CgroupId) -> Option<&Cgroup> {
        self.known.get(&id)
    }

    pub(super) fn insert(&mut self, id: CgroupId, path: &str) {
        if id == CgroupId(0) {
            return;
        }
        if let Some(known) = self.known.get_mut(&id)
            && *known.path == *path
        {
            known.removed = false;
            return;
        }
        if self.known.len() >= MAX_CGROUPS && !self.known.contains_key(&id) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let found = container::of(path).unwrap_or_default();
        let cgroup = Cgroup {
            path: path.into(),
            container: found.id.map(String::into_boxed_str),
            pod: found.pod.map(String::into_boxed_str),
            removed: false,
        };
        self.known.insert(id, cgroup);
    }

    pub(super) fn remove(&mut self, id: CgroupId) {
        let Some(cgroup) = self.known.get_mut(&id) else { return };
        if std::mem::replace(&mut cgroup.removed, true) {
            return;
        }
        self.removed.push_back(id);
        if self.removed.len() > REMEMBERED
            && let Some(oldest) = self.removed.pop_front()
            && self.known.get(&oldest).is_some_and(|cgroup| cgroup.removed)
        {
            self.known.remove(&oldest);
        }
    }

    /// Control groups that are not known because too many are.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Agents by number, with the events of each that were lost.
#[derive(Debug, Default)]
pub(super) struct Agents {
    known: HashMap<AgentId, Watched>,
    removed: VecDeque<AgentId>,
    /// Lost events that nobody can say the agent of: they may be anybody's.
    lost: u64,
}

#[derive(Debug)]
struct Watched {
    name: Box<str>,
    lost: u64,
    removed: bool,
}

impl Agents {
    pub(super) fn name(&self, id: AgentId) -> Option<&str> {
        self.known.get(&id).map(|agent| &*agent.name)
    }

    /// How many processes of each agent live, by its name.
    pub(super) fn living(&self, table: &ProcessTable) -> HashMap<Box<str>, u32> {
        let mut living = HashMap::new();
        for process in table.iter().filter(|process| process.ended.is_none()) {
            if let Some(agent) = self.known.get(&process.agent) {
                *living.entry_ref(&*agent.name).or_default() += 1;
            }
        }
        living
    }

    pub(super) fn insert(&mut self, agent: &Agent) {
        let watched = Watched { name: agent.name.as_str().into(), lost: 0, removed: false };
        self.known.insert(agent.id, watched);
    }

    pub(super) fn remove(&mut self, id: AgentId) {
        let Some(agent) = self.known.get_mut(&id) else { return };
        if std::mem::replace(&mut agent.removed, true) {
            return;
        }
        self.removed.push_back(id);
        if self.removed.len() > REMEMBERED
            && let Some(oldest) = self.removed.pop_front()
            && self.known.get(&oldest).is_some_and(|agent| agent.removed)
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn add_lost(&mut self, id: AgentId, count: u64) {
        let total = self.known.get_mut(&id).map_or(&mut self.lost, |agent| &mut agent.lost);
        *total = total.saturating_add(count);
    }

    /// Events of this agent that were lost since the start.
    pub(super) fn lost(&self, id: AgentId) -> u64 {
        self.known.get(&id).map_or(0, |agent| agent.lost).saturating_add(self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_control_groups_are_remembered_for_late_events_and_not_for_ever() {
        let mut cgroups = Cgroups::default();
        for id in 1..=3_000 {
            cgroups.insert(CgroupId(id), "/agents/a");
            cgroups.remove(CgroupId(id));
            cgroups.remove(CgroupId(id));
        }
        assert_eq!(cgroups.known.len(), REMEMBERED);
        assert!(cgroups.get(CgroupId(3_000)).is_some());
        assert!(cgroups.get(CgroupId(1)).is_none());
    }

    #[test]
    fn a_loss_that_no_agent_can_be_named_for_counts_for_all() {
        let mut agents = Agents::default();
        let agent = |id| Agent { id: AgentId(id), name: "a".into(), cgroup: CgroupId(1), path: "/a".into() };
        agents.insert(&agent(1));
        agents.insert(&agent(2));
        agents.add_lost(AgentId(1), 5);
        agents.add_lost(AgentId::NONE, 2);
        assert_eq!((agents.lost(AgentId(1)), agents.lost(AgentId(2))), (7, 2));
    }
}
