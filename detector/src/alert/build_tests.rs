//! What an alert is made of.

use std::sync::Arc;

use super::*;
use crate::alert::{Alert, Level};
use crate::event::{AgentId, CgroupId, Event, EventKind, Ticks};
use crate::pipeline::sample;
use crate::process::ProcessTable;

fn judge(exec: Exec) -> Alert {
    let event = Event {
        time: Nanos(1_700_000_000_123_456_789),
        received: Nanos(1_700_000_000_124_456_789),
        agent: AgentId(1),
        process: ProcessId { pid: 7, start: Ticks(70) },
        thread: 7,
        uid: 1000,
        cgroup: CgroupId(4),
        kind: EventKind::Exec(Arc::new(exec)),
    };
    let mut table = ProcessTable::default();
    table.apply(&event);
    let subject = Subject {
        hostname: None,
        actor: None,
        change: None,
        what: What::Event(&event),
        table: &table,
        agent_name: Some("coder"),
        cgroup_path: Some("/agents/coder"),
        container: None,
        pod: None,
        canaries: &crate::canary::Strings::default(),
        tasks: &crate::task::Ledger::default(),
    };
    let mut findings = Vec::new();
    sample::rules().judge(&subject, &mut findings);
    let context =
        Context { host: "node-1", coverage: Coverage::default(), sequence: 1, incident: String::new() };
    alert(findings.first().expect("the miner rule matches"), &subject, context)
}

fn miner(argv: Vec<Box<str>>) -> Exec {
    Exec { exe: "/tmp/xmrig".into(), argv, cwd: "/tmp".into(), ..Exec::default() }
}

#[test]
fn an_alert_says_who_what_and_when() {
    let alert = judge(miner(vec!["xmrig".into(), "-o".into(), "pool:3333".into()]));
    assert_eq!((alert.schema.as_str(), alert.level, alert.count), (SCHEMA, Level::Critical, 1));
    assert_eq!(alert.time, "2023-11-14T22:13:20.123456789Z");
    assert_eq!(alert.latency_us, 1_000);
    assert_eq!(alert.id.len(), 26);
    // The first ten characters of a ULID are milliseconds.
    assert_eq!(Ulid::from_string(&alert.id).unwrap().timestamp_ms(), 1_700_000_000_123);
    assert_eq!(alert.evidence[0].text, "pid 7 executed /tmp/xmrig (a deleted file): xmrig -o pool:3333");
    assert_eq!(alert.evidence[0].fields["Image"], "/tmp/xmrig");
}

#[test]
fn a_huge_argv_is_bounded_and_says_so() {
    let mut exec =
        miner(vec!["xmrig".into(), "a".repeat(60_000).into(), "b".repeat(60_000).into(), "c".into()]);
    exec.argv_truncated = Some(2 << 20);
    let process = judge(exec).process.unwrap();
    assert!(process.argv.iter().map(String::len).sum::<usize>() < ARGV_MOST + 200);
    let ends: Vec<_> =
        process.argv.iter().map(|argument| &argument[argument.len().saturating_sub(40)..]).collect();
    assert!(ends[2].ends_with("…[cut, 60000 bytes in all]"), "{ends:?}");
    assert_eq!(process.argv[3], "…[1 more arguments]");
    assert_eq!(process.argv[4], "…[cut by the sensor, 2097152 bytes in all]");
    let many = judge(miner(vec!["".into(); 100_000])).process.unwrap();
    assert!(many.argv.len() < 30_000);
}

#[test]
fn hostile_strings_never_break_a_line() {
    let hostile = "a\n\r\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{202e}\u{2028}\u{2029}\"\\\u{feff}z";
    let alert = judge(miner(vec!["xmrig".into(), hostile.into()]));
    let line = crate::sinks::stdout::line(&alert).unwrap();
    assert_eq!(line.lines().count(), 1);
    assert!(!line.trim_end_matches('\n').contains(crate::alert::escape::is_deceptive));
    let back: Alert = serde_json::from_str(&line).unwrap();
    assert_eq!(back, Alert { subject: None, ..alert.clone() });
    assert_eq!(back.process.unwrap().argv[1], hostile);
    assert!(!alert.summary.contains(crate::alert::escape::is_deceptive));
}

#[test]
fn command_lines_of_ancestors_are_cut() {
    let argv = vec!["é".repeat(150).into(), "ü".repeat(150_000).into()];
    let line = command_line(&argv);
    assert_eq!(line.chars().count(), COMMAND_MOST + 1);
    assert_eq!(command_line(&["a".into(), "b".into()]), "a b");
}

#[test]
fn the_subject_holds_every_field_within_bounds() {
    let argv = vec!["xmrig".into(), "-o".into(), "pool:3333".into(), "é".repeat(200_000).into()];
    let subject = judge(miner(argv)).subject.unwrap();
    assert_eq!(subject["Image"], "/tmp/xmrig");
    assert_eq!(subject["Agent"], "coder");
    assert_eq!(subject["Args"][2], "pool:3333");
    assert!(subject["MinerTokens"].is_array() && !subject.contains_key("Sni"));
    for (name, value) in &*subject {
        assert!(value.to_string().len() < 9_000, "{name}");
    }
    assert!(subject["CommandLine"].as_str().unwrap().ends_with("bytes in all]"));
    assert!(subject.values().map(|value| value.to_string().len()).sum::<usize>() < 70_000);
}
