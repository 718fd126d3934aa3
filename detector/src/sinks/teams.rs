//! Microsoft Teams, by the webhook of a workflow that posts an Adaptive Card.
//!
//! Envelope and limits: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>;
//! the card: <https://adaptivecards.io/explorer/>, schema 1.5. Text stands in `TextRun`s, which know no Markdown, no
//! date functions and no mentions; a mention would need an entry in `msteams.entities`. A workflow gives nothing back
//! that could be changed later.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, follow_up, footer, headline, place, without_calls};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Level;
use crate::alert::card::{Card, Line};

/// Most bytes of a message: 28 KB are allowed, of which Teams needs some for its own.
const MOST: usize = 24_000;

/// A workflow of Microsoft Teams.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TeamsConfig {
    /// Address that the workflow "Send webhook alerts to a channel" shows; whoever has it can post.
    pub url: Secret,
}

impl Kind for TeamsConfig {
    const NAME: &'static str = "teams";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(30);

    fn check(&self) -> Result<(), Problem> {
        check_url("url", &self.url.check("url")?).map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let url = self.url.read().map_err(|reason| SinkError::Setup { name: name.to_owned(), reason })?;
        Ok(Box::new(Teams { http: http.clone(), url }))
    }
}

struct Teams {
    http: Http,
    url: String,
}

impl Sink for Teams {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        if let Some(reference) = message.reference
            && card.news.is_empty()
        {
            // The same again: nobody has to read that twice.
            return Ok(Receipt { reference: Some(reference.to_owned()) });
        }
        let news;
        let card = if message.reference.is_some() {
            news = follow_up(card);
            &news
        } else {
            card
        };
        let body = fit(card, MOST, |card| envelope(card).to_string(), String::len);
        let request = Request::post(&self.url, body.as_bytes());
        let answer = self.http.send_explained(&request, explain)?;
        let said = said(&answer.body);
        // The connectors that came before workflows say 200 and mean this.
        if said.contains("delivery failed") {
            return Err(Failure::later(said));
        }
        if said.starts_with('<') {
            return Err(Failure::later(format!("the answer is a page, none of a workflow: {said}")));
        }
        Ok(Receipt { reference: Some("posted".to_owned()) })
    }
}

fn envelope(card: &Card) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": adaptive(card),
        }],
    })
}

fn adaptive(card: &Card) -> Value {
    let mut body = vec![
        block(
            &[run(
                &headline(card),
                json!({ "weight": "Bolder", "size": "Large", "color": colour(card.level) }),
            )],
            "Default",
        ),
        block(&[run(&card.sentence, json!({}))], "Small"),
        block(&[run(&place(card), json!({ "isSubtle": true }))], "Small"),
    ];
    for section in &card.sections {
        body.push(block(&[run(&section.name, json!({ "weight": "Bolder" }))], "Medium"));
        body.extend(section.lines.iter().map(|line| block(&runs(line), "Small")));
    }
    if !card.commands.is_empty() {
        body.push(block(&[run("Commands", json!({ "weight": "Bolder" }))], "Medium"));
    }
    for command in &card.commands {
        body.push(block(&[run(&command.what, json!({}))], "Small"));
        body.push(block(&[run(&command.line, json!({ "fontType": "Monospace" }))], "None"));
    }
    body.push(block(&[run(&footer(card), json!({ "isSubtle": true, "size": "Small" }))], "Medium"));
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": "An alert of detector; this Teams is too old to show it.",
        "msteams": { "width": "Full" },
        "body": body,
    })
}

fn runs(line: &Line) -> Vec<Value> {
    let style = if line.code { json!({ "fontType": "Monospace" }) } else { json!({}) };
    let text = run(&line.text, style);
    if line.label.is_empty() {
        return vec![text];
    }
    vec![run(&format!("{}  ", line.label), json!({ "isSubtle": true })), text]
}

fn block(inlines: &[Value], spacing: &str) -> Value {
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": inlines })
}

fn run(text: &str, style: Value) -> Value {
    let mut out = json!({ "type": "TextRun", "text": without_calls(text) });
    if let (Some(out), Value::Object(style)) = (out.as_object_mut(), style) {
        out.extend(style);
    }
    out
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Critical | Level::High => "Attention",
        Level::Medium => "Warning",
        Level::Low | Level::Informational => "Accent",
    }
}

/// `{"error":{"code":"DirectApiAuthorizationRequired","message":"…"}}`
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer: &str| read.pointer(pointer).and_then(Value::as_str);
    let mut reason = match (text("/error/code"), text("/error/message")) {
        (Some(code), Some(message)) => said(format!("{code}: {message}").as_bytes()),
        _ => said(body),
    };
    reason.push_str(match status {
        401 | 403 => "; let \"Anyone\" trigger the workflow, and copy its whole address, sig= included",
        404 | 410 => "; the workflow is gone or off: turn it on, or make one and write its address",
        400 => "; the workflow has to be made from \"Send webhook alerts to a channel\"",
        413 => "; the workflow takes less than 28 KB",
        _ => "",
    });
    Explained { reason, after: None }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;

    #[test]
    fn a_card_reads_in_order() {
        let card = adaptive(&card());
        let texts: Vec<String> = card["body"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| {
                let runs = block["inlines"].as_array().unwrap().iter();
                runs.map(|run| run["text"].as_str().unwrap()).collect::<String>()
            })
            .collect();
        expect_test::expect![[r"
            CRITICAL Known miner executed
            coder ran xmrig
            coder on node-1, since 2026-03-02T10:20:30.123456789Z
            Evidence
            10:20:30.123  pid 7 executed /tmp/xmrig
            Commands
            look closer
            detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R
            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, 2 findings, rules 0b7c
        "]]
        .assert_eq(&(texts.join("\n") + "\n"));
    }

    #[test]
    fn what_is_refused_is_said_with_the_remedy() {
        let said = explain(401, br#"{"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated"}}"#).reason;
        assert!(said.starts_with("DirectApiAuthorizationRequired: The request"), "{said}");
        assert!(said.contains("sig="), "{said}");
    }
}
