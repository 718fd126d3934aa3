//! Carries alerts from the ring thread into the store, and from there to the sinks, each at its own pace.
//!
//! One thread puts alerts down; every sink has a thread of its own that reads its queue. A sink that is slow or dead
//! delays nobody else.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::alert::card::Card;
use crate::alert::{Alert, Level};
use crate::config::sinks::Routing;
use crate::sinks::file::AlertFile;
use crate::sinks::human::{Colour, Terminal};
use crate::sinks::stdout::Stdout;
use crate::sinks::{Grain, Sink, SinkError};
use crate::store::room::Limits;
use crate::store::{Store, StoreError};

mod bell;
pub mod notice;
mod pace;
mod recorder;
mod worker;

use bell::Bell;
use recorder::Recorder;
use worker::Worker;

/// Most alerts that wait to be put down.
const WAITING: usize = 16_384;
/// How long the end waits for sinks that still have something to say.
pub const GRACE: Duration = Duration::from_secs(5);
/// How long a thread that panicked rests.
const REST: Duration = Duration::from_secs(1);

/// Opens a sink once more.
pub type Reopen = Arc<dyn Fn() -> Result<Box<dyn Sink>, SinkError> + Send + Sync>;

/// An open sink, and what it takes.
pub struct Target {
    /// What the operator calls it.
    pub name: String,
    /// What it takes, and how fast.
    pub routing: Routing,
    /// What it is given.
    pub grain: Grain,
    /// Most messages a minute where the routing says nothing.
    pub rate: Option<u32>,
    /// Who reads it.
    pub audience: Audience,
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// Opens it again after it panicked; it goes on as it is where there is none.
    pub reopen: Option<Reopen>,
}

/// Who reads a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// People, whom mutes spare.
    People,
    /// Machines, which are told of everything.
    Machines,
}

impl Target {
    /// A sink of a configuration.
    pub fn new(name: impl Into<String>, grain: Grain, routing: Routing, sink: Box<dyn Sink>) -> Self {
        let audience = match grain {
            Grain::Alert => Audience::Machines,
            Grain::Incident => Audience::People,
        };
        Self { name: name.into(), routing, grain, rate: None, audience, sink, reopen: None }
    }

    /// JSON lines on standard output.
    pub fn stdout() -> Self {
        Self::new("(stdout)", Grain::Alert, Routing::default(), Box::new(Stdout))
    }

    /// JSON lines in a file.
    pub fn file(file: AlertFile) -> Self {
        Self::new("(file)", Grain::Alert, Routing::default(), Box::new(file))
    }

    /// Cards on standard error, for alerts of `least` and above.
    pub fn human(colour: Colour, least: Level) -> Self {
        let sink = Box::new(Terminal(colour));
        let target = Self::new("(terminal)", Grain::Alert, Routing::at_least(least), sink);
        Self { audience: Audience::People, ..target }
    }
}

/// The ring thread's end.
pub struct Outlet {
    alerts: SyncSender<Alert>,
    shared: Arc<Shared>,
}

impl Outlet {
    /// Hands an alert over; never blocks.
    pub fn send(&mut self, alert: Alert) {
        if self.alerts.try_send(alert).is_err() {
            let dropped = self.shared.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::error!(dropped, "the store is too slow; alerts are dropped");
            }
        }
    }
}

/// How many alerts of each level were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered(BTreeMap<Level, u64>);

impl Delivered {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Those of `level` and above.
    pub fn at_least(&self, level: Level) -> u64 {
        self.0.range(level..).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().rev().map(|(level, count)| format!("{count} {}", level.name())).collect();
        f.write_str(&parts.join(", "))
    }
}

/// What the threads share.
struct Shared {
    store: Arc<Store>,
    /// In memory, for the time in which the store cannot be written.
    spare: OnceLock<Arc<Store>>,
    /// Our name in the store.
    owner: String,
    host: String,
    limits: Limits,
    ways: Mutex<Arc<Vec<Way>>>,
    dropped: AtomicU64,
}

/// A sink as those see it who have something for it.
struct Way {
    name: String,
    routing: Routing,
    grain: Grain,
    audience: Audience,
    bell: Arc<Bell>,
}

