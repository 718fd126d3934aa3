//! Alerts for people on a terminal: a card of a few lines.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

pub mod card;

use super::{Body, Failure, Message, Receipt, Sink, SinkError};
use crate::alert::escape::{clip, escape};
use crate::alert::{Alert, Level, TaskRef, ToolCall, changed};

/// Whether cards are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI sequences.
    On,
    /// Plain text.
    Off,
}

impl Colour {
    /// Coloured on a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or the terminal is dumb.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !refused { Self::On } else { Self::Off }
    }

    /// A level's name in its colour.
    pub(crate) fn level(self, level: Level) -> String {
        self.paint(codes(level), level.name())
    }

    fn badge(self, level: Level) -> String {
        let name = level.name().to_uppercase();
        match self {
            Self::On => self.paint(codes(level), &format!(" {name} ")),
            Self::Off => name,
        }
    }

    /// Text with ANSI codes around it, where it is coloured.
    pub(crate) fn paint(self, codes: &str, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{codes}m{text}\u{1b}[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

/// Standard error, as a sink.
#[derive(Debug)]
pub struct Terminal(pub Colour);

impl Sink for Terminal {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let text = match message.body {
            Body::Alert(alert) => card(alert, self.0),
            Body::Card(card) => card::text(card, self.0),
        };
        std::io::stderr().lock().write_all(text.as_bytes()).map_err(SinkError::Stream)?;
        Ok(Receipt::default())
    }
}

/// Most characters of a line.
const MOST: usize = 240;

/// Most ancestors that are shown.
const ANCESTORS: usize = 5;

/// One alert as a card, with its last newline. Control and direction characters are written `\u{..}`.
pub fn card(alert: &Alert, colour: Colour) -> String {
    let Alert {
        schema: _,
        id,
        time,
        host,
        level,
        title,
        summary,
        rule,
        agent,
        process,
        evidence,
        task,
        tool_call,
        response,
        coverage,
        count,
        latency_us,
        incident,
        counter_evidence,
        subject: _,
    } = alert;
    let mut out = String::new();
    let badge = colour.badge(*level);
    let _ = writeln!(out, "{badge} {}", colour.paint("1", &escape(title)));
    let mut row = |name: &str, text: &str| {
        let _ = writeln!(out, "  {} {text}", colour.paint("2", &format!("{name:<9}")));
    };
    row("what", &clip(summary, 4 * MOST));
    if let Some(agent) = agent {
        let mut text = format!("{}  {}", clip(&agent.name, MOST), clip(&agent.cgroup, MOST));
        for (what, name) in [("container", &agent.container), ("pod", &agent.pod)] {
            if let Some(name) = name {
                let _ = write!(text, "  {what} {}", clip(name, 64));
            }
        }
        row("agent", &text);
    }
    if let Some(process) = process {
        let command = clip(&process.argv.join(" "), MOST);
        row("process", &format!("{} {}  (uid {})", process.pid, named(&process.exe, &command), process.uid));
        for above in process.ancestors.iter().take(ANCESTORS) {
            row("  under", &format!("{} {}", above.pid, named(&above.exe, &clip(&above.command_line, MOST))));
        }
        if process.ancestors.len() > ANCESTORS {
            row("  under", &format!("… {} more", process.ancestors.len() - ANCESTORS));
        }
    }
    for fact in evidence {
        row("evidence", &format!("{}  {}", clock(&fact.time), clip(&fact.text, 4 * MOST)));
        for (sign, line) in changed::lines(fact) {
            row("", &format!("{sign}{}", clip(line, MOST)));
        }
    }
    for fact in counter_evidence {
        row("against", &clip(fact, 4 * MOST));
    }
    if let Some(task) = task {
        row("task", &task_line(task));
    }
    if let Some(call) = tool_call {
        row("tool call", &tool_call_line(call));
    }
    for done in response {
        row("response", &format!("{} ({}): {}", done.action, done.mode, clip(&done.outcome, MOST)));
    }
    if *count > 1 {
        row("count", &format!("{count} times in this process tree"));
    }
    if coverage.events_lost > 0 {
        row("lost", &format!("{} events of this agent were lost", coverage.events_lost));
    }
    let at = format!("{} on {}, {} after the event", escape(time), escape(host), duration(*latency_us));
    row("when", &at);
    row("alert", &format!("{}  rule {}", escape(id), escape(&rule.id)));
    row("incident", &escape(incident));
    out
}

fn task_line(task: &TaskRef) -> String {
    let TaskRef { id, name, started, expects, declares, lowered_from } = task;
    let mut text = format!("{} ({}), since {}", clip(name, MOST), clip(id, 64), clip(clock(started), 64));
    if let Some(declares) = declares {
        let _ = write!(text, ", declares {}", clip(declares, MOST));
        if let Some(level) = lowered_from {
            let _ = write!(text, ": otherwise {}", level.name());
        }
    } else if expects.is_empty() {
        text.push_str(", expects nothing of note");
    } else {
        let _ = write!(text, ", expects {}", clip(&expects.join(", "), MOST));
    }
    text
}

fn tool_call_line(call: &ToolCall) -> String {
    let ToolCall { id, name, conversation, started, in_flight } = call;
    let mut text = format!("{} {}, since {}", clip(name, MOST), clip(id, MOST), clip(clock(started), 64));
    if let Some(conversation) = conversation {
        let _ = write!(text, ", conversation {}", clip(conversation, 100));
    }
    if let Some(count) = in_flight {
        let _ = write!(text, ", the latest of {count} in flight");
    }
    text
}

fn codes(level: Level) -> &'static str {
    match level {
        Level::Informational => "1;30;47",
        Level::Low => "1;30;46",
        Level::Medium => "1;30;43",
        Level::High => "1;97;41",
        Level::Critical => "1;97;45",
    }
}

