//! An incident becomes a card: what happened as one sentence, and everything else in the order of reading.

use super::super::incident::Incident;
use super::super::{Alert, Level};
use super::{About, Card, SCHEMA, SENTENCE_MOST, TITLE_MOST, command, section, told};

/// Most parts of the sentence, news, rules and tags.
const PARTS: usize = 6;
const NEWS: usize = 10;
const RULES: usize = 32;
const TAGS: usize = 32;

/// Most characters of one part of the sentence, and of one piece of news.
const PART: usize = 160;
const NEWS_MOST: usize = 400;

/// The card of an incident. `news` are its alerts that the message before did not have; empty in the first.
pub fn incident(incident: &Incident, news: &[Alert]) -> Card {
    let Incident {
        id,
        revision,
        host,
        level,
        began,
        last,
        agent,
        alerts,
        total: _,
        findings,
        acknowledged: _,
    } = incident;
    let rules = of_rules(alerts);
    let gravest = rules.first().copied();
    let mut tags: Vec<String> = Vec::new();
    for tag in rules.iter().flat_map(|alert| &alert.rule.tags) {
        if tags.len() < TAGS && !tags.contains(tag) {
            tags.push(told(tag, 100));
        }
    }
    Card {
        schema: SCHEMA.to_owned(),
        about: About::Incident,
        id: id.clone(),
        revision: *revision,
        level: *level,
        host: told(host, 200),
        time: began.clone(),
        updated: last.clone(),
        title: title(&rules),
        sentence: told(&sentence(incident, &rules), SENTENCE_MOST),
        agent: agent.as_ref().map(|agent| told(&agent.name, 200)),
        rules: rules.iter().take(RULES).map(|alert| alert.rule.id.clone()).collect(),
        tags,
        findings: *findings,
        news: news_of(news),
        sections: section::all(incident, &rules),
        commands: command::all(incident, gravest),
    }
}

/// The newest alert of each rule, the gravest rules first.
fn of_rules(alerts: &[Alert]) -> Vec<&Alert> {
    let mut out: Vec<&Alert> = Vec::new();
    for alert in alerts {
        match out.iter_mut().find(|known| known.rule.id == alert.rule.id) {
            Some(known) if alert.level >= known.level => *known = alert,
            Some(_) => {}
            None => out.push(alert),
        }
    }
    // Stable: of one level, what was found first comes first.
    out.sort_by_key(|alert| std::cmp::Reverse(alert.level));
    out
}

fn title(rules: &[&Alert]) -> String {
    let Some(gravest) = rules.first() else { return "Incident".to_owned() };
    let title = told(&gravest.title, TITLE_MOST - 32);
    match rules.len() - 1 {
        0 => title,
        more => format!("{title} (and {more} more)"),
    }
}

fn news_of(news: &[Alert]) -> Vec<String> {
    let mut out: Vec<String> = news
        .iter()
        .take(NEWS)
        .map(|alert| told(&format!("{}{}", alert.summary, times(alert.count)), NEWS_MOST))
        .collect();
    if news.len() > NEWS {
        out.push(format!("… and {} more", news.len() - NEWS));
    }
    out
}

/// ` ×7`, where it was more than once.
pub(super) fn times(count: u64) -> String {
    if count > 1 { format!(" ×{count}") } else { String::new() }
}

/// One finding says what it says; several are told in the order of time.
fn sentence(incident: &Incident, rules: &[&Alert]) -> String {
    let Some(gravest) = rules.first() else {
        return "Nothing is known of this incident any more.".to_owned();
    };
    let mut ordered = rules.to_vec();
    ordered.sort_by(|one, other| one.time.cmp(&other.time));
    // What a task declares is no part of the story, unless it is all there is.
    let counted =
        |alert: &&&Alert| alert.level > Level::Informational || gravest.level == Level::Informational;
    let mut parts: Vec<String> = Vec::new();
    let mut more = 0;
    for alert in ordered.iter().filter(counted) {
        let part = told(&part(alert), PART);
        // `ran x` says less than `ran x, which it wrote itself`.
        if parts.iter().any(|known| says(known, &part)) {
            continue;
        }
        if let Some(known) = parts.iter_mut().find(|known| says(&part, known)) {
            *known = part;
            continue;
        }
        if parts.len() < PARTS { parts.push(part) } else { more += 1 }
    }
    if parts.len() < 2 {
        return format!("{}{}", gravest.summary, times(gravest.count));
    }
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    let who =
        incident.agent.as_ref().map_or_else(|| format!("On {}", incident.host), |agent| agent.name.clone());
    let last = parts.pop().unwrap_or_default();
    format!("{who} {} and {last}.", parts.join(", "))
}

