//! The report of an incident: one HTML file that asks for nothing else, for people who were not there.
//!
//! The file holds no script, and its policy allows none, nor any request; the one style sheet is named by its hash.
//! The template escapes every value, and characters that would deceive a reader are made visible before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, HtmlEscape, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::alert::card::{self, Card};
use crate::alert::escape::{escape, escape_lines};
use crate::alert::{Alert, Evidence};
use crate::explain::IncidentExplanation;
use crate::explain::shell::quote;

pub mod plot;
mod timeline;
mod tree;

use plot::Series;

const TEMPLATE: &str = include_str!("report/report.html");
const STYLE: &str = include_str!("report/report.css");

/// Characters of a text that are shown at once; the rest unfolds.
const SHOWN: usize = 400;

/// A report that cannot be made.
#[derive(Debug, Error)]
#[error("the report cannot be made")]
pub struct ReportError(#[from] minijinja::Error);

/// What a report is made of beside the explanation.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Time zone of the times that people read.
    pub zone: TimeZone,
    /// When the report is made.
    pub now: Timestamp,
    /// How busy GPUs and processors were around the incident.
    pub series: Vec<Series>,
}

/// The report, as the bytes of an HTML file.
///
/// # Errors
/// The template is wrong.
pub fn html(explanation: &IncidentExplanation, setting: &Setting) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("long", long);
    environment.add_template("report.html", TEMPLATE)?;
    let mut view = serde_json::to_value(View::of(explanation, setting)).unwrap_or_default();
    visible(&mut view);
    let view = Value::from(Serde(view));
    let style = Value::from_safe_string(STYLE.to_owned());
    let context = minijinja::context! { style, style_hash => hash(STYLE), ..view };
    Ok(environment.get_template("report.html")?.render(context)?)
}

/// The source of a style sheet as a policy names it.
fn hash(style: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(style.as_bytes())))
}

