//! `daemonised`: a process outlived the command that started it.
//!
//! `CMD &`, nohup, `setsid CMD`, the double fork, a tmux server: the process that made it ends, and two
//! seconds later it still runs. Nothing is said before, since ends take a moment. Told is whoever was made
//! by the one that ended; what a daemon makes in its turn belongs to its story.
//!
//! A daemon is told of once, and again only when more is known that says more: it keeps working, the
//! agent's own first process is over, it is connected to a public address, it listens where other machines
//! reach it. So no rule hears of one daemon twice, as long as rules ask for these in that order.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{AgentId, CpuSample, Event, EventKind, Exec, Nanos, ProcessId};
use crate::process::{Process, ProcessTable};

mod expected;
mod holds;
mod story;

pub use expected::ExpectedDaemon;

use expected::{Expected, Said};
use holds::Holds;

/// How long a process must outlive what started it.
const OUTLIVES: u64 = 2_000_000_000;

/// In how many minutes a daemon must have done something to be one that works.
const WORKS: u8 = 5;

/// Share of a processor, as its reciprocal, that is something: an idle server's timers take less.
const COMPUTES: u64 = 5;

/// Most daemons followed at once.
const MAX_FOLLOWED: usize = 16_384;

/// Most processes whose listeners and connections are remembered before it is known whether they stay.
const MAX_HOLDERS: usize = 8_192;

/// Most agents, and most programs that detach others, that are remembered.
const MAX_AGENTS: usize = 4_096;

/// How far above a process its daemon may stand.
const GENERATIONS: usize = 8;

/// Most descendants of a daemon that are looked at.
const MEMBERS: usize = 32;

/// Programs whose purpose is that something stays.
const LAUNCHERS: &[&str] = &[
    "nohup",
    "setsid",
    "tmux",
    "screen",
    "dtach",
    "abduco",
    "zellij",
    "daemonize",
    "daemon",
    "start-stop-daemon",
];

/// Processes that stay.
#[derive(Debug)]
pub(super) struct Daemon {
    followed: HashMap<ProcessId, Orphan>,
    /// Orphans that were not told of yet, and when they became one; roughly oldest first.
    orphans: VecDeque<(Nanos, ProcessId)>,
    /// What processes hold that are no orphans.
    held: Kept<ProcessId, Holds>,
    /// Which of [`LAUNCHERS`] a process executed on its way.
    launched: Kept<ProcessId, Vec<&'static str>>,
    /// The topmost process of each agent.
    mains: Kept<AgentId, ProcessId>,
    /// Those of them that ended.
    gone: Kept<ProcessId, ()>,
    /// The same with the time, until it is looked at what outlived them.
    over: VecDeque<(Nanos, AgentId)>,
    expected: Expected,
    dropped: u64,
}

/// A process whose maker ended.
#[derive(Debug)]
struct Orphan {
    /// When that was.
    since: Nanos,
    told: Option<News>,
    holds: Holds,
    /// The minute in which it last did something, and in how many it did since it was told of.
    minute: u64,
    minutes: u8,
}

/// What is known of a daemon, from what says least to what says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Stays,
    Works,
    OutlivesAgent,
    IsConnected,
    Listens,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            followed: HashMap::new(),
            orphans: VecDeque::new(),
            held: Kept::new(MAX_HOLDERS),
            launched: Kept::new(MAX_AGENTS),
            mains: Kept::new(MAX_AGENTS),
            gone: Kept::new(MAX_AGENTS),
            over: VecDeque::new(),
            expected: Expected::default(),
            dropped: 0,
        }
    }
}

impl Daemon {
    /// Takes an event that the table knows already.
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let table = around.table;
        match &event.kind {
            EventKind::Exit(_) => self.ended(table, event),
            // The maker may have ended before this event arrived, or before the session began.
            EventKind::Fork(fork) => {
                self.agent_acts(table, event.agent, event.process);
                self.consider_orphan(table, fork.child);
            }
            EventKind::Setsid => self.consider_orphan(table, event.process),
            EventKind::Exec(exec) => {
                self.agent_acts(table, event.agent, event.process);
                self.launches(event.process, exec);
            }
            EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
        self.acts(around, event, out);
    }

    /// Takes a process that was there before, which the table knows already.
    pub(super) fn seeded(&mut self, table: &ProcessTable, process: &Process) {
        self.agent_acts(table, process.agent, process.id);
    }

