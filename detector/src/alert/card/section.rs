//! The sections of an incident's card, under names that stay.

use super::super::incident::Incident;
use super::super::{Alert, changed};
use super::story::times;
use super::{Line, Section, process, told};

/// Most rules, pieces of evidence a rule, and lines of a change that are shown.
const RULES: usize = 8;
const PIECES: usize = 2;
const CHANGED: usize = 12;

/// Most lines of the other sections.
const AGAINST: usize = 6;
const GAPS: usize = 4;
const RESPONSES: usize = 6;
const IDS: usize = 5;

/// Most characters of one line.
const MOST: usize = 400;

/// Every section that has something to say.
pub(super) fn all(incident: &Incident, rules: &[&Alert]) -> Vec<Section> {
    let sections = [
        ("Agent", agent(incident)),
        ("Process", process::tree(&incident.alerts)),
        ("Evidence", evidence(incident, rules)),
        ("Against", against(&incident.alerts)),
        ("Response", responses(&incident.alerts)),
        ("Not seen", unseen(&incident.alerts)),
        ("Ids", ids(incident)),
    ];
    sections
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(name, lines)| Section { name: name.to_owned(), lines })
        .collect()
}

fn line(label: &str, text: &str) -> Line {
    Line { label: told(label, super::LABEL_MOST), text: told(text, MOST), code: false }
}

fn code(label: &str, text: &str) -> Line {
    Line { code: true, ..line(label, text) }
}

fn agent(incident: &Incident) -> Vec<Line> {
    let mut out = Vec::new();
    if let Some(agent) = &incident.agent {
        out.push(line("agent", &agent.name));
        out.push(code("cgroup", &agent.cgroup));
        for (what, id) in [("container", &agent.container), ("pod", &agent.pod)] {
            out.extend(id.as_ref().map(|id| code(what, id)));
        }
    }
    if let Some(task) = incident.alerts.iter().rev().find_map(|alert| alert.task.as_ref()) {
        let expects = match (&task.declares, task.expects.is_empty()) {
            (Some(declares), _) => format!("declares {declares}"),
            (None, true) => "expects nothing of note".to_owned(),
            (None, false) => format!("expects {}", task.expects.join(", ")),
        };
        out.push(line(
            "task",
            &format!("{} ({}), since {}; {expects}", task.name, task.id, clock(&task.started)),
        ));
    }
    let mut calls: Vec<&str> = Vec::new();
    for call in incident.alerts.iter().rev().filter_map(|alert| alert.tool_call.as_ref()) {
        if calls.len() < 3 && !calls.contains(&&*call.id) {
            calls.push(&call.id);
            let conversation =
                call.conversation.as_ref().map(|id| format!(", conversation {id}")).unwrap_or_default();
            let text = format!("{} {}, since {}{conversation}", call.name, call.id, clock(&call.started));
            out.push(line("tool call", &text));
        }
    }
    out
}

fn evidence(incident: &Incident, rules: &[&Alert]) -> Vec<Line> {
    let mut out = Vec::new();
    for alert in rules.iter().take(RULES) {
        // Of one rule, alerts that came one after the other are repeats, too.
        let count: u64 = incident
            .alerts
            .iter()
            .filter(|other| other.rule.id == alert.rule.id)
            .map(|other| other.count)
            .sum();
        out.push(line(alert.level.name(), &format!("{}{}", alert.title, times(count))));
        // The newest stand last.
        let skipped = alert.evidence.len().saturating_sub(PIECES);
        for fact in alert.evidence.iter().skip(skipped) {
            out.push(line(clock(&fact.time), &fact.text));
            let mut lines = changed::lines(fact);
            out.extend(lines.by_ref().take(CHANGED).map(|(sign, text)| code("", &format!("{sign}{text}"))));
            let more = lines.count();
            if more > 0 {
                out.push(line("", &format!("… {more} more lines: detector explain {}", alert.id)));
            }
        }
    }
    if rules.len() > RULES {
        out.push(line("", &format!("… and {} more rules", rules.len() - RULES)));
    }
    out
}

fn against(alerts: &[Alert]) -> Vec<Line> {
    let mut said: Vec<&str> = Vec::new();
    for text in alerts.iter().rev().flat_map(|alert| &alert.counter_evidence) {
        if !said.contains(&&**text) {
            said.push(text);
        }
    }
    if said.is_empty() {
        return vec![line("", "nothing is known that speaks against it")];
    }
    let mut out: Vec<Line> = said.iter().take(AGAINST).map(|text| line("", text)).collect();
    if said.len() > AGAINST {
        out.push(line("", &format!("… and {} more", said.len() - AGAINST)));
    }
    out
}

fn responses(alerts: &[Alert]) -> Vec<Line> {
    let done = alerts.iter().rev().flat_map(|alert| &alert.response);
    let mut out: Vec<Line> = done
        .take(RESPONSES)
        .map(|done| line(&done.mode, &format!("{}: {} ({} ms)", done.action, done.outcome, done.took_ms)))
        .collect();
    if out.is_empty() {
        out.push(line("observe", "nothing was done: the detector only observes"));
    }
    out
}

fn unseen(alerts: &[Alert]) -> Vec<Line> {
    let mut out = Vec::new();
    let lost = alerts.iter().map(|alert| alert.coverage.events_lost).max().unwrap_or(0);
    if lost > 0 {
        out.push(line("lost", &format!("{lost} events of this agent, since the detector started")));
    }
    let gaps = alerts.last().map(|alert| alert.coverage.gaps.as_slice()).unwrap_or_default();
    out.extend(gaps.iter().take(GAPS).map(|gap| line("gap", gap)));
    if gaps.len() > GAPS {
        out.push(line("gap", &format!("… and {} more: detector doctor", gaps.len() - GAPS)));
    }
    out
}

fn ids(incident: &Incident) -> Vec<Line> {
    let Incident { id, revision, host, began, last, alerts, total, findings, acknowledged, .. } = incident;
    let counts = match (total, findings) {
        (1, 1) => "1 finding".to_owned(),
        (total, findings) => format!("{total} alerts, {findings} findings"),
    };
    let mut out = vec![
        line("when", &format!("{} to {} on {host}", clock(began), clock(last))),
        code("incident", &format!("{id}, revision {revision}: {counts}")),
    ];
    let newest: Vec<&str> = alerts.iter().rev().take(IDS).map(|alert| &*alert.id).collect();
    out.push(code("alerts", &newest.join(" ")));
    if let Some((who, at)) = acknowledged {
        out.push(line("known", &format!("acknowledged by {who} at {at}")));
    }
    out
}

/// The time of day of an RFC 3339 time, to the millisecond.
fn clock(time: &str) -> &str {
    time.get(11..23).unwrap_or(time)
}