/// Makes deceptive characters visible, in every text. Lines stay lines.
fn visible(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = escape_lines(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(visible),
        serde_json::Value::Object(map) => map.values_mut().for_each(visible),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// A text of any length: the first part at once, the whole behind a fold.
fn long(text: &str) -> Value {
    let html = match text.char_indices().nth(SHOWN) {
        None => HtmlEscape(text).to_string(),
        Some((end, _)) => format!(
            "{}… <details class=\"whole\"><summary>the whole, {} characters</summary><pre>{}</pre></details>",
            HtmlEscape(text.get(..end).unwrap_or_default()),
            text.chars().count(),
            HtmlEscape(text)
        ),
    };
    Value::from_safe_string(html)
}

/// Everything that the template shows.
#[derive(Serialize)]
struct View {
    title: String,
    level: &'static str,
    sentence: String,
    facts: Vec<(String, String)>,
    timeline: timeline::Timeline,
    tree: tree::Tree,
    plots: Vec<plot::Plot>,
    unmeasured: String,
    evidence: Vec<Row>,
    counter: Vec<String>,
    responses: Vec<String>,
    unseen: Vec<String>,
    alerts: Vec<AlertView>,
    more_alerts: u64,
    commands: Vec<(String, String)>,
    zone: String,
    made: Time,
    version: &'static str,
}

/// A time for people and for machines.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Time {
    utc: String,
    local: String,
}

/// One fact in the table of evidence.
#[derive(Serialize)]
struct Row {
    number: usize,
    time: Time,
    level: &'static str,
    title: String,
    kind: String,
    text: String,
    fields: Vec<(String, String)>,
}

/// One alert with its explanation.
#[derive(Serialize)]
struct AlertView {
    id: String,
    level: &'static str,
    title: String,
    summary: String,
    time: Time,
    count: u64,
    rule: Option<crate::explain::Rule>,
    rule_level: &'static str,
    notes: Vec<String>,
    fields: Vec<(String, String)>,
    trace: Vec<crate::explain::trace::Line>,
    silence: Vec<crate::explain::silence::Way>,
}

impl View {
    fn of(explanation: &IncidentExplanation, setting: &Setting) -> Self {
        let IncidentExplanation { schema: _, incident, story, alerts } = explanation;
        let card = card::incident(incident, &[]);
        let of = |time: &str| Time::of(time, &setting.zone);
        let facts: Vec<(&Alert, &Evidence)> = alerts
            .iter()
            .flat_map(|one| one.alert.evidence.iter().map(move |fact| (&one.alert, fact)))
            .collect();
        let mut facts = facts;
        facts.sort_by(|a, b| a.1.time.cmp(&b.1.time));
        let evidence = facts.iter().enumerate().map(|(at, (alert, fact))| Row {
            number: at + 1,
            time: of(&fact.time),
            level: alert.level.name(),
            title: alert.title.clone(),
            kind: fact.kind.replace('_', " "),
            text: fact.text.clone(),
            fields: fact.fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        });
        let flat = |list: fn(&Alert) -> Vec<String>| {
            let mut all: Vec<String> = Vec::new();
            for text in alerts.iter().flat_map(|one| list(&one.alert)) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            all
        };
        let shown = u64::try_from(alerts.len()).unwrap_or(u64::MAX);
        Self {
            title: card.title.clone(),
            level: incident.level.name(),
            sentence: card.sentence.clone(),
            facts: header(explanation, &card, &of),
            timeline: timeline::timeline(&facts, setting),
            tree: tree::tree(story, setting),
            plots: setting.series.iter().filter_map(|series| plot::plot(series, &facts, setting)).collect(),
            unmeasured: "No measurements of this agent are kept for this time.".to_owned(),
            evidence: evidence.collect(),
            counter: flat(|alert| alert.counter_evidence.clone()),
            responses: flat(|alert| {
                alert
                    .response
                    .iter()
                    .map(|done| format!("{} ({}): {}", done.action, done.mode, done.outcome))
                    .collect()
            }),
            unseen: flat(unseen),
            alerts: alerts.iter().map(|one| AlertView::of(one, &of)).collect(),
            more_alerts: incident.total.saturating_sub(shown),
            commands: commands(&card, explanation),
            zone: setting.now.to_zoned(setting.zone.clone()).strftime("%Z, UTC%:z").to_string(),
            made: Time::at(setting.now, &setting.zone),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl AlertView {
    fn of(one: &crate::explain::Explanation, of: &impl Fn(&str) -> Time) -> Self {
        let alert = &one.alert;
        Self {
            id: alert.id.clone(),
            level: alert.level.name(),
            title: alert.title.clone(),
            summary: alert.summary.clone(),
            time: of(&alert.time),
            count: alert.count,
            rule: one.rule.clone(),
            rule_level: one.rule.as_ref().map_or("", |rule| rule.level.name()),
            notes: one.notes.clone(),
            fields: one.matched.iter().map(|field| (field.name.clone(), plain(&field.value))).collect(),
            trace: one.trace.clone(),
            silence: one.silence.clone(),
        }
    }
}

impl Time {
    /// A time of an alert; as it stands where it is none.
    fn of(time: &str, zone: &TimeZone) -> Self {
        match time.parse::<Timestamp>() {
            Ok(stamp) => Self { utc: time.to_owned(), ..Self::at(stamp, zone) },
            Err(_) => Self { utc: String::new(), local: time.to_owned() },
        }
    }

    fn at(stamp: Timestamp, zone: &TimeZone) -> Self {
        let local = stamp.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        Self { utc: stamp.to_string(), local }
    }
}

/// Who, when and for what: the facts at the top.
fn header(
    explanation: &IncidentExplanation,
    card: &Card,
    of: &impl Fn(&str) -> Time,
) -> Vec<(String, String)> {
    let incident = &explanation.incident;
    let alerts = || explanation.alerts.iter().map(|one| &one.alert);
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(agent) = &incident.agent {
        let mut text = format!("{} ({})", agent.name, agent.cgroup);
        for (what, name) in [("container", &agent.container), ("pod", &agent.pod)] {
            if let Some(name) = name {
                text.push_str(&format!(", {what} {name}"));
            }
        }
        rows.push(("Agent", text));
    }
    if let Some(task) = alerts().find_map(|alert| alert.task.as_ref()) {
        let expects =
            if task.expects.is_empty() { "nothing of note".to_owned() } else { task.expects.join(", ") };
        rows.push(("Task", format!("{} ({}), expects {expects}", task.name, task.id)));
    }
    let mut calls: Vec<String> = alerts()
        .filter_map(|alert| alert.tool_call.as_ref())
        .map(|call| format!("{} ({})", call.name, call.id))
        .collect();
    calls.dedup();
    if !calls.is_empty() {
        rows.push(("Tool call", calls.join(", ")));
    }
    rows.push(("Host", incident.host.clone()));
    rows.push(("From", of(&incident.began).local));
    rows.push(("Until", of(&incident.last).local));
    rows.push(("Size", format!("{} alerts, {} findings", incident.total, incident.findings)));
    if let Some((who, at)) = &incident.acknowledged {
        rows.push(("Acknowledged", format!("by {who} at {}", of(at).local)));
    }
    let attack: Vec<String> = card
        .tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("attack.t"))
        .map(|technique| format!("T{technique}"))
        .collect();
    if !attack.is_empty() {
        rows.push(("ATT&CK", attack.join(", ")));
    }
    rows.push(("Incident", incident.id.clone()));
    rows.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

fn unseen(alert: &Alert) -> Vec<String> {
    let lost = alert.coverage.events_lost;
    let lost = (lost > 0).then(|| format!("{lost} events of this agent were lost before this alert."));
    lost.into_iter().chain(alert.coverage.gaps.iter().cloned()).collect()
}

/// What to run next: what the card has, and what leads on from here.
fn commands(card: &Card, explanation: &IncidentExplanation) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        card.commands.iter().map(|command| (command.what.clone(), command.line.clone())).collect();
    let id = &explanation.incident.id;
    for (what, line) in [
        ("explain it on the machine", format!("detector explain {}", quote(id))),
        ("say that somebody looks after it", format!("detector alerts ack {}", quote(id))),
    ] {
        if !all.iter().any(|(_, other)| *other == line) {
            all.push((what.to_owned(), line));
        }
    }
    all
}

/// A value as people read it.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => escape(text).into_owned(),
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}
