//! Telegram: an incident is one message that is updated, by a bot.
//!
//! <https://core.telegram.org/bots/api#sendmessage>, `#editmessagetext`, `#html-style`, `#responseparameters`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Http, Reply, Request, check_url, said, wait};
use super::markup::{Piece, card_of, length, pieces, sign};
use super::secret::Secret;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError, outline};
use crate::alert::card::{Card, Line, Section};

/// Most characters of a message once its tags are read, of 4,096.
const MOST: usize = 4_000;
/// Most pieces of code in a sentence: a message has room for 100 entities, and what is more becomes plain text, in
/// which Telegram finds links and names by itself.
const PIECES: usize = 8;
/// Most sections: each is an entity or two.
const SECTIONS: usize = 20;

/// A chat of Telegram.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramConfig {
    /// The bot's token, as BotFather gives it: `123456:ABC…`.
    pub token: Secret,
    /// The chat: its number (negative for groups), or `"@NAME"` of a public one.
    pub chat_id: Chat,
    /// Number of the topic, in a group that has topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<i64>,
    /// Address of a Bot API server of one's own; `"https://api.telegram.org"` where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// A chat, as Telegram names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "chat_id is a number, or \"@NAME\" of a public chat")]
pub enum Chat {
    /// Its number.
    Id(i64),
    /// Its public name, or its number in quotes.
    Name(String),
}

impl Kind for TelegramConfig {
    const NAME: &'static str = "telegram";
    const GRAIN: Grain = Grain::Incident;
    /// A bot may write 20 in a minute to a group.
    const RATE: Option<u32> = Some(20);

    fn check(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        match self.read() {
            Ok(base) => Ok(Box::new(Telegram {
                http: http.clone(),
                base,
                chat: json!(self.chat_id),
                thread: self.thread_id,
            })),
            Err(Problem { key, message }) => {
                Err(SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") })
            }
        }
    }
}

struct Telegram {
    http: Http,
    /// Up to the token: `https://api.telegram.org/bot123456:ABC`.
    base: String,
    chat: Value,
    thread: Option<i64>,
}

impl TelegramConfig {
    fn read(&self) -> Result<String, Problem> {
        let Self { token, chat_id, thread_id: _, api } = self;
        let token = token.check("token")?;
        let is_token = token.split_once(':').is_some_and(|(id, key)| {
            !id.is_empty()
                && id.bytes().all(|byte| byte.is_ascii_digit())
                && !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        if !is_token {
            return Err(Problem::new(
                "token",
                "is no bot token; copy the whole one from BotFather: 123456:ABC…",
            ));
        }
        if let Chat::Name(name) = chat_id
            && !name.strip_prefix('@').is_some_and(|name| !name.is_empty())
            && name.parse::<i64>().is_err()
        {
            return Err(Problem::new(
                "chat_id",
                "is neither a number nor \"@NAME\"; write the chat's number",
            ));
        }
        let base = check_url("api", api.as_deref().unwrap_or("https://api.telegram.org"))?;
        Ok(format!("{}/bot{token}", base.as_str().trim_end_matches('/')))
    }
}

impl Sink for Telegram {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let card = card_of(message);
        let known = message.reference.and_then(|known| known.split_once(' '));
        let Some((chat, id)) = known.and_then(|(chat, id)| Some((chat, id.parse::<i64>().ok()?))) else {
            return self.post(&card, None);
        };
        let stays = Receipt { reference: message.reference.map(str::to_owned) };
        let mut body = text(&card);
        put(&mut body, &[("chat_id", chat.into()), ("message_id", id.into())]);
        let reply = self.call("editMessageText", &body)?;
        if reply.is_success() {
            return result(&reply).map(|_| stays);
        }
        let error = description(&reply).to_ascii_lowercase();
        if error.contains("message is not modified") {
            return Ok(stays);
        }
        // Gone: it is written again. Too old: what is new is an answer to it.
        if error.contains("message to edit not found") || error.contains("message_id_invalid") {
            return self.post(&card, None);
        }
        if error.contains("message can't be edited") {
            self.post(&outline::follow_up(&card), Some(id))?;
            return Ok(stays);
        }
        Err(failure(reply))
    }
}

impl Telegram {
    fn post(&mut self, card: &Card, answers: Option<i64>) -> Result<Receipt, Failure> {
        let mut reply = self.send(card, answers)?;
        // A group that became a supergroup has another number.
        if let Some(chat) = parameters(&reply, "migrate_to_chat_id").filter(|_| !reply.is_success()) {
            self.chat = chat;
            reply = self.send(card, answers)?;
        }
        if !reply.is_success() {
            return Err(failure(reply));
        }
        let result = result(&reply)?;
        let id = |value: Option<&Value>| value.and_then(Value::as_i64);
        let chat = id(result.get("chat").and_then(|chat| chat.get("id")));
        let reference = chat.zip(id(result.get("message_id"))).map(|(chat, id)| format!("{chat} {id}"));
        Ok(Receipt { reference })
    }

