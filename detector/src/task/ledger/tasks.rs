//! Tasks: those that run, and those that ended a while ago.

use globset::{GlobBuilder, GlobMatcher};

use super::means;
use crate::agent::Agent;
use crate::event::Nanos;
use crate::task::Task;

/// Most tasks, ended ones included; the oldest that ended makes room, then the oldest.
const MOST: usize = 1024;

/// How long a task is remembered after its end.
const REMEMBERED: u64 = 600_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Tasks {
    entries: Vec<Entry>,
    used: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Entry {
    task: Task,
    exe: Exe,
    ended: Option<Nanos>,
}

/// Which executables a task speaks of.
#[derive(Debug)]
enum Exe {
    Any,
    Those(Box<GlobMatcher>),
    /// The pattern is none: the rim refuses it, a recording may hold it.
    None,
}

impl Exe {
    fn new(task: &Task) -> Self {
        let Some(pattern) = &task.exe else { return Self::Any };
        match pattern_of(pattern) {
            Ok(matcher) => Self::Those(Box::new(matcher)),
            Err(_) => Self::None,
        }
    }

    fn names(&self, exe: &str) -> bool {
        if let Self::Those(matcher) = self { matcher.is_match(exe) } else { false }
    }
}

/// The glob of a task over executables: one without a slash is over their names.
///
/// # Errors
/// The glob is malformed.
pub fn pattern_of(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let whole = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    Ok(GlobBuilder::new(&whole).literal_separator(true).build()?.compile_matcher())
}

/// A task that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The task.
    pub task: &'a Task,
    /// When it ended, or expired.
    pub when: Nanos,
}

impl Tasks {
    pub(super) fn start(&mut self, task: Task) {
        self.used = true;
        self.entries.retain(|entry| entry.task.id != task.id);
        if self.entries.len() >= MOST {
            let ended = self.entries.iter().position(|entry| entry.ended.is_some());
            self.entries.remove(ended.unwrap_or(0));
            self.dropped = self.dropped.saturating_add(1);
        }
        let exe = Exe::new(&task);
        self.entries.push(Entry { task, exe, ended: None });
    }

    pub(super) fn end(&mut self, id: &str, when: Nanos) {
        let runs = |entry: &&mut Entry| *entry.task.id == *id && entry.ended.is_none();
        if let Some(entry) = self.entries.iter_mut().find(runs) {
            entry.ended = Some(when);
        }
    }

    pub(super) fn tick(&mut self, now: Nanos) {
        for entry in &mut self.entries {
            if entry.ended.is_none() {
                entry.ended = entry.task.expires.filter(|expires| *expires <= now);
            }
        }
        self.entries.retain(|entry| entry.ended.is_none_or(|ended| now.since(ended) < REMEMBERED));
    }

    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// The latest task that runs, is of this agent and passes: one that names the executable before one that names
    /// none.
    pub(super) fn of(&self, agent: &Agent, exe: &str, passes: impl Fn(&Task) -> bool) -> Option<&Task> {
        let running = || {
            let all = self.entries.iter().rev().filter(|entry| entry.ended.is_none());
            all.filter(|entry| means(&entry.task.agent, agent) && passes(&entry.task))
        };
        let named = running().find(|entry| entry.exe.names(exe));
        let any = || running().find(|entry| matches!(entry.exe, Exe::Any));
        named.or_else(any).map(|entry| &entry.task)
    }

    pub(super) fn ended(&self) -> impl Iterator<Item = Ended<'_>> {
        self.entries.iter().filter_map(|entry| Some(Ended { task: &entry.task, when: entry.ended? }))
    }

    pub(super) fn is_of(&self, task: &Task, agent: &Agent, exe: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.task.id == task.id);
        entry.is_some_and(|entry| {
            means(&entry.task.agent, agent) && (matches!(entry.exe, Exe::Any) || entry.exe.names(exe))
        })
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
