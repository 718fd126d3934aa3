//! Keeps the kernel half's list of canaries true: paths become inodes, renames and copies are followed.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use detector_common::wire::InodeKey;
use hashbrown::HashMap;

use super::copies::{Candidate, Copies, Copy, read};
use super::place::{Held, hold};
use super::{Canary, Decoy, Strings, token};
use crate::event::{AgentId, Event, EventKind, FileEvent, FileOp, Nanos};

/// Most copies that are followed.
const COPIES: usize = 256;
/// Most inodes of one canary that have moved away from its path.
const MOVED: usize = 16;
/// Most files written lately that are remembered, in case their writer turns out to have opened a canary.
const RECENT: usize = 256;
/// How long before the open of a canary a file was opened that may be a copy: a shell opens the target of
/// `cat canary > target` first.
const BEFORE: u64 = 10_000_000_000;
/// How long after it.
const AFTER: u64 = 60_000_000_000;
/// Magic number of FUSE: its files answer when somebody else likes.
const FUSE: u32 = 0x6573_5546;

/// What the kernel half is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This file is a canary from now on.
    Add(InodeKey),
    /// This one is none any more.
    Remove(InodeKey),
}

/// The canaries of a configuration.
#[derive(Debug)]
pub struct Watch {
    placed: Vec<Placed>,
    /// What each inode is called.
    names: HashMap<InodeKey, Box<str>>,
    copied: VecDeque<Held>,
    copies: Option<Copies>,
    /// Files written lately.
    recent: VecDeque<Candidate>,
    /// When each agent opened a canary last.
    opened: BTreeMap<AgentId, Nanos>,
    changes: Vec<Change>,
    /// Strings were found that the core does not know yet.
    news: bool,
    /// That more files are written than can be looked into was said, since a canary was opened last.
    overrun: bool,
}

#[derive(Debug)]
struct Placed {
    canary: Canary,
    held: Option<Held>,
    /// Files that stood at the path and are called otherwise now.
    moved: VecDeque<Held>,
    /// Where all of these stand, besides the path as configured.
    paths: Vec<PathBuf>,
    /// That it is not there was said.
    missed: bool,
}

impl Watch {
    /// Watches nothing.
    pub fn none() -> Self {
        Self {
            placed: Vec::new(),
            names: HashMap::new(),
            copied: VecDeque::new(),
            copies: None,
            recent: VecDeque::new(),
            opened: BTreeMap::new(),
            changes: Vec::new(),
            news: false,
            overrun: false,
        }
    }

    /// Watches other canaries from now on. `wake` is written to when a copy was found.
    ///
    /// # Errors
    /// The thread that reads copies does not start.
    pub fn set(&mut self, canaries: Vec<Canary>, wake: &Arc<OwnedFd>) -> io::Result<()> {
        if self.placed.is_empty() && canaries.is_empty() {
            return Ok(());
        }
        let mut before: Vec<Placed> = mem::take(&mut self.placed);
        for canary in canaries {
            let same = |known: &Canary| (&known.name, &known.path) == (&canary.name, &canary.path);
            let known = before.iter().position(|placed| same(&placed.canary));
            self.placed.push(match known {
                // What was read from the file itself stays known.
                Some(at) => before.swap_remove(at).with(canary),
                None => {
                    Placed { canary, held: None, moved: VecDeque::new(), paths: Vec::new(), missed: false }
                }
            });
        }
        for held in before.into_iter().flat_map(|placed| placed.held.into_iter().chain(placed.moved)) {
            self.names.remove(&held.key);
            self.changes.push(Change::Remove(held.key));
        }
        if self.copies.is_none() && !self.placed.is_empty() {
            self.copies = Some(Copies::start(Arc::clone(wake))?);
        }
        self.news = true;
        self.tick();
        Ok(())
    }

    /// Looks where the canaries are.
    pub fn tick(&mut self) {
        let Self { placed, names, copied, changes, news, .. } = self;
        for placed in placed {
            placed.look(names, changes, news);
        }
        copied.retain(|held| held.links() > 0 || forget(held.key, names, changes));
    }

