//! A rich alert and a rich card to send, and the same with hostile texts in every field.

use detector::alert::card::{About, Card, Command, Line, SCHEMA as CARD_SCHEMA, Section};
use detector::alert::{
    AgentRef, Alert, Ancestor, Coverage, Evidence, Level, ProcessRef, ResponseRef, RuleRef,
    SCHEMA as ALERT_SCHEMA, TaskRef, ToolCall,
};
use detector::sinks::{Body, Message};
use serde_json::{Value, json};

/// Texts that would ping, link, or break markup, JSON or a line, where they are not escaped.
pub(crate) const HOSTILE: &[&str] = &[
    "@everyone @here @channel @all @room @admin",
    "<!channel> <!here> <!everyone> <@U1> <#C1> <!subteam^S1> <http://evil.example|click>",
    "<@123456789012345678> <@&123456789012345678> <#123456789012345678> </run:1> <t:0:R> <:smile:1>",
    "[click](http://evil.example) ![x](http://evil.example/x.png) [click]: http://evil.example",
    "http://evil.example/?q=1 https://evil.example www.evil.example mailto:a@evil.example",
    "``` `x` ```` ~~~ ``",
    "*bold* _italic_ ~~gone~~ ||spoiler|| __under__ > quote",
    "> quote",
    "# head",
    "- item",
    "1. item",
    "-# small",
    "| a | b |",
    "</b></code></pre><a href=\"http://evil.example\">x</a><script>alert(1)</script>",
    "&lt;!channel&gt; &amp; &#64;everyone &nbsp;",
    "\u{202e}gnp.exe\u{202c} a\u{200b}b \u{1b}[2J \u{7} \u{0} \u{feff}",
    "line one\nline two\r\n\r\n# line three\u{2028}line four",
    "quote \" backslash \\ brace } bracket ] tab \t",
    "\\*x\\* \\<!channel> \\`x\\` \\",
    "$x$ \\(x\\) :smile: ~channel ^S1 %s %n {{ alert }} ${HOME} $(id)",
];

/// One long text of hostile ones.
pub(crate) fn long() -> String {
    HOSTILE.join(" ").repeat(1 + 10_000 / HOSTILE.join(" ").len())
}

/// A message about an alert.
pub(crate) fn of_alert(alert: &Alert) -> Message<'_> {
    Message { key: "01KZ.slack.1", body: Body::Alert(alert), reference: None }
}

/// A message about a card, the first or one that updates another.
pub(crate) fn of_card<'a>(card: &'a Card, reference: Option<&'a str>) -> Message<'a> {
    Message { key: "01KZ.slack.1", body: Body::Card(card), reference }
}

/// An alert with everything that an alert can have.
pub(crate) fn alert() -> Alert {
    let fields = [("Image".to_owned(), json!("/tmp/xmrig")), ("CommandLine".to_owned(), json!("xmrig -o x"))];
    Alert {
        schema: ALERT_SCHEMA.to_owned(),
        id: "01KZALERT00000000000000001".to_owned(),
        incident: "01KZINCIDENT00000000000001".to_owned(),
        time: "2026-11-21T03:00:01.250000000Z".to_owned(),
        host: "gpu-7".to_owned(),
        level: Level::Critical,
        title: "Known miner executed".to_owned(),
        summary: "Agent training executed /tmp/xmrig, a known miner.".to_owned(),
        rule: RuleRef {
            id: "0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01".to_owned(),
            title: "Known miner executed".to_owned(),
            tags: vec!["attack.impact".to_owned(), "attack.t1496".to_owned()],
            file: "rules/mining/known.yml".to_owned(),
        },
        agent: Some(AgentRef {
            name: "training".to_owned(),
            cgroup: "/agents/training".to_owned(),
            container: None,
            pod: None,
        }),
        process: Some(ProcessRef {
            pid: 4_242,
            start: 99_887,
            exe: "/tmp/xmrig".to_owned(),
            argv: vec!["xmrig".to_owned(), "-o".to_owned(), "pool.example:3333".to_owned()],
            uid: 1_000,
            cwd: "/workspace".to_owned(),
            ancestors: vec![Ancestor {
                pid: 4_200,
                exe: "/usr/bin/bash".to_owned(),
                command_line: "bash -c ./run.sh".to_owned(),
            }],
        }),
        evidence: vec![Evidence {
            time: "2026-11-21T03:00:01.250000000Z".to_owned(),
            kind: "exec".to_owned(),
            text: "4242 executed /tmp/xmrig".to_owned(),
            fields: fields.into_iter().collect(),
        }],
        counter_evidence: vec!["the file came from a package".to_owned()],
        task: Some(TaskRef {
            id: "run-7".to_owned(),
            name: "nightly training".to_owned(),
            started: "2026-11-21T02:00:00Z".to_owned(),
            expects: vec!["gpu".to_owned()],
            declares: None,
            lowered_from: None,
        }),
        tool_call: Some(ToolCall {
            id: "call_1".to_owned(),
            name: "shell".to_owned(),
            conversation: None,
            started: "2026-11-21T03:00:00Z".to_owned(),
            in_flight: None,
        }),
        response: vec![ResponseRef {
            action: "kill".to_owned(),
            mode: "observe".to_owned(),
            outcome: "would have been done".to_owned(),
            took_ms: 3,
        }],
        coverage: Coverage { events_lost: 2, gaps: vec!["no GPU telemetry".to_owned()] },
        count: 3,
        latency_us: 812,
        subject: None,
    }
}

