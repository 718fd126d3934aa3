//! Carries alerts from the ring thread to the sinks, over a bounded channel that counts what it drops.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::alert::{Alert, Level};
use crate::sinks::file::AlertFile;
use crate::sinks::human::{self, Colour};
use crate::sinks::{SinkError, stdout};

/// Most alerts that wait for their sinks.
const WAITING: usize = 8192;

/// One sink and the least level that it takes.
pub struct Target {
    /// Where to.
    pub sink: Sink,
    /// Least level.
    pub min_level: Level,
}

/// The kinds of sinks.
pub enum Sink {
    /// JSON lines on standard output.
    Stdout,
    /// JSON lines in a file.
    File(AlertFile),
    /// Cards for people on standard error.
    Human(Colour),
}

/// The ring thread's end.
pub struct Outlet {
    alerts: Sender<Alert>,
    dropped: u64,
}

impl Outlet {
    /// Hands an alert over; never blocks.
    pub fn send(&mut self, alert: Alert) {
        if self.alerts.try_send(alert).is_err() {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::error!(dropped = self.dropped, "sinks are too slow; alerts are dropped");
            }
        }
    }
}

/// How many alerts of each level were given to the sinks.
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

/// Starts the task that serves the sinks. It ends when the [`Outlet`] is dropped and everything is written.
pub fn spawn(targets: Vec<Target>) -> (Outlet, JoinHandle<Delivered>) {
    let (sender, receiver) = channel(WAITING);
    let task = tokio::task::spawn_blocking(move || serve(receiver, targets));
    (Outlet { alerts: sender, dropped: 0 }, task)
}

fn serve(mut alerts: Receiver<Alert>, mut targets: Vec<Target>) -> Delivered {
    let mut delivered = Delivered::default();
    while let Some(alert) = alerts.blocking_recv() {
        *delivered.0.entry(alert.level).or_default() += 1;
        for target in targets.iter_mut().filter(|target| alert.level >= target.min_level) {
            if let Err(error) = write(&mut target.sink, &alert) {
                let error = anyhow::Error::from(error);
                tracing::error!(alert = %alert.id, error = format!("{error:#}"), "an alert was not written");
            }
        }
    }
    delivered
}

fn write(sink: &mut Sink, alert: &Alert) -> Result<(), SinkError> {
    match sink {
        Sink::Stdout => stdout::write(alert, &mut std::io::stdout().lock()),
        Sink::File(file) => file.write(alert),
        Sink::Human(colour) => {
            let card = human::card(alert, *colour);
            std::io::stderr().lock().write_all(card.as_bytes()).map_err(SinkError::Stream)
        }
    }
}