impl Shared {
    fn ways(&self) -> Arc<Vec<Way>> {
        Arc::clone(&self.ways.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The stores that have queues: the one on disk, then the one in memory where there is one.
    fn stores(&self) -> impl Iterator<Item = &Arc<Store>> {
        std::iter::once(&self.store).chain(self.spare.get())
    }

    fn post(&self, sink: &str, card: &Card) -> Result<(), StoreError> {
        let posted = self.store.post(&self.owner, sink, card);
        match (posted, self.spare.get()) {
            (Err(_), Some(spare)) => spare.post(&self.owner, sink, card),
            (posted, _) => posted,
        }
    }

    /// Says something to every sink that gets incidents.
    fn tell_people(&self, card: &Card) {
        for way in self.ways().iter().filter(|way| way.grain == Grain::Incident) {
            if let Err(error) = self.post(&way.name, card) {
                tracing::error!(sink = way.name, error = %chain(error), "a notice cannot be queued");
            }
            way.bell.look();
        }
    }
}

/// An error with its causes, for the log.
fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

/// Hands cards to sinks from other threads: digests and notices.
#[derive(Clone)]
pub struct Post(Arc<Shared>);

impl Post {
    /// Queues a card for a sink, by the name that the configuration gives it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn to(&self, sink: &str, card: &Card) -> Result<(), StoreError> {
        self.0.post(sink, card)?;
        if let Some(way) = self.0.ways().iter().find(|way| way.name == sink) {
            way.bell.look();
        }
        Ok(())
    }

    /// Queues a card for every sink that people read.
    pub fn people(&self, card: &Card) {
        self.0.tell_people(card);
    }
}

/// The threads that deliver. They end when the [`Outlet`] is dropped and [`Delivery::finish`] is called.
pub struct Delivery {
    recorder: JoinHandle<Delivered>,
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    /// Every thread of a sink holds one; nothing is ever sent.
    runs: Sender<()>,
    /// Closed once every thread of a sink has ended.
    running: Receiver<()>,
}

/// The thread of a sink.
struct Lane {
    name: String,
    bell: Arc<Bell>,
    thread: JoinHandle<()>,
}

/// Starts the threads.
///
/// # Errors
/// The store cannot be written, or a thread cannot be started.
pub fn start(
    store: Arc<Store>,
    targets: Vec<Target>,
    limits: Limits,
) -> Result<(Outlet, Delivery), anyhow::Error> {
    let (sender, receiver) = sync_channel(WAITING);
    let owner = ulid::Ulid::new().to_string();
    if let Err(error) = store.enter_as(&owner) {
        // A disk that is full now may have room later, and the detector is there to see what filled it.
        if !error.is_disk() {
            return Err(error.into());
        }
        tracing::error!(error = %chain(error), "the store cannot be written");
    }
    let shared = Arc::new(Shared {
        store,
        spare: OnceLock::new(),
        owner,
        host: crate::recording::host(),
        limits,
        ways: Mutex::default(),
        dropped: AtomicU64::new(0),
    });
    let (runs, running) = channel();
    let recorder = Recorder::new(Arc::clone(&shared), receiver);
    let recorder = std::thread::Builder::new().name("alerts".to_owned()).spawn(move || recorder.run())?;
    let mut delivery = Delivery { recorder, shared: Arc::clone(&shared), lanes: Vec::new(), runs, running };
    delivery.replace(targets)?;
    Ok((Outlet { alerts: sender, shared }, delivery))
}

impl Delivery {
    /// Whose queues in the store this serves.
    pub fn owner(&self) -> &str {
        &self.shared.owner
    }

    /// Hands cards to the sinks.
    pub fn post(&self) -> Post {
        Post(Arc::clone(&self.shared))
    }

    /// Delivers to these sinks from now on. A sink that is no longer there ends after the message that it is at; one of
    /// the same name begins after that.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn replace(&mut self, targets: Vec<Target>) -> std::io::Result<()> {
        let mut before: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
        for lane in self.lanes.drain(..) {
            lane.bell.leave();
            before.insert(lane.name, lane.thread);
        }
        let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
        match self.shared.store.adopt(&self.shared.owner, &names) {
            Ok(adopted) if adopted.messages > 0 => tracing::info!(
                messages = adopted.messages,
                "messages that were left undelivered are delivered now"
            ),
            Ok(_) => {}
            Err(error) => tracing::error!(error = %chain(error), "what was left undelivered cannot be read"),
        }
        let mut ways = Vec::new();
        for target in targets {
            let bell = Arc::new(Bell::default());
            ways.push(Way {
                name: target.name.clone(),
                routing: target.routing.clone(),
                grain: target.grain,
                audience: target.audience,
                bell: Arc::clone(&bell),
            });
            let name = target.name.clone();
            let predecessor = before.remove(&name);
            let runs = self.runs.clone();
            let worker = Worker::new(Arc::clone(&self.shared), target, Arc::clone(&bell));
            let thread = std::thread::Builder::new().name(format!("sink {name}")).spawn(move || {
                if let Some(predecessor) = predecessor {
                    // It caught its own panics.
                    let _ = predecessor.join();
                }
                supervise(worker);
                drop(runs);
            })?;
            self.lanes.push(Lane { name, bell, thread });
        }
        *self.shared.ways.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ways);
        Ok(())
    }

    /// Waits until everything is put down and, within [`GRACE`], said. What is left stays in the store. The
    /// [`Outlet`] has to be gone.
    pub fn finish(self) -> Delivered {
        let Self { recorder, shared, lanes, runs, running } = self;
        let delivered = recorder.join().unwrap_or_default();
        let until = Instant::now() + GRACE;
        for lane in &lanes {
            lane.bell.end(until);
        }
        drop(runs);
        let _ = running.recv_timeout(until.saturating_duration_since(Instant::now()));
        for Lane { name, .. } in lanes {
            let left = |store: &Arc<Store>| store.queue(&shared.owner, &name).map_or(0, |(left, _)| left);
            let left_on_disk = left(&shared.store);
            if left_on_disk > 0 {
                tracing::warn!(
                    sink = name,
                    left = left_on_disk,
                    "messages have not arrived; the next start sends them"
                );
            }
            let lost = shared.spare.get().map_or(0, left);
            if lost > 0 {
                tracing::error!(
                    sink = name,
                    lost,
                    "messages have not arrived, and the store could not be written"
                );
            }
        }
        if let Err(error) = shared.store.leave(&shared.owner) {
            tracing::debug!(error = %chain(error), "the store is not left in order; who comes next sees that");
        }
        delivered
    }
}

/// Runs a worker, again after each panic.
fn supervise(mut worker: Worker) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| worker.run())) {
        tracing::error!(
            sink = worker.name(),
            reason = said(&*panic),
            "the thread of a sink panicked; it is restarted"
        );
        worker.rest(REST);
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
