//! Discord: an incident is one message that is updated, by webhook.
//!
//! <https://discord.com/developers/docs/resources/webhook#execute-webhook> and `#edit-webhook-message`; limits:
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>; errors:
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::http::{Http, Reply, Request, check_url, said, wait};
use super::markup::{body, card_of, colour, length, markdown, shortened, sign};
use super::secret::Secret;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError, outline};
use crate::alert::card::Card;

/// Most characters of a description, of a title and of a footer. Together they are below the 6,000 of all texts.
const DESCRIPTION_MOST: usize = 4_096;
const TITLE_MOST: usize = 256;
const FOOTER_MOST: usize = 1_000;
/// The message is gone.
const UNKNOWN_MESSAGE: u64 = 10_008;
/// The webhook is gone, or its token is another.
const UNKNOWN_WEBHOOK: u64 = 10_015;
const INVALID_TOKEN: u64 = 50_027;

/// A channel of Discord.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    /// Address of a webhook of the channel.
    pub url: Secret,
    /// Id of a thread of that channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
}

impl Kind for DiscordConfig {
    const NAME: &'static str = "discord";
    const GRAIN: Grain = Grain::Incident;
    /// A webhook takes 30 in a minute for each channel.
    const RATE: Option<u32> = Some(25);

    fn check(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        match self.read() {
            Ok(url) => Ok(Box::new(Discord { http: http.clone(), url })),
            Err(Problem { key, message }) => {
                Err(SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") })
            }
        }
    }
}

struct Discord {
    http: Http,
    /// With the thread in its query.
    url: Url,
}

impl DiscordConfig {
    fn read(&self) -> Result<Url, Problem> {
        let Self { url, thread_id } = self;
        let mut url = check_url("url", &url.check("url")?)?;
        if let Some(thread) = thread_id {
            if thread.is_empty() || !thread.chars().all(|digit| digit.is_ascii_digit()) {
                return Err(Problem::new(
                    "thread_id",
                    "is no id; write the number that \"Copy Thread ID\" gives",
                ));
            }
            url.query_pairs_mut().append_pair("thread_id", thread);
        }
        Ok(url)
    }
}

impl Sink for Discord {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let card = card_of(message);
        let body = embed(&card).to_string();
        if let Some(id) = message.reference {
            let reply = self.send("PATCH", &self.edit(id)?, &body)?;
            if reply.is_success() {
                return Ok(Receipt { reference: Some(id.to_owned()) });
            }
            if code(&reply) != Some(UNKNOWN_MESSAGE) {
                return Err(failure(reply));
            }
        }
        let mut url = self.url.clone();
        // Without it the answer does not name the message.
        url.query_pairs_mut().append_pair("wait", "true");
        let reply = self.send("POST", &url, &body)?;
        if !reply.is_success() {
            return Err(failure(reply));
        }
        match reply.json().get("id").and_then(Value::as_str) {
            Some(id) => Ok(Receipt { reference: Some(id.to_owned()) }),
            None => Err(Failure::later(format!("the answer is none of Discord's: {}", said(&reply.body)))),
        }
    }
}

impl Discord {
    /// The address of a message.
    fn edit(&self, id: &str) -> Result<Url, Failure> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::refused("the URL is malformed"))?
            .pop_if_empty()
            .extend(["messages", id]);
        Ok(url)
    }

    fn send(&self, method: &'static str, url: &Url, body: &str) -> Result<Reply, Failure> {
        let headers = [("Content-Type", "application/json")];
        self.http.exchange(&Request { method, url: url.as_str(), headers: &headers, body: body.as_bytes() })
    }
}

fn code(reply: &Reply) -> Option<u64> {
    reply.json().get("code").and_then(Value::as_u64)
}

fn failure(mut reply: Reply) -> Failure {
    let answer = reply.json();
    // The body says it to the millisecond.
    let after = answer.get("retry_after").and_then(Value::as_f64).and_then(wait);
    reply.after = after.or(reply.after);
    let text = answer.get("message").and_then(Value::as_str);
    let text = text.map_or_else(|| said(&reply.body), |text| said(text.as_bytes()));
    let remedy = match code(&reply) {
        Some(UNKNOWN_WEBHOOK | INVALID_TOKEN) => ": the webhook is gone; make another and write its address",
        Some(10_003) => ": the channel or thread is gone; write another",
        _ => "",
    };
    reply.failure(&format!("{text}{remedy}"))
}

/// A message: one embed.
fn embed(card: &Card) -> Value {
    let title = |text: &str| format!("{} {}", sign(card.level), markdown(text));
    let mut shown = json!({
        "title": shortened(&outline::headline(card), TITLE_MOST, title),
        "description": outline::fit(card, DESCRIPTION_MOST, body, |text| length(text)),
        "color": colour(card.level),
        "footer": { "text": outline::limit(&outline::footer(card), FOOTER_MOST / 2) },
    });
    if let (Some(shown), Ok(time)) = (shown.as_object_mut(), card.time.parse::<Timestamp>()) {
        shown.insert("timestamp".to_owned(), format!("{time:.3}").into());
    }
    json!({ "embeds": [shown], "allowed_mentions": { "parse": [] } })
}