    /// What the kernel half is to be told since the last call.
    pub fn changes(&mut self) -> Vec<Change> {
        mem::take(&mut self.changes)
    }

    /// What the core is to be told, where that has changed since the last call.
    pub fn news(&mut self) -> Option<Vec<Decoy>> {
        if !mem::take(&mut self.news) {
            return None;
        }
        let decoy = |placed: &Placed| Decoy {
            name: placed.canary.name.as_str().into(),
            tokens: placed.canary.tokens.iter().map(|token| token.as_str().into()).collect(),
        };
        let decoys: Vec<Decoy> = self.placed.iter().map(decoy).collect();
        if let Some(copies) = &self.copies {
            copies.look_for(Arc::new(Strings::new(&decoys)));
        }
        Some(decoys)
    }

    /// Takes an event on its way to the core, and says in it which canary it is about. Gives a further event
    /// where this one is an open of a canary under another name: an exec.
    pub fn see(&mut self, event: &mut Event) -> Option<Event> {
        if self.placed.is_empty() {
            return None;
        }
        let (time, agent) = (event.time, event.agent);
        match &mut event.kind {
            EventKind::File(file) => {
                file.canary = self.name(file);
                let opened = file.op == FileOp::Access && file.canary.is_some();
                let written = file.op == FileOp::Open && file.canary.is_none() && file.magic != FUSE;
                if opened {
                    self.opened(agent, time);
                } else if written {
                    let key = InodeKey { inode: file.inode, dev: file.dev, pad: 0 };
                    let path = file.path.clone();
                    self.written(Candidate { event: event.clone(), path, key });
                }
                None
            }
            EventKind::Exec(exec) => {
                let key = InodeKey { inode: exec.inode, dev: exec.dev, pad: 0 };
                let canary = self.names.get(&key)?.clone();
                let file = FileEvent {
                    op: FileOp::Access,
                    path: exec.exe.clone(),
                    inode: exec.inode,
                    dev: exec.dev,
                    mode: exec.mode,
                    nlink: exec.nlink,
                    canary: Some(canary),
                    ..FileEvent::default()
                };
                self.opened(agent, time);
                Some(Event { kind: EventKind::File(file), ..event.clone() })
            }
            EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => None,
        }
    }

    /// The copies that were found since the last call, as events: they are canaries from now on.
    pub fn found(&mut self, now: Nanos) -> Vec<Event> {
        let found: Vec<Copy> = self.copies.iter().flat_map(Copies::found).collect();
        found.into_iter().filter_map(|copy| self.copy(copy, now)).collect()
    }

    fn copy(&mut self, copy: Copy, now: Nanos) -> Option<Event> {
        let Copy { candidate: Candidate { event, path, key }, name, held } = copy;
        if self.names.contains_key(&key) {
            return None;
        }
        let original = self.placed.iter().find(|placed| placed.canary.name == *name);
        let from = original.map(|placed| placed.canary.path.to_string_lossy().into());
        let canary: Box<str> = format!("copy of {name}").into();
        self.names.insert(key, canary.clone());
        self.changes.push(Change::Add(key));
        self.copied.push_back(held);
        if self.copied.len() > COPIES
            && let Some(oldest) = self.copied.pop_front()
        {
            tracing::warn!("more than {COPIES} copies of canaries; the oldest is followed no longer");
            forget(oldest.key, &mut self.names, &mut self.changes);
        }
        let EventKind::File(written) = event.kind else { return None };
        let file = FileEvent { op: FileOp::Copy, path, from, canary: Some(canary), ..written };
        Some(Event { time: now, received: now, kind: EventKind::File(file), ..event })
    }

    /// An agent opened a canary: what it wrote just before, and writes soon, may be a copy.
    fn opened(&mut self, agent: AgentId, time: Nanos) {
        self.opened.retain(|_, last| time.since(*last) <= AFTER);
        self.opened.insert(agent, time);
        self.overrun = false;
        let fresh = |file: &Candidate| time.since(file.event.time) <= BEFORE;
        for file in mem::take(&mut self.recent) {
            if file.event.agent != agent {
                self.recent.push_back(file);
            } else if fresh(&file) {
                self.look_into(file);
            }
        }
    }