/// The same with `text` in every field that an agent can reach.
pub(crate) fn hostile_alert(text: &str) -> Alert {
    let clean = alert();
    let mut value = serde_json::to_value(&clean).unwrap();
    fill(&mut value, text, &["schema", "id", "incident", "time", "level", "mode", "started", "kind"]);
    serde_json::from_value(value).unwrap()
}

/// A card with many sections, as an incident has.
pub(crate) fn card() -> Card {
    let line = |label: &str, text: &str| Line { label: label.to_owned(), text: text.to_owned(), code: false };
    let code = |label: &str, text: &str| Line { code: true, ..line(label, text) };
    let section = |name: &str, lines: Vec<Line>| Section { name: name.to_owned(), lines };
    Card {
        schema: CARD_SCHEMA.to_owned(),
        about: About::Incident,
        id: "01KZINCIDENT00000000000001".to_owned(),
        revision: 1,
        level: Level::Critical,
        host: "gpu-7".to_owned(),
        time: "2026-11-21T03:00:01.250000000Z".to_owned(),
        updated: "2026-11-21T03:00:04.500000000Z".to_owned(),
        title: "Known miner executed".to_owned(),
        sentence: "Agent training executed /tmp/xmrig, a known miner.".to_owned(),
        agent: Some("training".to_owned()),
        rules: vec!["0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01".to_owned()],
        tags: vec!["attack.impact".to_owned(), "attack.t1496".to_owned()],
        findings: 3,
        news: Vec::new(),
        sections: vec![
            section(
                "Agent",
                vec![
                    line("agent", "training, /agents/training"),
                    line("task", "nightly training (run-7), since 02:00:00"),
                    line("tool call", "shell (call_1), since 03:00:00"),
                ],
            ),
            section(
                "Process",
                vec![
                    code("4242", "/tmp/xmrig -o pool.example:3333 -u wallet"),
                    code("4200", "bash -c ./run.sh"),
                    code("4100", "/usr/bin/python3 agent.py"),
                ],
            ),
            section(
                "Evidence",
                vec![
                    line("03:00:01", "4242 executed /tmp/xmrig"),
                    line("03:00:02", "4242 connected to 192.0.2.7:3333"),
                    line("03:00:04", "4242 logged in to a mining pool"),
                ],
            ),
            section("Against it", vec![line("", "the file came from a package")]),
            section("What was done", vec![line("", "kill: would have been done (observe)")]),
            section("Not seen", vec![line("", "2 events of this agent were lost")]),
        ],
        commands: vec![
            Command {
                what: "look closer".to_owned(),
                line: "detector explain 01KZINCIDENT00000000000001".to_owned(),
            },
            Command { what: "stop it".to_owned(), line: "kill -STOP 4242".to_owned() },
        ],
    }
}

/// The card once more has happened.
pub(crate) fn grown_card() -> Card {
    Card {
        revision: 2,
        findings: 5,
        news: vec!["4242 opened 12 more connections.".to_owned(), "4300 wrote /etc/cron.d/x.".to_owned()],
        ..card()
    }
}

/// The grown card with `text` in every field that an agent can reach.
pub(crate) fn hostile_card(text: &str) -> Card {
    let mut value = serde_json::to_value(grown_card()).unwrap();
    fill(&mut value, text, &["schema", "about", "id", "level", "time", "updated"]);
    serde_json::from_value(value).unwrap()
}

/// A card that is far too long: many sections of many long lines.
pub(crate) fn huge_card() -> Card {
    let mut card = hostile_card(&long());
    let sections = card.sections.clone();
    for _ in 0..8 {
        card.sections.extend(sections.clone());
    }
    for section in &mut card.sections {
        let lines = section.lines.clone();
        for _ in 0..6 {
            section.lines.extend(lines.clone());
        }
    }
    card
}

/// Puts `text` in every string below `value` but those of these keys.
fn fill(value: &mut Value, text: &str, but: &[&str]) {
    match value {
        Value::String(string) => text.clone_into(string),
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, text, but)),
        Value::Object(values) => {
            for (key, value) in values {
                if !but.contains(&&**key) {
                    fill(value, text, but);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Texts of characters that mean something somewhere, the same each time.
pub(crate) fn random() -> impl Iterator<Item = String> {
    let alphabet: Vec<char> =
        "ab1 9 .,:;!?()[]{}<>@#*_~`|/\\'\"-+=$%&^é字\u{202e}\u{200b}\n\t\r🔴httpwwchannelhere"
            .chars()
            .collect();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap()
    };
    (0..60).map(move |_| (0..1 + next() % 80).map(|_| alphabet[next() % alphabet.len()]).collect())
}

/// Cards that are hard to show: hostile, random, long, empty.
pub(crate) fn hard_cards() -> impl Iterator<Item = Card> {
    let texts = HOSTILE.iter().map(|text| (*text).to_owned()).chain([long(), String::new(), " ".to_owned()]);
    texts.chain(random()).map(|text| hostile_card(&text)).chain([huge_card()])
}
