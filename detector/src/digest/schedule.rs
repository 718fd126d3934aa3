//! When the daemon sends a digest by itself, and the thread that does. When it did last stands in the store, so that a
//! restart neither forgets one nor sends it twice; of those that were missed, one is sent for all.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{Digest, card, disks};
use crate::store::activity::KEPT_MS;
use crate::store::{Store, now_ms};

/// Longest time between two looks at the clock, which may be set.
const LOOK: Duration = Duration::from_secs(30);
/// Time between two tries where the store cannot be used.
const AGAIN: Duration = Duration::from_secs(60);

/// What `[digest]` asks for.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When.
    pub every: Every,
    /// The sinks that are told.
    pub sinks: Vec<String>,
    /// Nothing is sent where there is nothing to say.
    pub skip_empty: bool,
    /// Directories of agents, as globs, beside those that they are seen to work in.
    pub workspaces: Vec<String>,
}

/// How often, and when.
#[derive(Clone, Debug, PartialEq)]
pub enum Every {
    /// So many milliseconds after the last one.
    After(i64),
    /// Every so many days at this time of this zone.
    At {
        /// Days, from 1.
        days: i32,
        /// Time of day.
        time: Time,
        /// Zone.
        zone: TimeZone,
    },
}

impl Every {
    /// When the next one is due after one at `last_ms` (milliseconds since the epoch).
    pub fn next(&self, last_ms: i64) -> i64 {
        match self {
            Self::After(span) => last_ms.saturating_add(*span),
            Self::At { days, time, zone } => {
                let next = || {
                    let last = Timestamp::from_millisecond(last_ms).ok()?;
                    let date = last.to_zoned(zone.clone()).date();
                    let at = |date: jiff::civil::Date| date.to_datetime(*time).to_zoned(zone.clone()).ok();
                    let first = if at(date)?.timestamp() > last { date } else { date.tomorrow().ok()? };
                    let date = first.checked_add(Span::new().try_days(days - 1).ok()?).ok()?;
                    Some(at(date)?.timestamp().as_millisecond())
                };
                next().unwrap_or(i64::MAX)
            }
        }
    }
}

/// The thread that sends digests; it ends when this is dropped.
pub struct Running {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Starts the thread. `owner` is whose queues the messages go to.
///
/// # Errors
/// It cannot be started.
pub fn start(store: Arc<Store>, owner: String, host: String, schedule: Schedule) -> std::io::Result<Running> {
    let (stop, stopped) = channel();
    let thread = std::thread::Builder::new()
        .name("digest".to_owned())
        .spawn(move || run(&store, &owner, &host, &schedule, &stopped))?;
    Ok(Running { stop: Some(stop), thread: Some(thread) })
}

fn run(store: &Store, owner: &str, host: &str, schedule: &Schedule, stopped: &Receiver<()>) {
    loop {
        let wait = match turn(store, owner, host, schedule, now_ms()) {
            Ok(due) => {
                let left = u64::try_from(due.saturating_sub(now_ms())).unwrap_or(0);
                Duration::from_millis(left).min(LOOK)
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!(error = format!("{error:#}"), "no digest can be made; it is tried again");
                AGAIN
            }
        };
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Sends the digest that is due; when the next one is.
fn turn(
    store: &Store,
    owner: &str,
    host: &str,
    schedule: &Schedule,
    now: i64,
) -> Result<i64, crate::store::StoreError> {
    // One from the future was written before somebody set the clock back.
    let written = store.last_digest(now)?;
    let last = written.min(now);
    let due = schedule.every.next(last);
    if due > now {
        return Ok(due);
    }
    let from = last.max(now.saturating_sub(KEPT_MS));
    let digest = made(store, host, None, (from, now), &schedule.workspaces)?;
    let card = (!schedule.skip_empty || !digest.is_empty()).then(|| card(&digest));
    if store.send_digest(owner, &schedule.sinks, card.as_ref(), (written, now))? {
        match card {
            Some(card) => tracing::info!(id = card.id, sinks = schedule.sinks.join(", "), "a digest is sent"),
            None => tracing::info!("no digest is sent: there is nothing to say"),
        }
    }
    Ok(schedule.every.next(now))
}

/// A digest with the file systems of the workspaces as they are now.
///
/// # Errors
/// The store cannot be read.
pub fn made(
    store: &Store,
    host: &str,
    agent: Option<&str>,
    span: (i64, i64),
    workspaces: &[String],
) -> Result<Digest, crate::store::StoreError> {
    let mut digest = Digest::of(store, host, agent, span)?;
    let mut places = disks::expand(workspaces);
    places.extend(digest.workspaces().map(Into::into));
    digest.disks = disks::over(disks::FULL, &places);
    Ok(digest)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
