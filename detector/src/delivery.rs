//! Carries alerts from the ring thread into the store, and from there to the sinks, each at its own pace.
//!
//! One thread puts alerts down; every sink has a thread of its own that reads its queue. A sink that is slow or dead
//! delays nobody else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::alert::{Alert, Level};
use crate::config::sinks::Routing;
use crate::sinks::file::AlertFile;
use crate::sinks::human::{Colour, Terminal};
use crate::sinks::stdout::Stdout;
use crate::sinks::{Body, Failure, Grain, Message, Sink};
use crate::store::outbox::{Due, Owned, Route};
use crate::store::{Store, now_ms};

/// Most alerts that wait to be put down.
const WAITING: usize = 8_192;
/// Most alerts that are put down at once.
const BATCH: usize = 512;
/// How long a sink that has nothing to do waits before it looks again.
const IDLE: Duration = Duration::from_secs(1);
/// How long the end waits for sinks that still have something to say.
pub const GRACE: Duration = Duration::from_secs(5);

/// An open sink, and what it takes.
pub struct Target {
    /// What the operator calls it.
    pub name: String,
    /// What it takes, and how fast.
    pub routing: Routing,
    /// What it is given.
    pub grain: Grain,
    /// The sink.
    pub sink: Box<dyn Sink>,
}

impl Target {
    /// JSON lines on standard output.
    pub fn stdout() -> Self {
        Self::local("(stdout)", Routing::default(), Stdout)
    }

    /// JSON lines in a file.
    pub fn file(file: AlertFile) -> Self {
        Self::local("(file)", Routing::default(), file)
    }

    /// Cards on standard error, for alerts of `least` and above.
    pub fn human(colour: Colour, least: Level) -> Self {
        Self::local("(terminal)", Routing::at_least(least), Terminal(colour))
    }

    /// A sink that the command line asked for: its name is none that a configuration can give.
    fn local(name: &str, routing: Routing, sink: impl Sink + 'static) -> Self {
        Self { name: name.to_owned(), routing, grain: Grain::Alert, sink: Box::new(sink) }
    }
}

/// The ring thread's end.
pub struct Outlet {
    alerts: SyncSender<Alert>,
    dropped: u64,
}

