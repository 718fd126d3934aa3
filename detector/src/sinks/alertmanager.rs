//! Prometheus Alertmanager, by its API v2: an incident of ours is one alert, alive for as long as something happens.
//!
//! Format: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>. Two alerts with the same labels
//! are one to Alertmanager, so labels have to stay. Those that change as an incident grows (severity, the rule) decide
//! who is called; the alert with the old ones is ended in the request that brings the new one.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, footer, limit, neutral, text};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::card::{About, Card};

/// How long an alert lives after the last change, where the configuration does not say.
const ALIVE: Duration = Duration::from_secs(4 * 3_600);
/// Shortest life that is taken: an incident may be quiet for a quarter of an hour and go on.
const ALIVE_LEAST: Duration = Duration::from_secs(16 * 60);
/// Most characters of a label, and of all annotations.
const LABEL: usize = 200;
const ANNOTATIONS: usize = 16_000;

/// A Prometheus Alertmanager.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Where it is: `"http://127.0.0.1:9093"`, with its path prefix where it has one.
    pub url: String,
    /// Bearer token, where a proxy before it asks for one.
    pub token: Option<Secret>,
    /// User of basic authentication; needs `password`.
    pub user: Option<String>,
    /// Password of basic authentication; needs `user`.
    pub password: Option<Secret>,
    /// How long an alert stays open after the last change of its incident; `"4h"` where not given, at least `"16m"`.
    #[serde(with = "humantime_serde", default)]
    pub resolve_after: Option<Duration>,
    /// Labels that every alert gets: `{ team = "platform" }`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl AlertmanagerConfig {
    /// The value of `Authorization`.
    fn authorization(&self) -> Result<Option<String>, Problem> {
        Ok(match (&self.token, &self.user, &self.password) {
            (None, None, None) => None,
            (Some(token), None, None) => Some(format!("Bearer {}", token.check("token")?)),
            (None, Some(user), Some(password)) => {
                let both = STANDARD.encode(format!("{user}:{}", password.check("password")?));
                Some(format!("Basic {both}"))
            }
            (None, Some(_), None) => return Err(Problem::new("user", "needs a password; add password")),
            (None, None, Some(_)) => return Err(Problem::new("password", "needs a user; add user")),
            (Some(_), _, _) => {
                return Err(Problem::new("token", "token and user exclude each other; keep one"));
            }
        })
    }
}

impl Kind for AlertmanagerConfig {
    const NAME: &'static str = "alertmanager";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        check_url("url", &self.url)?;
        self.authorization()?;
        if let Some(wrong) = self.labels.keys().find(|name| !is_name(name)) {
            let message = format!("\"{wrong}\" is no name of a label; write letters, digits and _");
            return Err(Problem::new("labels", message));
        }
        if self.resolve_after.is_some_and(|alive| alive < ALIVE_LEAST) {
            let message = "too short: an incident that is quiet for a quarter of an hour may go on; write \"16m\" or more";
            return Err(Problem::new("resolve_after", message));
        }
        Ok(())
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let authorization = self.authorization().map_err(|problem| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("{}: {}", problem.key, problem.message),
        })?;
        Ok(Box::new(Alertmanager {
            http: http.clone(),
            url: format!("{}/api/v2/alerts", self.url.trim_end_matches('/')),
            authorization,
            alive: self.resolve_after.unwrap_or(ALIVE),
            labels: self.labels.clone(),
        }))
    }
}

struct Alertmanager {
    http: Http,
    url: String,
    authorization: Option<String>,
    alive: Duration,
    labels: BTreeMap<String, String>,
}

/// An alert as Alertmanager reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
}

impl Sink for Alertmanager {
    /// The reference is the labels that were told last.
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        let labels = labels(card, &self.labels);
        let told = message.reference.and_then(|told| serde_json::from_str(told).ok());
        let alerts = alerts(card, &labels, told, Timestamp::now(), self.alive);
        let body = serde_json::to_vec(&alerts).map_err(Failure::refused)?;
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(self.authorization.as_deref().map(|value| ("Authorization", value)));
        let request = Request { method: "POST", url: &self.url, headers: &headers, body: &body };
        let answer = self.http.send_explained(&request, explain)?;
        // It answers with nothing. What has something to say is a page of whoever stands before it.
        if !answer.body.trim_ascii().is_empty() && answer.body.trim_ascii() != b"{}" {
            let said = said(&answer.body);
            return Err(Failure::later(format!("the answer is none of Alertmanager's: {said}")));
        }
        Ok(Receipt { reference: serde_json::to_string(&labels).ok() })
    }
}

/// What tells this alert from every other. Empty values are as good as none to Alertmanager and left out.
fn labels(card: &Card, more: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let what = match card.about {
        About::Incident => "incident",
        About::Digest => "digest",
        About::Notice => "notice",
        About::Test => "test",
    };
    let title = if card.title.is_empty() { what } else { &*card.title };
    let own = [
        ("alertname", title),
        ("severity", card.level.name()),
        ("agent", card.agent.as_deref().unwrap_or_default()),
        ("host", &*card.host),
        ("rule", card.rules.first().map(String::as_str).unwrap_or_default()),
        ("incident", &*card.id),
        ("service", "detector"),
    ];
    let more = more.iter().map(|(name, value)| (name.clone(), value.clone()));
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), limit(&neutral(value), LABEL)));
    more.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}

