//! `daemonised`: a process in a session of its own outlived the process that made it.
//!
//! The double fork, `setsid CMD &` and their kin: a process leads a session made by setsid, or was
//! born into one; the process that made it ends; and a while later it still runs. A short `setsid`
//! is ordinary (shells, test runners, ssh), so nothing is said before that while is over.
//!
//! Each process is looked at when its parent ends and once more when the while is over, so the cost
//! per event is constant.

use std::collections::VecDeque;

use hashbrown::HashSet;
use serde_json::Value;

use super::Observation;
use crate::event::{Event, EventKind, Nanos, ProcessId};
use crate::process::ProcessTable;

/// How long a process must outlive its parent.
const OUTLIVES: u64 = 2_000_000_000;

/// Most processes followed at once.
const MAX_FOLLOWED: usize = 65_536;

/// Processes that lost their parent in a session of their own.
#[derive(Debug, Default)]
pub(super) struct Daemonised {
    /// Orphans and when their parent ended, oldest first.
    orphans: VecDeque<(Nanos, ProcessId)>,
    /// Every process that is an orphan or was reported as one, until it ends.
    followed: HashSet<ProcessId>,
    dropped: u64,
}

impl Daemonised {
    /// Takes an event that the table knows already.
    pub(super) fn event(&mut self, table: &ProcessTable, event: &Event) {
        match &event.kind {
            EventKind::Exit(_) => {
                self.followed.remove(&event.process);
                for child in table.children(event.process) {
                    self.consider(table, child.id, event.time);
                }
            }
            // The maker may have ended before this event arrived, or before the session began.
            EventKind::Fork(fork) => self.consider_orphan(table, fork.child),
            EventKind::Setsid => self.consider_orphan(table, event.process),
            EventKind::Exec(_)
            | EventKind::Connect(_)
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
    }

    /// Says what is still there after its while.
    pub(super) fn tick(&mut self, table: &ProcessTable, now: Nanos, out: &mut Vec<Observation>) {
        while let Some((orphaned, id)) = self.orphans.front().copied() {
            if now.since(orphaned) < OUTLIVES {
                return;
            }
            self.orphans.pop_front();
            if self.followed.contains(&id)
                && let Some(observation) = observe(table, id, orphaned, now)
            {
                out.push(observation);
            }
        }
    }

    /// Processes that were not followed because too many were.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn consider_orphan(&mut self, table: &ProcessTable, id: ProcessId) {
        let maker = table.get(id).and_then(|process| process.parent).and_then(|maker| table.get(maker));
        if let Some(ended) = maker.and_then(|maker| maker.ended) {
            self.consider(table, id, ended);
        }
    }

