//! The table of processes: who is whose child, what each one runs, kept bounded and right under
//! reused pids and events that arrive out of order.

use std::sync::Arc;

use hashbrown::HashMap;

use super::slots::{Index, NIL, Queue, Slot, Slots};
use super::{Process, Session};
use crate::event::{
    AgentId, CgroupId, CgroupMove, Event, EventKind, Exec, Fork, Membership, Nanos, Own, ProcessId,
};

/// Every process that matters, alive or remembered.
///
/// `Process::parent` is the process that made it, also after that one ended and the kernel gave it
/// another parent. An entry stays as long as it lives or has a descendant that does; one that ended
/// alone is remembered for a while, so that late events still find it.
#[derive(Debug)]
pub struct ProcessTable {
    slots: Slots,
    places: HashMap<ProcessId, Index>,
    latest: HashMap<u32, ProcessId>,
    limits: Limits,
    now: Nanos,
    evicted: u64,
    own: Own,
}

/// How much a [`ProcessTable`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most entries; beyond it the ended go first, the oldest of them first, and each is counted.
    pub entries: usize,
    /// Most ended processes without descendants that are remembered.
    pub remembered: usize,
    /// Nanoseconds that such a process is remembered for.
    pub remember: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 131_072, remembered: 16_384, remember: 60_000_000_000 }
    }
}

/// Longest chain that [`ProcessTable::ancestors`] follows.
pub const MAX_ANCESTORS: usize = 64;

/// Longest chain that [`ProcessTable::root`] follows; a process that forks away from itself makes long ones.
const MAX_DEPTH: usize = 4_096;