fn alerts(
    card: &Card,
    labels: &BTreeMap<String, String>,
    told: Option<BTreeMap<String, String>>,
    now: Timestamp,
    alive: Duration,
) -> Vec<Posted> {
    let annotations =
        fit(card, ANNOTATIONS, annotations, |made| made.values().map(|text| text.chars().count()).sum());
    let until = SignedDuration::try_from(alive).ok().and_then(|alive| now.checked_add(alive).ok());
    // Nothing may end before it began, whatever this machine's clock says.
    let began = card.time.parse::<Timestamp>().unwrap_or(now).min(now);
    let this = Posted {
        labels: labels.clone(),
        annotations,
        starts_at: began.to_string(),
        ends_at: until.unwrap_or(Timestamp::MAX).to_string(),
    };
    let ended = told.filter(|told| told != labels).map(|labels| Posted {
        labels,
        annotations: this.annotations.clone(),
        starts_at: began.to_string(),
        ends_at: now.to_string(),
    });
    std::iter::once(this).chain(ended).collect()
}

/// What a person reads, in templates of Alertmanager as `.Annotations.summary` and so on.
fn annotations(card: &Card) -> BTreeMap<&'static str, String> {
    let commands: Vec<String> =
        card.commands.iter().map(|command| format!("{}: {}", command.what, command.line)).collect();
    BTreeMap::from([
        ("summary", neutral(&card.sentence)),
        ("description", neutral(&text(card))),
        ("commands", neutral(&commands.join("\n"))),
        ("ids", neutral(&footer(card))),
    ])
}

/// Whether a label may have this name: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A JSON string (`"…"`), or `{"code":601,"message":"…"}` where the request does not fit the API.
fn explain(status: u16, body: &[u8]) -> Explained {
    let mut reason = match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(text)) => said(text.as_bytes()),
        Ok(read) => read
            .get("message")
            .and_then(Value::as_str)
            .map_or_else(|| said(body), |message| said(message.as_bytes())),
        Err(_) => said(body),
    };
    if status == 404 {
        reason.push_str(
            "; write the address without /api/v2/alerts, and with its path prefix where it has one",
        );
    }
    Explained { reason, after: None }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;
    use crate::alert::Level;

    fn now() -> Timestamp {
        "2026-03-02T10:30:00Z".parse().unwrap()
    }

    #[test]
    fn an_incident_that_is_graver_ends_the_alert_that_was() {
        let mut card = card();
        card.level = Level::Medium;
        let first = labels(&card, &BTreeMap::new());
        assert_eq!(alerts(&card, &first, None, now(), ALIVE).len(), 1);
        assert_eq!(alerts(&card, &first, Some(first.clone()), now(), ALIVE).len(), 1);
        card.level = Level::Critical;
        let second = labels(&card, &BTreeMap::new());
        let both = alerts(&card, &second, Some(first.clone()), now(), ALIVE);
        assert_eq!((&both[0].labels, &both[1].labels), (&second, &first));
        assert_eq!((&*both[0].ends_at, &*both[1].ends_at), ("2026-03-02T14:30:00Z", "2026-03-02T10:30:00Z"));
    }

    #[test]
    fn labels_cannot_be_taken_over() {
        let more = BTreeMap::from([
            ("incident".to_owned(), "mine".to_owned()),
            ("team".to_owned(), "platform".to_owned()),
            ("empty".to_owned(), String::new()),
        ]);
        let labels = labels(&card(), &more);
        assert_eq!((&*labels["incident"], &*labels["team"]), ("01HF7YAT00QW5V9ZK8TD4M2C3R", "platform"));
        assert!(!labels.contains_key("empty"));
        assert!(labels.keys().all(|name| is_name(name)));
    }

    #[test]
    fn a_bad_configuration_names_the_key() {
        let check = |text: &str| toml::from_str::<AlertmanagerConfig>(text).unwrap().check();
        assert_eq!(check("url = \"http://127.0.0.1:9093\""), Ok(()));
        let config: AlertmanagerConfig = toml::from_str("url = \"http://h\"\ntoken = \"s3cret\"").unwrap();
        let shown = crate::sinks::AnyKind::shown(&config).to_string();
        assert!(shown.contains("url = \"http://h\"") && shown.contains("(hidden)"), "{shown}");
        let key = |text: &str| check(&format!("url = \"http://h\"\n{text}")).unwrap_err().key;
        assert_eq!(check("url = \"h:9093\"").unwrap_err().key, "url");
        assert_eq!(key("user = \"u\""), "user");
        assert_eq!(key("password = \"p\""), "password");
        assert_eq!(key("token = \"t\"\nuser = \"u\""), "token");
        assert_eq!(key("resolve_after = \"5m\""), "resolve_after");
        assert_eq!(key("labels = { \"a-b\" = \"c\" }"), "labels");
    }
}
