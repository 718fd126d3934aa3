//! Drains the two rings in time order, and sleeps while there is nothing to drain.
//!
//! The kernel half wakes userspace at most once in a window. Whoever found a record goes on looking
//! for longer than that window, so a record that was written without a wake-up waits one look.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use detector_common::limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::decode::Decoder;
use crate::event::{Event, Nanos};

/// The two rings.
pub struct Rings {
    urgent: RingBuf<MapData>,
    bulk: RingBuf<MapData>,
    batch: Vec<Event>,
    bulk_batch: Vec<Event>,
}

impl Rings {
    /// Most records taken from one ring before the other is looked at.
    pub const BATCH: usize = 2048;

    /// From the maps.
    pub fn new(urgent: RingBuf<MapData>, bulk: RingBuf<MapData>) -> Self {
        Self { urgent, bulk, batch: Vec::new(), bulk_batch: Vec::new() }
    }

    /// Takes what is there, at most one batch of each ring, and gives it ordered by time.
    pub fn drain<'a>(
        &'a mut self,
        decoder: &mut Decoder,
        mut now: impl FnMut() -> Nanos,
    ) -> std::vec::Drain<'a, Event> {
        let received = now();
        collect(&mut self.urgent, &mut self.batch, decoder, received);
        collect(&mut self.bulk, &mut self.bulk_batch, decoder, received);
        decoder.end_of_batch();
        if !self.bulk_batch.is_empty() {
            self.batch.append(&mut self.bulk_batch);
            self.batch.sort_by_key(|event| event.time);
        }
        for event in &mut self.batch {
            decoder.settle(event);
        }
        self.batch.drain(..)
    }

    /// Waits for a record, for `wake` to become readable, or for `timeout`.
    ///
    /// # Errors
    /// poll(2) fails.
    pub fn wait(&self, wake: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
        let mut fds = [
            PollFd::new(&self.urgent, PollFlags::IN),
            PollFd::new(&self.bulk, PollFlags::IN),
            PollFd::new(&wake, PollFlags::IN),
        ];
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the rings be until the next look, or until `wake` becomes readable.
    ///
    /// # Errors
    /// poll(2) fails.
    pub fn rest(wake: BorrowedFd<'_>) -> io::Result<()> {
        let look = Timespec { tv_sec: 0, tv_nsec: i64::try_from(limits::LOOK).unwrap_or(i64::MAX) };
        match poll(&mut [PollFd::new(&wake, PollFlags::IN)], Some(&look)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How long after the last record one has to go on looking before one may wait.
    pub fn awake() -> Duration {
        Duration::from_nanos(limits::WAKE_WINDOW + 2 * limits::LOOK)
    }
}

fn collect(ring: &mut RingBuf<MapData>, batch: &mut Vec<Event>, decoder: &mut Decoder, received: Nanos) {
    for _ in 0..Rings::BATCH {
        let Some(record) = ring.next() else { return };
        decoder.decode_all(&record, received, batch);
    }
}