impl Outlet {
    /// Hands an alert over; never blocks.
    pub fn send(&mut self, alert: Alert) {
        if self.alerts.try_send(alert).is_err() {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::error!(dropped = self.dropped, "the store is too slow; alerts are dropped");
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

/// The threads that deliver. They end when the [`Outlet`] is dropped.
pub struct Delivery {
    recorder: JoinHandle<Delivered>,
    workers: Vec<(String, Sender<Wake>)>,
    /// Closed once every worker has ended.
    running: Receiver<()>,
    store: Arc<Store>,
    owner: String,
}

/// What a worker is told.
enum Wake {
    /// There may be something to say.
    Look,
    /// Say what is due, then end; at the latest then.
    End(Instant),
}

/// Starts the threads.
///
/// # Errors
/// A thread cannot be started.
pub fn start(store: Arc<Store>, targets: Vec<Target>) -> std::io::Result<(Outlet, Delivery)> {
    let (sender, receiver) = sync_channel(WAITING);
    let owner = ulid::Ulid::new().to_string();
    let mut routes = Vec::new();
    let mut workers = Vec::new();
    let (runs, running) = channel();
    for target in targets {
        let (wake, woken) = channel();
        let name = target.name.clone();
        routes.push((target.name.clone(), target.routing.clone(), target.grain, wake.clone()));
        let (store, owner) = (Arc::clone(&store), owner.clone());
        let runs = runs.clone();
        std::thread::Builder::new().name(format!("sink {name}")).spawn(move || {
            Worker { store, owner, target, failures: 0 }.run(&woken);
            drop(runs);
        })?;
        workers.push((name, wake));
    }
    let recorder = {
        let (store, owner) = (Arc::clone(&store), owner.clone());
        std::thread::Builder::new()
            .name("alerts".to_owned())
            .spawn(move || record(&store, &owner, &receiver, &routes))?
    };
    Ok((Outlet { alerts: sender, dropped: 0 }, Delivery { recorder, workers, running, store, owner }))
}

impl Delivery {
    /// Whose queues in the store this serves.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Waits until everything is put down and, within [`GRACE`], said. What is left stays in the store. The
    /// [`Outlet`] has to be gone.
    pub fn finish(self) -> Delivered {
        let delivered = self.recorder.join().unwrap_or_default();
        let until = Instant::now() + GRACE;
        for (_, wake) in &self.workers {
            // A worker that is gone needs no word.
            let _ = wake.send(Wake::End(until));
        }
        // Nothing is ever sent: the end of the last worker closes it.
        let _ = self.running.recv_timeout(until.saturating_duration_since(Instant::now()));
        for (name, _) in self.workers {
            let left = self.store.queue(&self.owner, &name).map_or(0, |(left, _)| left);
            if left > 0 {
                tracing::warn!(sink = name, left, "messages have not arrived; the next start sends them");
            }
        }
        delivered
    }
}

fn record(
    store: &Store,
    owner: &str,
    alerts: &Receiver<Alert>,
    routes: &[(String, Routing, Grain, Sender<Wake>)],
) -> Delivered {
    let mut delivered = Delivered::default();
    while let Ok(first) = alerts.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(more) = alerts.try_recv()
        {
            batch.push(more);
        }
        for alert in &batch {
            *delivered.0.entry(alert.level).or_default() += 1;
        }
        let mut route = |alert: &Alert, mute: Option<&crate::store::mute::Mute>| {
            let takes = |(_, routing, grain, _): &&(String, Routing, Grain, Sender<Wake>)| {
                routing.takes(alert) && (mute.is_none() || *grain == Grain::Alert)
            };
            routes
                .iter()
                .filter(takes)
                .map(|(sink, _, grain, _)| Route { sink: sink.clone(), grain: *grain })
                .collect()
        };
        if let Err(error) = store.record(owner, &batch, &mut route) {
            let error = anyhow::Error::from(error);
            tracing::error!(alerts = batch.len(), error = format!("{error:#}"), "alerts are not stored");
        }
        for (_, _, _, wake) in routes {
            let _ = wake.send(Wake::Look);
        }
    }
    delivered
}

/// Serves one sink.
struct Worker {
    store: Arc<Store>,
    owner: String,
    target: Target,
    /// Failures since the last message that arrived.
    failures: u32,
}

impl Worker {
    fn run(mut self, woken: &Receiver<Wake>) {
        let mut end = None;
        loop {
            let sent = self.turn();
            let is_over = end.is_some_and(|end| Instant::now() >= end);
            if is_over || (end.is_some() && !sent) {
                return;
            }
            if sent {
                continue;
            }
            match woken.recv_timeout(IDLE) {
                Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Wake::End(until)) => end = Some(until),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Delivers what is due; `false` where nothing is.
    fn turn(&mut self) -> bool {
        let due = match self.store.due(&self.owner, &self.target.name) {
            Ok(Some(due)) => due,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(sink = self.target.name, %error, "the queue cannot be read");
                return false;
            }
        };
        let Due { row, key, body, reference, .. } = &due;
        let body = match body {
            Owned::Alert(alert) => Body::Alert(alert),
            Owned::Card(card) => Body::Card(card),
        };
        let message = Message { key, body, reference: reference.as_deref() };
        let noted = match self.target.sink.deliver(&message) {
            Ok(receipt) => {
                self.failures = 0;
                self.store.arrived(*row, receipt.reference.as_deref(), 0)
            }
            Err(Failure::Refused { reason }) => {
                tracing::error!(sink = self.target.name, reason, "a message was refused");
                self.store.failed(*row, &reason, None)
            }
            Err(Failure::Later { reason, after }) => {
                self.failures += 1;
                tracing::warn!(
                    sink = self.target.name,
                    reason,
                    "a message did not arrive; it is tried again"
                );
                let wait = after.unwrap_or(Duration::from_secs(1 << self.failures.min(8)));
                let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                self.store.failed(*row, &reason, Some(now_ms().saturating_add(wait)))
            }
        };
        if let Err(error) = noted {
            tracing::error!(sink = self.target.name, %error, "the queue cannot be written");
            return false;
        }
        true
    }
}
