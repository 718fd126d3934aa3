//! A digest as a card: bounded, so that a chat shows it whole.

use ulid::Ulid;
use xxhash_rust::xxh3::xxh3_128;

use super::{Digest, words};
use crate::alert::Level;
use crate::alert::card::{About, Card, Command, SCHEMA};
use crate::alert::escape::clip;

/// Most agents in a card.
const AGENTS: usize = 5;
/// Most things of each kind.
const EACH: usize = 3;

/// The card of a digest. The same digest gives the same id; its level is informational whatever it tells of, since each
/// alert was told when it came.
pub fn card(digest: &Digest) -> Card {
    let Digest { schema: _, host, from, to, agents, .. } = digest;
    let findings = agents.iter().map(|agent| agent.findings).fold(0, u64::saturating_add);
    let number = agents.iter().filter(|agent| agent.name.is_some()).count();
    let noun = if number == 1 { "agent" } else { "agents" };
    let counts = words::alerts(digest.alerts().iter());
    let began = from.parse::<jiff::Timestamp>();
    let ms = began.map_or(0, |time| u64::try_from(time.as_millisecond()).unwrap_or(0));
    let since = span(from, to);
    Card {
        schema: SCHEMA.to_owned(),
        about: About::Digest,
        id: Ulid::from_parts(ms, xxh3_128(format!("{host}\0{from}\0{to}").as_bytes())).to_string(),
        revision: 1,
        level: Level::Informational,
        host: host.clone(),
        time: from.clone(),
        updated: to.clone(),
        title: format!("Digest of {}", clip(host, 100)),
        sentence: format!("{number} {noun} in {since}: {counts}."),
        agent: None,
        rules: Vec::new(),
        tags: Vec::new(),
        findings,
        news: Vec::new(),
        sections: super::sections(digest, AGENTS, EACH),
        commands: vec![Command {
            what: "see all of it".to_owned(),
            line: format!("detector digest --since {}", since.replace(' ', "")),
        }],
    }
}

/// The time from one to another as `--since` reads it: `24h`, `30m`.
pub fn span(from: &str, to: &str) -> String {
    let (Ok(from), Ok(to)) = (from.parse::<jiff::Timestamp>(), to.parse::<jiff::Timestamp>()) else {
        return "24h".to_owned();
    };
    let seconds = to.as_second().saturating_sub(from.as_second()).max(1);
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds >= 2 * unit && seconds % unit == 0 || seconds >= 48 * unit {
            return format!("{}{name}", (seconds + unit / 2) / unit);
        }
    }
    if seconds % 60 == 0 { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}
