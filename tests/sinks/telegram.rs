//! Telegram: HTML that it can read, within its limits, that calls nobody and links nowhere; one message grows.

use std::time::Duration;

use detector::sinks::telegram::TelegramConfig;
use detector::sinks::{Failure, Sink};
use serde_json::{Value, json};

use crate::outcome::{assert_words, deliver, failures_are_taken_as_they_are_meant, length, open, problem};
use crate::receiver::{Got, Receiver, Reply};
use crate::sample::{card, grown_card, hard_cards, huge_card, of_card};

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    let api = receiver.url("");
    open::<TelegramConfig>(&format!("token = \"123456:s3cret\"\nchat_id = -1001\napi = \"{api}\""))
}

fn posted() -> Reply {
    let chat = json!({ "id": -1001, "type": "supergroup" });
    Reply::ok(json!({ "ok": true, "result": { "message_id": 77, "date": 1, "chat": chat } }).to_string())
}

fn error(status: u16, description: &str) -> Reply {
    let body = json!({ "ok": false, "error_code": status, "description": description });
    Reply::With(status, &[], body.to_string())
}

/// Reads HTML as the Bot API does; gives the text and the number of entities.
fn read(html: &str) -> (String, usize) {
    let (mut text, mut entities, mut open, mut rest) = (String::new(), 0, None, html);
    let mut plain = String::new();
    while let Some(character) = rest.chars().next() {
        let shown = if character == '<' {
            let (tag, after) = rest[1..].split_once('>').unwrap();
            rest = after;
            match (tag.strip_prefix('/'), open) {
                (None, None) => open = Some(tag),
                (Some(end), Some(begun)) if end == begun => {
                    (open, entities) = (None, entities + 1);
                }
                other => panic!("tags do not match: {other:?} in {html}"),
            }
            assert!(matches!(tag.trim_start_matches('/'), "b" | "code" | "pre"), "{tag}");
            continue;
        } else if character == '&' {
            let (name, after) = rest[1..].split_once(';').unwrap();
            rest = after;
            match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                other => panic!("an entity {other}"),
            }
        } else {
            assert_ne!(character, '>', "{html}");
            rest = &rest[character.len_utf8()..];
            character
        };
        text.push(shown);
        // In code Telegram finds neither links nor names nor commands.
        if !matches!(open, Some("code" | "pre")) {
            plain.push(shown);
        }
    }
    assert_eq!(open, None, "{html}");
    assert_words(&plain);
    (text, entities)
}

fn called(got: &Got, method: &str) -> Value {
    assert_eq!((&*got.method, &*got.path), ("POST", &*format!("/bot123456:s3cret/{method}")));
    assert_eq!(got.header("content-type"), Some("application/json"));
    let body = got.json();
    assert_eq!(
        (&body["parse_mode"], &body["link_preview_options"]),
        (&json!("HTML"), &json!({"is_disabled": true}))
    );
    let (text, entities) = read(body["text"].as_str().unwrap());
    assert!((1..=4_096).contains(&length(&text)), "{}", length(&text));
    assert!(entities <= 100, "{entities} entities");
    body
}