    fn send(&self, card: &Card, answers: Option<i64>) -> Result<Reply, Failure> {
        let mut body = text(card);
        put(&mut body, &[("chat_id", self.chat.clone())]);
        if let Some(thread) = self.thread {
            put(&mut body, &[("message_thread_id", thread.into())]);
        }
        if let Some(id) = answers {
            let to = json!({ "message_id": id, "allow_sending_without_reply": true });
            put(&mut body, &[("reply_parameters", to)]);
        }
        self.call("sendMessage", &body)
    }

    fn call(&self, method: &str, body: &Value) -> Result<Reply, Failure> {
        let url = format!("{}/{method}", self.base);
        self.http.exchange(&Request::post(&url, body.to_string().as_bytes()))
    }
}

fn put(body: &mut Value, more: &[(&str, Value)]) {
    if let Some(object) = body.as_object_mut() {
        object.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    }
}

/// What an answer of success holds.
fn result(reply: &Reply) -> Result<Value, Failure> {
    let mut answer = reply.json();
    match (answer.get("ok").and_then(Value::as_bool), answer.get_mut("result")) {
        (Some(true), Some(result)) => Ok(result.take()),
        _ => Err(Failure::later(format!("the answer is none of Telegram's: {}", said(&reply.body)))),
    }
}

fn description(reply: &Reply) -> String {
    let answer = reply.json();
    let text = answer.get("description").and_then(Value::as_str);
    text.map_or_else(|| said(&reply.body), |text| said(text.as_bytes()))
}

fn parameters(reply: &Reply, name: &str) -> Option<Value> {
    reply.json().get("parameters")?.get(name).cloned()
}

fn failure(mut reply: Reply) -> Failure {
    let after = parameters(&reply, "retry_after").and_then(|seconds| wait(seconds.as_f64()?));
    reply.after = after.or(reply.after);
    let text = description(&reply);
    let low = text.to_ascii_lowercase();
    let remedy = if reply.status == 401 || reply.status == 404 {
        "; the token is not valid: copy it from BotFather"
    } else if low.contains("chat not found") {
        "; write the chat's number, and let the bot into it (in a private chat, send it /start)"
    } else if low.contains("message thread not found") {
        "; there is no such topic: write another thread_id, or none"
    } else if reply.status == 403 || low.contains("not enough rights") {
        "; let the bot into the chat, and let it write there"
    } else {
        ""
    };
    reply.failure(&format!("{text}{remedy}"))
}

/// A message without its place.
fn text(card: &Card) -> Value {
    let sections = card.sections.get(..SECTIONS).unwrap_or(&card.sections);
    let card = Card { sections: sections.to_vec(), ..card.clone() };
    let shown = outline::fit(&card, MOST, html, |shown| shown.length);
    json!({ "text": shown.html, "parse_mode": "HTML", "link_preview_options": { "is_disabled": true } })
}

/// Text with tags, and how long it is without.
#[derive(Default)]
struct Shown {
    html: String,
    length: usize,
}

impl Shown {
    fn plain(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                other => self.html.push(other),
            }
        }
        self.length += length(text);
    }

    fn tagged(&mut self, tag: &str, text: &str) {
        self.html.push_str(&format!("<{tag}>"));
        self.plain(text);
        self.html.push_str(&format!("</{tag}>"));
    }

    /// A sentence; what is none in it stands as code.
    fn sentence(&mut self, text: &str) {
        let all = pieces(text);
        if all.len() > 2 * PIECES {
            return self.tagged("code", text);
        }
        for piece in all {
            match piece {
                Piece::Plain(plain) => self.plain(plain),
                Piece::Code(code) => self.tagged("code", code),
            }
        }
    }

    /// A name: bold, where it is made of words.
    fn name(&mut self, text: &str) {
        let is_words = matches!(&*pieces(text), [] | [Piece::Plain(_)]);
        self.tagged(if is_words { "b" } else { "code" }, text);
        self.plain("\n");
    }

    /// Lines as they are.
    fn lines(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = lines.into_iter().collect();
        if !lines.is_empty() {
            self.tagged("pre", &lines.join("\n"));
            self.plain("\n");
        }
    }
}

fn html(card: &Card) -> Shown {
    let mut out = Shown::default();
    out.plain(&format!("{} ", sign(card.level)));
    out.name(&outline::headline(card));
    out.sentence(&card.sentence);
    out.plain("\n");
    out.sentence(&outline::place(card));
    out.plain("\n\n");
    if !card.news.is_empty() {
        out.name("New");
        out.lines(card.news.iter().map(|news| format!("• {news}")));
    }
    for Section { name, lines } in &card.sections {
        out.name(name);
        out.lines(lines.iter().map(|line| match line {
            Line { label, text, code: false } if label.is_empty() => format!("• {text}"),
            line => outline::line(line),
        }));
    }
    if !card.commands.is_empty() {
        out.name("Commands");
        for command in &card.commands {
            out.name(&command.what);
            out.lines([command.line.clone()]);
        }
    }
    out.tagged("code", &outline::footer(card));
    out
}
