//! The thread that waits for writers to close, and reads.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use hashbrown::HashSet;

use super::baseline::{Asked, Baseline};
use super::file::{Found, MOST, Namespace, Open, Places, Stamp, is_served};
use super::lease::Writers;
use super::{Answer, Ask, secret};
use crate::alert::escape::escape;
use crate::event::{FileOp, FileText};
use crate::kernel::clock;

/// How long a writer is waited for; then what is there is read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks at a file that is being written: at first, and at most.
const LOOK: Duration = Duration::from_millis(1);
const LOOK_MOST: Duration = Duration::from_millis(16);

/// How long a file stays unchanged that nobody can say of whether it is closed.
const SETTLED: Duration = Duration::from_millis(20);

/// How long one that is not there may need to come back: an editor that renames.
const ABSENT: Duration = Duration::from_millis(8);

/// When a file with a class is looked at again: behind the window in which the kernel half reports no second
/// open by the same process.
const AGAIN: Duration = Duration::from_millis(1_100);

/// Between two looks at one whose writer keeps it open, and for how long.
const KEPT_OPEN: Duration = Duration::from_millis(250);
const KEPT_OPEN_MOST: Duration = Duration::from_secs(60);

/// Most files that are waited for.
const WAITS: usize = 1_024;

/// Most bytes of files without a class that are read in a second.
const SMALL_BYTES: u64 = 1 << 20;

/// Files that one log line each was written about; then all is forgotten.
const SAID: usize = 256;

pub(super) struct Worker {
    asks: Receiver<Ask>,
    answers: Sender<Answer>,
    wake: Arc<OwnedFd>,
    places: Places,
    baseline: Baseline,
    waits: Vec<Wait>,
    said: HashSet<Box<str>>,
    started: Instant,
    /// Told once, when it is known what files hold.
    ready: SyncSender<()>,
    second: u64,
    spent: u64,
}

/// A file that is being watched.
struct Wait {
    ask: Ask,
    namespace: Namespace,
    /// Questions that its answer settles; 0 once it was answered.
    settles: usize,
    since: Instant,
    due: Instant,
    pause: Duration,
    /// What it was when it was seen last, and since when it is that.
    seen: Option<(Stamp, Instant)>,
    /// What it was when it was read.
    read: Option<Stamp>,
}

impl Worker {
    pub(super) fn new(
        asks: Receiver<Ask>,
        answers: Sender<Answer>,
        wake: Arc<OwnedFd>,
        ready: SyncSender<()>,
    ) -> Self {
        Self {
            asks,
            answers,
            wake,
            places: Places::new(),
            baseline: Baseline::new(),
            waits: Vec::new(),
            said: HashSet::new(),
            started: Instant::now(),
            ready,
            second: 0,
            spent: 0,
        }
    }

    /// Serves until nobody asks any more.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let due = self.waits.iter().map(|wait| wait.due).min();
            let timeout = if self.baseline.is_complete() {
                due.map_or(Duration::from_secs(60), |due| due.saturating_duration_since(now))
            } else {
                Duration::ZERO
            };
            match self.asks.recv_timeout(timeout) {
                Ok(ask) => self.take(ask),
                Err(RecvTimeoutError::Timeout) if !self.baseline.is_complete() => self.prepare(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(ask) = self.asks.try_recv() {
                self.take(ask);
            }
            self.look(Instant::now());
        }
    }

    fn prepare(&mut self) {
        self.baseline.step(&mut self.places, clock::now());
        if self.baseline.is_complete() {
            let (files, left_out) = self.baseline.counts();
            let millis = self.started.elapsed().as_millis();
            tracing::debug!(files, left_out, millis, "what persistent files hold is known");
            let _ = self.ready.try_send(());
        }
    }

    fn take(&mut self, ask: Ask) {
        let now = Instant::now();
        if ask.op == FileOp::Unlink {
            let namespace = self.places.namespace(ask.mntns, ask.process.pid, ask.cgroup);
            return self.baseline.remove(namespace, &ask.path, ask.written);
        }
        // What was moved away is looked at under its new name.
        if ask.op == FileOp::Rename
            && let Some(at) = self.waits.iter().position(|wait| Some(&wait.ask.path) == ask.from.as_ref())
        {
            let moved = self.waits.swap_remove(at);
            self.answer(None, moved.settles);
        }
        let same = |wait: &&mut Wait| wait.ask.process == ask.process && wait.ask.path == ask.path;
        if let Some(wait) = self.waits.iter_mut().find(same) {
            if wait.settles == 0 {
                wait.since = now;
            }
            wait.settles += ask.settles();
            wait.ask = Ask { created: ask.created || wait.ask.created, ..ask };
            (wait.due, wait.pause, wait.seen, wait.read) = (now, LOOK, None, None);
            return;
        }
        let namespace = self.places.namespace(ask.mntns, ask.process.pid, ask.cgroup);
        let settles = ask.settles();
        if self.waits.len() >= WAITS {
            let text = ask.failed("too many files are being written at once".to_owned());
            self.answer(ask.class.map(|_| text), settles);
            return;
        }
        let (pause, seen, read) = (LOOK, None, None);
        self.waits.push(Wait { ask, namespace, settles, since: now, due: now, pause, seen, read });
    }

