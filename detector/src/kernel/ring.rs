//! Drains the two rings in time order, and sleeps while there is nothing to drain.
//!
//! The kernel half wakes a ring at most once in a window. Whoever was woken goes on looking until two
//! windows passed without a record, so a record that was written without a wake-up waits one window.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use detector_common::limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::decode::Decoder;
use crate::event::{Event, Nanos};

/// Most records taken from one ring before the other is looked at.
const BATCH: usize = 2048;

/// The two rings.
pub struct Rings {
    urgent: RingBuf<MapData>,
    bulk: RingBuf<MapData>,
    batch: Vec<Event>,
    bulk_batch: Vec<Event>,
}

impl Rings {
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

    /// How long a record may lie in a ring without a wake-up.
    pub fn window() -> Duration {
        Duration::from_nanos(limits::URGENT_WINDOW)
    }
}

fn collect(ring: &mut RingBuf<MapData>, batch: &mut Vec<Event>, decoder: &mut Decoder, received: Nanos) {
    for _ in 0..BATCH {
        let Some(record) = ring.next() else { return };
        batch.extend(decoder.decode(&record, received));
    }
}
