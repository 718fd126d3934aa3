//! Joins DNS questions and their answers, so that a name is judged once, with what came back.

use std::collections::VecDeque;

use super::protocol::Message;
use super::{Names, Recognised, Role};
use crate::event::Nanos;
use hashbrown::HashMap;

/// Most questions that wait for their answer.
const MOST: usize = 4_096;
/// How long a question waits before it is judged without an answer.
const PATIENCE: u64 = 2_000_000_000;

/// Socket, id and name of a question.
type Key = (u64, u16, String);

/// Questions that wait.
#[derive(Debug, Default)]
pub(super) struct Queries {
    waiting: HashMap<Key, Recognised>,
    /// The same by age; one that was answered is no longer in the map.
    order: VecDeque<(Nanos, Key)>,
    dropped: u64,
}

impl Queries {
    /// Takes a message of the watched process as a client; those of a server are not its questions.
    pub(super) fn message(
        &mut self,
        mut recognised: Recognised,
        message: &Message,
        names: &mut Names,
        out: &mut Vec<Recognised>,
    ) {
        if recognised.role != Role::Client {
            return;
        }
        let Message { id, response, .. } = *message;
        let key = (recognised.flow.cookie, id, message.name.clone());
        if response {
            names.learn(recognised.flow.netns, message, recognised.time);
            if let Some(asked) = self.waiting.remove(&key) {
                // Whoever asked is who it is about: the answer may have come in anybody's context.
                recognised = Recognised { fields: recognised.fields, ..asked };
            }
            out.push(recognised);
            return;
        }
        if self.order.len() >= MOST {
            self.dropped += 1;
            out.push(recognised);
            return;
        }
        self.order.push_back((recognised.time, key.clone()));
        self.waiting.insert(key, recognised);
    }

    /// Gives the questions that waited long enough.
    pub(super) fn tick(&mut self, now: Nanos, out: &mut Vec<Recognised>) {
        while let Some((asked, key)) = self.order.front() {
            if now.since(*asked) < PATIENCE {
                return;
            }
            // A question that was asked again is younger than this entry, and has one of its own.
            let is_due = self.waiting.get(key).is_some_and(|waiting| now.since(waiting.time) >= PATIENCE);
            if is_due {
                out.extend(self.waiting.remove(key));
            }
            self.order.pop_front();
        }
    }

    /// Gives every question that still waits.
    pub(super) fn finish(&mut self, out: &mut Vec<Recognised>) {
        for (asked, key) in self.order.drain(..) {
            if self.waiting.get(&key).is_some_and(|waiting| waiting.time == asked) {
                out.extend(self.waiting.remove(&key));
            }
        }
    }

    /// Questions that were judged at once, without their answer, because too many waited.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
