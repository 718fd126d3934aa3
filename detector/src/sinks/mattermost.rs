//! Mattermost: an incident is one message that is updated (bot token), or follow-ups (incoming webhook).
//!
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>,
//! <https://developers.mattermost.com/integrate/reference/message-attachments/>,
//! <https://developers.mattermost.com/api-documentation/> (`POST /api/v4/posts`, `PUT /api/v4/posts/{id}/patch`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Http, Reply, Request, address, check_url, said};
use super::markup::{body, card_of, colour, length, markdown, shortened, sign};
use super::secret::Secret;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError, outline};
use crate::alert::card::Card;

/// Most characters of an attachment's text: with the rest of the properties it stays below the 8,000 of old servers
/// (newer ones take 800,000).
const TEXT_MOST: usize = 6_000;
/// Most characters of the message itself, of 16,383.
const TITLE_MOST: usize = 300;
/// Most characters of the footer: the server cuts at 300.
const FOOTER_MOST: usize = 300;

/// A channel of Mattermost.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MattermostConfig {
    /// Address of an incoming webhook. Its messages cannot be changed: what is new is said in a message of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Address of the server, with a token: an incident is one message that grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Access token of a bot account that is a member of the channel, in place of a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Id of the channel, with a token: 26 letters and digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
}

impl Kind for MattermostConfig {
    const NAME: &'static str = "mattermost";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(60);

    fn check(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        match self.read() {
            Ok(way) => Ok(Box::new(Mattermost { http: http.clone(), way })),
            Err(Problem { key, message }) => {
                Err(SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") })
            }
        }
    }
}

struct Mattermost {
    http: Http,
    way: Way,
}

/// How messages get there.
enum Way {
    Webhook { url: String },
    Api { posts: String, authorization: String, channel: String },
}

impl MattermostConfig {
    fn read(&self) -> Result<Way, Problem> {
        match self {
            Self { url: Some(url), server: None, token: None, channel_id: None } => {
                Ok(Way::Webhook { url: address("url", url)? })
            }
            Self { url: None, server: Some(server), token: Some(token), channel_id: Some(channel) } => {
                let server = check_url("server", server)?;
                let is_id = channel.len() == 26 && channel.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !is_id {
                    return Err(Problem::new(
                        "channel_id",
                        "is no id; copy the 26 letters and digits at the foot of the channel's \"View Info\"",
                    ));
                }
                Ok(Way::Api {
                    posts: format!("{}/api/v4/posts", server.as_str().trim_end_matches('/')),
                    authorization: format!("Bearer {}", token.check("token")?),
                    channel: channel.clone(),
                })
            }
            Self { url: Some(_), .. } => Err(Problem::new(
                "url",
                "a webhook has its channel already; keep either url alone, or server, token and channel_id",
            )),
            Self { url: None, server: None, token: None, channel_id: None } => {
                Err(Problem::new("url", "is missing; write url, or server, token and channel_id"))
            }
            Self { url: None, server, token, .. } => {
                let key = match (server, token) {
                    (None, _) => "server",
                    (_, None) => "token",
                    (Some(_), Some(_)) => "channel_id",
                };
                Err(Problem::new(key, "is missing; server, token and channel_id go together"))
            }
        }
    }
}

impl Sink for Mattermost {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let card = card_of(message);
        match &self.way {
            Way::Webhook { url } => {
                let follow_up = (!card.news.is_empty()).then(|| outline::follow_up(&card));
                let (text, attachments) = shown(follow_up.as_ref().unwrap_or(&card));
                let body = json!({ "text": text, "attachments": attachments }).to_string();
                let reply = self.http.exchange(&Request::post(url, body.as_bytes()))?;
                if !reply.is_success() {
                    return Err(failure(&reply));
                }
                match &*said(&reply.body) {
                    "ok" => Ok(Receipt::default()),
                    other => Err(Failure::later(format!("the answer is none of Mattermost's: {other}"))),
                }
            }
            Way::Api { posts, .. } => {
                let Some(id) = message.reference else { return self.post(&card, None) };
                let (text, attachments) = shown(&card);
                let body = json!({ "message": text, "props": { "attachments": attachments } });
                let reply = self.call("PUT", &format!("{posts}/{id}/patch"), &body)?;
                if reply.is_success() {
                    return post_of(&reply);
                }
                match (reply.status, error(&reply)) {
                    // Gone: it is written again.
                    (404, _) => self.post(&card, None),
                    (_, Some(error)) if error.contains("permissions_time_limit") => {
                        self.post(&outline::follow_up(&card), Some(id))?;
                        Ok(Receipt { reference: Some(id.to_owned()) })
                    }
                    (_, Some(error)) if error.contains("permissions_details") => self.post(&card, None),
                    _ => Err(failure(&reply)),
                }
            }
        }
    }
}

impl Mattermost {
    fn post(&self, card: &Card, thread: Option<&str>) -> Result<Receipt, Failure> {
        let Way::Api { posts, channel, .. } = &self.way else {
            return Err(Failure::refused("a webhook has no posts"));
        };
        let (text, attachments) = shown(card);
        let body = json!({
            "channel_id": channel,
            "root_id": thread.unwrap_or_default(),
            "message": text,
            "props": { "attachments": attachments },
        });
        let reply = self.call("POST", posts, &body)?;
        if reply.is_success() { post_of(&reply) } else { Err(failure(&reply)) }
    }

    fn call(&self, method: &'static str, url: &str, body: &Value) -> Result<Reply, Failure> {
        let Way::Api { authorization, .. } = &self.way else {
            return Err(Failure::refused("a webhook has no posts"));
        };
        let headers = [("Content-Type", "application/json"), ("Authorization", authorization)];
        self.http.exchange(&Request { method, url, headers: &headers, body: body.to_string().as_bytes() })
    }
}

/// The post that an answer names.
fn post_of(reply: &Reply) -> Result<Receipt, Failure> {
    match reply.json().get("id").and_then(Value::as_str) {
        Some(id) => Ok(Receipt { reference: Some(id.to_owned()) }),
        None => Err(Failure::later(format!("the answer is none of Mattermost's: {}", said(&reply.body)))),
    }
}

/// The error's id: `api.post.…app_error`.
fn error(reply: &Reply) -> Option<String> {
    reply.json().get("id").and_then(Value::as_str).map(str::to_owned)
}

fn failure(reply: &Reply) -> Failure {
    let answer = reply.json();
    let text = answer.get("message").and_then(Value::as_str);
    let text = text.map_or_else(|| said(&reply.body), |text| said(text.as_bytes()));
    let remedy = match (reply.status, error(reply).as_deref()) {
        (401, _) => "; the token is not valid: make another for the bot account",
        (403, _) => "; the bot may not write there: add it to the team and the channel",
        (_, Some(error)) if error.starts_with("web.incoming_webhook") => {
            "; look at the webhook under Integrations, or make another and write its address"
        }
        _ => "",
    };
    reply.failure(&format!("{text}{remedy}"))
}

/// The line above, and the attachment.
fn shown(card: &Card) -> (String, Value) {
    let title = format!("{} on {}", outline::headline(card), card.host);
    let title = shortened(&title, TITLE_MOST, |text| format!("{} {}", sign(card.level), markdown(text)));
    let attachment = json!({
        "fallback": title,
        "color": format!("#{:06x}", colour(card.level)),
        "text": outline::fit(card, TEXT_MOST, body, |text| length(text)),
        "footer": shortened(&outline::footer(card), FOOTER_MOST, str::to_owned),
    });
    (title, json!([attachment]))
}
