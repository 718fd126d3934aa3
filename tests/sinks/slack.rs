//! Slack: what is sent is what Block Kit takes, whatever the texts; one message grows, or follow-ups say what is new.

use detector::sinks::slack::SlackConfig;
use detector::sinks::{Failure, Receipt, Sink};
use serde_json::{Value, json};

use crate::outcome::{deliver, failures_are_taken_as_they_are_meant, length, open, problem, strings};
use crate::receiver::{Got, Receiver, Reply};
use crate::sample::{card, grown_card, hard_cards, huge_card, of_alert, of_card};

fn webhook(receiver: &Receiver) -> Box<dyn Sink> {
    open::<SlackConfig>(&format!("url = \"{}\"", receiver.url("/services/T1/B1/s3cret")))
}

fn bot(receiver: &Receiver) -> Box<dyn Sink> {
    let api = receiver.url("/api/");
    open::<SlackConfig>(&format!("token = \"xoxb-s3cret\"\nchannel = \"C1\"\napi = \"{api}\""))
}

fn posted() -> Reply {
    Reply::ok(r#"{"ok": true, "channel": "C024BE91L", "ts": "1405895017.000506", "message": {}}"#)
}

fn error(error: &str) -> Reply {
    Reply::ok(json!({ "ok": false, "error": error }).to_string())
}

fn reason(outcome: Result<Receipt, Failure>) -> String {
    let Err(Failure::Refused { reason }) = outcome else { panic!("{outcome:?}") };
    reason
}

/// Checks a message against the reference of Block Kit.
fn assert_valid(body: &Value) {
    let blocks = body["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()), "{} blocks", blocks.len());
    let mut total = 0;
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => assert_plain(&block["text"], 150),
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                elements.iter().for_each(|element| assert_plain(element, 3_000));
            }
            "rich_text" => total += assert_rich(block),
            other => panic!("a block of type {other}"),
        }
    }
    assert!(total <= 10_000, "{total} characters");
    // The line for notifications is mrkdwn: nothing of it may be markup.
    let text = body["text"].as_str().unwrap();
    assert!(!text.is_empty() && length(text) <= 4_000, "{text}");
    assert!(!text.contains(['<', '>']), "{text}");
    let bare = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
    assert!(!bare.contains('&'), "{text}");
    assert_eq!(body["mrkdwn"], false);
    let mut all = Vec::new();
    strings(body, "", &mut all);
    for (key, _) in all {
        assert!(!matches!(
            key,
            "url" | "user_id" | "usergroup_id" | "channel_id" | "range" | "parse" | "link_names"
        ));
    }
}

fn assert_plain(text: &Value, most: usize) {
    assert_eq!((&text["type"], &text["emoji"]), (&json!("plain_text"), &json!(false)));
    assert!((1..=most).contains(&length(text["text"].as_str().unwrap())), "{text}");
}