    fn consider(&mut self, table: &ProcessTable, id: ProcessId, orphaned: Nanos) {
        let alive = table.get(id).is_some_and(|process| process.ended.is_none());
        if !alive || table.session(id).is_none() || self.followed.contains(&id) {
            return;
        }
        if self.followed.len() >= MAX_FOLLOWED {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.followed.insert(id);
        self.orphans.push_back((orphaned, id));
    }
}

fn observe(table: &ProcessTable, id: ProcessId, orphaned: Nanos, now: Nanos) -> Option<Observation> {
    let process = table.get(id).filter(|process| process.ended.is_none())?;
    let session = table.session(id)?;
    let image = |exec: &crate::event::Exec| Value::from(&*exec.exe);
    let seconds = now.since(orphaned) / 1_000_000_000;
    let mut fields =
        vec![("OrphanedSeconds", Value::from(seconds)), ("SessionLeader", Value::from(session.leader.pid))];
    fields.extend(session.exec.as_deref().map(|exec| ("SetsidImage", image(exec))));
    Some(Observation {
        time: now,
        received: now,
        agent: process.agent,
        process: id,
        cgroup: process.cgroup,
        name: "daemonised",
        text: format!("still runs {seconds} s after the process that made it ended, in a session of its own"),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use crate::analysis::{Analyses, Around, Observation};
    use crate::event::{AgentId, CgroupId, Event, EventKind, Exit, Fork, Nanos, ProcessId, Ticks};
    use crate::process::ProcessTable;

    const SECOND: u64 = 1_000_000_000;
    const NOBODY: [u32; 0] = [];

    #[derive(Default)]
    struct World {
        table: ProcessTable,
        analyses: Analyses,
        names: crate::network::Names,
        seen: Vec<Observation>,
        time: u64,
    }

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: Ticks(u64::from(pid)) }
    }

    impl World {
        fn new() -> Self {
            Self { time: 1_000 * SECOND, ..Self::default() }
        }

        fn event(&mut self, pid: u32, kind: EventKind) -> &mut Self {
            self.time += 1_000_000;
            let event = Event {
                time: Nanos(self.time),
                received: Nanos(self.time),
                agent: AgentId(1),
                process: id(pid),
                thread: pid,
                uid: 0,
                cgroup: CgroupId(9),
                kind,
            };
            self.table.apply(&event);
            let around = Around { table: &self.table, names: &self.names, now: Nanos(self.time) };
            self.analyses.event(around, &event, &mut self.seen);
            self
        }

        fn fork(&mut self, pid: u32, child: u32) -> &mut Self {
            self.event(pid, EventKind::Fork(Fork { child: id(child) }))
        }

        fn exit(&mut self, pid: u32) -> &mut Self {
            self.event(pid, EventKind::Exit(Exit { code: 0, signal: None }))
        }

        fn setsid(&mut self, pid: u32) -> &mut Self {
            self.event(pid, EventKind::Setsid)
        }

        fn wait(&mut self, seconds: u64) -> Vec<u32> {
            for _ in 0..seconds {
                self.time += SECOND;
                self.table.tick(Nanos(self.time));
                let around = Around { table: &self.table, names: &self.names, now: Nanos(self.time) };
                self.analyses.tick(around, &mut self.seen);
            }
            self.seen.drain(..).map(|observation| observation.process.pid).collect()
        }
    }

    #[test]
    fn the_double_fork_is_seen_once_after_two_seconds() {
        let mut world = World::new();
        world.fork(1, 2).setsid(2).fork(2, 3).exit(2);
        assert_eq!(world.wait(1), NOBODY);
        assert_eq!(world.wait(1), [3]);
        assert_eq!(world.wait(100), NOBODY);
    }

    #[test]
    fn setsid_in_the_background_is_seen() {
        let mut world = World::new();
        world.fork(1, 2).fork(2, 3).setsid(3).exit(2);
        assert_eq!(world.wait(3), [3]);
    }

    #[test]
    fn setsid_after_the_parent_ended_is_seen() {
        let mut world = World::new();
        world.fork(1, 2).fork(2, 3).exit(2).setsid(3);
        assert_eq!(world.wait(3), [3]);
    }

    #[test]
    fn a_fork_that_arrives_after_its_parents_exit_is_seen() {
        let mut world = World::new();
        world.fork(1, 2).setsid(2).exit(2).fork(2, 3);
        assert_eq!(world.wait(3), [3]);
    }

    #[test]
    fn a_short_setsid_is_not_reported() {
        let mut world = World::new();
        // Parent still there; child gone in time; no session at all.
        world.fork(1, 2).setsid(2);
        world.fork(1, 4).setsid(4).fork(4, 5).exit(4).exit(5);
        world.fork(1, 6).fork(6, 7).exit(6);
        assert_eq!(world.wait(10), NOBODY);
        world.exit(2);
        assert_eq!(world.wait(10), NOBODY);
    }

    #[test]
    fn many_orphans_cost_no_memory_beyond_the_limit() {
        let mut world = World::new();
        world.fork(1, 2).setsid(2);
        for pid in 10..70_010 {
            world.fork(2, pid);
        }
        world.exit(2);
        assert_eq!(world.analyses.dropped(), 70_000 - 65_536);
        assert_eq!(world.wait(3).len(), 65_536);
    }
}
