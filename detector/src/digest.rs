//! What agents did in a span of time, for people who look once a day: alerts in numbers, what ran, what almost alarmed,
//! and what of the detector itself wants a hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::activity::{Doing, Item, Others, Usage};
use crate::alert::Level;
use crate::event::Nanos;
use crate::store::activity::Did;
use crate::store::digest::{Count, Quiet};
use crate::store::{Store, StoreError};

pub mod card;
pub mod disks;
pub mod schedule;
mod words;

pub use card::card;
pub use disks::Disk;
pub use words::sections;

/// The value of [`Digest::schema`].
pub const SCHEMA: &str = "detector.digest/1";

/// Milliseconds: mutes that end before are named.
const SOON_MS: i64 = 24 * 3_600 * 1_000;
/// Milliseconds that a message may be on its way before its sink counts as behind.
const PATIENCE_MS: i64 = 5 * 60 * 1_000;
/// Most near misses of one agent.
const MISSES: usize = 64;

/// A digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// `detector.digest/1`.
    pub schema: String,
    /// Host name.
    pub host: String,
    /// RFC 3339: what it covers begins here. Sums are kept by five minutes, those that it falls into are counted whole.
    pub from: String,
    /// RFC 3339: and ends here.
    pub to: String,
    /// Agents, the one with the gravest alerts first.
    pub agents: Vec<Agent>,
    /// File systems of workspaces that are nearly full.
    pub disks: Vec<Disk>,
    /// Mutes that end within a day.
    pub mutes: Vec<Ending>,
    /// Sinks with messages that have not arrived.
    pub sinks: Vec<Behind>,
}

/// What one agent did; all that bear one name are one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name; none for what was found about the sensor itself.
    pub name: Option<String>,
    /// Alerts by level.
    pub alerts: BTreeMap<Level, u64>,
    /// Findings: repeats are counted.
    pub findings: u64,
    /// What it used.
    pub usage: Usage,
    /// Programs that it ran most.
    pub programs: Vec<Item>,
    /// Where it connected to.
    pub destinations: Vec<Item>,
    /// Where it listened.
    pub listeners: Vec<Item>,
    /// Files that rules or analyses noted, and those by which something starts by itself or somebody gets in.
    pub files: Vec<Item>,
    /// New files named like wallets and miners.
    pub named: Vec<Item>,
    /// What had no room above, by its kind.
    pub others: BTreeMap<Doing, Others>,
    /// What almost alarmed.
    pub near_misses: Vec<Miss>,
    /// Directories that it works in.
    pub workspaces: Vec<Item>,
}

/// Something that almost alarmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Miss {
    /// What was found.
    pub what: String,
    /// Why it was quiet.
    pub why: String,
    /// How often.
    pub count: u64,
}

/// A mute that ends soon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// ULID.
    pub id: String,
    /// What it keeps quiet.
    pub what: String,
    /// RFC 3339.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: String,
    /// How many alerts it kept quiet.
    pub hits: u64,
}

/// A sink with messages that have not arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    /// The sink.
    pub sink: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// RFC 3339: since when the oldest waits.
    pub since: String,
}

