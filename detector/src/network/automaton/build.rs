//! From regular expressions to numbered states.

use std::collections::VecDeque;

use hashbrown::HashMap;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

use super::super::protocol::{Mark, Transport};
use super::{ACCEPT, AutomatonError, DEAD, START_TCP, START_UDP, STATES, STRINGS_FOUND, STRINGS_START};

/// Bytes that building one transport's states may take; a mark that needs more is a mistake.
const MEMORY: usize = 4 << 20;

/// Where a byte leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    /// Nowhere.
    Dead,
    /// To this state of the same transport.
    State(u16),
    /// To "this mark matched".
    Accept(u16),
}

/// The states of one transport's marks, the start first; empty where there are no marks.
pub(super) type States = Vec<[Next; 256]>;

/// Determinises, cuts off what follows a match, and merges what is then the same.
pub(super) fn states(
    marks: &[(&'static str, &'static Mark)],
    transport: Transport,
) -> Result<States, AutomatonError> {
    // Which mark of all the pattern of this transport is.
    let mut numbers = Vec::new();
    let mut regexes = Vec::new();
    for (number, (protocol, mark)) in
        marks.iter().enumerate().filter(|(_, (_, mark))| mark.transport == transport)
    {
        let regex = mark.regex;
        let tree = syntax::parse_with(regex, &config()).map_err(|error| AutomatonError::Regex {
            protocol,
            regex,
            source: error.into(),
        })?;
        if !tree.properties().look_set().is_empty() {
            return Err(AutomatonError::Unseen { protocol, regex, asks: "looks around" });
        }
        if tree.properties().minimum_len().is_none_or(|least| least == 0) {
            return Err(AutomatonError::Unseen { protocol, regex, asks: "matches nothing" });
        }
        numbers.push(u16::try_from(number).unwrap_or(u16::MAX));
        regexes.push(regex);
    }
    let name = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    determinised(&regexes, &numbers, name)
}

/// The states of a search for any of these strings, all of them told as mark 0; none where there are no strings.
pub(super) fn strings(strings: &[&[u8]]) -> Result<States, AutomatonError> {
    if strings.is_empty() {
        return Ok(States::new());
    }
    let hex = |string: &&[u8]| string.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let any: Vec<String> = strings.iter().map(hex).collect();
    determinised(&[&format!(".*(?:{})", any.join("|"))], &[0], "strings of canaries")
}

/// Marks are regular expressions over bytes.
fn config() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true)
}

fn determinised(regexes: &[&str], numbers: &[u16], name: &'static str) -> Result<States, AutomatonError> {
    if regexes.is_empty() {
        return Ok(States::new());
    }
    let nfa = thompson::Compiler::new()
        .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(MEMORY)))
        .syntax(config())
        .build_many(regexes)
        .map_err(|error| AutomatonError::Build { transport: name, source: error.into() })?;
    Ok(merged(&cut(&nfa, numbers, name)?))
}

/// The states that are reached before a match, in the order of a breadth-first walk.
fn cut(nfa: &NFA, numbers: &[u16], transport: &'static str) -> Result<States, AutomatonError> {
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| AutomatonError::Build { transport, source: error };
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .accelerate(false)
        .dfa_size_limit(Some(MEMORY))
        .determinize_size_limit(Some(MEMORY));
    let dfa =
        dense::Builder::new().configure(config).build_from_nfa(nfa).map_err(|error| failed(error.into()))?;
    let start = dfa
        .start_state(&start::Config::new().anchored(Anchored::Yes))
        .map_err(|error| failed(error.to_string().into()))?;

    let mut places: HashMap<StateID, u16> = HashMap::new();
    places.insert(start, 0);
    let mut queue = VecDeque::from([start]);
    let mut states = States::new();
    while let Some(from) = queue.pop_front() {
        let mut row = [Next::Dead; 256];
        for (byte, next) in (0..=u8::MAX).zip(&mut row) {
            let to = dfa.next_state(from, byte);
            *next = if let Some(mark) = matched(&dfa, to, numbers) {
                Next::Accept(mark)
            } else if dfa.is_dead_state(to) || dfa.is_quit_state(to) {
                Next::Dead
            } else {
                let fresh = u16::try_from(places.len()).map_err(|_| AutomatonError::States(places.len()))?;
                Next::State(*places.entry(to).or_insert_with(|| {
                    queue.push_back(to);
                    fresh
                }))
            };
        }
        states.push(row);
    }
    Ok(states)
}

