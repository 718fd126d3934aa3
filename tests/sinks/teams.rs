//! Microsoft Teams: what is posted is a message with an Adaptive Card by its published schema, whatever is in it.
//!
//! `adaptive-card-1.5.0.json` is `schemas/1.5.0/adaptive-card.json` of <https://github.com/microsoft/AdaptiveCards> at
//! 644d933e185a8482c4dcf4c375d177aac37fd095, under the licence beside it.

use detector::alert::card::Card;
use detector::sinks::teams::TeamsConfig;
use detector::sinks::{Body, Sink};
use serde_json::{Value, json};

use crate::cards::{is_honest, keys, open, refusal, stands_the_weather, tell};
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

const PATH: &str = "/workflows/0123/triggers/manual/paths/invoke?api-version=1&sig=s3cret";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    open::<TeamsConfig>(&format!("url = \"{}\"", receiver.url(PATH)))
}

/// The card that was posted, checked against its schema.
fn posted(card: &Card, reference: Option<&str>) -> Value {
    let receiver = Receiver::start([Reply::status(202)]);
    let receipt = tell(&mut *sink(&receiver), card, reference).unwrap();
    assert!(receipt.reference.is_some(), "what comes after is a follow-up");
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("POST", PATH));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.body.len() <= 28 * 1_024, "{}", got.body.len());
    let message = got.json();
    assert_eq!((keys(&message), &message["type"]), (vec!["attachments", "type"], &"message".into()));
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    assert_eq!(keys(&attachments[0]), ["content", "contentType", "contentUrl"]);
    assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let mut card = attachments[0]["content"].clone();
    // Teams' own part is not in the schema.
    assert_eq!(card.as_object_mut().unwrap().remove("msteams"), Some(json!({ "width": "Full" })));
    let schema: Value = serde_json::from_str(include_str!("adaptive-card-1.5.0.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = schema.iter_errors(&card).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.5".into()));
    card
}

/// The lines of a card. Each is a run, in which Teams reads no markup.
fn lines(card: &Card, reference: Option<&str>) -> Vec<String> {
    let card = posted(card, reference);
    is_honest(&card);
    assert_eq!(card.get("actions"), None);
    let blocks = card["body"].as_array().unwrap().iter();
    blocks
        .map(|block| {
            assert_eq!(block["type"], "RichTextBlock", "a TextBlock reads Markdown");
            let runs = block["inlines"].as_array().unwrap().iter();
            runs.map(|run| {
                assert_eq!((&run["type"], run.get("selectAction")), (&"TextRun".into(), None));
                run["text"].as_str().unwrap()
            })
            .collect()
        })
        .collect()
}

#[test]
fn the_schema_refuses_what_is_no_card() {
    let schema: Value = serde_json::from_str(include_str!("adaptive-card-1.5.0.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let card = |run: Value| {
        let block = json!({ "type": "RichTextBlock", "inlines": [run] });
        json!({ "type": "AdaptiveCard", "version": "1.5", "body": [block] })
    };
    assert!(schema.is_valid(&card(json!({ "type": "TextRun", "text": "x" }))));
    assert!(!schema.is_valid(&card(json!({ "type": "TextRun", "text": "x", "colour": "Good" }))));
    assert!(!schema.is_valid(&card(json!({ "type": "TextRun", "text": "x", "color": "Pink" }))));
}

#[test]
fn an_incident_is_a_card_and_what_is_new_another() {
    let first = lines(&card(), None);
    assert_eq!(first[0], "CRITICAL Known miner executed");
    assert_eq!(first[1], "Agent training executed /tmp/xmrig, a known miner.");
    assert!(first.contains(&"03:00:01  4242 executed /tmp/xmrig".to_owned()), "{first:?}");
    let second = lines(&grown_card(), Some("posted"));
    assert_eq!(second[0], "CRITICAL More: Known miner executed");
    assert!(second.contains(&"4242 opened 12 more connections.".to_owned()), "{second:?}");
    assert!(!second.iter().any(|line| line.contains("4242 executed")), "{second:?}");
}

#[test]
fn the_same_again_is_said_to_nobody() {
    let receiver = Receiver::start([Reply::status(202)]);
    let receipt = tell(&mut *sink(&receiver), &card(), Some("posted")).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some("posted"));
    assert!(receiver.is_idle());
}

#[test]
fn harm_stays_text() {
    let shown = lines(&huge_card(), None);
    assert!(shown.iter().any(|line| line.contains("detector explain")), "{shown:?}");
}

#[test]
fn what_it_refuses_is_said() {
    let body = r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"The request must be authenticated only by Shared Access scheme."}}"#;
    let receiver = Receiver::start([Reply::With(401, &[], body.to_owned())]);
    let reason = refusal(tell(&mut *sink(&receiver), &card(), None));
    assert!(reason.contains("DirectApiAuthorizationRequired: The request must"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &["s3cret"]);
    // Connectors from before workflows answer so when the channel is busy.
    let busy = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    let receiver = Receiver::start([Reply::ok(busy)]);
    let outcome = tell(&mut *sink(&receiver), &card(), None);
    assert!(matches!(outcome, Err(detector::sinks::Failure::Later { .. })), "{outcome:?}");
}
