//! `[digest]`: when people are told what agents did, and who is.

use jiff::civil::Time;
use serde::Deserialize;
use toml::Spanned;

use super::sinks::{SinkConfig, Wrong};
use crate::digest::schedule::{Every, Schedule};
use crate::sinks::Grain;

/// Shortest time between two digests, milliseconds.
const SHORTEST: i64 = 1_000;
/// Milliseconds of a day.
const DAY: i64 = 24 * 3_600 * 1_000;

/// A digest that the daemon sends by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigestConfig {
    /// How often a digest is sent: `"24h"`; whole days where `at` is given. None is sent where neither is named.
    pub every: Option<Spanned<String>>,
    /// Time of day: `"08:00"`.
    pub at: Option<Spanned<String>>,
    /// Zone of `at`: `"Europe/Berlin"`; UTC where none is named.
    pub timezone: Option<Spanned<String>>,
    /// Sinks that are told, by name; all that people read where none is named.
    pub sinks: Vec<Spanned<String>>,
    /// Send nothing where there is nothing to say; so it is where not given.
    pub skip_empty: bool,
    /// Directories of agents, as globs, whose disks are looked at beside those that agents are seen to work in:
    /// `["/srv/agents/*"]`.
    pub workspaces: Vec<Spanned<String>>,
}

impl Default for DigestConfig {
    fn default() -> Self {
        Self {
            every: None,
            at: None,
            timezone: None,
            sinks: Vec::new(),
            skip_empty: true,
            workspaces: Vec::new(),
        }
    }
}

impl DigestConfig {
    /// What it asks for; nothing where no digest is wanted.
    pub(super) fn schedule(&self, sinks: &[SinkConfig]) -> Result<Option<Schedule>, Wrong> {
        let workspaces = self.workspaces.iter().map(|pattern| {
            let text = pattern.get_ref();
            if !text.starts_with('/') {
                let message = "a workspace begins with a slash; write e.g. \"/srv/agents/*\"".to_owned();
                return Err((pattern.span().start, message));
            }
            match glob::Pattern::new(text) {
                Ok(_) => Ok(text.clone()),
                Err(error) => {
                    Err((pattern.span().start, format!("workspaces: no valid glob: {}", error.msg)))
                }
            }
        });
        let workspaces: Vec<String> = workspaces.collect::<Result<_, _>>()?;
        let told = self.sinks.iter().map(|named| told(named, sinks)).collect::<Result<Vec<_>, _>>()?;
        let zone = match &self.timezone {
            None => jiff::tz::TimeZone::UTC,
            Some(zone) => jiff::tz::TimeZone::get(zone.get_ref()).map_err(|_| {
                let message = format!(
                    "timezone: there is no time zone \"{}\"; write e.g. \"Europe/Berlin\" or \"UTC\"",
                    zone.get_ref()
                );
                (zone.span().start, message)
            })?,
        };
        let Some(asked) = self.every.as_ref().or(self.at.as_ref()) else { return Ok(None) };
        let every = self.interval()?;
        let every = match &self.at {
            None => Every::After(every.unwrap_or(DAY)),
            Some(at) => {
                let time = Time::strptime("%H:%M", at.get_ref()).map_err(|_| {
                    (at.span().start, "at is no time of day; write e.g. \"08:00\"".to_owned())
                })?;
                let every = every.unwrap_or(DAY);
                if every % DAY != 0 {
                    let message = "with `at`, `every` is whole days; write e.g. \"24h\", or leave `at` out";
                    return Err((asked.span().start, message.to_owned()));
                }
                Every::At { days: i32::try_from(every / DAY).unwrap_or(i32::MAX), time, zone }
            }
        };
        let all = || sinks.iter().filter(|sink| sink.kind.grain() == Grain::Incident);
        let told = if self.sinks.is_empty() { all().map(|sink| sink.name.clone()).collect() } else { told };
        if told.is_empty() {
            let message = "a digest is wanted and no sink is one that people read; name those that get it: \
                           sinks = [\"stdout\"]";
            return Err((asked.span().start, message.to_owned()));
        }
        Ok(Some(Schedule { every, sinks: told, skip_empty: self.skip_empty, workspaces }))
    }

    /// `every` in milliseconds.
    fn interval(&self) -> Result<Option<i64>, Wrong> {
        let Some(every) = &self.every else { return Ok(None) };
        let wrong = |what: &str| (every.span().start, format!("every {what}; write e.g. \"24h\""));
        let span = humantime::parse_duration(every.get_ref()).map_err(|_| wrong("is no span of time"))?;
        let ms = i64::try_from(span.as_millis()).map_err(|_| wrong("is too long"))?;
        if ms < SHORTEST {
            return Err(wrong("is less than a second"));
        }
        // What is older is not known any more.
        if ms > 7 * DAY {
            return Err(wrong("is longer than seven days, which is how long it is known what agents did"));
        }
        Ok(Some(ms))
    }
}

fn told(named: &Spanned<String>, sinks: &[SinkConfig]) -> Result<String, Wrong> {
    let name = named.get_ref();
    if sinks.iter().any(|sink| sink.name == *name) {
        return Ok(name.clone());
    }
    let near = sinks
        .iter()
        .map(|sink| &*sink.name)
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let near = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there is none; write a table [sinks.{name}]"),
    };
    Err((named.span().start, format!("no sink is called \"{name}\"; {near}")))
}
