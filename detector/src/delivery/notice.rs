//! Cards about the detector itself and about many incidents at once.

use std::fmt::Write as _;

use crate::alert::card::{self, Card, Command, Line, Section, Stamp};
use crate::alert::escape::clip;
use crate::alert::{self, Alert, Coverage, Level, RuleRef};
use crate::store::fold::Folded;
use crate::store::room::Removed;

/// Most names in a list of counts.
const MOST: usize = 12;
/// Most characters of a name.
const NAME: usize = 120;

/// A card that says one thing about the detector.
fn notice(host: &str, level: Level, title: &str, sentence: &str) -> Card {
    let (id, time) = stamp();
    card::notice(Stamp { id: &id, host, time: &time }, level, title, sentence, Vec::new())
}

/// A message that only shows that messages arrive.
pub fn test(host: &str, sink: &str) -> Card {
    let (id, time) = stamp();
    card::test(Stamp { id: &id, host, time: &time }, sink)
}

/// An alert that only shows that alerts arrive.
pub fn test_alert(host: &str, sink: &str) -> Alert {
    let (id, time) = stamp();
    Alert {
        schema: alert::SCHEMA.to_owned(),
        id,
        incident: ulid::Ulid::new().to_string(),
        time,
        host: host.to_owned(),
        level: Level::Informational,
        title: "Test message".to_owned(),
        summary: format!("The sink {sink} of the detector on {host} works; nothing happened."),
        rule: RuleRef {
            id: "00000000-0000-0000-0000-000000000000".to_owned(),
            title: "Test message".to_owned(),
            tags: Vec::new(),
            file: "(none)".to_owned(),
        },
        agent: None,
        process: None,
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        task: None,
        tool_call: None,
        response: Vec::new(),
        coverage: Coverage { events_lost: 0, gaps: Vec::new() },
        count: 1,
        latency_us: 0,
        subject: None,
    }
}

/// An id of its own, and now.
fn stamp() -> (String, String) {
    (ulid::Ulid::new().to_string(), jiff::Timestamp::now().to_string())
}

/// Many incidents that would each have been a message.
pub(super) fn overview(host: &str, folded: &Folded) -> Card {
    let sentence = format!(
        "{} incidents came faster than can be told one by one; they are counted here and none is lost.",
        folded.incidents
    );
    counted(host, "Many incidents at once", sentence, folded)
}

/// What was held back while it was quiet.
pub(super) fn quiet_digest(host: &str, span: &str, folded: &Folded) -> Card {
    let (noun, were) = if folded.incidents == 1 { ("incident", "was") } else { ("incidents", "were") };
    let sentence = format!("{} {noun} {were} held back in the quiet hours ({span}).", folded.incidents);
    counted(host, "While it was quiet", sentence, folded)
}

fn counted(host: &str, title: &str, mut sentence: String, folded: &Folded) -> Card {
    let Folded { incidents, alerts, levels, agents, rules, gravest, since, last } = folded;
    let level = levels.keys().next_back().copied().unwrap_or(Level::Medium);
    let by: Vec<String> =
        levels.iter().rev().map(|(level, count)| format!("{count} {}", level.name())).collect();
    let _ = write!(sentence, " By level: {}.", by.join(", "));
    let mut card = notice(host, level, title, &sentence);
    card.time.clone_from(since);
    card.updated.clone_from(last);
    card.findings = *alerts;
    let named = gravest
        .iter()
        .map(|named| Line {
            label: named.level.name().to_owned(),
            text: format!("{}: {} ({})", clip(&named.agent, NAME), clip(&named.title, NAME), named.id),
            code: false,
        })
        .collect();
    card.sections = vec![
        Section { name: "By agent".to_owned(), lines: counts(agents) },
        Section { name: "By rule".to_owned(), lines: counts(rules) },
        Section {
            name: if *incidents > gravest.len() as u64 { "The gravest" } else { "Incidents" }.to_owned(),
            lines: named,
        },
    ];
    card.commands = vec![
        Command { what: "list them".to_owned(), line: format!("detector alerts --since {since}") },
        Command { what: "look closer".to_owned(), line: "detector explain ID".to_owned() },
    ];
    card
}

/// Names with their counts, the largest first.
fn counts(counts: &std::collections::BTreeMap<String, u64>) -> Vec<Line> {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let line = |label: String, text: String| Line { label, text, code: false };
    let mut lines: Vec<Line> =
        sorted.iter().take(MOST).map(|(name, count)| line(count.to_string(), clip(name, NAME))).collect();
    if sorted.len() > MOST {
        let rest: u64 = sorted.iter().skip(MOST).map(|(_, count)| **count).sum();
        lines.push(line(rest.to_string(), format!("{} more", sorted.len() - MOST)));
    }
    lines
}

/// Alerts had to go.
pub(super) fn room(host: &str, removed: Removed, path: &str, full: bool) -> Card {
    let why = if full { "the disk is full" } else { "the store has reached [store] max_size" };
    let graver = if removed.graver > 0 {
        format!(" {} of them were of level medium or above.", removed.graver)
    } else {
        String::new()
    };
    let sentence = format!(
        "{} alerts were removed from the store {path} because {why}; the oldest low ones went first.{graver}",
        removed.total()
    );
    let level = if removed.graver > 0 { Level::High } else { Level::Medium };
    let mut card = notice(host, level, "Old alerts had to go", &sentence);
    card.commands = vec![Command {
        what: "see what takes room".to_owned(),
        line: "df -h; du -xh / | sort -h | tail".to_owned(),
    }];
    card
}

/// The store cannot be written.
pub(super) fn unwritable(host: &str, path: &str, reason: &str) -> Card {
    let sentence = format!(
        "The store {path} cannot be written ({}). Alerts are kept in memory and sent from there; they do not outlive \
         the detector until the store can be written again.",
        clip(reason, 4 * NAME)
    );
    notice(host, Level::High, "Alerts cannot be stored", &sentence)
}

/// Alerts never reached the store.
pub(super) fn dropped(host: &str, dropped: u64) -> Card {
    let sentence = format!(
        "{dropped} alerts were dropped since the start because they came faster than the store takes them."
    );
    notice(host, Level::High, "Alerts were dropped", &sentence)
}

/// A sink does not take what it is sent.
pub(super) fn given_up(host: &str, sink: &str, messages: usize, reason: &str) -> Card {
    let sentence = format!(
        "{messages} messages to the sink \"{sink}\" were given up: {}. They are kept.",
        clip(reason, 4 * NAME)
    );
    let mut card = notice(host, Level::Medium, "A sink takes nothing", &sentence);
    card.commands = vec![
        Command { what: "see why".to_owned(), line: format!("detector sinks test {sink}") },
        Command { what: "send them again".to_owned(), line: format!("detector sinks retry {sink}") },
    ];
    card
}
