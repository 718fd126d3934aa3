//! Matrix, by the client-server API: a message an incident, changed as the incident grows.
//!
//! Sending, errors and limits: <https://spec.matrix.org/v1.11/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>;
//! changes: `#event-replacements` there; mentions: `#user-and-room-mentions` (an empty `m.mentions` turns off what older
//! clients find in the text). The key of a message is its transaction: a server that has it already answers as before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{self, fit, follow_up, footer, headline, html, place, without_calls};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::card::{Card, Line};

/// Most bytes of what is sent: an event may have 65,536 with everything that servers add.
const MOST: usize = 55_000;
/// Most bytes of the summary of a change, for clients that know no changes.
const CHANGE: usize = 4_000;

/// A room of Matrix.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixConfig {
    /// The homeserver's address: `"https://matrix.example.org"`.
    pub server: String,
    /// Access token of the user who speaks, best one of its own.
    pub token: Secret,
    /// Id of the room, without encryption, that the user has joined: `"!abcdef:example.org"`.
    pub room: String,
}

impl Kind for MatrixConfig {
    const NAME: &'static str = "matrix";
    const GRAIN: Grain = Grain::Incident;
    /// Synapse takes one message in five seconds, unless told otherwise.
    const RATE: Option<u32> = Some(12);

    fn check(&self) -> Result<(), Problem> {
        check_url("server", &self.server)?;
        self.token.check("token")?;
        if !self.room.starts_with('!') {
            let message = "no room id; write what Room settings, Advanced shows: \"!abcdef:example.org\"";
            return Err(Problem::new("room", message));
        }
        Ok(())
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let setup = |reason: String| SinkError::Setup { name: name.to_owned(), reason };
        let token = self.token.read().map_err(setup)?;
        let server = check_url("server", &self.server).map_err(|problem| setup(problem.message))?;
        Ok(Box::new(Matrix {
            http: http.clone(),
            server,
            room: self.room.clone(),
            authorization: format!("Bearer {token}"),
        }))
    }
}

struct Matrix {
    http: Http,
    server: Url,
    room: String,
    authorization: String,
}

impl Sink for Matrix {
    /// The reference is the first message's event.
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        let body = match message.reference {
            None => fit(card, MOST, |card| content(card).to_string(), String::len),
            Some(first) => {
                let news = fit(&follow_up(card), CHANGE, |card| content(card).to_string(), String::len);
                let news: Value = serde_json::from_str(&news).map_err(Failure::refused)?;
                fit(card, MOST, |card| change(&news, &content(card), first).to_string(), String::len)
            }
        };
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["_matrix", "client", "v3", "rooms", &self.room]);
            path.extend(["send", "m.room.message", message.key]);
        }
        let headers = [("Content-Type", "application/json"), ("Authorization", &*self.authorization)];
        let request = Request { method: "PUT", url: url.as_str(), headers: &headers, body: body.as_bytes() };
        let answer = self.http.send_explained(&request, explain)?.json()?;
        let Some(event) = answer.get("event_id").and_then(Value::as_str) else {
            let answer = said(answer.to_string().as_bytes());
            return Err(Failure::later(format!("the answer is none of a homeserver's: {answer}")));
        };
        // A change names the first message, never another change.
        Ok(Receipt { reference: Some(message.reference.unwrap_or(event).chars().take(255).collect()) })
    }
}

/// The message that takes the place of `first`.
fn change(news: &Value, content: &Value, first: &str) -> Value {
    let mut out = news.clone();
    if let Some(out) = out.as_object_mut() {
        out.insert("m.new_content".to_owned(), content.clone());
        out.insert("m.relates_to".to_owned(), json!({ "rel_type": "m.replace", "event_id": first }));
    }
    out
}

fn content(card: &Card) -> Value {
    json!({
        "msgtype": "m.text",
        "body": without_calls(&format!("{}\n{}", headline(card), outline::text(card))),
        "format": "org.matrix.custom.html",
        "formatted_body": formatted(card),
        "m.mentions": {},
    })
}

fn formatted(card: &Card) -> String {
    let mut out = format!("<h4>{}</h4>", html(&headline(card)));
    out.push_str(&format!("<p>{}<br>{}</p>", html(&card.sentence), html(&place(card))));
    for section in &card.sections {
        let lines: Vec<String> = section.lines.iter().map(line).collect();
        out.push_str(&format!("<p><strong>{}</strong><br>{}</p>", html(&section.name), lines.join("<br>")));
    }
    for command in &card.commands {
        out.push_str(&format!(
            "<p>{}:</p><pre><code>{}</code></pre>",
            html(&command.what),
            html(&command.line)
        ));
    }
    out.push_str(&format!("<p><em>{}</em></p>", html(&footer(card))));
    out
}

fn line(line: &Line) -> String {
    let text = html(&line.text);
    let text = if line.code { format!("<code>{text}</code>") } else { text };
    if line.label.is_empty() { text } else { format!("<em>{}</em> {text}", html(&line.label)) }
}

/// `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2000}`
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| read.get(name).and_then(Value::as_str);
    let code = text("errcode").unwrap_or_default();
    let mut reason = match text("error") {
        Some(error) => said(format!("{code}: {error}").as_bytes()),
        None => said(body),
    };
    match code {
        "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => {
            reason.push_str("; the token is not valid any more: log in again and write the new one");
        }
        "M_FORBIDDEN" => reason.push_str("; invite the user to the room, join it, and let it send messages"),
        "M_UNRECOGNIZED" | "" if status == 404 => {
            reason
                .push_str("; write the homeserver's own address, as its .well-known/matrix/client names it");
        }
        _ => {}
    }
    let after = read.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis);
    Explained { reason, after }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;

    #[test]
    fn a_message_is_text_and_html() {
        expect_test::expect![
            "<h4>CRITICAL Known miner executed</h4><p>coder ran xmrig<br>coder on node-1, since 2026-03-02T10:20:30.123456789Z</p><p><strong>Evidence</strong><br><em>10:20:30.123</em> pid 7 executed /tmp/xmrig</p><p>look closer:</p><pre><code>detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R</code></pre><p><em>incident 01HF7YAT00QW5V9ZK8TD4M2C3R, 2 findings, rules 0b7c</em></p>"
        ]
        .assert_eq(&formatted(&card()));
    }

    #[test]
    fn an_error_has_its_remedy_and_its_patience() {
        let said = explain(403, br#"{"errcode":"M_FORBIDDEN","error":"User not in room"}"#);
        assert!(said.reason.starts_with("M_FORBIDDEN: User not in room; invite"), "{said:?}");
        let said = explain(429, br#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":2000}"#);
        assert_eq!(said.after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_room_is_named_by_its_id() {
        let config = |room: &str| MatrixConfig {
            server: "https://matrix.example.org".to_owned(),
            token: Secret::from("t"),
            room: room.to_owned(),
        };
        assert_eq!(config("!a:example.org").check(), Ok(()));
        assert_eq!(config("#alerts:example.org").check().unwrap_err().key, "room");
    }
}
