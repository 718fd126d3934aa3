//! Matrix: messages are what the client-server API asks for, changes name what they change, whatever is in them.

use std::time::Duration;

use detector::alert::card::Card;
use detector::sinks::matrix::MatrixConfig;
use detector::sinks::{Body, Failure, Sink};
use serde_json::{Value, json};

use crate::cards::{ID, is_honest, keys, open, refusal, stands_the_weather, tell};
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

const TOKEN: &str = "syt_ZGV0ZWN0b3I_s3cret";
const FIRST: &str = "$first:example.org";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    let server = receiver.url("/");
    let room = "!a/b?c#d:example.org";
    open::<MatrixConfig>(&format!("server = \"{server}\"\ntoken = \"{TOKEN}\"\nroom = \"{room}\""))
}

fn event(id: &str) -> Reply {
    Reply::ok(json!({ "event_id": id }).to_string())
}

/// What was sent, checked field by field.
fn sent(card: &Card, reference: Option<&str>) -> Value {
    let receiver = Receiver::start([event(if reference.is_some() { "$second" } else { FIRST })]);
    let receipt = tell(&mut *sink(&receiver), card, reference).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some(FIRST), "changes name the first message");
    let got = receiver.next();
    let path = format!(
        "/_matrix/client/v3/rooms/!a%2Fb%3Fc%23d:example.org/send/m.room.message/{ID}-{}",
        card.revision
    );
    assert_eq!((&*got.method, &*got.path), ("PUT", &*path));
    assert_eq!(got.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.body.len() <= 60_000, "an event has 65,536 bytes at most: {}", got.body.len());
    let content = got.json();
    is_honest(&content);
    content
}

/// A message's content: its text. Its HTML has the tags that the specification allows, closed, without attributes.
fn text(content: &Value) -> String {
    assert_eq!(
        (&content["msgtype"], &content["format"]),
        (&"m.text".into(), &"org.matrix.custom.html".into())
    );
    assert_eq!(content["m.mentions"], json!({}), "nobody is mentioned");
    let mut open = Vec::new();
    let mut html = content["formatted_body"].as_str().unwrap();
    while let Some((before, rest)) = html.split_once('<') {
        let before = before.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        assert!(!before.contains(['&', '>']), "{before}");
        let (tag, rest) = rest.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(tag) => assert_eq!(open.pop(), Some(tag)),
            None if tag == "br" => {}
            None => {
                assert!(["h4", "p", "strong", "em", "code", "pre"].contains(&tag), "{tag}");
                open.push(tag);
            }
        }
        html = rest;
    }
    assert!(open.is_empty() && html.is_empty(), "{open:?} {html}");
    content["body"].as_str().unwrap().to_owned()
}

const MESSAGE: [&str; 5] = ["body", "format", "formatted_body", "m.mentions", "msgtype"];

#[test]
fn an_incident_is_one_message_that_changes() {
    let first = sent(&card(), None);
    assert_eq!(keys(&first), MESSAGE);
    let shown = text(&first);
    assert!(
        shown.starts_with(
            "CRITICAL Known miner executed\nAgent training executed /tmp/xmrig, a known miner.\n"
        ),
        "{shown}"
    );

    let second = sent(&grown_card(), Some(FIRST));
    let mut change = MESSAGE.to_vec();
    change.extend(["m.new_content", "m.relates_to"]);
    change.sort_unstable();
    assert_eq!(keys(&second), change);
    assert_eq!(second["m.relates_to"], json!({ "rel_type": "m.replace", "event_id": FIRST }));
    assert_eq!(keys(&second["m.new_content"]), MESSAGE);
    assert!(text(&second["m.new_content"]).contains("4242 executed /tmp/xmrig"));
    let news = text(&second);
    assert!(news.contains("4242 opened 12 more connections.") && !news.contains("4242 executed"), "{news}");
}

#[test]
fn harm_stays_text() {
    for reference in [None, Some(FIRST)] {
        let content = sent(&huge_card(), reference);
        let shown = text(content.get("m.new_content").unwrap_or(&content));
        assert!(shown.contains("detector explain"), "{shown}");
        text(&content);
    }
}

#[test]
fn what_it_refuses_is_said() {
    let send = |status: u16, code: &str, error: &str| {
        let body = json!({ "errcode": code, "error": error }).to_string();
        let receiver = Receiver::start([Reply::With(status, &[], body)]);
        refusal(tell(&mut *sink(&receiver), &card(), None))
    };
    let reason = send(403, "M_FORBIDDEN", "User @detector:example.org not in room");
    assert!(reason.contains("M_FORBIDDEN: User @detector:example.org not in room; invite"), "{reason}");
    let reason = send(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.");
    assert!(reason.contains("M_UNKNOWN_TOKEN: Invalid access token passed.; the token"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");
}

#[test]
fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2345}"#;
    let receiver = Receiver::start([Reply::With(429, &[], body.to_owned())]);
    let outcome = tell(&mut *sink(&receiver), &card(), None);
    let Err(Failure::Later { reason, after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(Duration::from_millis(2_345)));
    assert!(reason.contains("M_LIMIT_EXCEEDED"), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &[TOKEN, "s3cret"]);
}
