//! Where the table keeps its entries: a slab whose entries are chained into families and into queues
//! by age, so that every step of the table costs the same however many processes there are.

use std::sync::Arc;

use super::{Process, Session};
use crate::event::{AgentId, Nanos};

/// The place of an entry; valid as long as the entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(u32);

/// No entry.
pub(super) const NIL: Index = Index(u32::MAX);

/// One process with what the table needs to find its way.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) process: Process,
    /// Session that it lives in, where that was seen to begin.
    pub(super) session: Option<Arc<Session>>,
    /// Time of the exec that `process.exec` comes from, so that an older one never replaces it.
    pub(super) exec_time: Nanos,
    /// When it joined its queue.
    pub(super) queued: Nanos,
    queue: Queue,
    older: Index,
    newer: Index,
    parent: Index,
    first_child: Index,
    left: Index,
    right: Index,
}

impl Slot {
    pub(super) fn new(process: Process, session: Option<Arc<Session>>) -> Self {
        Self {
            process,
            session,
            exec_time: Nanos(0),
            queued: Nanos(0),
            queue: Queue::None,
            older: NIL,
            newer: NIL,
            parent: NIL,
            first_child: NIL,
            left: NIL,
            right: NIL,
        }
    }

    pub(super) fn parent(&self) -> Index {
        self.parent
    }

    pub(super) fn first_child(&self) -> Index {
        self.first_child
    }

    pub(super) fn next_sibling(&self) -> Index {
        self.right
    }

    /// The queue that an entry in this state belongs to.
    ///
    /// Nobody reports the end of a process that belongs to no agent, so one without children counts
    /// as ended.
    fn proper_queue(&self) -> Queue {
        let ended = self.process.ended.is_some();
        match (self.first_child == NIL, ended) {
            (true, true) => Queue::Fading,
            (true, false) if self.process.agent == AgentId::NONE => Queue::Fading,
            (true, false) => Queue::Living,
            (false, true) => Queue::EndedParents,
            (false, false) => Queue::LivingParents,
        }
    }
}

/// What an entry is worth; the first queues are given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Not queued yet.
    None,
    /// Ended, no descendants: remembered for late events only.
    Fading,
    /// Ended, but something below it lives.
    EndedParents,
    /// Alive, without children.
    Living,
    /// Alive, with children.
    LivingParents,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    oldest: Index,
    newest: Index,
    len: usize,
}

const EMPTY: Ends = Ends { oldest: NIL, newest: NIL, len: 0 };

