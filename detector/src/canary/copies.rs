//! Looks into files that an agent wrote around the time that it opened a canary: do they hold its strings?
//!
//! A thread of its own does the reading, since a file may be on a file system that does not answer. No event
//! says that a writer closed its file, so each file is looked at a few times, later and later.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use detector_common::wire::InodeKey;
use rustix::fs::OFlags;

use super::Strings;
use super::place::{Held, hold};
use crate::event::Event;

/// When a file is looked at, after it was opened for writing.
const LOOKS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// Most files that wait to be looked at.
const PENDING: usize = 256;
/// Most bytes of one that are read.
const MOST: u64 = 1 << 20;
/// How long the thread sleeps when nothing waits.
const IDLE: Duration = Duration::from_secs(3600);

/// A file that may hold what a canary holds: the event of its open for writing.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The event.
    pub(super) event: Event,
    /// Path as the writer sees it.
    pub(super) path: Box<str>,
    /// The file.
    pub(super) key: InodeKey,
}

/// A file that holds strings of a canary.
#[derive(Debug)]
pub(super) struct Copy {
    /// How it came to be known.
    pub(super) candidate: Candidate,
    /// Name of the canary.
    pub(super) name: Box<str>,
    /// The file.
    pub(super) held: Held,
}

enum Message {
    Strings(Arc<Strings>),
    Look(Box<Candidate>),
}

/// The thread and the way to it.
#[derive(Debug)]
pub(super) struct Copies {
    messages: SyncSender<Message>,
    found: Receiver<Copy>,
}

impl Copies {
    /// Starts the thread; it writes to `wake` when it found something, and ends with this.
    pub(super) fn start(wake: Arc<OwnedFd>) -> io::Result<Self> {
        let (messages, inbox) = sync_channel(PENDING);
        let (outbox, found) = channel();
        std::thread::Builder::new().name("copies".to_owned()).spawn(move || work(&inbox, &outbox, &wake))?;
        Ok(Self { messages, found })
    }

    /// Looks for these strings from now on.
    pub(super) fn look_for(&self, strings: Arc<Strings>) {
        let _ = self.messages.try_send(Message::Strings(strings));
    }

    /// Has a file looked into; false where too many wait.
    pub(super) fn look_into(&self, candidate: Candidate) -> bool {
        self.messages.try_send(Message::Look(Box::new(candidate))).is_ok()
    }

    /// What was found since the last call.
    pub(super) fn found(&self) -> impl Iterator<Item = Copy> {
        self.found.try_iter()
    }
}

/// A file that waits for its next look.
struct Pending {
    candidate: Candidate,
    held: Held,
    since: Instant,
    looks: usize,
}

impl Pending {
    fn due(&self) -> Option<Instant> {
        Some(self.since + *LOOKS.get(self.looks)?)
    }
}

fn work(inbox: &Receiver<Message>, outbox: &Sender<Copy>, wake: &OwnedFd) {
    let mut strings = Arc::<Strings>::default();
    let mut pending: Vec<Pending> = Vec::new();
    loop {
        let next = pending.iter().filter_map(Pending::due).min();
        let wait = next.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match inbox.recv_timeout(wait) {
            Ok(Message::Strings(fresh)) => strings = fresh,
            Ok(Message::Look(candidate)) => {
                if pending.len() < PENDING
                    && let Some(held) = open(&candidate)
                {
                    pending.push(Pending { candidate: *candidate, held, since: Instant::now(), looks: 0 });
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        let due: Vec<Pending> =
            pending.extract_if(.., |file| file.due().is_none_or(|due| due <= now)).collect();
        for mut file in due {
            file.looks += 1;
            match read(&file.held.by_descriptor()) {
                Ok(bytes) => {
                    let name = strings.find([bytes.as_slice()]).first().map(|name| (*name).into());
                    if let Some(name) = name {
                        let Pending { candidate, held, .. } = file;
                        let _ = outbox.send(Copy { candidate, name, held });
                        let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
                    } else if file.due().is_some() && file.held.links() > 0 {
                        pending.push(file);
                    }
                }
                Err(error) => tracing::debug!(path = %file.candidate.path, %error, "a file cannot be read"),
            }
        }
    }
}

/// Holds the file of a candidate: through its writer's root, or by our own where that one is gone.
fn open(candidate: &Candidate) -> Option<Held> {
    let Candidate { event, path, key } = candidate;
    let inside = format!("/proc/{}/root{path}", event.process.pid);
    // The device may be one that our own table of mounts does not list.
    let through = hold(Path::new(&inside)).ok().filter(|held| held.key.inode == key.inode);
    let held = through.or_else(|| hold(Path::new(&**path)).ok().filter(|held| held.key == *key))?;
    Some(Held { key: *key, ..held })
}

/// The first bytes of a file, at most a MiB, its time of access kept where that is allowed. Never waits for a
/// writer.
///
/// # Errors
/// It cannot be opened or read, or is no regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let open = |flags: OFlags| {
        let flags = i32::try_from((flags | OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    let file: fs::File = open(OFlags::NOATIME).or_else(|_| open(OFlags::empty()))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
