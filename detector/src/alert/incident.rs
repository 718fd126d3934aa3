//! Alerts that belong to one story become one incident that grows.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use xxhash_rust::xxh3::Xxh3;

use super::{AgentRef, Alert, Level};
use crate::event::{AgentId, Nanos, ProcessId};

/// What belongs together: what one process tree of an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Story {
    /// The agent.
    pub agent: AgentId,
    /// Topmost process of that agent above the one that acted.
    pub root: ProcessId,
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
}

impl Default for Limits {
    fn default() -> Self {
        Self { quiet: 15 * 60 * 1_000_000_000, longest: 6 * 3_600 * 1_000_000_000, stories: 4_096 }
    }
}

/// The open stories.
#[derive(Debug, Default)]
pub struct Incidents {
    limits: Limits,
    open: HashMap<Story, Open>,
    order: VecDeque<(Story, Nanos)>,
}

#[derive(Debug)]
struct Open {
    id: String,
    began: Nanos,
    last: Nanos,
}

impl Incidents {
    /// The incident that an alert of this story belongs to: an open one, or a new one. The same input gives the same
    /// id.
    pub fn place(&mut self, story: Story, now: Nanos) -> String {
        if let Some(open) = self.open.get_mut(&story)
            && now.since(open.last) < self.limits.quiet
            && now.since(open.began) < self.limits.longest
        {
            open.last = now;
            return open.id.clone();
        }
        let id = id(story, now);
        self.open.insert(story, Open { id: id.clone(), began: now, last: now });
        self.order.push_back((story, now));
        while self.open.len() > self.limits.stories || self.order.len() > 2 * self.limits.stories {
            let Some((oldest, began)) = self.order.pop_front() else { break };
            if self.open.get(&oldest).is_some_and(|open| open.began == began) {
                self.open.remove(&oldest);
            }
        }
        id
    }
}

fn id(story: Story, now: Nanos) -> String {
    let mut hash = Xxh3::new();
    hash.update(&story.agent.0.to_le_bytes());
    hash.update(&story.root.pid.to_le_bytes());
    hash.update(&story.root.start.0.to_le_bytes());
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

    fn story(pid: u32) -> Story {
        Story { agent: AgentId(1), root: ProcessId { pid, start: Ticks(1) } }
    }

    #[test]
    fn a_story_goes_on_until_it_is_quiet_or_too_long() {
        let mut incidents = Incidents::default();
        let first = incidents.place(story(1), Nanos(SECOND));
        assert_eq!(incidents.place(story(1), Nanos(800 * SECOND)), first);
        assert_ne!(incidents.place(story(2), Nanos(800 * SECOND)), first);
        assert_ne!(incidents.place(story(1), Nanos(1_701 * SECOND)), first);
        let long = incidents.place(story(3), Nanos(0));
        for minute in 1..360 {
            assert_eq!(incidents.place(story(3), Nanos(minute * 60 * SECOND)), long);
        }
        assert_ne!(incidents.place(story(3), Nanos(360 * 60 * SECOND)), long);
    }

    #[test]
    fn stories_are_bounded() {
        let mut incidents = Incidents::default();
        for pid in 0..10_000 {
            incidents.place(story(pid), Nanos(u64::from(pid)));
        }
        assert!(incidents.open.len() <= Limits::default().stories);
    }
}
