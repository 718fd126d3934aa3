//! Mattermost: one attachment that calls nobody and links nowhere; one message grows, or follow-ups say what is new.

use detector::sinks::mattermost::MattermostConfig;
use detector::sinks::{Failure, Sink};
use serde_json::{Value, json};

use crate::outcome::{assert_literal, deliver, failures_are_taken_as_they_are_meant, length, open, problem};
use crate::receiver::{Got, Receiver, Reply};
use crate::sample::{card, grown_card, hard_cards, huge_card, of_card};

const CHANNEL: &str = "qmd5oqtwoibz8cuzxzg5ekshgr";

fn webhook(receiver: &Receiver) -> Box<dyn Sink> {
    open::<MattermostConfig>(&format!("url = \"{}\"", receiver.url("/hooks/s3cret")))
}

fn bot(receiver: &Receiver) -> Box<dyn Sink> {
    let server = receiver.url("/");
    let text = format!("server = \"{server}\"\ntoken = \"s3cret\"\nchannel_id = \"{CHANNEL}\"");
    open::<MattermostConfig>(&text)
}

fn posted() -> Reply {
    Reply::With(201, &[], r#"{"id": "post1", "create_at": 1, "message": ""}"#.to_owned())
}

fn error(status: u16, id: &str) -> Reply {
    let body = json!({ "id": id, "message": "Unable to do it.", "status_code": status });
    Reply::With(status, &[], body.to_string())
}

/// Checks a message and its attachments against the reference.
fn assert_valid(message: &Value, attachments: &Value) {
    let message = message.as_str().unwrap();
    assert!((1..=16_383).contains(&length(message)));
    assert_literal(message);
    let attachments = attachments.as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    let attachment = attachments[0].as_object().unwrap();
    let known = ["color", "fallback", "footer", "text"];
    assert!(attachment.keys().all(|key| known.contains(&&**key)), "{attachment:?}");
    let text = |key: &str| attachment[key].as_str().unwrap();
    assert!(!text("fallback").is_empty());
    assert!(text("footer").chars().count() <= 300);
    let colour = text("color").strip_prefix('#').unwrap();
    assert!(colour.len() == 6 && u32::from_str_radix(colour, 16).is_ok(), "{colour}");
    assert_literal(text("text"));
    // Old servers keep no more than 8,000 characters of properties.
    assert!(json!({ "attachments": attachments }).to_string().chars().count() <= 8_000);
}

fn of_webhook(got: &Got) -> Value {
    assert_eq!((&*got.method, &*got.path, got.header("authorization")), ("POST", "/hooks/s3cret", None));
    let body = got.json();
    assert_valid(&body["text"], &body["attachments"]);
    body
}

fn of_bot(got: &Got, method: &str, path: &str) -> Value {
    assert_eq!((&*got.method, &*got.path), (method, path));
    assert_eq!(got.header("authorization"), Some("Bearer s3cret"));
    let body = got.json();
    assert_valid(&body["message"], &body["props"]["attachments"]);
    body
}

#[test]
fn an_incident_is_one_message_that_grows() {
    let receiver = Receiver::start([posted()]);
    let mut sink = bot(&receiver);
    let reference = sink.deliver(&of_card(&card(), None)).unwrap().reference;
    assert_eq!(reference.as_deref(), Some("post1"));
    let body = of_bot(&receiver.next(), "POST", "/api/v4/posts");
    assert_eq!((&body["channel_id"], &body["root_id"]), (&json!(CHANNEL), &json!("")));
    assert_eq!(body["message"], "🔴 CRITICAL Known miner executed on gpu-7");
    let again = sink.deliver(&of_card(&grown_card(), reference.as_deref())).unwrap();
    assert_eq!(again.reference, reference);
    let body = of_bot(&receiver.next(), "PUT", "/api/v4/posts/post1/patch");
    let text = body["props"]["attachments"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("**New**\n• 4242 opened 12 more connections") && text.contains("**Evidence**"),
        "{text}"
    );
}

#[test]
fn a_webhook_is_told_what_is_new() {
    let receiver = Receiver::start([Reply::ok("ok")]);
    let mut sink = webhook(&receiver);
    assert_eq!(sink.deliver(&of_card(&card(), None)).unwrap().reference, None);
    assert!(of_webhook(&receiver.next()).to_string().contains("Against it"));
    sink.deliver(&of_card(&grown_card(), None)).unwrap();
    let shown = of_webhook(&receiver.next()).to_string();
    assert!(shown.contains("4242 opened 12 more connections") && !shown.contains("Against it"), "{shown}");
}

#[test]
fn no_text_becomes_markup_or_breaks_a_limit() {
    let receiver = Receiver::start([Reply::ok("ok")]);
    let mut sink = webhook(&receiver);
    for card in hard_cards() {
        sink.deliver(&of_card(&card, None)).unwrap();
        of_webhook(&receiver.next());
    }
    sink.deliver(&of_card(&huge_card(), None)).unwrap();
    assert!(of_webhook(&receiver.next()).to_string().contains("detector explain 01KZINC"));
    let receiver = Receiver::start([posted()]);
    bot(&receiver).deliver(&of_card(&huge_card(), None)).unwrap();
    of_bot(&receiver.next(), "POST", "/api/v4/posts");
}

#[test]
fn failures_are_told_apart() {
    failures_are_taken_as_they_are_meant(webhook, &["s3cret"]);
    failures_are_taken_as_they_are_meant(bot, &["s3cret"]);
    for (sink, reply, remedy) in [
        (
            bot as fn(&Receiver) -> Box<dyn Sink>,
            error(401, "api.context.session_expired.app_error"),
            "make another",
        ),
        (bot, error(403, "api.context.permissions.app_error"), "add it to the team"),
        (webhook, error(400, "web.incoming_webhook.invalid.app_error"), "look at the webhook"),
    ] {
        let outcome = deliver(sink, reply);
        let Err(Failure::Refused { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("Unable to do it.") && reason.contains(remedy), "{reason}");
    }
}

#[test]
fn a_message_that_cannot_be_changed_is_followed_or_written_again() {
    let receiver = Receiver::start([error(404, "app.post.get.app_error"), posted()]);
    let receipt = bot(&receiver).deliver(&of_card(&grown_card(), Some("old"))).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("post1"));
    of_bot(&receiver.next(), "PUT", "/api/v4/posts/old/patch");
    assert_eq!(of_bot(&receiver.next(), "POST", "/api/v4/posts")["root_id"], "");

    let closed = error(400, "api.post.update_post.permissions_time_limit.app_error");
    let receiver = Receiver::start([closed, posted()]);
    let receipt = bot(&receiver).deliver(&of_card(&grown_card(), Some("old"))).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("old"));
    of_bot(&receiver.next(), "PUT", "/api/v4/posts/old/patch");
    let body = of_bot(&receiver.next(), "POST", "/api/v4/posts");
    assert_eq!(body["root_id"], "old");
    assert!(!body.to_string().contains("Against it"));
}

#[test]
fn what_is_wrong_in_the_configuration_is_named() {
    assert_eq!(problem::<MattermostConfig>("").0, "url");
    assert_eq!(problem::<MattermostConfig>("token = \"x\"").0, "server");
    assert_eq!(problem::<MattermostConfig>("server = \"https://m.example\"").0, "token");
    assert_eq!(problem::<MattermostConfig>("server = \"https://m.example\"\ntoken = \"x\"").0, "channel_id");
    let text = "server = \"https://m.example\"\ntoken = \"x\"\nchannel_id = \"town-square\"";
    assert_eq!(problem::<MattermostConfig>(text).0, "channel_id");
    assert_eq!(problem::<MattermostConfig>("url = \"https://m.example\"\ntoken = \"x\"").0, "url");
}