#[test]
fn an_incident_is_one_message_that_grows() {
    let receiver = Receiver::start([posted()]);
    let mut sink = sink(&receiver);
    let reference = sink.deliver(&of_card(&card(), None)).unwrap().reference;
    assert_eq!(reference.as_deref(), Some("-1001 77"));
    let body = called(&receiver.next(), "sendMessage");
    assert_eq!(body["chat_id"], -1001);
    assert!(body["message_thread_id"].is_null());
    let (text, _) = read(body["text"].as_str().unwrap());
    expect_test::expect![[r"
        🔴 CRITICAL Known miner executed
        Agent training executed /tmp/xmrig, a known miner.
        training on gpu-7, since 2026-11-21T03:00:01.250000000Z

        Agent
        agent  training, /agents/training
        task  nightly training (run-7), since 02:00:00
        tool call  shell (call_1), since 03:00:00
        Process
        4242  /tmp/xmrig -o pool.example:3333 -u wallet
        4200  bash -c ./run.sh
        4100  /usr/bin/python3 agent.py
        Evidence
        03:00:01  4242 executed /tmp/xmrig
        03:00:02  4242 connected to 192.0.2.7:3333
        03:00:04  4242 logged in to a mining pool
        Against it
        • the file came from a package
        What was done
        • kill: would have been done (observe)
        Not seen
        • 2 events of this agent were lost
        Commands
        look closer
        detector explain 01KZINCIDENT00000000000001
        stop it
        kill -STOP 4242
        incident 01KZINCIDENT00000000000001, 3 findings, rules 0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01"]]
    .assert_eq(&text);
    let again = sink.deliver(&of_card(&grown_card(), reference.as_deref())).unwrap();
    assert_eq!(again.reference, reference);
    let body = called(&receiver.next(), "editMessageText");
    assert_eq!((&body["chat_id"], &body["message_id"]), (&json!("-1001"), &json!(77)));
    assert!(body["text"].as_str().unwrap().contains("4242 opened 12 more connections"));
}

#[test]
fn no_text_becomes_markup_or_breaks_a_limit() {
    let receiver = Receiver::start([posted()]);
    let mut sink = sink(&receiver);
    for card in hard_cards() {
        sink.deliver(&of_card(&card, None)).unwrap();
        called(&receiver.next(), "sendMessage");
    }
    sink.deliver(&of_card(&huge_card(), None)).unwrap();
    let body = called(&receiver.next(), "sendMessage");
    assert!(body["text"].as_str().unwrap().contains("detector explain 01KZINC"), "{body}");
}

#[test]
fn failures_are_told_apart() {
    failures_are_taken_as_they_are_meant(sink, &["s3cret"]);
    let body = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35",
        "parameters": { "retry_after": 35 },
    });
    let outcome = deliver(sink, Reply::With(429, &[], body.to_string()));
    let Err(Failure::Later { after, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(Duration::from_secs(35)));
    for (status, description, remedy) in [
        (400, "Bad Request: chat not found", "write the chat's number"),
        (401, "Unauthorized", "BotFather"),
        (403, "Forbidden: bot was kicked from the supergroup chat", "let the bot into the chat"),
        (400, "Bad Request: message thread not found", "thread_id"),
        (400, "Bad Request: can't parse entities", "can't parse entities"),
    ] {
        let outcome = deliver(sink, error(status, description));
        let Err(Failure::Refused { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(description) && reason.contains(remedy), "{reason}");
    }
}

#[test]
fn a_message_that_cannot_be_changed_is_left_followed_or_written_again() {
    let edit = |reply: Reply| {
        let receiver = Receiver::start([reply, posted()]);
        let receipt = sink(&receiver).deliver(&of_card(&grown_card(), Some("-1001 5"))).unwrap();
        called(&receiver.next(), "editMessageText");
        (receipt.reference.unwrap(), receiver)
    };
    let same = "Bad Request: message is not modified: specified new message content and reply markup are exactly the \
                same as a current content and reply markup of the message";
    let (reference, receiver) = edit(error(400, same));
    assert_eq!((&*reference, receiver.is_idle()), ("-1001 5", true));
    let (reference, receiver) = edit(error(400, "Bad Request: message to edit not found"));
    assert_eq!(reference, "-1001 77");
    assert!(called(&receiver.next(), "sendMessage")["reply_parameters"].is_null());
    let (reference, receiver) = edit(error(400, "Bad Request: message can't be edited"));
    assert_eq!(reference, "-1001 5");
    let body = called(&receiver.next(), "sendMessage");
    assert_eq!(body["reply_parameters"]["message_id"], 5);
    assert!(!body["text"].as_str().unwrap().contains("Against it"));
}

#[test]
fn a_group_that_became_another_is_followed() {
    let body = json!({
        "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": { "migrate_to_chat_id": -100_200 },
    });
    let receiver = Receiver::start([Reply::With(400, &[], body.to_string()), posted()]);
    let text = format!("token = \"1:x\"\nchat_id = \"@ops\"\nthread_id = 3\napi = \"{}\"", receiver.url("/"));
    let mut sink = open::<TelegramConfig>(&text);
    sink.deliver(&of_card(&card(), None)).unwrap();
    let (first, second) = (receiver.next().json(), receiver.next().json());
    assert_eq!((&first["chat_id"], &first["message_thread_id"]), (&json!("@ops"), &json!(3)));
    assert_eq!(second["chat_id"], -100_200);
}

#[test]
fn what_is_wrong_in_the_configuration_is_named() {
    let (key, message) = problem::<TelegramConfig>("token = \"s3cret\"\nchat_id = 1");
    assert!(key == "token" && !message.contains("s3cret"), "{message}");
    assert_eq!(problem::<TelegramConfig>("token = \"1:x\"\nchat_id = \"ops\"").0, "chat_id");
    assert_eq!(problem::<TelegramConfig>("token = \"1:x\"\nchat_id = 1\napi = \"ftp://x\"").0, "api");
}
