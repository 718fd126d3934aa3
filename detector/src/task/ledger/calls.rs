//! Tool calls, by the agent that told of them.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::skew::{Offset, SLACK, Skew, shifted};
use super::{InFlight, means};
use crate::agent::Agent;
use crate::event::Nanos;
use crate::task::{Phase, ToolCall};

/// Most agents whose calls are kept.
const AGENTS: usize = 1024;
/// Most calls of one agent, ended ones included.
const CALLS: usize = 256;
/// A call whose end nobody told is over after this time.
const LONGEST: u64 = 3_600_000_000_000;
/// How long a call is remembered after its end.
const REMEMBERED: u64 = 600_000_000_000;
/// A call whose end is received within this time of its beginning was told at once, if it took longer than that.
const AT_ONCE: u64 = 100_000_000;

#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By the name, or the path, that the calls give; the empty one where they give none.
    streams: HashMap<Box<str>, Stream>,
    dropped: u64,
}

/// What one agent tells.
#[derive(Debug, Default)]
struct Stream {
    calls: VecDeque<Call>,
    skew: Skew,
    told: u64,
    /// When the first was received, and the last.
    first: Nanos,
    last: Nanos,
    /// The last calls came after their end.
    batched: bool,
}

/// A call, in the agent's time.
#[derive(Debug)]
struct Call {
    id: Box<str>,
    name: Box<str>,
    conversation: Option<Box<str>>,
    started: Nanos,
    ended: Option<Nanos>,
    received: Nanos,
}

impl Call {
    fn end(&self) -> Nanos {
        self.ended.unwrap_or(Nanos(self.started.0.saturating_add(LONGEST)))
    }
}

impl Calls {
    pub(super) fn take(&mut self, call: &ToolCall) {
        if !self.streams.contains_key(&call.agent) && self.streams.len() >= AGENTS {
            let oldest = self.streams.iter().min_by_key(|(name, stream)| (stream.last, (*name).clone()));
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.streams.remove(&name);
                self.dropped = self.dropped.saturating_add(1);
            }
        }
        let stream = self.streams.entry(call.agent.clone()).or_default();
        self.dropped = self.dropped.saturating_add(stream.take(call));
    }

    pub(super) fn tick(&mut self, now: Nanos) {
        for stream in self.streams.values_mut() {
            let offset = stream.offset();
            stream.calls.retain(|call| now.since(shifted(call.end(), offset.best)) < REMEMBERED);
        }
    }

    pub(super) fn in_flight(&self, agent: &Agent, alone: bool, time: Nanos) -> Option<InFlight> {
        let surely = self.streams_of(agent, alone).filter_map(|stream| stream.at(time, Edges::Likely));
        let maybe = || self.streams_of(agent, alone).filter_map(|stream| stream.at(time, Edges::Possible));
        surely.max_by_key(|call| call.started).or_else(|| maybe().max_by_key(|call| call.started))
    }

    pub(super) fn any_between(&self, agent: &Agent, alone: bool, from: Nanos, to: Nanos) -> bool {
        self.streams_of(agent, alone).any(|stream| {
            let offset = stream.offset();
            stream.calls.iter().any(|call| {
                let (began, over) = Edges::Possible.of(call, offset);
                began <= to && over >= from
            })
        })
    }

    /// How many calls were told.
    pub(super) fn told(&self, agent: &Agent, alone: bool) -> u64 {
        self.streams_of(agent, alone).map(|stream| stream.told).sum()
    }

    /// Since when calls are told as they begin, and how many were.
    pub(super) fn live(&self, agent: &Agent, alone: bool) -> Option<(Nanos, u64)> {
        let mut streams = self.streams_of(agent, alone).filter(|stream| stream.told > 0).peekable();
        streams.peek()?;
        streams.try_fold((Nanos(u64::MAX), 0), |(since, told), stream| {
            (!stream.batched).then_some((since.min(stream.first), told + stream.told))
        })
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn streams_of(&self, agent: &Agent, alone: bool) -> impl Iterator<Item = &Stream> {
        let is_of = move |name: &str| means(name, agent) || (alone && name.is_empty());
        self.streams.iter().filter(move |(name, _)| is_of(name)).map(|(_, stream)| stream)
    }
}

/// How far the clocks' difference is stretched.
#[derive(Clone, Copy)]
enum Edges {
    Likely,
    Possible,
}

impl Edges {
    /// Beginning and end of a call, in our time.
    fn of(self, call: &Call, offset: Offset) -> (Nanos, Nanos) {
        let Offset { best, low, high } = offset;
        match self {
            Self::Likely => (shifted(call.started, best), shifted(call.end(), best)),
            Self::Possible => (
                shifted(call.started, low.saturating_sub(SLACK)),
                shifted(call.end(), high.saturating_add(SLACK)),
            ),
        }
    }
}

impl Stream {
    /// Takes a call; gives how many had to make room.
    fn take(&mut self, call: &ToolCall) -> u64 {
        self.skew.sample(call.time, call.received);
        self.last = self.last.max(call.received);
        let open = |known: &&mut Call| known.id == call.id && known.ended.is_none();
        match call.phase {
            Phase::Started => {
                if self.calls.iter().any(|known| known.id == call.id && known.started == call.time) {
                    return 0;
                }
                if self.told == 0 {
                    self.first = call.received;
                }
                self.told = self.told.saturating_add(1);
                self.calls.push_back(Call {
                    id: call.id.clone(),
                    name: call.name.clone(),
                    conversation: call.conversation.clone(),
                    started: call.time,
                    ended: None,
                    received: call.received,
                });
            }
            Phase::Ended => {
                // The end of a call of which no beginning was told says nothing about when it was in flight.
                if let Some(known) = self.calls.iter_mut().rev().find(open) {
                    let ended = call.time.max(known.started);
                    let took = ended.since(known.started);
                    known.ended = Some(ended);
                    if took > AT_ONCE {
                        self.batched = call.received.since(known.received) < took / 4;
                    }
                }
            }
        }
        let over = self.calls.len().saturating_sub(CALLS);
        for _ in 0..over {
            let ended = self.calls.iter().position(|call| call.ended.is_some());
            self.calls.remove(ended.unwrap_or(0));
        }
        u64::try_from(over).unwrap_or(u64::MAX)
    }

    fn offset(&self) -> Offset {
        self.skew.offset(!self.batched)
    }

    /// The call that was in flight at a time: of several the one that began last.
    fn at(&self, time: Nanos, edges: Edges) -> Option<InFlight> {
        let offset = self.offset();
        let holds = |call: &&Call| {
            let (began, over) = edges.of(call, offset);
            began <= time && time <= over
        };
        let parallel = self.calls.iter().filter(holds).count();
        let Call { id, name, conversation, started, ended, received: _ } =
            self.calls.iter().filter(holds).max_by_key(|call| call.started)?;
        Some(InFlight {
            id: id.clone(),
            name: name.clone(),
            conversation: conversation.clone(),
            started: shifted(*started, offset.best),
            ended: ended.map(|ended| shifted(ended, offset.best)),
            parallel,
        })
    }
}
