//! What an alert and a card have in common, for sinks that have fields and no page.

use super::{Body, Message};
use crate::alert::escape::{clip, escape};
use crate::alert::{Alert, Level};

/// Most characters of the line that says what happened.
const MOST: usize = 600;
/// Most characters of a field.
const FIELD: usize = 256;

/// The fields of a message. Every text is for people: deceptive characters are visible, and it has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gist {
    /// Idempotency key.
    pub(super) key: String,
    /// ULID of the alert or card.
    pub(super) id: String,
    /// ULID of the incident; of a card that is about something else, its own.
    pub(super) incident: String,
    pub(super) level: Level,
    pub(super) host: String,
    /// RFC 3339.
    pub(super) time: String,
    /// One line of what happened.
    pub(super) line: String,
    pub(super) agent: Option<String>,
    /// UUID of the rule; of a card's rules the gravest.
    pub(super) rule: Option<String>,
    pub(super) pid: Option<u32>,
}

impl Gist {
    pub(super) fn of(message: &Message<'_>) -> Self {
        let key = field(message.key);
        match message.body {
            Body::Alert(alert) => {
                let Alert { id, incident, level, host, time, title, summary, rule, agent, process, .. } =
                    alert;
                Self {
                    key,
                    id: field(id),
                    incident: field(incident),
                    level: *level,
                    host: field(host),
                    time: field(time),
                    line: line(title, summary),
                    agent: agent.as_ref().map(|agent| field(&agent.name)),
                    rule: Some(field(&rule.id)),
                    pid: process.as_ref().map(|process| process.pid),
                }
            }
            Body::Card(card) => Self {
                key,
                id: field(&card.id),
                incident: field(&card.id),
                level: card.level,
                host: field(&card.host),
                time: field(&card.updated),
                line: line(&card.title, &card.sentence),
                agent: card.agent.as_deref().map(field),
                rule: card.rules.first().map(|rule| field(rule)),
                pid: None,
            },
        }
    }

    /// syslog's severity, 0 to 7 (RFC 5424, 6.2.1). Emergency and alert are not ours to claim.
    pub(super) fn severity(&self) -> u8 {
        match self.level {
            Level::Critical => 2,
            Level::High => 3,
            Level::Medium => 4,
            Level::Low => 5,
            Level::Informational => 6,
        }
    }
}

fn field(text: &str) -> String {
    clip(text, FIELD)
}

fn line(title: &str, sentence: &str) -> String {
    if sentence.is_empty() {
        clip(title, MOST)
    } else {
        format!("{}: {}", escape(&clip(title, FIELD)), clip(sentence, MOST))
    }
}
