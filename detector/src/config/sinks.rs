//! `[sinks.NAME]`: where alerts go, and which. The keys here belong to every kind of sink; `type` names the kind, and
//! the other keys are its own.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::quiet::Quiet;
use crate::alert::{Alert, Level};
use crate::sinks::{self, AnyKind, Grain};

/// What a sink takes, and how fast.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// Kind of the sink; its name, where that is one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Least level that it is told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
    /// Agents that it is told of, as globs over their names; all where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// Rules that it is told of, as globs over their ids, titles or files; all where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Tags of rules that it is told of, as globs: `"attack.persistence"`; all where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Most messages a minute; what is more waits. Each kind has a limit of its own where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How long a message is tried before it is given up and kept for `detector sinks retry`; `"24h"` where not given.
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub give_up: Option<Duration>,
    /// Hours in which people are told of the gravest only: `"22:00-07:00"`. What waited is told afterwards, in one
    /// message. For sinks that people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// Time zone of the quiet hours: `"Europe/Berlin"`; UTC where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Least level that is told in quiet hours; critical where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_min_level: Option<Level>,
}

/// The keys of [`RoutingConfig`].
const KEYS: &[&str] = &[
    "type",
    "min_level",
    "agents",
    "rules",
    "tags",
    "rate",
    "give_up",
    "quiet",
    "timezone",
    "quiet_min_level",
];

/// A routing that was checked.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// As written.
    pub config: RoutingConfig,
    /// Hours in which people are told of the gravest only.
    pub quiet: Option<Quiet>,
    agents: Vec<GlobMatcher>,
    rules: Vec<GlobMatcher>,
    tags: Vec<GlobMatcher>,
}

impl Routing {
    /// Everything of this level and above.
    pub fn at_least(level: Level) -> Self {
        Self {
            config: RoutingConfig { min_level: Some(level), ..RoutingConfig::default() },
            ..Self::default()
        }
    }

    /// Whether an alert is for this sink.
    pub fn takes(&self, alert: &Alert) -> bool {
        let any = |globs: &[GlobMatcher], texts: &[&str]| {
            globs.is_empty() || texts.iter().any(|text| globs.iter().any(|glob| glob.is_match(text)))
        };
        let tags: Vec<&str> = alert.rule.tags.iter().map(String::as_str).collect();
        let agent: Vec<&str> = alert.agent.iter().map(|agent| &*agent.name).collect();
        self.config.min_level.is_none_or(|least| alert.level >= least)
            && any(&self.agents, &agent)
            && any(&self.rules, &[&alert.rule.id, &alert.rule.title, &alert.rule.file])
            && any(&self.tags, &tags)
    }
}

/// One `[sinks.NAME]`.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// What the operator calls it.
    pub name: String,
    /// What it takes.
    pub routing: Routing,
    /// What it is.
    pub kind: Arc<dyn AnyKind>,
}

/// Something wrong, and where in the text that is.
pub(super) type Wrong = (usize, String);

/// Reads and checks the sinks of a configuration.
pub(super) fn read(sinks: Spanned<DeValue<'_>>) -> Result<Vec<SinkConfig>, Wrong> {
    let span = sinks.span();
    let DeValue::Table(sinks) = sinks.into_inner() else {
        return Err((span.start, "write each sink as a table: [sinks.slack]".to_owned()));
    };
    sinks.into_iter().map(|(name, table)| sink(name.get_ref(), name.span(), table)).collect()
}

fn sink(name: &str, at: Range<usize>, table: Spanned<DeValue<'_>>) -> Result<SinkConfig, Wrong> {
    let span = table.span();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        let message = "a sink is called by letters, digits, \"-\", \"_\" and \".\", 64 at most; write e.g. [sinks.slack]";
        return Err((at.start, message.to_owned()));
    }
    let DeValue::Table(table) = table.into_inner() else {
        return Err((span.start, format!("write the sink as a table: [sinks.{name}]")));
    };
    let (mut common, mut own) = (DeTable::new(), DeTable::new());
    let mut places = Vec::new();
    for (key, value) in table {
        places.push((key.get_ref().to_string(), key.span().start));
        let into = if KEYS.contains(&&**key.get_ref()) { &mut common } else { &mut own };
        into.insert(key, value);
    }
    let place = |key: &str| places.iter().find(|(name, _)| name == key).map_or(at.start, |(_, at)| *at);
    let wrong = |error: toml::de::Error| {
        (error.span().map_or(at.start, |span| span.start), error.message().to_owned())
    };
    let config =
        RoutingConfig::deserialize(Deserializer::from(Spanned::new(span.clone(), common))).map_err(wrong)?;
    let kind = config.kind.as_deref().unwrap_or(name);
    let table = Deserializer::from(Spanned::new(span, own));
    let Some(read) = sinks::read(kind, table) else {
        let near = sinks::KINDS
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, kind).total_cmp(&strsim::jaro_winkler(b, kind)));
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        let all = sinks::KINDS.join(", ");
        return Err((place("type"), format!("\"{kind}\" is no kind of sink{near} Known: {all}")));
    };
    let kind = read.map_err(wrong)?;
    kind.check().map_err(|problem| (place(problem.key), format!("{}: {}", problem.key, problem.message)))?;
    let quiet = match &config.quiet {
        Some(_) if kind.grain() == Grain::Alert => {
            let message = format!(
                "a {} sink is read by machines and is never quiet; take the key away, or set it where people read",
                kind.kind()
            );
            return Err((place("quiet"), message));
        }
        Some(span) => {
            let read = Quiet::parse(span, config.timezone.as_deref());
            Some(read.map_err(|(key, message)| (place(key), message))?)
        }
        None => {
            super::quiet::zone(config.timezone.as_deref()).map_err(|(key, message)| (place(key), message))?;
            None
        }
    };
    if config.rate == Some(0) {
        let message = "a rate of 0 sends nothing; write how many messages may go in a minute, e.g. 60";
        return Err((place("rate"), message.to_owned()));
    }
    let globs = |key: &str, globs: &[String]| -> Result<Vec<GlobMatcher>, Wrong> {
        let read = globs.iter().map(|glob| Ok(Glob::new(glob)?.compile_matcher()));
        read.collect::<Result<_, globset::Error>>()
            .map_err(|error| (place(key), format!("{key}: no valid glob: {}", error.kind())))
    };
    Ok(SinkConfig {
        name: name.to_owned(),
        routing: Routing {
            agents: globs("agents", &config.agents)?,
            rules: globs("rules", &config.rules)?,
            tags: globs("tags", &config.tags)?,
            quiet,
            config,
        },
        kind,
    })
}
