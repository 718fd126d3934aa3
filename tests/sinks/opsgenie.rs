//! Opsgenie: the requests are what the Alert API v2 asks for, whatever is in them.

use detector::sinks::opsgenie::OpsgenieConfig;
use detector::sinks::{Body, Sink};
use serde_json::{Value, json};

use crate::cards::{ID, is_honest, keys, length, open, refusal, stands_the_weather, tell, texts};
use crate::receiver::{Got, Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

const KEY: &str = "eb243592-faa2-4ba2-a551-1afdf565c889";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    open::<OpsgenieConfig>(&format!("api_key = \"{KEY}\"\napi = \"{}\"", receiver.url("")))
}

fn accepted() -> Reply {
    let body = r#"{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c-3dbf-4fa4-9c26-f4f71023e120"}"#;
    Reply::With(202, &["Content-Type: application/json"], body.to_owned())
}

fn checked(got: &Got) -> Value {
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("authorization"), Some(&*format!("GenieKey {KEY}")));
    got.json()
}

/// An alert that is created, checked field by field.
fn created(got: &Got) -> Value {
    assert_eq!((&*got.method, &*got.path), ("POST", "/v2/alerts"));
    let alert = checked(got);
    let known = ["alias", "description", "details", "entity", "message", "priority", "source", "tags"];
    assert_eq!(keys(&alert), known);
    assert!((1..=130).contains(&length(&alert["message"])));
    assert!(length(&alert["alias"]) <= 512 && length(&alert["entity"]) <= 512);
    assert!(length(&alert["description"]) <= 15_000 && length(&alert["source"]) <= 100);
    let tags = alert["tags"].as_array().unwrap();
    assert!(tags.len() <= 20 && tags.iter().all(|tag| length(tag) <= 50), "{tags:?}");
    let details = alert["details"].as_object().unwrap();
    assert!(details.iter().map(|(key, value)| key.len() + length(value)).sum::<usize>() <= 8_000);
    assert!(["P1", "P2", "P3", "P4", "P5"].contains(&alert["priority"].as_str().unwrap()));
    alert
}

fn note(got: &Got) -> String {
    assert_eq!((&*got.method, &*got.path), ("POST", &*format!("/v2/alerts/{ID}/notes?identifierType=alias")));
    let note = checked(got);
    assert_eq!(keys(&note), ["note", "source", "user"]);
    assert!(length(&note["note"]) <= 25_000);
    is_honest(&note);
    note["note"].as_str().unwrap().to_owned()
}

#[test]
fn an_incident_is_one_alert_and_what_is_new_a_note() {
    let receiver = Receiver::start([accepted()]);
    let mut sink = sink(&receiver);
    let first = tell(&mut *sink, &card(), None).unwrap();
    let alert = created(&receiver.next());
    assert_eq!((&alert["alias"], &alert["message"]), (&ID.into(), &"CRITICAL Known miner executed".into()));
    assert_eq!((&alert["priority"], &alert["entity"]), (&"P1".into(), &"training@gpu-7".into()));
    assert!(alert["description"].as_str().unwrap().contains("4242 executed /tmp/xmrig"));
    assert!(receiver.is_idle());

    let second = tell(&mut *sink, &grown_card(), first.reference.as_deref()).unwrap();
    assert_eq!(created(&receiver.next())["alias"], ID);
    let said = note(&receiver.next());
    assert!(said.contains("4242 opened 12 more connections."), "{said}");
    assert!(said.contains("5 findings so far") && !said.contains("4242 executed"), "{said}");
    assert!(receiver.is_idle());

    assert_eq!(second.reference.as_deref(), Some("P1"));
    // What was less grave when it was told before is raised.
    tell(&mut *sink, &grown_card(), Some("P3")).unwrap();
    assert_eq!(created(&receiver.next())["priority"], "P1");
    let raised = receiver.next();
    let path = format!("/v2/alerts/{ID}/priority?identifierType=alias");
    assert_eq!((&*raised.method, &*raised.path), ("PUT", &*path));
    assert_eq!(checked(&raised), json!({ "priority": "P1" }));
    note(&receiver.next());
    assert!(receiver.is_idle());
}

#[test]
fn an_update_that_is_tried_again_leaves_one_note() {
    let receiver = Receiver::start([accepted(), Reply::status(500), accepted()]);
    let mut sink = sink(&receiver);
    tell(&mut *sink, &grown_card(), Some("P2")).unwrap_err();
    tell(&mut *sink, &grown_card(), Some("P2")).unwrap();
    let paths: Vec<String> = (0..5).map(|_| receiver.next().path).collect();
    assert_eq!(paths.iter().filter(|path| path.contains("/notes")).count(), 1, "{paths:?}");
    assert!(receiver.is_idle());
}

#[test]
fn harm_stays_text() {
    let receiver = Receiver::start([accepted()]);
    tell(&mut *sink(&receiver), &huge_card(), Some("P2")).unwrap();
    let alert = created(&receiver.next());
    is_honest(&alert);
    for text in texts(&alert) {
        assert!(!text.contains('<') && !text.contains("]("), "{text}");
    }
    assert!(!note(&receiver.next()).contains('<'));
}

#[test]
fn what_it_refuses_is_said() {
    let send = |status: u16, body: &str| {
        let receiver = Receiver::start([Reply::With(status, &[], body.to_owned())]);
        refusal(tell(&mut *sink(&receiver), &card(), None))
    };
    let body = r#"{"message":"Request body is not processable. Please check the errors.","errors":{"message":"Message can not be empty."},"took":0.083,"requestId":"x"}"#;
    let reason = send(422, body);
    assert!(reason.contains("Message can not be empty."), "{reason}");
    let reason = send(403, r#"{"message":"Could not authenticate","took":0.001,"requestId":"x"}"#);
    assert!(
        reason.contains("Could not authenticate; ") && reason.contains("api.eu.opsgenie.com"),
        "{reason}"
    );
    assert!(!reason.contains(KEY), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &[KEY]);
}
