//! Reads small files once their writer closed them, on a thread of its own: the ring thread never waits.
//!
//! What is asked for comes in with the events of files; what was read goes to the core as an input. A file
//! with a class is looked at again, since the kernel half does not report a process that opens one file for
//! the second time within a second, and since a writer may keep it open for as long as it likes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::change::{self, Class};
use crate::event::{AgentId, CgroupId, Event, EventKind, FileOp, FileText, Nanos, ProcessId};

mod baseline;
mod file;
mod lease;
mod secret;
mod small;
mod worker;

/// Most questions that wait for the worker.
const WAITING: usize = 1_024;

/// How long the start waits for what files hold; mostly that is known before the probes are loaded.
const READY: Duration = Duration::from_secs(2);

/// Most small files without a class that are read in a second.
const SMALL_FILES: u32 = 50;

/// A file that is worth reading.
#[derive(Clone, Debug)]
struct Ask {
    written: Nanos,
    process: ProcessId,
    agent: AgentId,
    cgroup: CgroupId,
    path: Box<str>,
    from: Option<Box<str>>,
    op: FileOp,
    dev: u32,
    inode: u64,
    mntns: u32,
    magic: u32,
    created: bool,
    class: Option<Class>,
}

/// What the worker says.
struct Answer {
    /// What was read; nothing where the question became void.
    text: Option<FileText>,
    /// Questions that are settled by this; 0 for what was read again.
    settles: usize,
}

/// The ring thread's end.
pub struct Contents {
    asks: SyncSender<Ask>,
    answers: Receiver<Answer>,
    /// Where the worker's own end goes when it is asked in vain.
    back: Sender<Answer>,
    wake: Arc<OwnedFd>,
    ready: Receiver<()>,
    outstanding: usize,
    second: u64,
    spent: u32,
    unread: u64,
    said: u64,
}

impl Contents {
    /// Starts the worker, which first reads what the files hold that somebody might change.
    ///
    /// # Errors
    /// No thread or descriptor is left.
    pub fn start() -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (asks, questions) = sync_channel(WAITING);
        let (sender, answers) = channel();
        let (done, ready) = sync_channel(1);
        let worker = worker::Worker::new(questions, sender.clone(), wake.clone(), done);
        std::thread::Builder::new().name("contents".to_owned()).spawn(move || worker.run())?;
        Ok(Self {
            asks,
            answers,
            back: sender,
            wake,
            ready,
            outstanding: 0,
            second: 0,
            spent: 0,
            unread: 0,
            said: 0,
        })
    }

    /// Waits until it is known what files hold before anybody is watched; not for long.
    pub fn wait_until_ready(&self) {
        if self.ready.recv_timeout(READY).is_err() {
            tracing::info!("what files held before is not known of all of them yet");
        }
    }

    /// Becomes readable when there is something to [`Contents::take`].
    pub fn wake(&self) -> &Arc<OwnedFd> {
        &self.wake
    }

    /// Asks for the content of the file that an event is about, if it is worth reading.
    pub fn ask(&mut self, event: &Event) {
        let EventKind::File(file) = &event.kind else { return };
        let class = change::class_of(file);
        let is_worth_it = match file.op {
            FileOp::Open | FileOp::Truncate | FileOp::Rename | FileOp::Link | FileOp::Symlink => {
                class.is_some() || (small::is_small(&file.path) && self.may_spend(event.time))
            }
            FileOp::Unlink => class.is_some(),
            FileOp::Chmod | FileOp::Access | FileOp::Copy | FileOp::Map => false,
        };
        if !is_worth_it {
            return;
        }
        let ask = Ask {
            written: event.time,
            process: event.process,
            agent: event.agent,
            cgroup: event.cgroup,
            path: file.path.clone(),
            from: file.from.clone(),
            op: file.op,
            dev: file.dev,
            inode: file.inode,
            mntns: file.mntns,
            magic: file.magic,
            created: file.created,
            class,
        };
        let settles = ask.settles();
        match self.asks.try_send(ask) {
            Ok(()) => self.outstanding += settles,
            Err(TrySendError::Full(ask) | TrySendError::Disconnected(ask)) => {
                self.unread += 1;
                if settles > 0 {
                    self.outstanding += settles;
                    let text = ask.failed("too many files were written at once".to_owned());
                    let _ = self.back.send(Answer { text: Some(text), settles: 1 });
                }
            }
        }
    }

    /// What was read since the last call.
    pub fn take(&mut self) -> Vec<FileText> {
        let mut texts = Vec::new();
        while let Ok(Answer { text, settles }) = self.answers.try_recv() {
            self.outstanding = self.outstanding.saturating_sub(settles);
            texts.extend(text);
        }
        texts
    }

    /// Whether a file with a class was asked for and not read yet.
    pub fn is_waiting(&self) -> bool {
        self.outstanding > 0
    }

    /// Says how many files were left out since the last call, if any were.
    pub fn log(&mut self) {
        if self.unread > self.said {
            tracing::info!(
                files = self.unread - self.said,
                "small files were not read: more were written than are read in a second"
            );
            self.said = self.unread;
        }
    }

    /// A clone of a large repository must cost nothing: most of its files are not even asked for.
    fn may_spend(&mut self, now: Nanos) -> bool {
        let second = now.0 / 1_000_000_000;
        if second != self.second {
            (self.second, self.spent) = (second, 0);
        }
        self.spent = self.spent.saturating_add(1);
        let may = self.spent <= SMALL_FILES;
        self.unread += u64::from(!may);
        may
    }
}

impl Ask {
    /// How many answers somebody waits for: one for a file with a class that is there.
    fn settles(&self) -> usize {
        usize::from(self.class.is_some() && self.op != FileOp::Unlink)
    }

    fn failed(&self, why: String) -> FileText {
        self.answer(Err(why.into()), crate::kernel::clock::now())
    }

    fn answer(&self, text: Result<Box<str>, Box<str>>, now: Nanos) -> FileText {
        FileText {
            time: now,
            written: self.written,
            process: self.process,
            agent: self.agent,
            cgroup: self.cgroup,
            path: self.path.clone(),
            dev: self.dev,
            inode: self.inode,
            before: None,
            text,
            size: 0,
            unfinished: false,
        }
    }
}
