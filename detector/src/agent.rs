//! Agents: the control groups that are watched, and what they are called.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::event::{AgentId, CgroupId};

/// A watched agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its number in the kernel's maps.
    pub id: AgentId,
    /// Name from the configuration, or of the wrap.
    pub name: String,
    /// Its control group.
    pub cgroup: CgroupId,
    /// Path of that control group below the cgroup2 mount, with a leading slash.
    pub path: String,
}

/// Which control groups are agents, and where the programs that serve them are attached.
#[derive(Clone, Debug)]
pub struct Pattern {
    name: String,
    glob: GlobMatcher,
    place: Option<String>,
}

impl Pattern {
    /// A pattern over paths below the cgroup2 mount: `*` within one component, `**` across them.
    ///
    /// # Errors
    /// The glob is malformed.
    pub fn new(name: &str, glob: &str) -> Result<Self, globset::Error> {
        let glob = format!("/{}", glob.trim_start_matches('/'));
        let matcher = GlobBuilder::new(&glob).literal_separator(true).build()?.compile_matcher();
        Ok(Self { name: name.to_owned(), glob: matcher, place: fixed_parent(&glob) })
    }

    /// What agents of this pattern are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory whose children may match: where agents are born.
    fn nursery(&self) -> Option<&str> {
        let place = self.place.as_deref()?;
        let rest = self.glob.glob().glob().strip_prefix(place)?.strip_prefix('/')?;
        (!rest.contains('/')).then_some(place)
    }

    /// Whether the control group at `path` is an agent of this name.
    pub fn matches(&self, path: &str) -> bool {
        self.glob.is_match(path)
    }
}

/// The directory above the first component with a wildcard: all agents of the pattern lie below it, so
/// that programs attached there serve each of them. `None` where that would be the root.
fn fixed_parent(glob: &str) -> Option<String> {
    let first = glob.find(['*', '?', '[', '{'])?;
    let (parent, _) = glob.get(..first)?.rsplit_once('/')?;
    (!parent.is_empty()).then(|| parent.to_owned())
}

/// The agents that exist, and the patterns that make one.
#[derive(Debug, Default)]
pub struct Agents {
    patterns: Vec<Pattern>,
    live: BTreeMap<AgentId, Agent>,
    last: u32,
}

impl Agents {
    /// No agents yet.
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, ..Self::default() }
    }

    /// Other patterns count from now on; agents that exist stay.
    pub fn set_patterns(&mut self, patterns: Vec<Pattern>) {
        self.patterns = patterns;
    }

    /// The agents that exist.
    pub fn live(&self) -> impl Iterator<Item = &Agent> {
        self.live.values()
    }

    /// Whether agents are born in the control group at `path`.
    pub fn are_born_in(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.nursery() == Some(path))
    }

    /// Whether there is an agent of this number.
    pub fn knows(&self, agent: AgentId) -> bool {
        self.live.contains_key(&agent)
    }

    /// The agent that a control group is by its path, with the place for its programs; under the number
    /// that the kernel half gave it at birth, if it did. `None` where no pattern matches or the group
    /// belongs to an agent already.
    pub fn recognise(&mut self, cgroup: CgroupId, path: &str, born: AgentId) -> Option<(Agent, String)> {
        if self.live.values().any(|agent| agent.cgroup == cgroup || is_below(path, &agent.path)) {
            return None;
        }
        let pattern = self.patterns.iter().find(|pattern| pattern.matches(path))?;
        let place = pattern.place.clone().unwrap_or_else(|| path.to_owned());
        let name = pattern.name.clone();
        let id = if born == AgentId::NONE { self.next() } else { born };
        Some((self.insert(id, name, cgroup, path), place))
    }

    /// A new agent.
    pub fn add(&mut self, name: String, cgroup: CgroupId, path: &str) -> Agent {
        let id = self.next();
        self.insert(id, name, cgroup, path)
    }

    fn next(&mut self) -> AgentId {
        self.last += 1;
        AgentId(self.last)
    }

    fn insert(&mut self, id: AgentId, name: String, cgroup: CgroupId, path: &str) -> Agent {
        let agent = Agent { id, name, cgroup, path: path.to_owned() };
        self.live.insert(agent.id, agent.clone());
        agent
    }

    /// The agent whose own control group is gone.
    pub fn remove(&mut self, cgroup: CgroupId) -> Option<Agent> {
        let id = self.live.values().find(|agent| agent.cgroup == cgroup)?.id;
        self.live.remove(&id)
    }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_within_one_component() {
        let pattern = Pattern::new("coder", "/agents/coder-*").unwrap();
        assert!(pattern.matches("/agents/coder-1"));
        assert!(!pattern.matches("/agents/coder-1/child"));
        assert!(!pattern.matches("/agents/other"));
    }

    #[test]
    fn programs_are_attached_above_the_wildcard_but_never_at_the_root() {
        assert_eq!(fixed_parent("/agents/coder-*").as_deref(), Some("/agents"));
        assert_eq!(fixed_parent("/a/b/c*/d").as_deref(), Some("/a/b"));
        assert_eq!(fixed_parent("/coder-*"), None);
        assert_eq!(fixed_parent("/**/x.service"), None);
        assert_eq!(fixed_parent("/agents/one"), None);
    }

    #[test]
    fn agents_are_born_where_only_the_last_component_is_open() {
        let agents = |glob| Agents::new(vec![Pattern::new("a", glob).unwrap()]);
        assert!(agents("/agents/coder-*").are_born_in("/agents"));
        assert!(!agents("/agents/*/coder").are_born_in("/agents"));
        assert!(!agents("/coder-*").are_born_in("/"));
        assert!(!agents("/agents/one").are_born_in("/agents"));
    }

    #[test]
    fn the_number_given_at_birth_is_kept() {
        let mut agents = Agents::new(vec![Pattern::new("all", "/agents/*").unwrap()]);
        let born = AgentId(0x8000_0007);
        assert_eq!(agents.recognise(CgroupId(1), "/agents/a", born).map(|(agent, _)| agent.id), Some(born));
        assert!(agents.knows(born) && !agents.knows(AgentId(1)));
    }

    #[test]
    fn a_group_below_an_agent_is_no_agent_of_its_own() {
        let mut agents = Agents::new(vec![Pattern::new("all", "/agents/**").unwrap()]);
        let (agent, place) = agents.recognise(CgroupId(1), "/agents/a", AgentId::NONE).unwrap();
        assert_eq!((agent.id, place.as_str()), (AgentId(1), "/agents"));
        assert_eq!(agents.recognise(CgroupId(2), "/agents/a/child", AgentId::NONE), None);
        assert!(agents.recognise(CgroupId(3), "/agents/ab", AgentId::NONE).is_some());
        assert_eq!(agents.remove(CgroupId(1)).map(|agent| agent.id), Some(AgentId(1)));
    }
}
