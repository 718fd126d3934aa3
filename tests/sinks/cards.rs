//! What sinks are given in these tests: a plain card, one that means harm, an alert; and the weather that every sink
//! that speaks HTTP has to stand.

use std::time::Duration;

use detector::alert::Alert;
use detector::alert::card::{About, Card, Command, Line, SCHEMA, Section};
use detector::alert::escape::is_deceptive;
use detector::sinks::{Body, Failure, Kind, Message, Receipt, Sink};
use serde_json::Value;

use crate::http::client;
use crate::receiver::{Receiver, Reply};

pub(crate) const ID: &str = "01HF7YAT00QW5V9ZK8TD4M2C3R";

/// What an agent may write into a name, an argument or a file, hoping that it ends up in a chat.
pub(crate) const HARM: &[&str] = &[
    "@everyone @here @channel @room @all <!channel> <!here> <@U0123> <users/all> <at>all</at>",
    "[your bank](http://evil.example) <http://evil.example|your bank> ![x](http://evil.example/x.png)",
    "<script>alert(1)</script><a href=\"http://evil.example\">safe</a><img src=x onerror=alert(1)>",
    "`` ` ``` **bold** _it_ ~~no~~ # head\n> quote\n\n---\n",
    "a\u{202e}gpj.exe\u{2066}\u{200b}\u{1b}[2J\u{7}\0\r\n\u{2028}",
    "\"quoted\" 'quoted' \\ \\u0022 \\\" }]} &amp; &lt; {{DATE(2017-02-14T06:00:00Z)}} ${x} @{y} %s",
    "–¡é字🦀\u{1F468}\u{200d}\u{1F469}",
];

/// A level's card of an incident.
pub(crate) fn card() -> Card {
    let line = |label: &str, text: &str, code: bool| Line {
        label: label.to_owned(),
        text: text.to_owned(),
        code,
    };
    let section = |name: &str, lines: Vec<Line>| Section { name: name.to_owned(), lines };
    Card {
        schema: SCHEMA.to_owned(),
        about: About::Incident,
        id: ID.to_owned(),
        revision: 1,
        level: detector::alert::Level::High,
        host: "node-1".to_owned(),
        time: "2026-03-02T10:20:30.123456789Z".to_owned(),
        updated: "2026-03-02T10:21:00Z".to_owned(),
        title: "Known miner executed".to_owned(),
        sentence: "coder downloaded xmrig and ran it".to_owned(),
        agent: Some("coder".to_owned()),
        rules: vec!["0b7c9c1e-0000-4000-8000-000000000001".to_owned()],
        tags: vec!["attack.t1496".to_owned(), "attack.impact".to_owned()],
        findings: 3,
        news: Vec::new(),
        sections: vec![
            section("Process", vec![line("7", "/tmp/xmrig -o pool.example:3333", true)]),
            section("Evidence", vec![line("10:20:30.123", "pid 7 executed /tmp/xmrig", false)]),
        ],
        commands: vec![Command { what: "look closer".to_owned(), line: format!("detector explain {ID}") }],
    }
}

/// The same, grown.
pub(crate) fn grown() -> Card {
    let mut card = card();
    card.revision = 2;
    card.findings = 4;
    card.updated = "2026-03-02T10:25:00Z".to_owned();
    card.news = vec!["coder connected to pool.example:3333".to_owned()];
    card
}

/// Harm in every field, and far too much of it.
pub(crate) fn hostile() -> Card {
    let mut card = card();
    let all = HARM.join(" ");
    card.title = all.clone();
    card.sentence = format!("{all} {}", "x".repeat(10_000));
    card.host = all.clone();
    card.agent = Some(all.clone());
    card.rules = vec![all.clone(); 30];
    card.tags = vec![all.clone(); 100];
    card.sections = HARM
        .iter()
        .map(|harm| Section {
            name: (*harm).to_owned(),
            lines: vec![
                Line { label: (*harm).to_owned(), text: (*harm).to_owned(), code: false },
                Line { label: String::new(), text: format!("{harm} {}", "y".repeat(10_000)), code: true },
            ],
        })
        .collect();
    for index in 0..100 {
        let lines = vec![Line { text: "\u{202e}\"<&".repeat(2_500), ..Line::default() }; 20];
        card.sections.push(Section { name: format!("more {index}"), lines });
    }
    card.commands.push(Command { what: all.clone(), line: format!("kill 7; echo {all}") });
    card.commands.push(Command { what: "too long".to_owned(), line: "z".repeat(10_000) });
    card
}

/// An alert, with this for the process's arguments and the summary.
pub(crate) fn alert(text: &str) -> Alert {
    serde_json::from_value(serde_json::json!({
        "schema": detector::alert::SCHEMA,
        "id": "01HF7YAT00QW5V9ZK8TD4M2C3S",
        "incident": ID,
        "time": "2026-03-02T10:20:30.123456789Z",
        "host": "node-1",
        "level": "high",
        "title": "Known miner executed",
        "summary": text,
        "rule": {
            "id": "0b7c9c1e-0000-4000-8000-000000000001", "title": "Known miner executed",
            "tags": ["attack.t1496"], "file": "rules/mining/xmrig.yml",
        },
        "agent": { "name": "coder", "cgroup": "/agents/coder-1", "container": "4d1c0b9b" },
        "process": {
            "pid": 7, "start": 70, "exe": "/tmp/xmrig", "argv": ["xmrig", text], "uid": 4294967295_u32,
            "cwd": "/tmp", "ancestors": [{ "pid": 6, "exe": "/bin/sh", "command_line": text }],
        },
        "evidence": [
            { "time": "2026-03-02T10:20:30.123456789Z", "kind": "exec", "text": text, "fields": {} },
        ],
        "counter_evidence": [text],
        "task": { "id": "t1", "name": text, "started": "2026-03-02T10:00:00Z", "expects": [] },
        "tool_call": { "id": "call_7", "name": "bash", "started": "2026-03-02T10:20:00Z" },
        "response": [{ "action": "kill", "mode": "observe", "outcome": text, "took_ms": 1 }],
        "coverage": { "events_lost": 18446744073709551615_u64, "gaps": [text] },
        "count": 2,
        "latency_us": 1234,
    }))
    .unwrap()
}

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
    for reply in [busy, Reply::status(500), Reply::status(503), page, Reply::Reset, Reply::Hang, Reply::Garbage] {
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