    fn look(&mut self, now: Instant) {
        let waits = std::mem::take(&mut self.waits);
        for mut wait in waits {
            if wait.due > now || self.look_at(&mut wait, now) {
                self.waits.push(wait);
            }
        }
    }

    /// Looks at one file; gives whether it is to be looked at again.
    fn look_at(&mut self, wait: &mut Wait, now: Instant) -> bool {
        if is_served(wait.ask.magic) {
            return self.fail(wait, "it is on a file system that a process serves".to_owned());
        }
        let open = match self.places.open(wait.namespace, wait.ask.process.pid, &wait.ask.path) {
            Found::File(open) => open,
            Found::Vanished if now < wait.since + ABSENT && wait.settles > 0 => {
                wait.due = now + LOOK;
                return true;
            }
            Found::Vanished => return self.fail(wait, "it is gone".to_owned()),
            Found::Other(why) => return self.fail(wait, why),
        };
        let closed = match open.writers() {
            Writers::None => true,
            Writers::Some => false,
            Writers::Unknown => match wait.seen {
                Some((stamp, since)) if stamp == open.stamp => now >= since + SETTLED,
                Some(_) | None => {
                    wait.seen = Some((open.stamp, now));
                    false
                }
            },
        };
        let is_late = now >= wait.since + PATIENCE;
        if wait.read.is_none() && (closed || is_late) {
            return self.read(wait, &open, now, !closed);
        }
        if wait.read.is_none() {
            wait.due = now + wait.pause;
            wait.pause = (wait.pause * 2).min(LOOK_MOST);
            return true;
        }
        let given_up = now >= wait.since + KEPT_OPEN_MOST;
        match (closed || given_up, wait.read == Some(open.stamp)) {
            (true, true) => false,
            (true, false) => self.read(wait, &open, now, !closed) && !given_up,
            (false, _) => {
                wait.due = now + KEPT_OPEN;
                true
            }
        }
    }

    /// Reads and answers; gives whether the file is to be looked at again.
    fn read(&mut self, wait: &mut Wait, open: &Open, now: Instant, unfinished: bool) -> bool {
        if wait.ask.class.is_none() && !self.is_affordable(open) {
            return false;
        }
        let text = match open.read() {
            Ok(text) => text,
            Err(error) => return self.fail(wait, format!("it cannot be read: {error}")),
        };
        let Ask { path, class, .. } = &wait.ask;
        let text: Box<str> = secret::masked(&text, *class).into();
        let before = class.and_then(|_| {
            self.baseline.before(&Asked {
                namespace: wait.namespace,
                path,
                written: wait.ask.written,
                created: wait.ask.created,
                moved: wait.ask.op != FileOp::Open,
            })
        });
        if class.is_some() {
            self.baseline.update(wait.namespace, path, text.clone());
        }
        let answer = FileText {
            before,
            size: open.stamp.size,
            unfinished,
            inode: open.stamp.inode,
            ..wait.ask.answer(Ok(text), clock::now())
        };
        let (first, has_class) = (wait.read.is_none(), class.is_some());
        self.answer(Some(answer), std::mem::take(&mut wait.settles));
        (wait.read, wait.seen, wait.ask.created) = (Some(open.stamp), None, false);
        wait.due = if unfinished { now + KEPT_OPEN } else { (wait.since + AGAIN).max(now + LOOK) };
        // Once more behind the window, and as often as it takes while it is open.
        has_class && (first || unfinished)
    }

    /// Says why a file was not read. One that was read already is let go.
    fn fail(&mut self, wait: &mut Wait, why: String) -> bool {
        if wait.settles == 0 {
            return false;
        }
        if self.said.len() >= SAID {
            self.said.clear();
        }
        let is_news = wait.ask.op != FileOp::Symlink && self.said.insert(wait.ask.path.clone());
        if is_news {
            tracing::warn!(path = %escape(&wait.ask.path), why = %escape(&why), "a file was not read: its alert goes out without its content");
        }
        let text = wait.ask.failed(why);
        self.answer(Some(text), std::mem::take(&mut wait.settles));
        false
    }

    fn is_affordable(&mut self, open: &Open) -> bool {
        let second = clock::now().0 / 1_000_000_000;
        if second != self.second {
            (self.second, self.spent) = (second, 0);
        }
        let size = open.stamp.size;
        self.spent = self.spent.saturating_add(size.min(MOST));
        size <= MOST && self.spent <= SMALL_BYTES
    }

    fn answer(&self, text: Option<FileText>, settles: usize) {
        if text.is_none() && settles == 0 {
            return;
        }
        // Nobody listens any more at the end, which is as well.
        let _ = self.answers.send(Answer { text, settles });
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}
