//! The marks of all protocols as one table that the kernel half walks, a byte a step.
//!
//! A segment is walked from [`START_TCP`] or [`START_UDP`] until a state from [`ACCEPT`] on says which mark
//! matched, or [`DEAD`] says that none can. The table is made at every start: it depends on the marks alone.

use detector_common::limits::{
    AUTOMATON_ACCEPT, AUTOMATON_DEAD, AUTOMATON_IDLE, AUTOMATON_START_TCP, AUTOMATON_START_UDP,
    AUTOMATON_STATES,
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
/// Where no mark of a protocol can match any more, but a canary's string may begin.
pub const IDLE: u16 = AUTOMATON_IDLE;
/// State `ACCEPT + n` says that mark `n` matched; nothing leads out of it.
pub const ACCEPT: u16 = AUTOMATON_ACCEPT;
/// Most marks.
pub const MARKS: usize = STATES - ACCEPT as usize;

/// Bytes of a canary's string that are looked for; userspace compares the whole.
const PIECE: usize = 12;

/// The mark of all strings of canaries; what it looks for is not known before the start.
static STRING: Mark = Mark {
    transport: Transport::Tcp,
    regex: "",
    want: Want { bytes: 1024, again: 4, urgent: true, length_at: None },
};

/// The table and the marks that its accepting states number.
#[derive(Clone, Debug)]
pub struct Automaton {
    /// The next state, by `state << 8 | byte`: [`STATES`] times 256 entries.
    pub table: Vec<u16>,
    /// The marks; the place is the number.
    pub marks: Vec<&'static Mark>,
    /// How many states below [`ACCEPT`] are in use.
    pub states: usize,
    /// How many of the strings that were asked for are looked for.
    pub strings: usize,
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
    compile_of(PROTOCOLS, &[])
}

/// The table of all protocols, and of as many of these strings, anywhere in a segment, as there is room for.
/// Fails as [`compile_of`] does without them.
pub fn compile_with(strings: &[&[u8]]) -> Result<Automaton, AutomatonError> {
    let (mut fit, mut tried) = (0, strings.len());
    let mut best = None;
    // The most that fit, by halving: states grow with each string.
    let mut too_many = strings.len() + 1;
    while tried > fit {
        match compile_of(PROTOCOLS, strings.get(..tried).unwrap_or_default()) {
            Ok(automaton) => (fit, best) = (tried, Some(automaton)),
            Err(_) => too_many = tried,
        }
        tried = (fit + too_many) / 2;
    }
    best.map_or_else(compile, Ok)
}

/// The table of these protocols. Where several marks match after the same byte, the first one is told.
/// Fails where a mark is none, or where there are too many marks or states.
pub fn compile_of(protocols: &[Protocol], strings: &[&[u8]]) -> Result<Automaton, AutomatonError> {
    let marks: Vec<_> = protocols
        .iter()
        .flat_map(|protocol| protocol.marks.iter().map(|mark| (protocol.application.name(), mark)))
        .collect();
    let number = marks.len();
    let all = number + usize::from(!strings.is_empty());
    if all > MARKS {
        return Err(AutomatonError::Marks(all));
    }
    let tcp = build::states(&marks, Transport::Tcp)?;
    let udp = build::states(&marks, Transport::Udp)?;
    let pieces: Vec<&[u8]> = strings.iter().map(|string| piece(string)).collect();
    let strings = build::strings(&pieces, u16::try_from(number).unwrap_or(u16::MAX))?;
    let (tcp, udp) = (build::beside(tcp, &strings)?, build::beside(udp, &strings)?);
    let (table, states) = build::table(&tcp, &udp, &strings)?;
    let mut marks: Vec<&'static Mark> = marks.into_iter().map(|(_, mark)| mark).collect();
    if !pieces.is_empty() {
        marks.push(&STRING);
    }
    Ok(Automaton { table, marks, states, strings: pieces.len() })
}

/// The middle of a string: its beginning is often that of others, and each byte costs a state.
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
        if state == IDLE {
            return Step::Dead { after: bytes.len() };
        }
        Step::Live
    }
}

#[cfg(test)]
mod tests;