    fn written(&mut self, file: Candidate) {
        let is_hot = |last: &Nanos| file.event.time.since(*last) <= AFTER;
        if self.opened.get(&file.event.agent).is_some_and(is_hot) {
            self.look_into(file);
            return;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(file);
    }

    fn look_into(&mut self, file: Candidate) {
        if let Some(copies) = &self.copies
            && !copies.look_into(file)
            && !mem::replace(&mut self.overrun, true)
        {
            tracing::warn!("an agent that opened a canary writes more files than can be looked into");
        }
    }

    /// The canary that a file event is about: by its inode, or by a name that it was given or lost.
    fn name(&self, file: &FileEvent) -> Option<Box<str>> {
        let key = InodeKey { inode: file.inode, dev: file.dev, pad: 0 };
        if file.inode != 0 {
            return self.names.get(&key).cloned();
        }
        let ends = [Some(&*file.path), file.from.as_deref(), file.host_path.as_deref()];
        let is_one = |path: &PathBuf| ends.iter().flatten().any(|end| path.as_os_str() == *end);
        let found = self.placed.iter().find(|placed| placed.stands_at().any(is_one));
        found.map(|placed| placed.canary.name.as_str().into())
    }
}

impl Placed {
    /// The same canary under another configuration.
    fn with(mut self, canary: Canary) -> Self {
        let known = mem::replace(&mut self.canary, canary).tokens;
        self.canary.tokens.extend(known);
        self.canary.tokens.sort();
        self.canary.tokens.dedup();
        self
    }

    fn stands_at(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.canary.path).chain(&self.paths)
    }

    /// Compares the path with what is known of it.
    fn look(&mut self, names: &mut HashMap<InodeKey, Box<str>>, changes: &mut Vec<Change>, news: &mut bool) {
        self.moved.retain(|held| held.links() > 0 || forget(held.key, names, changes));
        let there = rustix::fs::stat(&self.canary.path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
        if there.is_none() || self.held.as_ref().is_none_or(|held| Some(held.stat) != there) {
            self.let_go(names, changes);
            self.take_up(names, changes, news);
        }
        let held = self.held.iter().chain(&self.moved);
        self.paths = held.filter_map(Held::path).collect();
    }

    /// What stood at the path does no more: it was removed, or has another name.
    fn let_go(&mut self, names: &mut HashMap<InodeKey, Box<str>>, changes: &mut Vec<Change>) {
        let Some(held) = self.held.take() else { return };
        if held.links() == 0 || self.moved.len() == MOVED {
            forget(held.key, names, changes);
        } else {
            self.moved.push_back(held);
        }
    }

    fn take_up(
        &mut self,
        names: &mut HashMap<InodeKey, Box<str>>,
        changes: &mut Vec<Change>,
        news: &mut bool,
    ) {
        let Canary { name, path, tokens, .. } = &mut self.canary;
        match hold(path) {
            Ok(held) => {
                let known = self.moved.iter().position(|moved| moved.key == held.key);
                if let Some(at) = known {
                    self.moved.remove(at);
                }
                for token in read(&held.by_descriptor()).iter().flat_map(|bytes| token::find(bytes)) {
                    if !tokens.contains(&token) {
                        tokens.push(token);
                        *news = true;
                    }
                }
                names.insert(held.key, name.as_str().into());
                changes.push(Change::Add(held.key));
                tracing::debug!(canary = %name, path = %path.display(), inode = held.key.inode, "a canary is watched");
                self.held = Some(held);
                self.missed = false;
            }
            Err(error) if !self.missed => {
                self.missed = true;
                tracing::warn!(
                    canary = %name, path = %path.display(), %error,
                    "a canary is not there and cannot alarm until it is; `detector canary plant` makes one"
                );
            }
            Err(_) => {}
        }
    }
}

/// A file is no canary any more; gives false, as what is forgotten is not kept.
fn forget(key: InodeKey, names: &mut HashMap<InodeKey, Box<str>>, changes: &mut Vec<Change>) -> bool {
    names.remove(&key);
    changes.push(Change::Remove(key));
    false
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
