//! Google Chat, by the webhook of a space: one thread an incident.
//!
//! Format, limits and what a webhook gets back: <https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create>;
//! cards: <https://developers.google.com/workspace/chat/api/reference/rest/v1/cards>; their text knows a few HTML tags:
//! <https://developers.google.com/workspace/chat/format-messages>. A webhook cannot change what it posted, so what is
//! new is said in the same thread. `requestId` makes a message that is sent again the message that was.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, follow_up, footer, headline, html, neutral, place};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::card::{Card, Line};

/// Most bytes of a message: 32,000 are allowed.
const MOST: usize = 31_000;

/// A space of Google Chat.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GooglechatConfig {
    /// Address of the space's webhook, with `key` and `token`; whoever has it can post.
    pub url: Secret,
}

impl GooglechatConfig {
    fn url(&self) -> Result<Url, Problem> {
        let url = check_url("url", &self.url.check("url")?)?;
        for name in ["key", "token"] {
            if !url.query_pairs().any(|(known, value)| known == name && !value.is_empty()) {
                let message = format!("has no {name}=…; copy the whole address of the webhook");
                return Err(Problem::new("url", message));
            }
        }
        Ok(url)
    }
}

impl Kind for GooglechatConfig {
    const NAME: &'static str = "googlechat";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(30);

    fn check(&self) -> Result<(), Problem> {
        self.url().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let url = self.url().map_err(|problem| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("{}: {}", problem.key, problem.message),
        })?;
        Ok(Box::new(GoogleChat { http: http.clone(), url }))
    }
}

struct GoogleChat {
    http: Http,
    url: Url,
}

impl Sink for GoogleChat {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Body::Card(card) = message.body else { return Err(Failure::refused("no card was given")) };
        if let Some(reference) = message.reference
            && card.news.is_empty()
        {
            // The same again: nobody has to read that twice.
            return Ok(Receipt { reference: Some(reference.to_owned()) });
        }
        let news;
        let shown = if message.reference.is_some() {
            news = follow_up(card);
            &news
        } else {
            card
        };
        let body = fit(shown, MOST, |card| content(card).to_string(), String::len);
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
            .append_pair("requestId", message.key);
        let request = Request {
            headers: &[("Content-Type", "application/json; charset=UTF-8")],
            ..Request::post(url.as_str(), body.as_bytes())
        };
        let answer = self.http.send_explained(&request, explain)?.json()?;
        let Some(name) = answer.get("name").and_then(Value::as_str) else {
            let answer = said(answer.to_string().as_bytes());
            return Err(Failure::later(format!("the answer is none of Google Chat's: {answer}")));
        };
        Ok(Receipt { reference: Some(name.chars().take(500).collect()) })
    }
}

fn content(card: &Card) -> Value {
    let paragraph = |text: String| json!({ "textParagraph": { "text": text } });
    let mut sections = vec![json!({ "widgets": [paragraph(html(&card.sentence))] })];
    for section in &card.sections {
        let text: Vec<String> = section.lines.iter().map(line).collect();
        let text = if text.is_empty() { "–".to_owned() } else { text.join("<br>") };
        sections.push(json!({ "header": html(&section.name), "widgets": [paragraph(text)] }));
    }
    if !card.commands.is_empty() {
        let commands: Vec<String> = card
            .commands
            .iter()
            .map(|command| format!("{}:<br>{}", html(&command.what), html(&command.line)))
            .collect();
        sections.push(json!({ "header": "Commands", "widgets": [paragraph(commands.join("<br>"))] }));
    }
    sections.push(json!({ "widgets": [paragraph(format!("<i>{}</i>", html(&footer(card))))] }));
    json!({
        "cardsV2": [{
            "cardId": card.id,
            "card": {
                // Titles are plain text: tags would be shown, and nothing in them is read.
                "header": { "title": neutral(&headline(card)), "subtitle": neutral(&place(card)) },
                "sections": sections,
            },
        }],
        "fallbackText": neutral(&format!("{}: {}", headline(card), card.sentence)),
        "thread": { "threadKey": card.id },
    })
}

fn line(line: &Line) -> String {
    if line.label.is_empty() {
        html(&line.text)
    } else {
        format!("<b>{}</b> {}", html(&line.label), html(&line.text))
    }
}

/// `{"error":{"code":404,"message":"…","status":"NOT_FOUND"}}`
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer: &str| read.pointer(pointer).and_then(Value::as_str);
    let mut reason = match (text("/error/status"), text("/error/message")) {
        (Some(kind), Some(message)) => said(format!("{kind}: {message}").as_bytes()),
        _ => said(body),
    };
    if matches!(status, 401 | 403 | 404) {
        reason.push_str(
            "; the webhook is gone or its address is not whole: make one in the space and copy its address",
        );
    }
    Explained { reason, after: None }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::card;
    use super::*;

    #[test]
    fn a_message_is_a_card_in_the_thread_of_the_incident() {
        let content = content(&card());
        assert_eq!(content["thread"]["threadKey"], "01HF7YAT00QW5V9ZK8TD4M2C3R");
        let card = &content["cardsV2"][0]["card"];
        assert_eq!(card["header"]["title"], "CRITICAL Known miner executed");
        let evidence = &card["sections"][1];
        assert_eq!(evidence["header"], "Evidence");
        let text = &evidence["widgets"][0]["textParagraph"]["text"];
        assert_eq!(text, "<b>10:20:30.123</b> pid 7 executed /tmp/xmrig");
    }

    #[test]
    fn an_address_that_was_cut_is_named() {
        let config = |url: &str| GooglechatConfig { url: Secret::from(url) };
        let whole = "https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token=t";
        assert_eq!(config(whole).check(), Ok(()));
        let wrong = config("https://chat.googleapis.com/v1/spaces/AAA/messages?key=k").check().unwrap_err();
        assert!(wrong.message.contains("token="), "{wrong:?}");
    }
}
