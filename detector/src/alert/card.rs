//! What a chat window shows: an incident, a digest or a notice, without any channel's markup.
//!
//! Every text of a card is for people: deceptive characters are visible ([`super::escape`]) and secrets are gone. Each
//! channel escapes its own markup and cuts to its own limits.

use serde::{Deserialize, Serialize};

use super::Level;
use super::escape::clip;
use crate::redact;

mod command;
mod process;
#[cfg(test)]
mod schema;
mod section;
mod story;
#[cfg(test)]
mod tests;

pub use command::set_cgroup_mount;
pub use story::incident;

/// The value of [`Card::schema`].
pub const SCHEMA: &str = "detector.card/1";

/// Most characters of a title.
const TITLE_MOST: usize = 200;

/// Most characters of the sentence.
const SENTENCE_MOST: usize = 700;

/// Most characters of a label.
const LABEL_MOST: usize = 64;

/// Most characters of a line.
const LINE_MOST: usize = 600;

/// What a card is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// An incident.
    Incident,
    /// What agents did in a span of time.
    Digest,
    /// Something about the detector itself: alerts that had to go, messages that were held back.
    Notice,
    /// A message that only shows that messages arrive.
    Test,
}

/// A message for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// `detector.card/1`.
    pub schema: String,
    /// What it is about.
    pub about: About,
    /// ULID of the incident, or of this message.
    pub id: String,
    /// How often the incident has changed; 1 for everything else.
    pub revision: u64,
    /// Severity.
    pub level: Level,
    /// Host name.
    pub host: String,
    /// RFC 3339: when it began.
    pub time: String,
    /// RFC 3339: what it says was so then.
    pub updated: String,
    /// A few words: "Known miner executed".
    pub title: String,
    /// One sentence of what happened.
    pub sentence: String,
    /// The agent's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Ids of the rules behind it, the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Tags of those rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Findings behind it, repeats counted.
    pub findings: u64,
    /// What is new since the message that went before to the same place, one sentence each; empty in the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<String>,
    /// What it says, in the order of reading.
    pub sections: Vec<Section>,
    /// Commands ready to paste.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
}

/// A part of a card under a name: "Evidence", "Process".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// One line of a section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What stands before it: a time, a pid; empty where nothing does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The text.
    pub text: String,
    /// It is a command, a path or code: shown as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code: bool,
}

/// A command ready to paste.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// What it does: "look closer".
    pub what: String,
    /// The command line.
    pub line: String,
}

/// What tells a message from every other: the core reads no clock, so the rim says it.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// ULID of the message.
    pub id: &'a str,
    /// Host name.
    pub host: &'a str,
    /// RFC 3339: now.
    pub time: &'a str,
}

/// A message about the detector itself: what happened as a few words and as a sentence, and what else there is to say.
pub fn notice(stamp: Stamp<'_>, level: Level, title: &str, sentence: &str, sections: Vec<Section>) -> Card {
    let Stamp { id, host, time } = stamp;
    Card {
        schema: SCHEMA.to_owned(),
        about: About::Notice,
        id: id.to_owned(),
        revision: 1,
        level,
        host: told(host, 200),
        time: time.to_owned(),
        updated: time.to_owned(),
        title: told(title, TITLE_MOST),
        sentence: told(sentence, SENTENCE_MOST),
        agent: None,
        rules: Vec::new(),
        tags: Vec::new(),
        findings: 0,
        news: Vec::new(),
        sections: sections.into_iter().map(section).collect(),
        commands: Vec::new(),
    }
}

/// A message that only shows that messages arrive. `sink` is what the operator calls it.
pub fn test(stamp: Stamp<'_>, sink: &str) -> Card {
    let sentence = format!("The sink {sink} of the detector on {} works; nothing happened.", stamp.host);
    let lines = vec![
        Line { label: "sink".to_owned(), text: sink.to_owned(), code: true },
        Line { label: "sent".to_owned(), text: stamp.time.to_owned(), code: false },
    ];
    Card {
        about: About::Test,
        ..notice(
            stamp,
            Level::Informational,
            "Test message",
            &sentence,
            vec![Section { name: "Test".to_owned(), lines }],
        )
    }
}

/// A section without secrets, and with every deceptive character visible.
fn section(section: Section) -> Section {
    let Section { name, lines } = section;
    let line = |Line { label, text, code }: Line| Line {
        label: told(&label, LABEL_MOST),
        text: told(&text, LINE_MOST),
        code,
    };
    Section { name, lines: lines.into_iter().map(line).collect() }
}

/// Text for people: no secrets, nothing that deceives, not too long.
fn told(text: &str, most: usize) -> String {
    clip(&redact::text(text), most)
}
