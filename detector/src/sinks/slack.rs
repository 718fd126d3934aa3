//! Slack: an incident is one message that is updated (bot token), or follow-ups (incoming webhook).
//!
//! <https://docs.slack.dev/reference/methods/chat.postMessage>, <https://docs.slack.dev/reference/methods/chat.update>,
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>. Text is put into `rich_text` and `plain_text`,
//! which have no markup at all; only the line for notifications is mrkdwn, and escaped.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Http, Reply, Request, address, check_url, said};
use super::markup::{Piece, card_of, length, pieces, shortened, sign};
use super::secret::Secret;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError, outline};
use crate::alert::card::{Card, Line};

/// Most characters of a message's text. No page names a limit; with 50 blocks some 10,000 have been taken and some
/// 11,300 refused (<https://github.com/slackapi/bolt-js/issues/2867>).
const MOST: usize = 8_000;
/// Most characters of a header.
const HEADER_MOST: usize = 150;
/// Most characters of the line for notifications.
const NOTICE_MOST: usize = 500;
/// Most characters of the ids below.
const FOOTER_MOST: usize = 600;

/// A channel of Slack, or of a server that speaks as Slack does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// Address of an incoming webhook. Its messages cannot be changed: what is new is said in a message of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Bot token (`xoxb-…`) with the scope `chat:write`, in place of a webhook: an incident is one message that grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Id of the channel (`C…`), with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Address of another server's methods; Slack's own, `"https://slack.com/api"`, where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

impl Kind for SlackConfig {
    const NAME: &'static str = "slack";
    const GRAIN: Grain = Grain::Incident;
    /// Slack takes about one a second for each channel; half of it leaves room for others.
    const RATE: Option<u32> = Some(30);

    fn check(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        match self.read() {
            Ok(way) => Ok(Box::new(Slack { http: http.clone(), way })),
            Err(Problem { key, message }) => {
                Err(SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") })
            }
        }
    }
}

struct Slack {
    http: Http,
    way: Way,
}

/// How messages get there.
enum Way {
    Webhook { url: String },
    Api { base: String, authorization: String, channel: String },
}

impl SlackConfig {
    fn read(&self) -> Result<Way, Problem> {
        match self {
            Self { url: Some(url), token: None, channel: None, api: None } => {
                Ok(Way::Webhook { url: address("url", url)? })
            }
            Self { url: None, token: Some(token), channel: Some(channel), api } => {
                if channel.trim().is_empty() {
                    return Err(Problem::new("channel", "is empty; write the channel's id, C…"));
                }
                let base = check_url("api", api.as_deref().unwrap_or("https://slack.com/api"))?;
                Ok(Way::Api {
                    base: base.as_str().trim_end_matches('/').to_owned(),
                    authorization: format!("Bearer {}", token.check("token")?),
                    channel: channel.trim().to_owned(),
                })
            }
            Self { url: None, token: Some(_), channel: None, .. } => {
                Err(Problem::new("channel", "is missing; write the id of the channel, C…"))
            }
            Self { url: Some(_), .. } => Err(Problem::new(
                "url",
                "a webhook has its channel already; keep either url alone, or token and channel",
            )),
            Self { url: None, .. } => Err(Problem::new("url", "is missing; write url, or token and channel")),
        }
    }
}

impl Sink for Slack {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let card = card_of(message);
        match &self.way {
            Way::Webhook { url } => {
                let follow_up = (!card.news.is_empty()).then(|| outline::follow_up(&card));
                let body = body(follow_up.as_ref().unwrap_or(&card));
                taken(&self.http.exchange(&Request::post(url, body.to_string().as_bytes()))?)?;
                Ok(Receipt::default())
            }
            Way::Api { channel, .. } => {
                // A message that is gone is written again.
                let (to, ts) = message.reference.and_then(|known| known.split_once(' ')).unzip();
                let Some((to, ts)) = to.zip(ts) else { return self.post(channel, &card, None) };
                let mut body = body(&card);
                put(&mut body, &[("channel", to.into()), ("ts", ts.into())]);
                match self.call("chat.update", &body)? {
                    Ok(_) => Ok(Receipt { reference: message.reference.map(str::to_owned) }),
                    Err(error) if matches!(&*error, "message_not_found" | "channel_not_found") => {
                        self.post(channel, &card, None)
                    }
                    Err(error) if matches!(&*error, "cant_update_message" | "edit_window_closed") => {
                        self.post(to, &outline::follow_up(&card), Some(ts))?;
                        Ok(Receipt { reference: message.reference.map(str::to_owned) })
                    }
                    Err(error) => Err(meaning(&error, None)),
                }
            }
        }
    }
}