/// The elements of a rich text; gives the characters that it has.
fn assert_rich(value: &Value) -> usize {
    let mut total = 0;
    let elements = value["elements"].as_array().unwrap();
    assert!(!elements.is_empty(), "{value}");
    for element in elements {
        match element["type"].as_str().unwrap() {
            "rich_text_section" | "rich_text_preformatted" => total += assert_rich(element),
            "rich_text_list" => {
                assert_eq!(element["style"], "bullet");
                assert!(
                    element["elements"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .all(|item| item["type"] == "rich_text_section")
                );
                total += assert_rich(element);
            }
            "text" => {
                let text = element["text"].as_str().unwrap();
                assert!(!text.is_empty());
                assert!(
                    !text.contains(|character: char| character.is_control() && character != '\n'),
                    "{text:?}"
                );
                total += length(text);
            }
            other => panic!("an element of type {other}"),
        }
    }
    total
}

fn called(got: &Got, method: &str) -> Value {
    assert_eq!((&*got.method, &*got.path), ("POST", &*format!("/api/{method}")));
    assert_eq!(got.header("authorization"), Some("Bearer xoxb-s3cret"));
    assert_eq!(got.header("content-type"), Some("application/json; charset=utf-8"));
    let body = got.json();
    assert_valid(&body);
    body
}

#[test]
fn an_incident_is_one_message_that_grows() {
    let receiver = Receiver::start([posted()]);
    let mut sink = bot(&receiver);
    let reference = sink.deliver(&of_card(&card(), None)).unwrap().reference;
    assert_eq!(reference.as_deref(), Some("C024BE91L 1405895017.000506"));
    let body = called(&receiver.next(), "chat.postMessage");
    assert_eq!((&body["channel"], &body["unfurl_links"]), (&json!("C1"), &json!(false)));
    assert_eq!(body["blocks"][0]["text"]["text"], "🔴 CRITICAL Known miner executed");
    let shown = body.to_string();
    for part in
        ["/tmp/xmrig", "training on ", "Evidence", "03:00:02", "Against it", "detector explain 01KZINC"]
    {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    let again = sink.deliver(&of_card(&grown_card(), reference.as_deref())).unwrap();
    assert_eq!(again.reference, reference);
    let body = called(&receiver.next(), "chat.update");
    assert_eq!((&body["channel"], &body["ts"]), (&json!("C024BE91L"), &json!("1405895017.000506")));
    let shown = body.to_string();
    assert!(shown.contains("4242 opened 12 more connections") && shown.contains("Evidence"), "{shown}");
}

#[test]
fn a_webhook_is_told_what_is_new() {
    let receiver = Receiver::start([Reply::ok("ok"), Reply::ok("ok"), Reply::ok("{\"success\": true}")]);
    let mut sink = webhook(&receiver);
    assert_eq!(sink.deliver(&of_card(&card(), None)).unwrap().reference, None);
    let first = receiver.next();
    assert_eq!((&*first.path, first.header("authorization")), ("/services/T1/B1/s3cret", None));
    assert_valid(&first.json());
    sink.deliver(&of_card(&grown_card(), None)).unwrap();
    let body = receiver.next().json();
    assert_valid(&body);
    let shown = body.to_string();
    assert!(shown.contains("4242 opened 12 more connections") && !shown.contains("Against it"), "{shown}");
    assert!(shown.contains("detector explain 01KZINC"), "{shown}");
    sink.deliver(&of_alert(&crate::sample::alert())).unwrap();
    assert!(receiver.next().json().to_string().contains("known miner"));
}

#[test]
fn no_text_becomes_markup_or_breaks_a_limit() {
    let receiver = Receiver::start([posted()]);
    let mut sink = bot(&receiver);
    for card in hard_cards() {
        sink.deliver(&of_card(&card, None)).unwrap();
        called(&receiver.next(), "chat.postMessage");
    }
    let receiver = Receiver::start([Reply::ok("ok")]);
    webhook(&receiver).deliver(&of_card(&huge_card(), None)).unwrap();
    let body = receiver.next().json();
    assert_valid(&body);
    assert!(body.to_string().contains("detector explain 01KZINC"), "what is cut says where the whole is");
}

#[test]
fn failures_are_told_apart() {
    failures_are_taken_as_they_are_meant(webhook, &["s3cret"]);
    failures_are_taken_as_they_are_meant(bot, &["s3cret"]);
    for (name, remedy) in [
        ("invalid_auth", "token"),
        ("channel_not_found", "invite"),
        ("not_in_channel", "invite"),
        ("is_archived", "archived"),
        ("msg_blocks_too_long", "report"),
        ("some_new_error", "some_new_error"),
    ] {
        let reason = reason(deliver(bot, error(name)));
        assert!(reason.starts_with(name) && reason.contains(remedy), "{reason}");
    }
    for name in ["ratelimited", "internal_error", "service_unavailable"] {
        let outcome = deliver(bot, error(name));
        assert!(matches!(outcome, Err(Failure::Later { .. })), "{name}: {outcome:?}");
    }
    let reason = reason(deliver(webhook, Reply::With(404, &[], "no_service".to_owned())));
    assert!(reason.contains("404") && reason.contains("make another"), "{reason}");
}

#[test]
fn a_message_that_cannot_be_changed_is_followed_or_written_again() {
    let receiver = Receiver::start([error("message_not_found"), posted()]);
    let receipt = bot(&receiver).deliver(&of_card(&grown_card(), Some("C1 1.1"))).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("C024BE91L 1405895017.000506"));
    called(&receiver.next(), "chat.update");
    let body = called(&receiver.next(), "chat.postMessage");
    assert!(body["thread_ts"].is_null() && body.to_string().contains("Against it"));

    let receiver = Receiver::start([error("edit_window_closed"), posted()]);
    let receipt = bot(&receiver).deliver(&of_card(&grown_card(), Some("C1 1.1"))).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("C1 1.1"));
    called(&receiver.next(), "chat.update");
    let body = called(&receiver.next(), "chat.postMessage");
    assert_eq!((&body["thread_ts"], &body["reply_broadcast"]), (&json!("1.1"), &json!(true)));
    assert!(!body.to_string().contains("Against it"));
}

#[test]
fn what_is_wrong_in_the_configuration_is_named() {
    assert_eq!(problem::<SlackConfig>("").0, "url");
    assert_eq!(problem::<SlackConfig>("token = \"x\"").0, "channel");
    assert_eq!(problem::<SlackConfig>("url = \"https://a.example\"\nchannel = \"C1\"").0, "url");
    let (key, message) = problem::<SlackConfig>("url = \"hooks.example/s3cret\"");
    assert!(key == "url" && !message.contains("s3cret"), "{message}");
    let (key, message) = problem::<SlackConfig>("token = { file = \"/nowhere/t\" }\nchannel = \"C1\"");
    assert!(key == "token" && message.contains("/nowhere/t"), "{message}");
}