impl Default for ProcessTable {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl ProcessTable {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            slots: Slots::new(),
            places: HashMap::new(),
            latest: HashMap::new(),
            limits,
            now: Nanos(0),
            evicted: 0,
            own: Own::default(),
        }
    }

    /// Says what the detector itself is.
    pub fn set_own(&mut self, own: Own) {
        self.own = own;
    }

    /// The detector itself; all of it unknown until it is said.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// The process with this identity.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.slot(id).map(|slot| &slot.process)
    }

    /// The session that a process lives in, where the table saw that session begin.
    pub fn session(&self, id: ProcessId) -> Option<&Session> {
        self.slot(id)?.session.as_deref()
    }

    /// The processes above this one, parent first, at most [`MAX_ANCESTORS`].
    pub fn ancestors(&self, id: ProcessId) -> impl Iterator<Item = &Process> {
        let mut next = self.slot(id).map_or(NIL, Slot::parent);
        std::iter::from_fn(move || {
            let slot = self.slots.get(next)?;
            next = slot.parent();
            Some(&slot.process)
        })
        .take(MAX_ANCESTORS)
        // A loop is no ancestry; it takes a broken recording to get here.
        .take_while(move |process| process.id != id)
    }

    /// The children that this process made, newest first; ended ones as long as they are remembered.
    pub fn children(&self, id: ProcessId) -> impl Iterator<Item = &Process> {
        let mut next = self.slot(id).map_or(NIL, Slot::first_child);
        std::iter::from_fn(move || {
            let slot = self.slots.get(next)?;
            next = slot.next_sibling();
            Some(&slot.process)
        })
    }

    /// The topmost ancestor that belongs to the same agent: what names a process tree.
    pub fn root(&self, id: ProcessId) -> ProcessId {
        let Some(slot) = self.slot(id) else { return id };
        let agent = slot.process.agent;
        let mut root = id;
        let mut next = slot.parent();
        for _ in 0..MAX_DEPTH {
            let Some(slot) = self.slots.get(next).filter(|slot| slot.process.agent == agent) else { break };
            root = slot.process.id;
            next = slot.parent();
        }
        root
    }

    /// The newest process that had this pid.
    pub fn latest(&self, pid: u32) -> Option<ProcessId> {
        self.latest.get(&pid).copied()
    }

    /// Entries, remembered ones included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.places.values().filter_map(|index| Some(&self.slots.get(*index)?.process))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Entries that had to go because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes a process that was there before the sensors. What events said already stays.
    pub fn seed(&mut self, process: Process) {
        if process.id.pid == 0 {
            return;
        }
        let Process { id, parent, exec, agent, cgroup, uid, since, ended, setsid } = process;
        // Before the first event nothing else says what time it is; what came at time 0 would be forgotten
        // when that event comes.
        self.now = self.now.max(since);
        self.make_room(2);
        let index = self.ensure(id, agent, cgroup, uid, since);
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.process.exec.is_none() {
            slot.process.exec = exec;
        }
        if slot.process.agent == AgentId::NONE {
            slot.process.agent = agent;
        }
        slot.process.since = slot.process.since.min(since);
        slot.process.ended = slot.process.ended.or(ended);
        if slot.process.setsid.is_none()
            && let Some(since) = setsid
        {
            slot.process.setsid = setsid;
            slot.session = Some(Arc::new(Session { leader: id, since, exec: slot.process.exec.clone() }));
        }
        self.name_parent(index, parent);
        self.settle(index);
        self.expire();
    }

    /// Takes what an event says about processes.
    pub fn apply(&mut self, event: &Event) {
        self.now = self.now.max(event.time);
        match &event.kind {
            EventKind::Exec(exec) => self.exec(event, exec),
            EventKind::Fork(fork) => self.fork(event, *fork),
            EventKind::Exit(_) => self.exit(event),
            EventKind::Setsid => self.setsid(event),
            EventKind::CgroupMove(change) => self.cgroup_move(event, change),
            // Packets may come before anybody knows whose they are.
            EventKind::Payload(_) | EventKind::FlowStats(_) if event.process.pid == 0 => {}
            EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_) => {
                self.actor(event);
            }
            EventKind::CgroupCreate(_) | EventKind::CgroupRemove(_) | EventKind::Lost(_) => {}
        }
        self.expire();
    }

    /// Lets time pass: what was remembered long enough goes.
    pub fn tick(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.expire();
    }

    fn exec(&mut self, event: &Event, exec: &Arc<Exec>) {
        self.make_room(2);
        let Some(index) = self.actor(event) else { return };
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.exec_time <= event.time {
            slot.exec_time = event.time;
            slot.process.exec = Some(Arc::clone(exec));
        }
        // The fork knows better who made it: after a reparenting this is somebody else.
        if slot.process.parent.is_none() {
            self.name_parent(index, Some(exec.parent));
        }
    }

    fn fork(&mut self, event: &Event, fork: Fork) {
        self.make_room(2);
        let Some(parent) = self.actor(event) else { return };
        if fork.child.pid == 0 || fork.child == event.process {
            return;
        }
        let child = self.ensure(fork.child, event.agent, event.cgroup, event.uid, event.time);
        let Some(slot) = self.slots.get(parent) else { return };
        let exec = slot.process.exec.clone();
        let session = slot.session.clone();
        let Some(slot) = self.slots.get_mut(child) else { return };
        slot.process.parent = Some(event.process);
        slot.process.since = slot.process.since.min(event.time);
        if slot.process.agent == AgentId::NONE {
            slot.process.agent = event.agent;
        }
        if slot.process.exec.is_none() {
            slot.process.exec = exec;
        }
        if slot.session.is_none() {
            slot.session = session;
        }
        self.relink(child, parent);
    }

    fn exit(&mut self, event: &Event) {
        let Some(index) = self.find_or_insert(event) else { return };
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.process.ended = Some(event.time);
        self.settle(index);
    }

    fn setsid(&mut self, event: &Event) {
        let Some(index) = self.actor(event) else { return };
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.process.setsid = Some(event.time);
        let exec = slot.process.exec.clone();
        slot.session = Some(Arc::new(Session { leader: event.process, since: event.time, exec }));
    }

    fn cgroup_move(&mut self, event: &Event, change: &CgroupMove) {
        if event.agent != AgentId::NONE && self.places.contains_key(&event.process) {
            self.actor(event);
        }
        let CgroupMove { moved, to, path: _, change } = change;
        if moved.pid == 0 {
            return;
        }
        let index = self.ensure(*moved, event.agent, *to, event.uid, event.time);
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.process.cgroup = *to;
        match change {
            Membership::Joined => slot.process.agent = event.agent,
            Membership::Within | Membership::Left if slot.process.agent == AgentId::NONE => {
                slot.process.agent = event.agent;
            }
            Membership::Within | Membership::Left => {}
        }
        self.settle(index);
    }

    /// The entry of the acting process, brought up to date with what every event carries.
    fn actor(&mut self, event: &Event) -> Option<Index> {
        let index = self.find_or_insert(event)?;
        let slot = self.slots.get_mut(index)?;
        let process = &mut slot.process;
        process.uid = event.uid;
        if event.cgroup != CgroupId(0) {
            process.cgroup = event.cgroup;
        }
        if event.agent != AgentId::NONE && process.agent != event.agent {
            process.agent = event.agent;
            self.settle(index);
        }
        Some(index)
    }

    fn find_or_insert(&mut self, event: &Event) -> Option<Index> {
        let id = event.process;
        (id.pid != 0).then(|| self.ensure(id, event.agent, event.cgroup, event.uid, event.time))
    }

    /// The entry of a process, made where there is none.
    fn ensure(&mut self, id: ProcessId, agent: AgentId, cgroup: CgroupId, uid: u32, since: Nanos) -> Index {
        if let Some(index) = self.places.get(&id) {
            return *index;
        }
        self.make_room(1);
        let process =
            Process { id, parent: None, exec: None, agent, cgroup, uid, since, ended: None, setsid: None };
        let index = self.slots.insert(Slot::new(process, None));
        self.places.insert(id, index);
        self.succeed(id, index, since);
        self.settle(index);
        index
    }

    /// A pid has one living process: the older one of two has ended, whether its end was seen or not.
    fn succeed(&mut self, id: ProcessId, index: Index, time: Nanos) {
        let ended = match self.latest.get_mut(&id.pid) {
            None => {
                self.latest.insert(id.pid, id);
                return;
            }
            Some(latest) if latest.start > id.start => index,
            Some(latest) => {
                let before = std::mem::replace(latest, id);
                let Some(index) = self.places.get(&before) else { return };
                *index
            }
        };
        if let Some(slot) = self.slots.get_mut(ended) {
            slot.process.ended.get_or_insert(time);
            self.settle(ended);
        }
    }

    /// Links to a parent that was only named: by an exec or by `/proc`.
    fn name_parent(&mut self, index: Index, parent: Option<ProcessId>) {
        let Some(parent) = parent.filter(|parent| parent.pid != 0) else { return };
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.process.id == parent || slot.process.parent.is_some() {
            return;
        }
        slot.process.parent = Some(parent);
        let since = slot.process.since;
        let above = self.ensure(parent, AgentId::NONE, CgroupId(0), 0, since);
        self.relink(index, above);
    }

    fn relink(&mut self, child: Index, parent: Index) {
        let before = self.slots.get(child).map_or(NIL, Slot::parent);
        if before == parent {
            return;
        }
        self.slots.adopt(child, parent);
        self.settle(before);
        self.settle(parent);
        self.settle(child);
    }

    fn slot(&self, id: ProcessId) -> Option<&Slot> {
        self.slots.get(*self.places.get(&id)?)
    }

    fn settle(&mut self, index: Index) {
        self.slots.settle(index, self.now, self.limits.remember);
    }

    /// Gives up entries until `room` more fit. Called before any place is looked up, since a place
    /// is worth nothing once its entry is gone.
    fn make_room(&mut self, room: usize) {
        while self.places.len().saturating_add(room) > self.limits.entries.max(2) {
            let oldest = [Queue::Fading, Queue::EndedParents, Queue::Living, Queue::LivingParents]
                .into_iter()
                .find_map(|queue| self.slots.oldest(queue));
            let Some(oldest) = oldest else { return };
            self.forget(oldest);
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    fn expire(&mut self) {
        while let Some(oldest) = self.slots.oldest(Queue::Fading) {
            let queued = self.slots.get(oldest).map_or(Nanos(0), |slot| slot.queued);
            if self.slots.fading() <= self.limits.remembered && self.now.since(queued) <= self.limits.remember
            {
                return;
            }
            self.forget(oldest);
        }
    }

    fn forget(&mut self, index: Index) {
        let parent = self.slots.get(index).map_or(NIL, Slot::parent);
        let Some(slot) = self.slots.remove(index) else { return };
        let id = slot.process.id;
        self.places.remove(&id);
        if self.latest.get(&id.pid) == Some(&id) {
            self.latest.remove(&id.pid);
        }
        self.settle(parent);
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