/// The slab.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    fading: Ends,
    ended_parents: Ends,
    living: Ends,
    living_parents: Ends,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            fading: EMPTY,
            ended_parents: EMPTY,
            living: EMPTY,
            living_parents: EMPTY,
        }
    }

    pub(super) fn get(&self, index: Index) -> Option<&Slot> {
        self.slots.get(index.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: Index) -> Option<&mut Slot> {
        self.slots.get_mut(index.0 as usize)?.as_mut()
    }

    pub(super) fn fading(&self) -> usize {
        self.fading.len
    }

    /// The oldest entry of a queue.
    pub(super) fn oldest(&self, queue: Queue) -> Option<Index> {
        let index = match queue {
            Queue::None => NIL,
            Queue::Fading => self.fading.oldest,
            Queue::EndedParents => self.ended_parents.oldest,
            Queue::Living => self.living.oldest,
            Queue::LivingParents => self.living_parents.oldest,
        };
        (index != NIL).then_some(index)
    }

    /// Takes a new entry; [`Slots::settle`] must follow.
    pub(super) fn insert(&mut self, slot: Slot) -> Index {
        if let Some(free) = self.free.pop()
            && let Some(place) = self.slots.get_mut(free as usize)
        {
            *place = Some(slot);
            return Index(free);
        }
        // The table's limit is far below this; a slab that is full all the same keeps nothing more.
        let Ok(place) = u32::try_from(self.slots.len()) else { return NIL };
        self.slots.push(Some(slot));
        Index(place)
    }

    /// Gives up an entry; its children become children of its parent.
    pub(super) fn remove(&mut self, index: Index) -> Option<Slot> {
        self.leave_queue(index);
        let (parent, grandparent) = {
            let slot = self.get(index)?;
            (slot.parent, slot.process.parent)
        };
        self.leave_parent(index);
        while let Some(child) = self.get(index).map(Slot::first_child).filter(|child| *child != NIL) {
            self.leave_parent(child);
            if let Some(slot) = self.get_mut(child) {
                slot.process.parent = grandparent;
            }
            self.join_parent(child, parent);
        }
        let slot = self.slots.get_mut(index.0 as usize)?.take();
        self.free.push(index.0);
        slot
    }

    /// Makes `child` a child of `parent`, and of nobody else.
    pub(super) fn adopt(&mut self, child: Index, parent: Index) {
        self.leave_parent(child);
        self.join_parent(child, parent);
    }

    fn join_parent(&mut self, child: Index, parent: Index) {
        if child == parent {
            return;
        }
        let Some(first) = self.get_mut(parent).map(|slot| std::mem::replace(&mut slot.first_child, child))
        else {
            return;
        };
        if let Some(slot) = self.get_mut(first) {
            slot.left = child;
        }
        if let Some(slot) = self.get_mut(child) {
            slot.parent = parent;
            slot.left = NIL;
            slot.right = first;
        }
    }

    fn leave_parent(&mut self, child: Index) {
        let Some(slot) = self.get_mut(child) else { return };
        let parent = std::mem::replace(&mut slot.parent, NIL);
        let left = std::mem::replace(&mut slot.left, NIL);
        let right = std::mem::replace(&mut slot.right, NIL);
        if parent == NIL {
            return;
        }
        if let Some(slot) = self.get_mut(left) {
            slot.right = right;
        } else if let Some(slot) = self.get_mut(parent) {
            slot.first_child = right;
        }
        if let Some(slot) = self.get_mut(right) {
            slot.left = left;
        }
    }

    /// Moves an entry into the queue that its state asks for. One that has been fading for longer
    /// than `remember` already goes to the head, to be dropped next.
    pub(super) fn settle(&mut self, index: Index, now: Nanos, remember: u64) {
        let Some(slot) = self.get_mut(index) else { return };
        let queue = slot.proper_queue();
        if slot.queue == queue {
            return;
        }
        let ended = slot.process.ended.unwrap_or(now);
        slot.queued = if queue == Queue::Fading { ended } else { now };
        self.leave_queue(index);
        if queue == Queue::Fading && now.since(ended) > remember {
            self.join_head(index, queue);
        } else {
            self.join_tail(index, queue);
        }
    }

    fn ends(&mut self, queue: Queue) -> Option<&mut Ends> {
        match queue {
            Queue::None => None,
            Queue::Fading => Some(&mut self.fading),
            Queue::EndedParents => Some(&mut self.ended_parents),
            Queue::Living => Some(&mut self.living),
            Queue::LivingParents => Some(&mut self.living_parents),
        }
    }

    fn join_tail(&mut self, index: Index, queue: Queue) {
        let Some(ends) = self.ends(queue) else { return };
        let newest = std::mem::replace(&mut ends.newest, index);
        ends.len += 1;
        if newest == NIL {
            ends.oldest = index;
        } else if let Some(slot) = self.get_mut(newest) {
            slot.newer = index;
        }
        if let Some(slot) = self.get_mut(index) {
            slot.queue = queue;
            slot.older = newest;
            slot.newer = NIL;
        }
    }

    fn join_head(&mut self, index: Index, queue: Queue) {
        let Some(ends) = self.ends(queue) else { return };
        let oldest = std::mem::replace(&mut ends.oldest, index);
        ends.len += 1;
        if oldest == NIL {
            ends.newest = index;
        } else if let Some(slot) = self.get_mut(oldest) {
            slot.older = index;
        }
        if let Some(slot) = self.get_mut(index) {
            slot.queue = queue;
            slot.older = NIL;
            slot.newer = oldest;
        }
    }

    fn leave_queue(&mut self, index: Index) {
        let Some(slot) = self.get_mut(index) else { return };
        let queue = std::mem::replace(&mut slot.queue, Queue::None);
        let older = std::mem::replace(&mut slot.older, NIL);
        let newer = std::mem::replace(&mut slot.newer, NIL);
        let Some(ends) = self.ends(queue) else { return };
        ends.len = ends.len.saturating_sub(1);
        if older == NIL {
            ends.oldest = newer;
        }
        if newer == NIL {
            ends.newest = older;
        }
        if let Some(slot) = self.get_mut(older) {
            slot.newer = newer;
        }
        if let Some(slot) = self.get_mut(newer) {
            slot.older = older;
        }
    }
}
