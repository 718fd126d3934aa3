//! Wakes the thread of a sink. However often it rings, it holds one word.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rung by whoever has something for a sink.
#[derive(Debug, Default)]
pub(super) struct Bell {
    word: Mutex<Word>,
    rung: Condvar,
}

/// What a thread was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// There may be something to say.
    look: bool,
    /// Say what is due, then end; at the latest then.
    pub(super) end: Option<Instant>,
    /// End after the message that is on its way.
    pub(super) leave: bool,
}

impl Bell {
    pub(super) fn look(&self) {
        self.ring(|word| word.look = true);
    }

    pub(super) fn end(&self, until: Instant) {
        self.ring(|word| word.end = Some(until));
    }

    pub(super) fn leave(&self) {
        self.ring(|word| word.leave = true);
    }

    fn ring(&self, say: impl FnOnce(&mut Word)) {
        let mut word = self.word.lock().unwrap_or_else(PoisonError::into_inner);
        say(&mut word);
        self.rung.notify_one();
    }

    /// What was told so far.
    pub(super) fn word(&self) -> Word {
        *self.word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to look for or something new is told, at most this long.
    pub(super) fn wait(&self, most: Duration) {
        let word = self.word.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (word.end, word.leave);
        let (mut word, _) = self
            .rung
            .wait_timeout_while(word, most, |word| !word.look && (word.end, word.leave) == before)
            .unwrap_or_else(PoisonError::into_inner);
        word.look = false;
    }
}
