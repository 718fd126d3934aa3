//! PagerDuty, by its Events API v2: an incident of ours is an alert of theirs, with one deduplication key for life.
//!
//! Format, limits and answers:
//! <https://github.com/PagerDuty/developer-docs/blob/main/docs/events-API-v2/02-Trigger-Events.md> and `01-Overview.md`
//! beside it. A further `trigger` with the key of an open alert is added to that alert's log and calls nobody again.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, footer, headline, limit, line, neutral, place};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Level;
use crate::alert::card::{Card, Section};

/// Where events go.
const API: &str = "https://events.pagerduty.com";
/// Most bytes of a request: 512 KB are allowed.
const MOST: usize = 500_000;
/// Most characters of a summary.
const SUMMARY: usize = 1_024;

/// A service of PagerDuty.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PagerdutyConfig {
    /// Integration key of an "Events API V2" integration, 32 characters.
    pub routing_key: Secret,
    /// Where the API is; `"https://events.pagerduty.com"` where not given, `"https://events.eu.pagerduty.com"` for
    /// accounts in the EU.
    pub api: Option<String>,
}

impl Kind for PagerdutyConfig {
    const NAME: &'static str = "pagerduty";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(60);

    fn check(&self) -> Result<(), Problem> {
        self.routing_key.check("routing_key")?;
        check_url("api", self.api.as_deref().unwrap_or(API)).map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let key =
            self.routing_key.read().map_err(|reason| SinkError::Setup { name: name.to_owned(), reason })?;
        let api = self.api.as_deref().unwrap_or(API).trim_end_matches('/');
        Ok(Box::new(PagerDuty { http: http.clone(), url: format!("{api}/v2/enqueue"), key }))
    }
}

struct PagerDuty {
    http: Http,
    url: String,
    key: String,
}

impl Sink for PagerDuty {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        let body = fit(card, MOST, |card| event(card, &self.key), Vec::len);
        let answer = self.http.send_explained(&Request::post(&self.url, &body), explain)?;
        let answer = answer.json()?;
        if answer.get("status").and_then(Value::as_str) != Some("success") {
            return Err(Failure::later(format!("the answer is none of PagerDuty's: {}", short(&answer))));
        }
        Ok(Receipt { reference: Some(card.id.clone()) })
    }
}

/// An event as PagerDuty reads it.
#[derive(Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: &'a str,
    client: &'static str,
    payload: Payload,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    group: &'static str,
    class: String,
    /// In the order of reading.
    custom_details: IndexMap<String, String>,
}

fn event(card: &Card, key: &str) -> Vec<u8> {
    let summary = format!("{} on {}: {}", headline(card), card.host, card.sentence);
    let event = Event {
        routing_key: key,
        event_action: "trigger",
        dedup_key: &card.id,
        client: "detector",
        payload: Payload {
            summary: limit(&neutral(&summary), SUMMARY),
            source: neutral(&card.host),
            severity: severity(card.level),
            timestamp: timestamp(&card.updated),
            component: card.agent.as_deref().map(neutral),
            group: "detector",
            class: neutral(&card.title),
            custom_details: details(card),
        },
    };
    // Strings, in maps with string keys: there is nothing that cannot be written.
    serde_json::to_vec(&event).unwrap_or_default()
}

/// The sections by name; two of one name stay two.
fn details(card: &Card) -> IndexMap<String, String> {
    let mut out = IndexMap::new();
    let mut add = |name: &str, text: String| {
        let mut unused = neutral(name);
        while out.contains_key(&unused) {
            unused.push('\'');
        }
        out.insert(unused, neutral(&text));
    };
    add("What", card.sentence.clone());
    add("Where", place(card));
    if !card.news.is_empty() {
        add("New", card.news.join("\n"));
    }
    for Section { name, lines } in &card.sections {
        add(name, lines.iter().map(line).collect::<Vec<_>>().join("\n"));
    }
    let commands: Vec<String> =
        card.commands.iter().map(|command| format!("{}: {}", command.what, command.line)).collect();
    if !commands.is_empty() {
        add("Commands", commands.join("\n"));
    }
    add("Ids", footer(card));
    out
}

/// ISO 8601 to the millisecond, as in PagerDuty's examples.
fn timestamp(time: &str) -> Option<String> {
    let time: Timestamp = time.parse().ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Informational | Level::Low => "info",
        Level::Medium => "warning",
        Level::High => "error",
        Level::Critical => "critical",
    }
}

/// `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect …"]}`
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = read.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
    let mut reason = match read.get("message").and_then(Value::as_str) {
        Some(message) if errors.is_empty() => said(message.as_bytes()),
        Some(message) => said(format!("{message}: {}", errors.join("; ")).as_bytes()),
        None => said(body),
    };
    if status == 400 && reason.contains("routing_key") {
        reason.push_str("; write the integration key of an \"Events API V2\" integration as routing_key");
    }
    Explained { reason, after: None }
}

fn short(answer: &Value) -> String {
    said(answer.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;

    #[test]
    fn an_event_keeps_the_order_of_reading() {
        let mut card = card();
        card.sections.push(Section { name: "Evidence".to_owned(), lines: Vec::new() });
        let event = String::from_utf8(event(&card, "k")).unwrap();
        expect_test::expect![[r#"{"routing_key":"k","event_action":"trigger","dedup_key":"01HF7YAT00QW5V9ZK8TD4M2C3R","client":"detector","payload":{"summary":"CRITICAL Known miner executed on node-1: coder ran xmrig","source":"node-1","severity":"critical","timestamp":"2026-03-02T10:21:00.000Z","component":"coder","group":"detector","class":"Known miner executed","custom_details":{"What":"coder ran xmrig","Where":"coder on node-1, since 2026-03-02T10:20:30.123456789Z","Evidence":"10:20:30.123  pid 7 executed /tmp/xmrig","Evidence'":"","Commands":"look closer: detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R","Ids":"incident 01HF7YAT00QW5V9ZK8TD4M2C3R, 2 findings, rules 0b7c"}}}"#]]
        .assert_eq(&event);
    }

    #[test]
    fn what_is_refused_is_said_with_the_remedy() {
        let body = br#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        let said = explain(400, body).reason;
        assert!(said.starts_with("Event object is invalid: Length of 'routing_key'"), "{said}");
        assert!(said.ends_with("as routing_key"), "{said}");
    }
}