/// Whether one part of the sentence says what another one does, and perhaps more.
fn says(part: &str, other: &str) -> bool {
    part.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
}

/// What one finding adds to the story, as something that somebody did.
fn part(alert: &Alert) -> String {
    let evidence = alert.evidence.first();
    let field = |name: &str| {
        let value = evidence?.fields.get(name).or_else(|| alert.subject.as_ref()?.get(name))?;
        value.as_str().map(str::to_owned).or_else(|| value.as_array()?.first()?.as_str().map(str::to_owned))
    };
    let exe = alert.process.as_ref().map(|process| process.exe.clone()).filter(|exe| !exe.is_empty());
    let title = || format!("met “{}”", alert.title);
    match evidence.map(|evidence| &*evidence.kind) {
        Some("exec") => exe.map_or_else(title, |exe| format!("ran {exe}")),
        Some("new_code") => match (field("NewCode"), field("FetchedFrom")) {
            (Some(path), Some(from)) => format!("ran {path}, which it had from {from}"),
            (Some(path), None) => format!("ran {path}, which it wrote itself"),
            (None, _) => title(),
        },
        Some("mining") => {
            let certainty = field("MiningCertainty").unwrap_or_else(|| "possible".to_owned());
            match exe {
                Some(exe) => format!("mines with {exe} ({certainty})"),
                None => format!("mines ({certainty})"),
            }
        }
        Some("stratum") => format!("spoke a mining protocol{}", with(alert)),
        Some("connect" | "connect_result" | "send") => format!("connected{}", with(alert)),
        Some("listen" | "bind") => match (field("LocalIp"), port(alert, "LocalPort")) {
            (Some(ip), Some(port)) => format!("listened on {ip}:{port}"),
            _ => title(),
        },
        Some("file") => match (field("TargetFilename"), field("FileOperation")) {
            (Some(path), operation) => {
                let verb = match operation.as_deref() {
                    Some("unlink") => "removed",
                    Some("access") => "read",
                    Some("chmod") => "changed the mode of",
                    Some(_) | None => "changed",
                };
                format!("{verb} {path}")
            }
            (None, _) => title(),
        },
        Some("daemonised") => exe.map_or_else(title, |exe| format!("left {exe} running")),
        Some(_) | None => title(),
    }
}

/// ` to pool.example:3333`, as far as the evidence says.
fn with(alert: &Alert) -> String {
    let evidence = alert.evidence.first();
    let text = |name: &str| {
        let value = evidence?.fields.get(name)?;
        value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))
    };
    let host = text("DestinationHostname").or_else(|| text("DestinationIp"));
    match (host, text("DestinationPort")) {
        (Some(host), Some(port)) => format!(" to {host}:{port}"),
        (Some(host), None) => format!(" to {host}"),
        (None, _) => {
            // The sentence of the evidence names the other end.
            let line = evidence.map_or("", |evidence| &*evidence.text);
            let behind = [" with ", " to "].iter().find_map(|word| line.split_once(word));
            let end = behind.and_then(|(_, rest)| rest.split([' ', ',']).next());
            end.map(|end| format!(" to {}", end.trim_end_matches(':'))).unwrap_or_default()
        }
    }
}

fn port(alert: &Alert, name: &str) -> Option<u64> {
    alert.evidence.first()?.fields.get(name)?.as_u64()
}
