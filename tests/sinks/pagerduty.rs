//! PagerDuty: the event is what the Events API v2 asks for, whatever is in it.

use detector::alert::Level;
use detector::alert::card::Card;
use detector::sinks::pagerduty::PagerdutyConfig;
use detector::sinks::{Body, Sink};
use serde_json::Value;

use crate::cards::{ID, is_honest, keys, length, open, refusal, stands_the_weather, tell, texts};
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

const KEY: &str = "e93facc04764012d7bfb002500d5d1a6";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    open::<PagerdutyConfig>(&format!("routing_key = \"{KEY}\"\napi = \"{}\"", receiver.url("/")))
}

fn accepted() -> Reply {
    let body = format!(r#"{{"status":"success","message":"Event processed","dedup_key":"{ID}"}}"#);
    Reply::With(202, &["Content-Type: application/json"], body)
}

/// What was sent for a card, checked field by field.
fn event(card: &Card, reference: Option<&str>) -> Value {
    let receiver = Receiver::start([accepted()]);
    let receipt = tell(&mut *sink(&receiver), card, reference).unwrap();
    assert_eq!(receipt.reference.as_deref(), Some(ID));
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("POST", "/v2/enqueue"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.body.len() <= 512_000, "{}", got.body.len());
    let event = got.json();
    assert_eq!(keys(&event), ["client", "dedup_key", "event_action", "payload", "routing_key"]);
    assert_eq!((&event["routing_key"], &event["event_action"]), (&KEY.into(), &"trigger".into()));
    assert!(length(&event["dedup_key"]) <= 255);
    let payload = &event["payload"];
    let known =
        ["class", "component", "custom_details", "group", "severity", "source", "summary", "timestamp"];
    assert_eq!(keys(payload), known);
    assert!((1..=1_024).contains(&length(&payload["summary"])));
    assert!(length(&payload["source"]) > 0);
    assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
    payload["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(payload["custom_details"].is_object());
    event
}

#[test]
fn an_incident_is_one_alert_that_grows() {
    let first = event(&card(), None);
    assert_eq!(first["dedup_key"], ID);
    assert_eq!(
        first["payload"]["summary"],
        "CRITICAL Known miner executed on gpu-7: Agent training executed /tmp/xmrig, a known miner."
    );
    assert_eq!(first["payload"]["severity"], "critical");
    assert_eq!(first["payload"]["component"], "training");
    let details = &first["payload"]["custom_details"];
    assert!(details["Evidence"].as_str().unwrap().starts_with("03:00:01  4242 executed /tmp/xmrig\n"));
    assert_eq!(details["Commands"], format!("look closer: detector explain {ID}\nstop it: kill -STOP 4242"));
    let second = event(&grown_card(), Some(ID));
    assert_eq!(second["dedup_key"], ID);
    assert_eq!(
        second["payload"]["custom_details"]["New"],
        "4242 opened 12 more connections.\n4300 wrote /etc/cron.d/x."
    );
}

#[test]
fn levels_have_their_severity() {
    use Level::{Critical, High, Informational, Low, Medium};
    for (level, severity) in
        [(Informational, "info"), (Low, "info"), (Medium, "warning"), (High, "error"), (Critical, "critical")]
    {
        let event = event(&Card { level, ..card() }, None);
        assert_eq!(event["payload"]["severity"], severity);
    }
}

#[test]
fn harm_stays_text() {
    let event = event(&huge_card(), None);
    is_honest(&event);
    for text in texts(&event) {
        assert!(!text.contains('<') && !text.contains("]("), "{text}");
    }
}

#[test]
fn what_it_refuses_is_said() {
    let body = r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
    let receiver = Receiver::start([Reply::With(400, &[], body.to_owned())]);
    let reason = refusal(tell(&mut *sink(&receiver), &card(), None));
    assert!(reason.contains("Event object is invalid: Length of 'routing_key' is incorrect"), "{reason}");
    assert!(!reason.contains(KEY), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &[KEY]);
}