impl Digest {
    /// What the store knows of a span of time (milliseconds since the epoch). Disks are for whoever can look at them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(
        store: &Store,
        host: &str,
        agent: Option<&str>,
        (from_ms, to_ms): (i64, i64),
    ) -> Result<Self, StoreError> {
        let mut agents: BTreeMap<Option<String>, Agent> = BTreeMap::new();
        for (name, did) in store.activity(agent, from_ms, to_ms)? {
            agents.insert(Some(name), Agent::of(did));
        }
        for Count { agent, level, alerts, findings } in store.alert_counts(agent, from_ms, to_ms)? {
            let agent = agents.entry(agent).or_default();
            agent.alerts.insert(level, alerts);
            agent.findings = agent.findings.saturating_add(findings);
        }
        for quiet in store.quiet_alerts(agent, from_ms, to_ms)? {
            let agent = agents.entry(quiet.agent.clone()).or_default();
            if agent.near_misses.len() < MISSES {
                agent.near_misses.push(Miss::of(quiet));
            }
        }
        let mut agents: Vec<Agent> =
            agents.into_iter().map(|(name, agent)| Agent { name, ..agent }).collect();
        let rank = |agent: &Agent| {
            let by_level = agent.alerts.iter().rev().map(|(level, count)| (*level, *count));
            (by_level.collect::<Vec<_>>(), agent.usage.cpu_s as u64)
        };
        agents.sort_by_cached_key(|agent| std::cmp::Reverse(rank(agent)));
        let mutes = store.mutes(to_ms)?.into_iter();
        let soon = to_ms.saturating_add(SOON_MS);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            host: host.to_owned(),
            from: time(from_ms),
            to: time(to_ms),
            agents,
            disks: Vec::new(),
            mutes: mutes.filter(|mute| mute.until_ms <= soon).map(Ending::of).collect(),
            sinks: store.behind(to_ms, PATIENCE_MS)?.into_iter().map(Behind::of).collect(),
        })
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        let Self { schema: _, host: _, from: _, to: _, agents, disks, mutes, sinks } = self;
        agents.is_empty() && disks.is_empty() && mutes.is_empty() && sinks.is_empty()
    }

    /// Directories that agents work in.
    pub fn workspaces(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().flat_map(|agent| &agent.workspaces).map(|item| &*item.name)
    }

    /// Alerts of all agents by level.
    pub fn alerts(&self) -> BTreeMap<Level, u64> {
        let mut all = BTreeMap::new();
        for (level, count) in self.agents.iter().flat_map(|agent| &agent.alerts) {
            let sum: &mut u64 = all.entry(*level).or_default();
            *sum = sum.saturating_add(*count);
        }
        all
    }
}

impl Agent {
    fn of(did: Did) -> Self {
        let Did { usage, items, others } = did;
        let mut agent = Self { usage, others, ..Self::default() };
        for item in items {
            match item.doing {
                Doing::Program => agent.programs.push(item),
                Doing::Destination => agent.destinations.push(item),
                Doing::Listener => agent.listeners.push(item),
                Doing::File => agent.files.push(item),
                Doing::Named => agent.named.push(item),
                Doing::Workspace => agent.workspaces.push(item),
                Doing::Mining => agent.near_misses.push(Miss {
                    what: format!("{} may have been mining", item.name),
                    why: item.note,
                    count: 1,
                }),
            }
        }
        agent
    }
}

impl Miss {
    fn of(quiet: Quiet) -> Self {
        let Quiet { agent: _, title, level, lowered, muted, findings } = quiet;
        let why = match (lowered, muted) {
            (_, Some(reason)) if reason.is_empty() => "muted".to_owned(),
            (_, Some(reason)) => format!("muted: {reason}"),
            (Some((from, task)), None) => format!("{from} without the task {task}, which declares it"),
            (None, None) => level.name().to_owned(),
        };
        Self { what: title, why, count: findings }
    }
}

impl Ending {
    fn of(mute: crate::store::mute::Mute) -> Self {
        let parts = [("rule", mute.rule), ("agent", mute.agent), ("program", mute.exe)];
        let what: Vec<String> =
            parts.into_iter().filter_map(|(word, value)| Some(format!("{word} {}", value?))).collect();
        Self {
            id: mute.id,
            what: if what.is_empty() { "everything".to_owned() } else { what.join(", ") },
            until: time(mute.until_ms),
            reason: mute.reason,
            who: mute.who,
            hits: mute.hits,
        }
    }
}

impl Behind {
    fn of(behind: crate::store::digest::Behind) -> Self {
        let crate::store::digest::Behind { sink, waiting, dead, since_ms } = behind;
        Self { sink, waiting, dead, since: time(since_ms) }
    }
}

/// Milliseconds since the epoch as RFC 3339, whole seconds.
fn time(ms: i64) -> String {
    let seconds = u64::try_from(ms / 1_000).unwrap_or(0);
    Nanos(seconds.saturating_mul(1_000_000_000)).rfc3339().replace(".000000000Z", "Z")
}

#[cfg(test)]
mod tests;