impl Slack {
    fn post(&self, channel: &str, card: &Card, thread: Option<&str>) -> Result<Receipt, Failure> {
        let mut body = body(card);
        put(
            &mut body,
            &[("channel", channel.into()), ("unfurl_links", false.into()), ("unfurl_media", false.into())],
        );
        if let Some(thread) = thread {
            put(&mut body, &[("thread_ts", thread.into()), ("reply_broadcast", true.into())]);
        }
        let answer = self.call("chat.postMessage", &body)?.map_err(|error| meaning(&error, None))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str);
        // Updates take the channel's id, which is what the answer has; a name is what the configuration may have.
        let reference = text("channel").zip(text("ts")).map(|(channel, ts)| format!("{channel} {ts}"));
        Ok(Receipt { reference })
    }

    /// The answer, or the error that Slack names.
    fn call(&self, method: &str, body: &Value) -> Result<Result<Value, String>, Failure> {
        let Way::Api { base, authorization, .. } = &self.way else {
            return Err(Failure::refused("a webhook has no methods"));
        };
        let headers = [("Content-Type", "application/json; charset=utf-8"), ("Authorization", authorization)];
        let url = format!("{base}/{method}");
        let body = body.to_string();
        let reply = self.http.exchange(&Request {
            method: "POST",
            url: &url,
            headers: &headers,
            body: body.as_bytes(),
        })?;
        let answer = reply.json();
        if !reply.is_success() {
            let error = answer.get("error").and_then(Value::as_str).map(str::to_owned);
            return Err(reply.failure(&error.unwrap_or_else(|| said(&reply.body))));
        }
        match (answer.get("ok").and_then(Value::as_bool), answer.get("error").and_then(Value::as_str)) {
            (Some(true), _) => Ok(Ok(answer)),
            (Some(false), Some(error)) if is_passing(error) => Err(meaning(error, Some(&reply))),
            (Some(false), Some(error)) => Ok(Err(error.to_owned())),
            _ => Err(Failure::later(format!("the answer is none of Slack's: {}", said(&reply.body)))),
        }
    }
}

/// Whether an incoming webhook took a message: Slack says `ok`, others say so in JSON.
fn taken(reply: &Reply) -> Result<(), Failure> {
    let said = said(&reply.body);
    if !reply.is_success() {
        let remedy = remedy(&said);
        return Err(reply.failure(&format!("{said}{remedy}")));
    }
    let answer = reply.json();
    let says = |key: &str| answer.get(key).and_then(Value::as_bool) == Some(true);
    if said == "ok" || says("ok") || says("success") {
        return Ok(());
    }
    Err(Failure::later(format!("the answer is none of Slack's: {said}")))
}

/// Errors that may pass.
fn is_passing(error: &str) -> bool {
    matches!(
        error,
        "ratelimited"
            | "rate_limited"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "request_timeout"
            | "rollup_error"
            | "team_added_to_org"
    )
}

fn meaning(error: &str, reply: Option<&Reply>) -> Failure {
    let reason = format!("{}{}", said(error.as_bytes()), remedy(error));
    if is_passing(error) {
        Failure::Later { reason, after: reply.and_then(|reply| reply.after) }
    } else {
        Failure::Refused { reason }
    }
}

/// What to do about an error, where that is known.
fn remedy(error: &str) -> &'static str {
    match error {
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            ": the token is not valid; install the app in the workspace again and write its bot token (xoxb-…)"
        }
        "missing_scope" | "not_allowed_token_type" => {
            ": the token may not write; give the app the scope chat:write, install it again and write its bot token"
        }
        "channel_not_found" => {
            ": the app sees no such channel; write the channel's id (C…) and invite the app to it (/invite)"
        }
        "not_in_channel" => ": invite the app to the channel (/invite)",
        "is_archived" | "channel_is_archived" => ": the channel is archived; write another",
        "no_service" | "no_active_hooks" | "no_team" | "invalid_token" => {
            ": the webhook is gone; make another and write its address"
        }
        "action_prohibited" | "restricted_action" | "posting_to_general_channel_denied" => {
            ": an administrator of the workspace does not let apps write there; ask for it or write another channel"
        }
        "msg_too_long" | "msg_blocks_too_long" | "invalid_blocks" | "invalid_payload" => {
            ": the message is not as Slack wants it; please report it"
        }
        _ => "",
    }
}

