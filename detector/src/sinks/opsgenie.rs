//! Opsgenie, by its Alert API v2: an incident of ours is an alert of theirs under one alias.
//!
//! Format and limits: <https://docs.opsgenie.com/docs/alert-api>. An alert that is open already under its alias is
//! counted up and keeps its text, so what is new is added as a note; one that was closed meanwhile is opened again.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, follow_up, headline, limit, limit_lines, neutral, text};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Level;
use crate::alert::card::Card;

/// Where the API is.
const API: &str = "https://api.opsgenie.com";
/// Most characters of a message, a description, a note, an entity, a tag; most tags.
const MESSAGE: usize = 130;
const DESCRIPTION: usize = 15_000;
const NOTE: usize = 25_000;
const ENTITY: usize = 512;
const TAG: usize = 50;
const TAGS: usize = 20;

/// An API integration of Opsgenie.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpsgenieConfig {
    /// Key of an "API" integration.
    pub api_key: Secret,
    /// Where the API is; `"https://api.opsgenie.com"` where not given, `"https://api.eu.opsgenie.com"` for accounts in
    /// the EU.
    pub api: Option<String>,
}

impl Kind for OpsgenieConfig {
    const NAME: &'static str = "opsgenie";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(60);

    fn check(&self) -> Result<(), Problem> {
        self.api_key.check("api_key")?;
        check_url("api", self.api.as_deref().unwrap_or(API)).map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let key = self.api_key.read().map_err(|reason| SinkError::Setup { name: name.to_owned(), reason })?;
        let api = self.api.as_deref().unwrap_or(API).trim_end_matches('/');
        Ok(Box::new(Opsgenie {
            http: http.clone(),
            alerts: format!("{api}/v2/alerts"),
            authorization: format!("GenieKey {key}"),
        }))
    }
}

struct Opsgenie {
    http: Http,
    alerts: String,
    authorization: String,
}

impl Sink for Opsgenie {
    /// The reference is the priority that was told last. An update is created again, raised where it is graver, and
    /// gets its note last, so that what is tried again makes no second note.
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        let priority = priority(card.level);
        self.send("POST", &self.alerts, &create(card))?;
        if let Some(told) = message.reference {
            let of = |what: &str| format!("{}/{}/{what}?identifierType=alias", self.alerts, card.id);
            if told != priority {
                self.send("PUT", &of("priority"), &json!({ "priority": priority }))?;
            }
            if !card.news.is_empty() {
                self.send("POST", &of("notes"), &note(card))?;
            }
        }
        Ok(Receipt { reference: Some(priority.to_owned()) })
    }
}

impl Opsgenie {
    fn send(&self, method: &'static str, url: &str, body: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::refused)?;
        let headers = [("Content-Type", "application/json"), ("Authorization", &*self.authorization)];
        let request = Request { method, url, headers: &headers, body: &body };
        let answer = self.http.send_explained(&request, explain)?.json()?;
        if answer.get("requestId").is_none_or(Value::is_null) {
            let answer = said(answer.to_string().as_bytes());
            return Err(Failure::later(format!("the answer is none of Opsgenie's: {answer}")));
        }
        Ok(())
    }
}

/// An alert as Opsgenie reads it.
#[derive(Serialize)]
struct Create<'a> {
    message: String,
    alias: &'a str,
    description: String,
    tags: Vec<String>,
    details: IndexMap<&'static str, String>,
    entity: String,
    source: String,
    priority: &'static str,
}

fn create(card: &Card) -> Create<'_> {
    let characters = |text: &String| text.chars().count();
    let mut details = IndexMap::from([
        ("incident", card.id.clone()),
        ("level", card.level.name().to_owned()),
        ("host", neutral(&limit(&card.host, 200))),
        ("began", card.time.clone()),
        ("rules", neutral(&limit(&card.rules.join(" "), 500))),
        ("findings", card.findings.to_string()),
    ]);
    if let Some(agent) = &card.agent {
        details.insert("agent", neutral(&limit(agent, 200)));
    }
    let entity =
        card.agent.as_ref().map_or_else(|| card.host.clone(), |agent| format!("{agent}@{}", card.host));
    let tags = std::iter::once(card.level.name()).chain(card.tags.iter().map(String::as_str)).take(TAGS);
    Create {
        message: limit(&neutral(&headline(card)), MESSAGE),
        alias: &card.id,
        description: limit_lines(neutral(&fit(card, DESCRIPTION - 500, text, characters)), DESCRIPTION),
        tags: tags.map(|tag| limit(&neutral(tag), TAG)).collect(),
        details,
        entity: limit(&neutral(&entity), ENTITY),
        source: "detector".to_owned(),
        priority: priority(card.level),
    }
}

fn note(card: &Card) -> Value {
    let shown = fit(
        &follow_up(card),
        NOTE - 1_000,
        |card| format!("{}\n{}", headline(card), text(card)),
        |text| text.chars().count(),
    );
    json!({ "note": limit_lines(neutral(&shown), NOTE), "source": "detector", "user": "detector" })
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::Critical => "P1",
        Level::High => "P2",
        Level::Medium => "P3",
        Level::Low => "P4",
        Level::Informational => "P5",
    }
}

/// `{"message":"Request body is not processable. Please check the errors.","errors":{"message":"…"},"requestId":"…"}`
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut reason = match read.get("message").and_then(Value::as_str) {
        Some(message) => match read.get("errors") {
            Some(errors) => said(format!("{message} {errors}").as_bytes()),
            None => said(message.as_bytes()),
        },
        None => said(body),
    };
    if matches!(status, 401 | 403) {
        reason.push_str(
            "; write the key of an API integration that may create alerts, and for an account in the EU \
             api = \"https://api.eu.opsgenie.com\"",
        );
    }
    Explained { reason, after: None }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;

    #[test]
    fn an_alert_has_what_a_person_needs() {
        let mut card = card();
        card.news = vec!["coder connected to a pool".to_owned()];
        let created = serde_json::to_value(create(&card)).unwrap();
        assert_eq!(created["message"], "CRITICAL Known miner executed");
        assert_eq!(created["entity"], "coder@node-1");
        assert_eq!(created["tags"], json!(["critical", "attack.t1496"]));
        assert!(created["description"].as_str().unwrap().contains("pid 7 executed /tmp/xmrig"));
        let note = note(&card)["note"].as_str().unwrap().to_owned();
        assert!(note.contains("coder connected to a pool") && !note.contains("pid 7 executed"), "{note}");
    }

    #[test]
    fn what_is_refused_is_said_with_the_remedy() {
        let said = explain(422, br#"{"message":"Request body is not processable. Please check the errors.","errors":{"message":"Message can not be empty."},"took":0.0,"requestId":"x"}"#).reason;
        assert!(said.ends_with(r#"{"message":"Message can not be empty."}"#), "{said}");
        assert!(explain(403, br#"{"message":"Api Key is not authorized"}"#).reason.contains("api.eu"));
    }
}
