//! Google Chat: what is posted is a message with a card, in the incident's thread, whatever is in it.

use detector::alert::card::Card;
use detector::sinks::googlechat::GooglechatConfig;
use detector::sinks::{Body, Sink};
use serde_json::Value;

use crate::cards::{ID, is_honest, keys, length, open, refusal, stands_the_weather, tell, texts};
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

const NAME: &str = "spaces/AAAA/messages/BBBB.CCCC";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    let url = receiver.url("/v1/spaces/AAAA/messages?key=k3y&token=s3cret%3D");
    open::<GooglechatConfig>(&format!("url = \"{url}\""))
}

/// What was posted, checked field by field.
fn posted(card: &Card, reference: Option<&str>) -> Value {
    // A webhook gets back no more than the names of the message and its thread.
    let answer = format!(r#"{{"name":"{NAME}","thread":{{"name":"spaces/AAAA/threads/DDDD"}}}}"#);
    let receiver = Receiver::start([Reply::ok(answer)]);
    let receipt = tell(&mut *sink(&receiver), card, reference).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some(NAME));
    let got = receiver.next();
    assert_eq!(got.method, "POST");
    let (path, query) = got.path.split_once('?').unwrap();
    assert_eq!(path, "/v1/spaces/AAAA/messages");
    let request = format!("requestId={ID}-{}", card.revision);
    let reply = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
    assert_eq!(query.split('&').collect::<Vec<_>>(), ["key=k3y", "token=s3cret%3D", reply, &request]);
    assert_eq!(got.header("content-type"), Some("application/json; charset=UTF-8"));
    assert!(got.body.len() <= 32_000, "{}", got.body.len());
    let message = got.json();
    assert_eq!(keys(&message), ["cardsV2", "fallbackText", "thread"]);
    assert_eq!(keys(&message["thread"]), ["threadKey"]);
    assert_eq!(message["thread"]["threadKey"], ID);
    let cards = message["cardsV2"].as_array().unwrap();
    assert_eq!((cards.len(), keys(&cards[0])), (1, vec!["card", "cardId"]));
    let card = &cards[0]["card"];
    assert_eq!(keys(card), ["header", "sections"]);
    assert_eq!(keys(&card["header"]), ["subtitle", "title"]);
    assert!(length(&card["header"]["title"]) > 0);
    let sections = card["sections"].as_array().unwrap();
    let mut widgets = 0;
    for section in sections {
        assert!(matches!(&*keys(section), ["widgets"] | ["header", "widgets"]), "{section}");
        for widget in section["widgets"].as_array().unwrap() {
            assert_eq!((keys(widget), keys(&widget["textParagraph"])), (vec!["textParagraph"], vec!["text"]));
            assert!(length(&widget["textParagraph"]["text"]) > 0, "a paragraph has a text");
            widgets += 1;
        }
    }
    assert!((1..=100).contains(&widgets), "{widgets}");
    message
}

#[test]
fn an_incident_is_a_thread() {
    let first = posted(&card(), None);
    let shown = &first["cardsV2"][0]["card"];
    assert_eq!(shown["header"]["title"], "CRITICAL Known miner executed");
    assert_eq!(
        shown["sections"][0]["widgets"][0]["textParagraph"]["text"],
        "Agent training executed /tmp/xmrig, a known miner."
    );
    let second = posted(&grown_card(), Some(NAME));
    let said = texts(&second).join("\n");
    assert!(said.contains("4242 opened 12 more connections."), "{said}");
    assert!(!said.contains("4242 executed"), "{said}");
}

#[test]
fn the_same_again_is_said_to_nobody() {
    let receiver = Receiver::start([Reply::status(500)]);
    let receipt = tell(&mut *sink(&receiver), &card(), Some(NAME)).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some(NAME));
    assert!(receiver.is_idle());
}

#[test]
fn harm_stays_text() {
    let message = posted(&huge_card(), None);
    is_honest(&message);
    let header = &message["cardsV2"][0]["card"]["header"];
    for text in [&header["title"], &header["subtitle"], &message["fallbackText"]] {
        assert!(!text.as_str().unwrap().contains('<'), "{text}");
    }
    for section in message["cardsV2"][0]["card"]["sections"].as_array().unwrap() {
        for text in texts(section) {
            let mut text = text.to_owned();
            for tag in ["<b>", "</b>", "<i>", "</i>", "<br>", "&amp;", "&lt;", "&gt;"] {
                text = text.replace(tag, "");
            }
            assert!(!text.contains(['<', '>', '&']), "{text}");
        }
    }
    assert!(texts(&message).iter().any(|text| text.contains("detector explain")));
}

#[test]
fn what_it_refuses_is_said() {
    let body = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    let receiver = Receiver::start([Reply::With(404, &[], body.to_owned())]);
    let reason = refusal(tell(&mut *sink(&receiver), &card(), None));
    assert!(reason.contains("NOT_FOUND: Requested entity was not found.; the webhook is gone"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &["s3cret", "k3y"]);
}
