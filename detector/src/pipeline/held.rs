//! File events that wait for what was written, so that one alert says who, where and what.
//!
//! Only the judgement of such an event waits, for at most [`PATIENCE`] of its own time; everything else that
//! happens goes on in its order. That the content is looked for is said by the path alone, so that a
//! recording is judged as the machine was.

use std::collections::VecDeque;

use crate::change::{self, Change, Class};
use crate::event::{Event, EventKind, FileEvent, FileOp, FileText, Nanos, ProcessId};
use crate::process::Process;

/// Nanoseconds that an event waits; a little more than the reader of files waits for a writer.
const PATIENCE: u64 = 1_200_000_000;

/// Most events that wait.
const WAITING: usize = 1_024;

/// How many judged events are remembered for content that changes once more.
const JUDGED: usize = 256;

/// The events that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Held {
    waiting: VecDeque<Waiting>,
    judged: VecDeque<Waiting>,
}

/// An event that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) event: Event,
    /// Who did it, as it was then: it may execute something else while the event waits.
    pub(super) actor: Option<Process>,
    /// Time of the newest event of the same process about the same file.
    latest: Nanos,
    /// What the file held before the first of them, where a reading said so in between.
    before: Option<Box<str>>,
}

impl Waiting {
    fn file(&self) -> Option<&FileEvent> {
        if let EventKind::File(file) = &self.event.kind { Some(file) } else { None }
    }

    fn class(&self) -> Option<Class> {
        change::class_of(self.file()?)
    }

    fn is(&self, process: ProcessId, path: &str) -> bool {
        self.event.process == process && self.file().is_some_and(|file| *file.path == *path)
    }
}

impl Held {
    /// Whether an event is judged later, when its file was read.
    pub(super) fn waits_for(event: &Event) -> bool {
        let EventKind::File(file) = &event.kind else { return false };
        let is_written = match file.op {
            FileOp::Open | FileOp::Truncate | FileOp::Rename | FileOp::Link | FileOp::Symlink => true,
            FileOp::Unlink | FileOp::Chmod | FileOp::Access | FileOp::Copy | FileOp::Map => false,
        };
        is_written && change::class_of(file).is_some()
    }

    /// Keeps an event that waits. Repeats of one that waits already are part of it, and so is what was
    /// written under another name and is moved now. Gives the oldest where too many wait.
    pub(super) fn keep(&mut self, event: &Event, actor: Option<&Process>) -> Option<Waiting> {
        let EventKind::File(file) = &event.kind else { return None };
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.is(event.process, &file.path)) {
            waiting.latest = event.time;
            return None;
        }
        if file.op == FileOp::Rename
            && let Some(from) = &file.from
        {
            self.waiting.retain(|waiting| {
                waiting.event.agent != event.agent || waiting.file().is_none_or(|file| file.path != *from)
            });
        }
        let actor = actor.cloned();
        self.waiting.push_back(Waiting { event: event.clone(), actor, latest: event.time, before: None });
        if self.waiting.len() > WAITING { self.waiting.pop_front() } else { None }
    }

    /// The event that a file's content belongs to, with its change.
    pub(super) fn arrived(&mut self, text: &FileText) -> Option<(Waiting, Change)> {
        let is_it = |waiting: &Waiting| waiting.is(text.process, &text.path);
        if let Some(at) = self.waiting.iter().position(is_it) {
            let waiting = self.waiting.get_mut(at)?;
            if waiting.before.is_none() {
                waiting.before.clone_from(&text.before);
            }
            if text.written < waiting.latest {
                // It was opened again since; that reading is on its way.
                return None;
            }
            let waiting = self.waiting.remove(at)?;
            let change = Change::of(waiting.class()?, waiting.before.as_deref(), text);
            self.remember(Waiting { before: None, ..waiting.clone() });
            return Some((waiting, change));
        }
        // Written once more behind what the kernel half reports.
        let waiting = self.judged.iter().rev().find(|waiting| is_it(waiting))?.clone();
        let change = Change::of(waiting.class()?, text.before.as_deref(), text);
        (!change.is_empty()).then_some((waiting, change))
    }

    /// Events that have waited long enough.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Waiting> {
        let is_due = |waiting: &mut Waiting| now.since(waiting.event.time) >= PATIENCE;
        let waiting = self.waiting.pop_front_if(is_due)?;
        self.remember(waiting.clone());
        Some(waiting)
    }

    /// The oldest, due or not; for the end.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    fn remember(&mut self, waiting: Waiting) {
        if self.judged.len() >= JUDGED {
            self.judged.pop_front();
        }
        self.judged.push_back(waiting);
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