/// The first mark that is matched in a state. A match is told one byte late: by the state that the end of
/// the text would lead to.
fn matched(dfa: &dense::DFA<Vec<u32>>, state: StateID, numbers: &[u16]) -> Option<u16> {
    let end = dfa.next_eoi_state(state);
    if !dfa.is_match_state(end) {
        return None;
    }
    (0..dfa.match_len(end)).filter_map(|at| numbers.get(dfa.match_pattern(end, at).as_usize()).copied()).min()
}

/// Merges states that no bytes tell apart (Moore's partition refinement), the start staying first.
fn merged(states: &States) -> States {
    let mut classes = vec![0u16; states.len()];
    let mut count = 1;
    loop {
        // Two states stay together where they are together and every byte leads both to one class.
        let mut known = HashMap::new();
        let mut refined = Vec::with_capacity(states.len());
        for (row, class) in states.iter().zip(&classes) {
            let fresh = u16::try_from(known.len()).unwrap_or(u16::MAX);
            refined.push(*known.entry((*class, image(row, &classes))).or_insert(fresh));
        }
        let now = known.len();
        classes = refined;
        if now == count {
            break;
        }
        count = now;
    }
    let mut kept = States::with_capacity(count);
    for (row, class) in states.iter().zip(&classes) {
        // Classes are numbered as they are met.
        if usize::from(*class) == kept.len() {
            kept.push(image(row, &classes));
        }
    }
    kept
}

/// A row by the classes of its states.
fn image(row: &[Next; 256], classes: &[u16]) -> [Next; 256] {
    row.map(|next| match next {
        Next::State(to) => Next::State(classes.get(usize::from(to)).copied().unwrap_or(u16::MAX)),
        Next::Dead | Next::Accept(_) => next,
    })
}

/// Both transports in one table, and how many states below [`ACCEPT`] it uses.
pub(super) fn table(tcp: &States, udp: &States) -> Result<(Vec<u16>, usize), AutomatonError> {
    // Dead, two starts, then the others of TCP, then the others of UDP.
    let others = |states: &States| states.len().saturating_sub(1);
    let needed = 3 + others(tcp) + others(udp);
    if needed > usize::from(ACCEPT) {
        return Err(AutomatonError::States(needed));
    }
    let mut table = vec![DEAD; STATES << 8];
    let first = 3u16;
    let second = first + u16::try_from(others(tcp)).unwrap_or(u16::MAX);
    for (states, start, first) in [(tcp, START_TCP, first), (udp, START_UDP, second)] {
        let number = |state: u16| if state == 0 { start } else { first + (state - 1) };
        for (state, row) in (0u16..).zip(states) {
            let at = usize::from(number(state)) << 8;
            for (slot, next) in table.iter_mut().skip(at).zip(row) {
                *slot = match next {
                    Next::Dead => DEAD,
                    Next::State(to) => number(*to),
                    Next::Accept(mark) => ACCEPT + mark,
                };
            }
        }
    }
    // An accepting state leads to itself, so that a walk that goes on does no harm.
    for state in usize::from(ACCEPT)..STATES {
        let itself = u16::try_from(state).unwrap_or(DEAD);
        table.iter_mut().skip(state << 8).take(256).for_each(|slot| *slot = itself);
    }
    Ok((table, needed))
}

/// The states of a search for strings as a table: the start is [`STRINGS_START`], and [`STRINGS_FOUND`] leads to
/// itself. Without strings, nothing but zeros.
pub(super) fn string_table(states: &States) -> Result<Vec<u16>, AutomatonError> {
    if states.len() >= usize::from(STRINGS_FOUND) {
        return Err(AutomatonError::States(states.len()));
    }
    let mut table = vec![0; STATES << 8];
    for (state, row) in states.iter().enumerate() {
        let at = (state + usize::from(STRINGS_START)) << 8;
        for (slot, next) in table.iter_mut().skip(at).zip(row) {
            *slot = match next {
                Next::Dead => STRINGS_START,
                Next::State(to) => STRINGS_START + to,
                Next::Accept(_) => STRINGS_FOUND,
            };
        }
    }
    if !states.is_empty() {
        table.iter_mut().skip(usize::from(STRINGS_FOUND) << 8).for_each(|slot| *slot = STRINGS_FOUND);
        table.iter_mut().take(1).for_each(|slot| *slot = STRINGS_START);
    }
    Ok(table)
}
