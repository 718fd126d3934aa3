//! What is asked of every sink that speaks HTTP, and how Markdown is read to see what a text became.

use std::time::Duration;

use detector::sinks::{Failure, Kind, Receipt, Sink};
use serde_json::Value;

use crate::http::client;
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, of_card};

/// A sink as this configuration has it; it was checked.
pub(crate) fn open<K: Kind>(text: &str) -> Box<dyn Sink> {
    let config: K = toml::from_str(text).unwrap();
    config.check().unwrap();
    config.open("it", &client()).unwrap()
}

/// The key that is wrong in a configuration, and what is said of it.
pub(crate) fn problem<K: Kind>(text: &str) -> (&'static str, String) {
    let config: K = toml::from_str(text).unwrap();
    let problem = config.check().unwrap_err();
    (problem.key, problem.message)
}

/// Delivers a card to a receiver that answers so.
pub(crate) fn deliver(sink: impl Fn(&Receiver) -> Box<dyn Sink>, reply: Reply) -> Result<Receipt, Failure> {
    let receiver = Receiver::start([reply]);
    sink(&receiver).deliver(&of_card(&card(), None))
}

/// What may pass is tried later, in the time that is asked for; what stays is refused; no secret is said.
pub(crate) fn failures_are_taken_as_they_are_meant(
    sink: impl Fn(&Receiver) -> Box<dyn Sink> + Copy,
    secrets: &[&str],
) {
    let clean = |reason: &str| {
        assert!(!reason.contains('\n') && !secrets.iter().any(|secret| reason.contains(secret)), "{reason}");
    };
    let later = [
        Reply::With(429, &["Retry-After: 7"], String::new()),
        Reply::With(500, &[], "oh no".to_owned()),
        Reply::status(503),
        Reply::Hang,
        Reply::Reset,
        Reply::Garbage,
        Reply::ok("<html>a portal of the hotel</html>"),
        Reply::ok("[1, 2"),
    ];
    for reply in later {
        let outcome = deliver(sink, reply.clone());
        let Err(Failure::Later { reason, after }) = outcome else { panic!("{reply:?}: {outcome:?}") };
        clean(&reason);
        if let Reply::With(429, ..) = reply {
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }
    for status in [302, 400, 401, 403, 404, 410] {
        let outcome = deliver(sink, Reply::With(status, &[], "no\nway".to_owned()));
        let Err(Failure::Refused { reason }) = outcome else { panic!("{status}: {outcome:?}") };
        assert!(reason.contains(&status.to_string()), "{reason}");
        clean(&reason);
    }
}

/// Panics where Markdown holds anything but words outside of code, and the bold names of sections.
pub(crate) fn assert_literal(markdown: &str) {
    let mut is_block = false;
    for line in markdown.lines() {
        if line == "```" {
            is_block = !is_block;
            continue;
        }
        if is_block {
            assert!(!line.contains("```"), "{markdown}");
            continue;
        }
        let bold = line.strip_prefix("**").and_then(|line| line.strip_suffix("**"));
        let parts: Vec<&str> = bold.unwrap_or(line).split('`').collect();
        assert_eq!(parts.len() % 2, 1, "a span is open: {line}");
        assert!(bold.is_none() || parts.len() == 1, "{line}");
        for (index, part) in parts.iter().enumerate() {
            if index % 2 == 1 {
                assert!(!part.is_empty(), "two accents side by side: {line}");
            } else {
                assert_words(part);
            }
        }
    }
    assert!(!is_block, "a block is open: {markdown}");
}

/// Panics where a text holds what some channel takes for more than words.
pub(crate) fn assert_words(text: &str) {
    const PUNCTUATION: &str = " ,;.:!?'\"()-%…•\n’🔴🟠🟡🔵⚪";
    for character in text.chars() {
        assert!(character.is_alphanumeric() || PUNCTUATION.contains(character), "{character:?} in {text:?}");
    }
    let characters: Vec<char> = text.chars().collect();
    for pair in characters.windows(2) {
        assert!(!(pair[0] == '.' && pair[1].is_alphanumeric()), "an address in {text:?}");
        assert!(!(pair[0] == ':' && pair[1].is_alphanumeric()), "a name in colons in {text:?}");
    }
}

/// Every string in a value, with the key that it stands under.
pub(crate) fn strings<'a>(value: &'a Value, key: &'a str, into: &mut Vec<(&'a str, &'a str)>) {
    match value {
        Value::String(text) => into.push((key, text)),
        Value::Array(values) => values.iter().for_each(|value| strings(value, key, into)),
        Value::Object(object) => object.iter().for_each(|(key, value)| strings(value, key, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Length as services count it that speak UTF-16.
pub(crate) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
