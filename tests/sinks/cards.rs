//! What tests of sinks for people and machines on call share: opening, telling, and the weather that every sink that
//! speaks HTTP has to stand.

use std::time::Duration;

use detector::alert::card::Card;
use detector::alert::escape::is_deceptive;
use detector::sinks::{Body, Failure, Kind, Message, Receipt, Sink};
use serde_json::Value;

use crate::http::client;
use crate::receiver::{Receiver, Reply};

/// The incident of [`crate::sample::card`].
pub(crate) const ID: &str = "01KZINCIDENT00000000000001";

/// Reads a configuration, checks it and opens its sink.
pub(crate) fn open<K: Kind>(config: &str) -> Box<dyn Sink> {
    let config: K = toml::from_str(config).unwrap();
    config.check().unwrap();
    config.open("test", &client()).unwrap()
}

/// Delivers a card under a key; `reference` is of the message before.
pub(crate) fn tell(sink: &mut dyn Sink, card: &Card, reference: Option<&str>) -> Result<Receipt, Failure> {
    let key = format!("{}-{}", card.id, card.revision);
    sink.deliver(&Message { key: &key, body: Body::Card(card), reference })
}

/// How it was refused.
pub(crate) fn refusal(outcome: Result<Receipt, Failure>) -> String {
    match outcome {
        Err(Failure::Refused { reason }) => {
            assert!(!reason.contains('\n'), "{reason}");
            reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Whatever happens to a server or on the way is tried again later, and no reason holds a secret.
pub(crate) fn stands_the_weather(
    open: &dyn Fn(&Receiver) -> Box<dyn Sink>,
    body: Body<'_>,
    secrets: &[&str],
) {
    let busy = Reply::With(429, &["Retry-After: 7"], "busy".to_owned());
    let page = Reply::ok("<!DOCTYPE html><title>Log in</title>");
    for reply in
        [busy, Reply::status(500), Reply::status(503), page, Reply::Reset, Reply::Hang, Reply::Garbage]
    {
        let receiver = Receiver::start([reply.clone()]);
        let outcome = open(&receiver).deliver(&Message { key: "01HF-1", body, reference: None });
        let Err(Failure::Later { reason, after }) = outcome else { panic!("{reply:?}: {outcome:?}") };
        if matches!(reply, Reply::With(429, _, _)) {
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
        assert!(!secrets.iter().any(|secret| reason.contains(secret)), "{reason}");
        assert!(!reason.contains('\n'), "{reason}");
    }
}

/// Every text in a value.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(values) => {
            values.iter().flat_map(|(key, value)| std::iter::once(&**key).chain(texts(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// No text turns its direction, hides something or calls everybody.
pub(crate) fn is_honest(value: &Value) {
    for text in texts(value) {
        assert!(!text.chars().any(|letter| letter != '\n' && is_deceptive(letter)), "{text:?}");
        let text = text.to_ascii_lowercase();
        for call in ["@everyone", "@here", "@channel", "@room", "@all"] {
            assert!(!text.contains(call), "{call}: {text}");
        }
    }
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A text in a value, counted in characters.
pub(crate) fn length(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}
