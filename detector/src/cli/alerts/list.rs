//! `detector alerts`: a line an alert, or a line an incident.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::List;
use crate::alert::Level;
use crate::alert::escape::{clip, escape};
use crate::cli::BadArgument;
use crate::cli::kept::{self, short};
use crate::event::Nanos;
use crate::sinks::human::Colour;
use crate::sinks::stdout::line as json;
use crate::store::Store;
use crate::store::alerts::{Filter, Stored};
use crate::store::find::{Listed, Thing};

/// Characters of a title in a list.
const TITLE: usize = 44;
/// Characters of an agent's name.
const AGENT: usize = 16;

pub(super) fn alerts(args: &List) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let found = store.alerts(&filter(args, &store)?)?;
    let mut out = String::new();
    if args.json {
        for stored in &found {
            out.push_str(&json(&stored.alert)?);
        }
    } else if found.is_empty() {
        return super::say(&nothing(args));
    } else {
        let rows = Rows::here();
        out = rows.head();
        for stored in &found {
            out.push_str(&rows.row(&store, stored)?);
        }
    }
    stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn incidents(args: &List) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let since = args.since.as_deref().map(since).transpose()?;
    let found = store.incidents(args.level, args.agent.as_deref(), since.as_deref(), args.limit)?;
    let mut out = String::new();
    if args.json {
        for incident in &found {
            out.push_str(&crate::alert::escape::json_line(serde_json::to_string(incident)?));
            out.push('\n');
        }
    } else if found.is_empty() {
        return super::say(&nothing(args));
    } else {
        let rows = Rows::here();
        out = format!(
            "{:19} {:13} {:>6} {:>8} {:AGENT$} {:8} TITLE\n",
            "LAST", "LEVEL", "ALERTS", "FINDINGS", "AGENT", "ID"
        );
        found.iter().for_each(|incident| out.push_str(&rows.incident(incident)));
    }
    stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn nothing(args: &List) -> String {
    let List { level, agent, rule, incident, since, .. } = args;
    let narrowed =
        level.is_some() || agent.is_some() || rule.is_some() || incident.is_some() || since.is_some();
    let what = if args.incidents { "incident" } else { "alert" };
    if narrowed { format!("no {what} is like this") } else { format!("no {what} yet") }
}

/// Which alerts are asked for.
pub(super) fn filter(args: &List, store: &Store) -> anyhow::Result<Filter> {
    let incident = match &args.incident {
        Some(id) => Some(kept::one(store, id, &[Thing::Incident])?.1),
        None => None,
    };
    Ok(Filter {
        min_level: args.level,
        agent: args.agent.clone(),
        rule: args.rule.clone(),
        incident,
        since: args.since.as_deref().map(since).transpose()?,
        after: None,
        limit: Some(args.limit),
    })
}

/// A span of time before now, or a time; as the store writes times.
fn since(text: &str) -> anyhow::Result<String> {
    let span = humantime::parse_duration(text).ok();
    let before = |span: Duration| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(span)
    };
    let local = |time: DateTime| TimeZone::system().to_timestamp(time).ok();
    let stamp = || {
        let date = || text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0));
        // A time with its zone first: a civil time of it would read past the zone.
        text.parse::<Timestamp>().ok().or_else(|| local(text.parse::<DateTime>().ok().or_else(date)?))
    };
    let nanos = match span {
        Some(span) => u64::try_from(before(span).as_nanos()).ok(),
        None => stamp().and_then(|time| u64::try_from(time.as_nanosecond()).ok()),
    };
    let nanos = nanos.ok_or_else(|| {
        BadArgument(format!(
            "`{text}` is neither a span of time, such as 30m, nor a time, such as 2026-11-21T20:00"
        ))
    })?;
    Ok(Nanos(nanos).rfc3339())
}

/// How lines are made for this terminal.
pub(super) struct Rows {
    width: Option<usize>,
    colour: Colour,
}

impl Rows {
    pub(super) fn here() -> Self {
        Self { width: kept::width(), colour: Colour::of(&stdout()) }
    }

    pub(super) fn head(&self) -> String {
        let head = format!(
            "{:19} {:13} {:>6} {:AGENT$} {:8} {:TITLE$} SUMMARY",
            "TIME", "LEVEL", "COUNT", "AGENT", "ID", "TITLE"
        );
        format!("{}\n", self.cut(&head))
    }

    /// An alert, with its newline.
    pub(super) fn row(&self, store: &Store, stored: &Stored) -> anyhow::Result<String> {
        let alert = &stored.alert;
        let mut mark = String::new();
        if stored.muted.is_some() {
            mark.push_str("[muted] ");
        }
        if store.is_acknowledged(&alert.incident)? {
            mark.push_str("[ack] ");
        }
        let agent = alert.agent.as_ref().map_or("-", |agent| &*agent.name);
        let rest = format!(
            "{:>6} {:AGENT$} {:8} {:TITLE$} {}",
            alert.count,
            fit(agent, AGENT),
            short(&escape(&alert.id)),
            fit(&format!("{mark}{}", alert.title), TITLE),
            escape(&alert.summary),
        );
        Ok(self.line(&alert.time, alert.level, &rest))
    }

    fn incident(&self, incident: &Listed) -> String {
        let mark = if incident.acknowledged.is_some() { "[ack] " } else { "" };
        let rest = format!(
            "{:>6} {:>8} {:AGENT$} {:8} {mark}{}",
            incident.total,
            incident.findings,
            fit(incident.agent.as_deref().unwrap_or("-"), AGENT),
            short(&escape(&incident.id)),
            escape(&incident.title),
        );
        self.line(&incident.last, incident.level, &rest)
    }

    fn line(&self, time: &str, level: Level, rest: &str) -> String {
        let (time, name) = (kept::local(time), level.name());
        let text = self.cut(&format!("{time:19} {name:13} {rest}"));
        // Cut first: sequences take no room.
        let painted = match text.split_once(name) {
            Some((before, after)) => format!("{before}{}{after}", self.colour.level(level)),
            None => text,
        };
        format!("{painted}\n")
    }

    fn cut(&self, text: &str) -> String {
        match self.width {
            Some(width) if text.chars().count() > width => {
                let kept: String = text.chars().take(width.saturating_sub(1)).collect();
                format!("{kept}…")
            }
            Some(_) | None => text.to_owned(),
        }
    }
}

/// Text for a column.
fn fit(text: &str, most: usize) -> String {
    let text = escape(text);
    if text.chars().count() <= most { text.into_owned() } else { clip(&text, most - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_spans_and_times() {
        assert!(since("30m").unwrap() > since("24h").unwrap());
        assert_eq!(since("2026-11-21T20:00:00Z").unwrap(), "2026-11-21T20:00:00.000000000Z");
        assert_eq!(since("2026-11-21T20:00:00+02:00").unwrap(), "2026-11-21T18:00:00.000000000Z");
        assert_eq!(since("2026-11-21T20:00").unwrap().len(), 30);
        assert!(since("2026-11-21").is_ok());
        let refused = since("yesterday").unwrap_err().to_string();
        assert!(refused.contains("30m"), "{refused}");
    }
}