/// The command line, after the executable where that is not its first word.
fn named(exe: &str, command: &str) -> String {
    let exe = clip(exe, MOST);
    match (exe.is_empty(), command.is_empty()) {
        (true, true) => "(unknown)".to_owned(),
        (true, false) => command.to_owned(),
        (false, true) => exe,
        (false, false) if command.split(' ').next() == Some(&exe) => command.to_owned(),
        (false, false) => format!("{exe}: {command}"),
    }
}

/// The time of day of an RFC 3339 time, to the millisecond.
fn clock(time: &str) -> &str {
    time.get(11..23).unwrap_or(time)
}

fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{:01} ms", micros / 1_000, micros % 1_000 / 100),
        1_000_000.. => format!("{}.{:01} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::alert::{AgentRef, Ancestor, Coverage, Evidence, ProcessRef, RuleRef, SCHEMA};

    pub(crate) fn alert() -> Alert {
        Alert {
            schema: SCHEMA.to_owned(),
            id: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            time: "2026-03-02T10:20:30.123456789Z".to_owned(),
            host: "node-1".to_owned(),
            level: Level::Critical,
            title: "Known miner executed".to_owned(),
            summary: "coder ran xmrig".to_owned(),
            rule: RuleRef {
                id: "0b7c".to_owned(),
                title: "Known miner executed".to_owned(),
                tags: Vec::new(),
                file: "rules/mining/xmrig.yml".to_owned(),
            },
            agent: Some(AgentRef {
                name: "coder".to_owned(),
                cgroup: "/agents/coder-1".to_owned(),
                container: None,
                pod: None,
            }),
            process: Some(ProcessRef {
                pid: 7,
                start: 70,
                exe: "/tmp/\u{202e}xmrig".to_owned(),
                argv: vec!["xmrig".to_owned(), "a\u{1b}[2Jb\nc".to_owned()],
                uid: 1000,
                cwd: "/tmp".to_owned(),
                ancestors: vec![Ancestor {
                    pid: 6,
                    exe: "/bin/sh".to_owned(),
                    command_line: "/bin/sh -c x".to_owned(),
                }],
            }),
            evidence: vec![Evidence {
                time: "2026-03-02T10:20:30.123456789Z".to_owned(),
                kind: "exec".to_owned(),
                text: "pid 7 executed /tmp/xmrig".to_owned(),
                fields: indexmap::IndexMap::new(),
            }],
            incident: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            counter_evidence: Vec::new(),
            subject: None,
            task: None,
            tool_call: None,
            response: Vec::new(),
            coverage: Coverage { events_lost: 3, gaps: Vec::new() },
            count: 2,
            latency_us: 1_234,
        }
    }

    #[test]
    fn a_card_is_plain_and_escaped_without_colour() {
        expect_test::expect![[r"
            CRITICAL Known miner executed
              what      coder ran xmrig
              agent     coder  /agents/coder-1
              process   7 /tmp/\u{202e}xmrig: xmrig a\u{1b}[2Jb\u{a}c  (uid 1000)
                under   6 /bin/sh -c x
              evidence  10:20:30.123  pid 7 executed /tmp/xmrig
              count     2 times in this process tree
              lost      3 events of this agent were lost
              when      2026-03-02T10:20:30.123456789Z on node-1, 1.2 ms after the event
              alert     01HF7YAT00QW5V9ZK8TD4M2C3R  rule 0b7c
              incident  01HF7YAT00QW5V9ZK8TD4M2C3R
        "]]
        .assert_eq(&card(&alert(), Colour::Off));
    }

    #[test]
    fn a_card_names_the_task_and_the_tool_call() {
        let mut alert = alert();
        alert.task = Some(TaskRef {
            id: "t1".to_owned(),
            name: "train\u{1b}".to_owned(),
            started: "2026-03-02T10:00:00.000000000Z".to_owned(),
            expects: vec!["gpu".to_owned(), "listen:8000".to_owned()],
            declares: Some("listen:8000".to_owned()),
            lowered_from: Some(Level::Low),
        });
        alert.tool_call = Some(ToolCall {
            id: "call_7".to_owned(),
            name: "bash".to_owned(),
            conversation: None,
            started: "2026-03-02T10:20:00.000000000Z".to_owned(),
            in_flight: Some(2),
        });
        let card = card(&alert, Colour::Off);
        let task = "  task      train\\u{1b} (t1), since 10:00:00.000, declares listen:8000: otherwise low\n";
        let call = "  tool call bash call_7, since 10:20:00.000, the latest of 2 in flight\n";
        assert!(card.contains(task) && card.contains(call), "{card}");
    }

    #[test]
    fn lines_that_came_and_went_have_signs() {
        let mut alert = alert();
        alert.evidence[0].fields = indexmap::IndexMap::from_iter([
            ("ChangeAdded".to_owned(), serde_json::json!(["a\u{1b}[2J", "b"])),
            ("ChangeRemoved".to_owned(), serde_json::json!(["c"])),
        ]);
        let card = card(&alert, Colour::Off);
        let lines: Vec<&str> = card.lines().filter(|line| line.starts_with("            ")).collect();
        assert_eq!(lines, ["            - c", "            + a\\u{1b}[2J", "            + b"], "{card}");
    }

    #[test]
    fn only_our_own_sequences_are_in_a_coloured_card() {
        let card = card(&alert(), Colour::On);
        let painted = card.matches('\u{1b}').count();
        assert_eq!(painted, card.matches("\u{1b}[0m").count() * 2);
    }
}
