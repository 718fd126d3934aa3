//! The marks of all protocols as one table that the kernel half walks, a byte a step.
//!
//! A segment is walked from [`START_TCP`] or [`START_UDP`] until a state from [`ACCEPT`] on says which mark
//! matched, or [`DEAD`] says that none can. The table is made at every start: it depends on the marks alone.

use detector_common::limits::{
    AUTOMATON_ACCEPT, AUTOMATON_DEAD, AUTOMATON_START_TCP, AUTOMATON_START_UDP, AUTOMATON_STATES,
    AUTOMATON_STRING, STRINGS_FOUND, STRINGS_START,
};
use thiserror::Error;

use super::protocol::{Mark, PROTOCOLS, Protocol, Transport, Want};

mod build;

/// States of the table, the unused ones included.
pub const STATES: usize = AUTOMATON_STATES as usize;
/// State from which no mark can be reached.
pub const DEAD: u16 = AUTOMATON_DEAD;
/// Where the bytes of a stream begin.
pub const START_TCP: u16 = AUTOMATON_START_TCP;
/// Where the bytes of a datagram begin.
pub const START_UDP: u16 = AUTOMATON_START_UDP;
/// State `ACCEPT + n` says that mark `n` matched; nothing leads out of it.
pub const ACCEPT: u16 = AUTOMATON_ACCEPT;
/// Most marks; one more number is that of the strings of canaries.
pub const MARKS: usize = (AUTOMATON_STRING - ACCEPT) as usize;
/// Bytes of a string that are looked for; userspace compares the whole.
const PIECE: usize = 12;
/// What userspace wants to see of a segment with a string of a canary.
pub const STRING_WANT: Want = Want { bytes: 1024, again: 4, urgent: true, length_at: None };

/// The table and the marks that its accepting states number.
#[derive(Clone, Debug)]
pub struct Automaton {
    /// The next state, by `state << 8 | byte`: [`STATES`] times 256 entries.
    pub table: Vec<u16>,
    /// The marks; the place is the number.
    pub marks: Vec<&'static Mark>,
    /// How many states below [`ACCEPT`] are in use.
    pub states: usize,
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A mark matched.
    Accepted {
        /// Its number in [`Automaton::marks`].
        mark: usize,
        /// Bytes that it took.
        after: usize,
    },
    /// No mark can match any more.
    Dead {
        /// Bytes that it took to say so.
        after: usize,
    },
    /// All bytes are walked and some mark may still match.
    Live,
}

/// Why there is no table.
#[derive(Debug, Error)]
pub enum AutomatonError {
    /// A mark is no regular expression, or not one for bytes.
    #[error("mark `{regex}` of {protocol} is no regular expression")]
    Regex {
        /// Whose mark.
        protocol: &'static str,
        /// The mark.
        regex: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A mark asks for what a walk cannot tell: the end of the text, a word boundary, nothing at all.
    #[error(
        "mark `{regex}` of {protocol} {asks}: the kernel half sees bytes, one after the other, and no end"
    )]
    Unseen {
        /// Whose mark.
        protocol: &'static str,
        /// The mark.
        regex: &'static str,
        /// What it does.
        asks: &'static str,
    },
    /// More marks than numbers for them.
    #[error("there are {0} marks; the table numbers {MARKS}")]
    Marks(usize),
    /// More states than the table has room for.
    #[error("the marks need {0} states; the table has room for {ACCEPT}")]
    States(usize),
    /// The marks together are too much for the builder.
    #[error("the {transport} marks are too much together")]
    Build {
        /// Marks of which transport.
        transport: &'static str,
        /// What the builder says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The table of all protocols. Fails as [`compile_of`] does.
pub fn compile() -> Result<Automaton, AutomatonError> {
    compile_of(PROTOCOLS)
}

/// The table of these protocols. Where several marks match after the same byte, the first one is told.
/// Fails where a mark is none, or where there are too many marks or states.
pub fn compile_of(protocols: &[Protocol]) -> Result<Automaton, AutomatonError> {
    let marks: Vec<_> = protocols
        .iter()
        .flat_map(|protocol| protocol.marks.iter().map(|mark| (protocol.application.name(), mark)))
        .collect();
    if marks.len() > MARKS {
        return Err(AutomatonError::Marks(marks.len()));
    }
    let tcp = build::states(&marks, Transport::Tcp)?;
    let udp = build::states(&marks, Transport::Udp)?;
    let (table, states) = build::table(&tcp, &udp)?;
    Ok(Automaton { table, marks: marks.into_iter().map(|(_, mark)| mark).collect(), states })
}

/// Strings of canaries as a table of their own, walked beside that of the marks.
#[derive(Clone, Debug)]
pub struct StringTable {
    /// The next state, by `state << 8 | byte`, as in [`Automaton::table`]; the first cell is where to begin.
    pub table: Vec<u16>,
    /// How many of the strings that were given have room.
    pub strings: usize,
}

impl StringTable {
    /// A table for as many of these strings as there is room for, anywhere in a segment.
    pub fn new(strings: &[&[u8]]) -> Result<Self, AutomatonError> {
        // Each byte costs a state, two are taken.
        let most = (usize::from(STRINGS_FOUND) - 2) / PIECE;
        let strings = strings.get(..most).unwrap_or(strings);
        let pieces: Vec<&[u8]> = strings.iter().map(|string| piece(string)).collect();
        let states = build::strings(&pieces)?;
        Ok(Self { table: build::string_table(&states)?, strings: strings.len() })
    }

    /// Whether one of the strings is among the bytes, as the kernel half sees it.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let mut state = self.table.first().copied().unwrap_or(0);
        for byte in bytes {
            state = self.table.get(usize::from(state) << 8 | usize::from(*byte)).copied().unwrap_or(0);
        }
        state == STRINGS_FOUND
    }
}

/// The middle of a string: its beginning is often that of others.
fn piece(string: &[u8]) -> &[u8] {
    let before = string.len().saturating_sub(PIECE) / 2;
    string.get(before..(before + PIECE).min(string.len())).unwrap_or(string)
}

impl Automaton {
    /// Walks the bytes as the kernel half does.
    pub fn run(&self, transport: Transport, bytes: &[u8]) -> Step {
        let mut state = match transport {
            Transport::Tcp => START_TCP,
            Transport::Udp => START_UDP,
        };
        for (at, byte) in bytes.iter().enumerate() {
            state = self.table.get(usize::from(state) << 8 | usize::from(*byte)).copied().unwrap_or(DEAD);
            if state == DEAD {
                return Step::Dead { after: at + 1 };
            }
            if state >= ACCEPT {
                return Step::Accepted { mark: usize::from(state - ACCEPT), after: at + 1 };
            }
        }
        Step::Live
    }
}

#[cfg(test)]
mod tests;
