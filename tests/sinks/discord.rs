//! Discord: one embed within its limits, that calls nobody and links nowhere; one message grows.

use std::time::Duration;

use detector::sinks::discord::DiscordConfig;
use detector::sinks::{Failure, Sink};
use serde_json::{Value, json};

use crate::outcome::{assert_literal, deliver, failures_are_taken_as_they_are_meant, length, open, problem};
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, hard_cards, huge_card, of_card};

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    open::<DiscordConfig>(&format!("url = \"{}\"", receiver.url("/api/webhooks/1/s3cret")))
}

fn posted() -> Reply {
    Reply::ok(r#"{"id": "1234567890123456789", "type": 0, "content": ""}"#)
}

/// Checks a message against the reference of webhooks and embeds.
fn assert_valid(body: &Value) -> &str {
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["allowed_mentions", "embeds"]);
    let embeds = body["embeds"].as_array().unwrap();
    assert_eq!(embeds.len(), 1);
    let embed = embeds[0].as_object().unwrap();
    let known = ["color", "description", "footer", "timestamp", "title"];
    assert!(embed.keys().all(|key| known.contains(&&**key)), "{embed:?}");
    let text = |key: &str| embed[key].as_str().unwrap();
    let footer = embed["footer"]["text"].as_str().unwrap();
    assert!((1..=256).contains(&length(text("title"))), "{}", text("title"));
    assert!((1..=4_096).contains(&length(text("description"))));
    assert!((1..=2_048).contains(&length(footer)));
    assert!(length(text("title")) + length(text("description")) + length(footer) <= 6_000);
    assert!(embed["color"].as_u64().unwrap() <= 0x00ff_ffff);
    assert_literal(text("title"));
    assert_literal(text("description"));
    embeds[0]["description"].as_str().unwrap()
}

#[test]
fn an_incident_is_one_message_that_grows() {
    let receiver = Receiver::start([posted()]);
    let mut sink = sink(&receiver);
    let reference = sink.deliver(&of_card(&card(), None)).unwrap().reference;
    assert_eq!(reference.as_deref(), Some("1234567890123456789"));
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("POST", "/api/webhooks/1/s3cret?wait=true"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    let body = got.json();
    expect_test::expect![[r"
        Agent training executed `/tmp/xmrig`, a known miner.
        training on gpu-7, since `2026-11-21T03:00:01.250000000Z`

        **Agent**
        `agent` training, `/agents/training`
        `task` nightly training (run-7), since `02:00:00`
        `tool call` shell (`call_1`), since `03:00:00`

        **Process**
        `4242` `/tmp/xmrig -o pool.example:3333 -u wallet`
        `4200` `bash -c ./run.sh`
        `4100` `/usr/bin/python3 agent.py`

        **Evidence**
        `03:00:01` 4242 executed `/tmp/xmrig`
        `03:00:02` 4242 connected to `192.0.2.7:3333`
        `03:00:04` 4242 logged in to a mining pool

        **Against it**
        • the file came from a package

        **What was done**
        • kill: would have been done (observe)

        **Not seen**
        • 2 events of this agent were lost

        **Commands**
        • look closer
        ```
        detector explain 01KZINCIDENT00000000000001
        ```
        • stop it
        ```
        kill -STOP 4242
        ```"]]
    .assert_eq(assert_valid(&body));
    assert_eq!(body["embeds"][0]["title"], "🔴 CRITICAL Known miner executed");
    assert_eq!(body["embeds"][0]["timestamp"], "2026-11-21T03:00:01.250Z");
    let again = sink.deliver(&of_card(&grown_card(), reference.as_deref())).unwrap();
    assert_eq!(again.reference, reference);
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("PATCH", "/api/webhooks/1/s3cret/messages/1234567890123456789"));
    let body = got.json();
    assert!(assert_valid(&body).contains("**New**\n• 4242 opened 12 more connections"), "{body}");
}

#[test]
fn a_thread_is_named_in_every_request() {
    let receiver = Receiver::start([posted()]);
    let url = receiver.url("/api/webhooks/1/t/");
    let mut sink = open::<DiscordConfig>(&format!("url = \"{url}\"\nthread_id = \"42\""));
    sink.deliver(&of_card(&card(), None)).unwrap();
    assert_eq!(receiver.next().path, "/api/webhooks/1/t/?thread_id=42&wait=true");
    sink.deliver(&of_card(&card(), Some("../../9?x"))).unwrap();
    assert_eq!(receiver.next().path, "/api/webhooks/1/t/messages/..%2F..%2F9%3Fx?thread_id=42");
}

#[test]
fn no_text_becomes_markup_or_breaks_a_limit() {
    let receiver = Receiver::start([posted()]);
    let mut sink = sink(&receiver);
    for card in hard_cards() {
        sink.deliver(&of_card(&card, None)).unwrap();
        assert_valid(&receiver.next().json());
    }
    sink.deliver(&of_card(&huge_card(), None)).unwrap();
    let body = receiver.next().json();
    assert!(assert_valid(&body).contains("detector explain 01KZINC"), "{body}");
}

#[test]
fn failures_are_told_apart() {
    failures_are_taken_as_they_are_meant(sink, &["s3cret"]);
    let limited = r#"{"message": "You are being rate limited.", "retry_after": 0.75, "global": false}"#;
    let outcome = deliver(sink, Reply::With(429, &["Retry-After: 1"], limited.to_owned()));
    let Err(Failure::Later { reason, after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(Duration::from_millis(750)));
    assert!(reason.contains("You are being rate limited."), "{reason}");
    let gone = r#"{"message": "Unknown Webhook", "code": 10015}"#;
    let outcome = deliver(sink, Reply::With(404, &[], gone.to_owned()));
    let Err(Failure::Refused { reason }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("Unknown Webhook: the webhook is gone; make another"), "{reason}");
}

#[test]
fn a_message_that_is_gone_is_written_again() {
    let gone = Reply::With(404, &[], r#"{"message": "Unknown Message", "code": 10008}"#.to_owned());
    let receiver = Receiver::start([gone, posted()]);
    let receipt = sink(&receiver).deliver(&of_card(&grown_card(), Some("7"))).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("1234567890123456789"));
    assert_eq!((receiver.next().method, receiver.next().method), ("PATCH".to_owned(), "POST".to_owned()));
}

#[test]
fn what_is_wrong_in_the_configuration_is_named() {
    let (key, message) = problem::<DiscordConfig>("url = \"s3cret\"");
    assert!(key == "url" && !message.contains("s3cret"), "{message}");
    assert_eq!(
        problem::<DiscordConfig>("url = \"https://d.example/x\"\nthread_id = \"general\"").0,
        "thread_id"
    );
}