fn put(body: &mut Value, more: &[(&str, Value)]) {
    if let Some(object) = body.as_object_mut() {
        object.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }
}

/// A message without its place.
fn body(card: &Card) -> Value {
    let blocks = outline::fit(card, MOST, blocks, |blocks| measure(&Value::Array(blocks.clone())));
    let notice = format!("{} on {}: {}", outline::headline(card), card.host, card.sentence);
    json!({ "text": escape(&outline::limit(&notice, NOTICE_MOST)), "mrkdwn": false, "blocks": blocks })
}

/// As <https://docs.slack.dev/messaging/formatting-message-text#escaping> has it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The characters of all texts.
fn measure(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(measure).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == "text" => length(text),
                value => measure(value),
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn blocks(card: &Card) -> Vec<Value> {
    let header = format!("{} {}", sign(card.level), outline::headline(card));
    let header = shortened(&header, HEADER_MOST, str::to_owned);
    let mut top = elements(&card.sentence);
    top.push(text("\n", None));
    top.extend(elements(&outline::place(card)));
    let mut out = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": header, "emoji": false } }),
        rich(vec![json!({ "type": "rich_text_section", "elements": top })]),
    ];
    if !card.news.is_empty() {
        let lines: Vec<Line> =
            card.news.iter().map(|news| Line { text: news.clone(), ..Line::default() }).collect();
        out.push(section("New", &lines));
    }
    out.extend(card.sections.iter().map(|shown| section(&shown.name, &shown.lines)));
    if !card.commands.is_empty() {
        let mut parts = vec![name("Commands")];
        for command in &card.commands {
            parts.push(json!({ "type": "rich_text_section", "elements": nonempty(elements(&command.what)) }));
            parts.extend(preformatted(command.line.clone()));
        }
        out.push(rich(parts));
    }
    let footer = outline::limit(&outline::footer(card), FOOTER_MOST);
    out.push(json!({
        "type": "context",
        "elements": [{ "type": "plain_text", "text": footer, "emoji": false }],
    }));
    out
}

fn section(title: &str, lines: &[Line]) -> Value {
    let mut parts = vec![name(title)];
    for run in lines.chunk_by(|a, b| a.code == b.code) {
        if run.first().is_some_and(|line| line.code) {
            let code: Vec<String> = run.iter().map(outline::line).collect();
            parts.extend(preformatted(code.join("\n")));
            continue;
        }
        let items: Vec<Value> = run
            .iter()
            .map(|line| {
                let mut all = Vec::new();
                if !line.label.is_empty() {
                    all.push(text(&line.label, Some("code")));
                    all.push(text(" ", None));
                }
                all.extend(elements(&line.text));
                json!({ "type": "rich_text_section", "elements": nonempty(all) })
            })
            .collect();
        parts.push(json!({ "type": "rich_text_list", "style": "bullet", "elements": items }));
    }
    rich(parts)
}

fn rich(elements: Vec<Value>) -> Value {
    json!({ "type": "rich_text", "elements": elements })
}

/// The name of a section, on a line of its own.
fn name(title: &str) -> Value {
    json!({ "type": "rich_text_section", "elements": [text(&format!("{title}\n"), Some("bold"))] })
}

fn preformatted(code: String) -> Option<Value> {
    let code = if code.is_empty() { return None } else { text(&code, None) };
    Some(json!({ "type": "rich_text_preformatted", "elements": [code] }))
}

/// A text as elements: what is no sentence stands as code.
fn elements(shown: &str) -> Vec<Value> {
    pieces(shown)
        .into_iter()
        .map(|piece| match piece {
            Piece::Plain(plain) => text(plain, None),
            Piece::Code(code) => text(code, Some("code")),
        })
        .collect()
}

fn text(shown: &str, style: Option<&str>) -> Value {
    match style {
        None => json!({ "type": "text", "text": shown }),
        Some(style) => json!({ "type": "text", "text": shown, "style": { style: true } }),
    }
}

/// A section without an element is none to Slack.
fn nonempty(mut elements: Vec<Value>) -> Vec<Value> {
    if elements.is_empty() {
        elements.push(text("–", None));
    }
    elements
}