    /// Says what is still there after its while.
    pub(super) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        let moment = Moment::now(around);
        while let Some((since, id)) = self.orphans.front().copied() {
            if around.now.since(since) < OUTLIVES {
                break;
            }
            self.orphans.pop_front();
            out.extend(self.tell(around, id, moment));
        }
        while let Some((ended, agent)) = self.over.front().copied() {
            if around.now.since(ended) < OUTLIVES {
                break;
            }
            self.over.pop_front();
            let mut left: Vec<ProcessId> = self
                .followed
                .iter()
                .filter(|(id, orphan)| {
                    orphan.told.is_some() && around.table.get(**id).is_some_and(|it| it.agent == agent)
                })
                .map(|(id, _)| *id)
                .collect();
            // A hash map has an order of its own; alerts have not.
            left.sort_unstable();
            for id in left {
                out.extend(self.tell(around, id, moment));
            }
        }
    }

    /// Takes what processes used of the processors: one that computes works, though it does nothing else.
    pub(super) fn computes(&mut self, around: Around<'_>, sample: &CpuSample, out: &mut Vec<Observation>) {
        for used in &sample.processes {
            let Some(owner) = self.owner(around.table, used.process) else { continue };
            if used.user.saturating_add(used.system) >= sample.interval / COMPUTES {
                self.worked(around, owner, Moment::now(around), out);
            }
        }
    }

    /// What the operator expects to stay, in place of what was said before.
    pub(super) fn declare(&mut self, entries: &[String]) {
        self.expected.declare(entries);
    }

    /// Processes that were not followed because too many were.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped + self.held.dropped()
    }

    /// Keeps in mind which process stands at the top of an agent.
    fn agent_acts(&mut self, table: &ProcessTable, agent: AgentId, id: ProcessId) {
        if agent == AgentId::NONE {
            return;
        }
        let lives = |id| table.get(id).is_some_and(|process: &Process| process.ended.is_none());
        if self.mains.get(&agent).is_some_and(|main| lives(*main)) {
            return;
        }
        let top = table.root(id);
        if lives(top) {
            self.mains.insert(agent, top);
        }
    }

    fn launches(&mut self, id: ProcessId, exec: &Exec) {
        let name = program::basename(&exec.exe);
        let by_name = LAUNCHERS.iter().find(|launcher| **launcher == name).copied();
        let disowns = program::is_shell(exec) && exec.argv.iter().any(|argument| argument.contains("disown"));
        for word in by_name.into_iter().chain(disowns.then_some("disown")) {
            if let Some(words) = self.launched.get_or_insert_with(id, Vec::new)
                && !words.contains(&word)
            {
                words.push(word);
            }
        }
    }

    /// Whose it is, if it is a daemon's: its own, or that of a daemon above it.
    fn owner(&self, table: &ProcessTable, id: ProcessId) -> Option<ProcessId> {
        if self.followed.is_empty() {
            return None;
        }
        let above = table.ancestors(id).take(GENERATIONS).map(|process| process.id);
        std::iter::once(id).chain(above).find(|id| self.followed.contains_key(id))
    }

    /// Notes what a process holds, and says so where that makes more of a daemon.
    fn acts(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let concerns = Holds::concerns(event);
        if event.process.pid == 0 || !(concerns || matches!(event.kind, EventKind::Exec(_))) {
            return;
        }
        let Some(owner) = self.owner(around.table, event.process) else {
            if concerns && let Some(holds) = self.held.get_or_insert_with(event.process, Holds::default) {
                holds.note(event);
            }
            return;
        };
        let Some(orphan) = self.followed.get_mut(&owner) else { return };
        orphan.holds.note(event);
        self.worked(around, owner, Moment::of(event), out);
    }

    /// A daemon did something: notes the minute, and says so where that makes more of it.
    fn worked(&mut self, around: Around<'_>, owner: ProcessId, moment: Moment, out: &mut Vec<Observation>) {
        let Some(orphan) = self.followed.get_mut(&owner).filter(|orphan| orphan.told.is_some()) else {
            return;
        };
        let minute = moment.time.0 / 60_000_000_000;
        if orphan.minute != minute {
            orphan.minute = minute;
            orphan.minutes = orphan.minutes.saturating_add(1);
        }
        out.extend(self.tell(around, owner, moment));
    }

    fn ended(&mut self, table: &ProcessTable, event: &Event) {
        let id = event.process;
        if self.mains.get(&event.agent) == Some(&id) {
            self.mains.remove(&event.agent);
            self.gone.insert(id, ());
            self.over.push_back((event.time, event.agent));
        }
        let before = self.followed.remove(&id);
        let holds = before.as_ref().map(|orphan| orphan.holds.clone()).or_else(|| self.held.remove(&id));
        let inherited = holds.as_ref().and_then(Holds::inherited);
        let left: Vec<ProcessId> =
            table.children(id).filter(|child| child.ended.is_none()).map(|child| child.id).collect();
        for child in left {
            self.consider(table, child, event.time, before.as_ref());
            if let (Some(orphan), Some(inherited)) = (self.followed.get_mut(&child), &inherited) {
                orphan.holds.absorb(inherited);
            }
        }
    }

    fn consider_orphan(&mut self, table: &ProcessTable, id: ProcessId) {
        let maker = table.get(id).and_then(|process| process.parent).and_then(|maker| table.get(maker));
        if let Some(ended) = maker.and_then(|maker| maker.ended) {
            self.consider(table, id, ended, None);
        }
    }

    /// Follows a process whose maker ended; where that was a daemon, it goes on as the same one.
    fn consider(&mut self, table: &ProcessTable, id: ProcessId, since: Nanos, before: Option<&Orphan>) {
        let known = table.get(id).filter(|process| process.ended.is_none() && process.agent != AgentId::NONE);
        let maker = known.and_then(|process| process.parent).and_then(|maker| table.get(maker));
        let of_agent = known.zip(maker).is_some_and(|(process, maker)| process.agent == maker.agent);
        if !of_agent || self.followed.contains_key(&id) {
            return;
        }
        if self.followed.len() >= MAX_FOLLOWED || self.orphans.len() >= 2 * MAX_FOLLOWED {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let mut holds = self.held.remove(&id).unwrap_or_default();
        let mut members: Vec<ProcessId> = table.children(id).take(MEMBERS).map(|child| child.id).collect();
        let mut looked_at = 0;
        while let Some(member) = members.get(looked_at).copied() {
            looked_at += 1;
            if let Some(theirs) = self.held.remove(&member) {
                holds.absorb(&theirs);
            }
            let room = MEMBERS.saturating_sub(members.len());
            members.extend(table.children(member).take(room).map(|child| child.id));
        }
        holds.begin();
        let since = before.map_or(since, |before| before.since);
        let (told, minute, minutes) =
            before.map_or((None, 0, 0), |before| (before.told, before.minute, before.minutes));
        self.followed.insert(id, Orphan { since, told, holds, minute, minutes });
        if before.is_some() {
            // One that hands its work from child to child is as old as the first of them.
            self.orphans.push_front((since, id));
        } else {
            self.orphans.push_back((since, id));
        }
    }

    /// The observation, where more is known than was told.
    fn tell(&mut self, around: Around<'_>, id: ProcessId, moment: Moment) -> Option<Observation> {
        let process = around.table.get(id).filter(|process| process.ended.is_none())?;
        let outlives_agent = self.gone.get(&around.table.root(id)).is_some();
        let orphan = self.followed.get_mut(&id)?;
        let news = if orphan.holds.is_reachable() {
            News::Listens
        } else if orphan.holds.is_public() {
            News::IsConnected
        } else if outlives_agent {
            News::OutlivesAgent
        } else if orphan.minutes >= WORKS {
            News::Works
        } else {
            News::Stays
        };
        if orphan.told.is_some_and(|told| told >= news) {
            return None;
        }
        let expected = process.exec.as_deref().map_or(Said::Nobody, |exec| self.expected.says(exec));
        // Whatever an expected one does later is expected as well.
        orphan.told = Some(if expected == Said::Nobody { news } else { News::Listens });
        let facts = story::Facts {
            since: orphan.since,
            outlives_agent,
            works: orphan.minutes >= WORKS,
            expected,
            holds: &orphan.holds,
            launched: &self.launched,
        };
        Some(story::observe(around, moment, process, &facts))
    }
}

#[cfg(test)]
#[path = "daemon/tests.rs"]
mod tests;
