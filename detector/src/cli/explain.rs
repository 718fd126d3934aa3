//! `detector explain`: why there was an alert, and what would have silenced it.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use super::kept::{Found, Which, alerts_of, find, local, local_as, short};
use crate::alert::Alert;
use crate::alert::escape::{clip, escape, json_line};
use crate::alert::incident::Incident;
use crate::explain::story::{Node, Story};
use crate::explain::{self, Explanation, Field, IncidentExplanation};
use crate::rules::RuleSet;
use crate::sinks::human::Colour;
use crate::store::Store;

mod html;

/// Say why there was an alert: its rule, what matched, the story, what would have silenced it
///
/// The rule is judged again on the fields that were kept with the alert, and each step of that is shown. Of an
/// incident, the story and each of its alerts is explained.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of an alert or incident, or the beginning or end of it
    id: String,
    /// Rules from this file or directory, beside those of the configuration; may be given again
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write a report of the whole incident to this file: one HTML file that asks for nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// Most characters of a value.
const MOST: usize = 300;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let found = find(&store, &args.id)?;
    let rules = rules(args)?;
    if let Some(path) = &args.html {
        let incident = match found {
            Found::Alert(stored) => store
                .incident(&stored.alert.incident)?
                .with_context(|| format!("incident {} had to make room", stored.alert.incident))?,
            Found::Incident(incident) => *incident,
        };
        let alerts = alerts_of(&store, &incident)?;
        html::write(&store, &explain::incident(incident, &alerts, &rules), path)?;
        writeln!(stdout(), "the report is in {}", path.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match found {
        Found::Alert(stored) => {
            let incident = store.incident(&stored.alert.incident)?;
            let explanation = explain::alert(&stored.alert, &rules);
            if args.json {
                json_line(serde_json::to_string(&explanation)?) + "\n"
            } else {
                let story = story_of(&store, incident.as_ref(), &stored.alert)?;
                alert_text(&explanation, &story, Colour::of(&stdout()))
            }
        }
        Found::Incident(incident) => {
            let alerts = alerts_of(&store, &incident)?;
            let explanation = explain::incident(*incident, &alerts, &rules);
            if args.json {
                json_line(serde_json::to_string(&explanation)?) + "\n"
            } else {
                incident_text(&explanation, Colour::of(&stdout()))
            }
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn rules(args: &Args) -> anyhow::Result<RuleSet> {
    let mut checked = args.which.config()?;
    checked.config.rules.paths.extend(args.rules.iter().cloned());
    super::setup::rules(&checked.config)
}

/// The story of the incident that an alert is part of.
fn story_of(store: &Store, incident: Option<&Incident>, alert: &Alert) -> anyhow::Result<Story> {
    let mut alerts = match incident {
        Some(incident) => alerts_of(store, incident)?,
        None => Vec::new(),
    };
    // Of an incident with very many alerts some are at hand; the one that was asked for must be.
    if !alerts.iter().any(|other| other.id == alert.id) {
        alerts.push(alert.clone());
        alerts.sort_by(|a, b| a.time.cmp(&b.time));
    }
    Ok(explain::story::story(&alerts))
}

fn alert_text(explanation: &Explanation, story: &Story, colour: Colour) -> String {
    let alert = &explanation.alert;
    let mut out = format!(
        "{} {}\n{}\n{} on {}, alert {}, incident {}\n",
        colour.level(alert.level).to_uppercase(),
        colour.paint("1", &escape(&alert.title)),
        clip(&alert.summary, 4 * MOST),
        local(&alert.time),
        escape(&alert.host),
        escape(&alert.id),
        escape(&alert.incident),
    );
    why(explanation, &mut out, colour);
    heading(&mut out, colour, "The story");
    tree(story, Some(&alert.id), &mut out, colour);
    silence(explanation, &mut out, colour);
    let counter = &alert.counter_evidence;
    if !counter.is_empty() {
        heading(&mut out, colour, "What speaks against it");
        counter.iter().for_each(|fact| push(&mut out, "  ", &clip(fact, 4 * MOST)));
    }
    let gaps = &alert.coverage.gaps;
    if !gaps.is_empty() || alert.coverage.events_lost > 0 {
        heading(&mut out, colour, "What could not be seen");
        if alert.coverage.events_lost > 0 {
            push(&mut out, "  ", &format!("{} events of this agent were lost", alert.coverage.events_lost));
        }
        gaps.iter().for_each(|gap| push(&mut out, "  ", &clip(gap, 4 * MOST)));
    }
    out
}

/// The rule, what matched, and how it came to that.
fn why(explanation: &Explanation, out: &mut String, colour: Colour) {
    let Explanation { schema: _, alert: _, rule, verdict: _, notes, matched, others, trace, silence: _ } =
        explanation;
    if let Some(rule) = rule {
        heading(out, colour, "The rule");
        push(
            out,
            "  ",
            &format!("{} ({}), {}:{}", escape(&rule.title), rule.level.name(), escape(&rule.file), rule.line),
        );
        push(out, "  ", &format!("id {}  {}", escape(&rule.id), escape(&rule.tags.join(" "))));
        for line in rule.description.lines() {
            push(out, "  ", &clip(line, 4 * MOST));
        }
        for other in &rule.false_positives {
            push(out, "  also looks so: ", &clip(other, 4 * MOST));
        }
    }
    if !notes.is_empty() {
        heading(out, colour, "Mind");
        notes.iter().for_each(|note| push(out, "  ", &clip(note, 4 * MOST)));
    }
    if !matched.is_empty() {
        heading(out, colour, "What the rule looked at");
        matched.iter().for_each(|field| push(out, "  ", &field_text(field)));
    }
    if !others.is_empty() {
        let text = format!("  {} other fields were kept; --json shows them", others.len());
        push(out, "", &colour.paint("2", &text));
    }
    if !trace.is_empty() {
        heading(out, colour, "How it judged");
        for step in trace {
            let step = escape(&step.to_string()).into_owned();
            push(out, "", &step);
        }
    }
}

fn silence(explanation: &Explanation, out: &mut String, colour: Colour) {
    heading(out, colour, "What would have silenced it");
    for (at, way) in explanation.silence.iter().enumerate() {
        push(out, &format!("  {}. ", at + 1), &escape(&way.text));
        for line in way.paste.iter().flat_map(|paste| paste.lines()) {
            push(out, "       ", &escape(line));
        }
    }
}

fn incident_text(explanation: &IncidentExplanation, colour: Colour) -> String {
    let IncidentExplanation { schema: _, incident, story, alerts } = explanation;
    let agent = incident.agent.as_ref().map_or("no agent", |agent| &*agent.name);
    let mut out = format!(
        "{} incident {} of {} on {}\n{} to {}: {} alerts, {} findings\n",
        colour.level(incident.level).to_uppercase(),
        escape(&incident.id),
        clip(agent, MOST),
        escape(&incident.host),
        local(&incident.began),
        local(&incident.last),
        incident.total,
        incident.findings,
    );
    heading(&mut out, colour, "The story");
    tree(story, None, &mut out, colour);
    heading(&mut out, colour, "Its alerts");
    for one in alerts {
        let alert = &one.alert;
        let looked = one.matched.iter().take(4).map(|field| clip(&field_text(field), 120));
        let looked: Vec<String> = looked.collect();
        let time = local_as(&alert.time, "%H:%M:%S");
        let (level, id, title) = (colour.level(alert.level), short(&alert.id), clip(&alert.title, MOST));
        push(&mut out, "  ", &format!("{time}  {level}  {}  {title}", escape(id)));
        push(&mut out, "      ", &clip(&alert.summary, 4 * MOST));
        if !looked.is_empty() {
            push(&mut out, "      because ", &looked.join(", "));
        }
        for note in &one.notes {
            push(&mut out, "      mind: ", &clip(note, 4 * MOST));
        }
        if let Some(way) = one.silence.iter().find(|way| matches!(way.kind, "filter" | "task")) {
            push(&mut out, "      ", &clip(&way.text, MOST));
        }
    }
    if explanation.incident.total > alerts.len().try_into().unwrap_or(u64::MAX) {
        let all = format!(
            "  {} of {} are shown; `detector alerts --incident {} --limit 1000` lists them",
            alerts.len(),
            incident.total,
            short(&incident.id)
        );
        push(&mut out, "", &all);
    }
    out
}

/// Processes as a tree, each with what was found of it.
fn tree(story: &Story, own: Option<&str>, out: &mut String, colour: Colour) {
    let rows = story.walk();
    let least = rows.iter().map(|(depth, _)| *depth).min().unwrap_or(0);
    for (depth, node) in rows {
        let indent = "  ".repeat(depth - least + 1);
        push(out, &indent, &format!("{} {}", node.pid, program(node)));
        for found in &node.findings {
            let mark = if own == Some(&*found.alert) { " ← this alert" } else { "" };
            let times = if found.count > 1 { format!(" ({} times)", found.count) } else { String::new() };
            let time = local_as(&found.time, "%H:%M:%S%.3f");
            let text =
                format!("{time} {} {}{times}{mark}", colour.level(found.level), clip(&found.title, MOST));
            push(out, &format!("{indent}  • "), &text);
        }
    }
    for found in &story.elsewhere {
        push(out, "  no process: ", &format!("{} {}", local(&found.time), clip(&found.summary, MOST)));
    }
    if story.left_out > 0 {
        push(out, "  ", &format!("{} more alerts found no room here", story.left_out));
    }
}

/// The programs of a process, and its last command line.
fn program(node: &Node) -> String {
    let exes: Vec<String> = node.exes.iter().map(|exe| clip(exe, MOST)).collect();
    let exes = exes.join(" → ");
    let line = clip(&node.command_line, MOST);
    match (exes.is_empty(), line.is_empty()) {
        (true, true) => "(unknown)".to_owned(),
        (true, false) => line,
        (false, true) => exes,
        (false, false) => format!("{exes}: {line}"),
    }
}

fn field_text(field: &Field) -> String {
    let value = match &field.value {
        Value::String(text) => clip(text, MOST),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            clip(&field.value.to_string(), MOST)
        }
    };
    format!("{} = {value}", escape(&field.name))
}

fn heading(out: &mut String, colour: Colour, text: &str) {
    let _ = writeln!(out, "\n{}", colour.paint("1", text));
}

fn push(out: &mut String, indent: &str, text: &str) {
    let _ = writeln!(out, "{indent}{text}");
}
