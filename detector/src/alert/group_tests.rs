//! What grouping promises.

use indexmap::IndexMap;
use serde_json::Value;

use super::*;
use crate::alert::{Coverage, Level, RuleRef};
use crate::event::Ticks;

fn alert(summary: &str) -> Alert {
    Alert {
        schema: String::new(),
        id: summary.to_owned(),
        time: String::new(),
        host: String::new(),
        level: Level::Low,
        title: String::new(),
        summary: summary.to_owned(),
        rule: RuleRef { id: String::new(), title: String::new(), tags: Vec::new(), file: String::new() },
        agent: None,
        process: None,
        evidence: vec![evidence(summary)],
        incident: String::new(),
        counter_evidence: Vec::new(),
        subject: None,
        task: None,
        tool_call: None,
        response: Vec::new(),
        coverage: Coverage::default(),
        count: 1,
        latency_us: 0,
    }
}

fn evidence(text: &str) -> Evidence {
    let fields = IndexMap::from([("Image".to_owned(), Value::from(text))]);
    Evidence { time: String::new(), kind: String::new(), text: text.to_owned(), fields }
}

fn key(pid: u32) -> Key {
    Key { rule: 1, agent: AgentId(1), root: ProcessId { pid, start: Ticks(1) }, declared: false }
}

#[test]
fn a_single_alert_gets_no_update() {
    let (mut groups, mut out) = (Groups::new(Limits::default()), Vec::new());
    groups.open(key(1), Nanos(0), Nanos(0), &alert("a"), &mut out);
    groups.tick(Nanos(60_000_000_000), &mut out);
    assert_eq!((out.len(), groups.len(), groups.bytes), (0, 0, 0));
}

#[test]
fn different_evidence_is_kept_and_the_same_is_not() {
    let (mut groups, mut out) = (Groups::new(Limits::default()), Vec::new());
    groups.open(key(1), Nanos(0), Nanos(0), &alert("a"), &mut out);
    for text in ["a", "b", "b", "c"] {
        assert!(groups.repeat(&key(1), Nanos(1), || evidence(text)));
    }
    assert!(!groups.repeat(&key(2), Nanos(1), || evidence("a")));
    groups.finish(&mut out);
    let texts: Vec<_> = out[0].evidence.iter().map(|evidence| evidence.text.as_str()).collect();
    assert_eq!((out[0].count, texts), (5, vec!["a", "b", "c"]));
    assert_eq!(groups.bytes, 0);
}

#[test]
fn a_repeat_after_the_window_opens_a_new_group_and_closes_the_old() {
    let (mut groups, mut out) = (Groups::new(Limits::default()), Vec::new());
    groups.open(key(1), Nanos(0), Nanos(0), &alert("a"), &mut out);
    assert!(groups.repeat(&key(1), Nanos(1), || evidence("a")));
    // No tick came in between.
    assert!(!groups.repeat(&key(1), Nanos(60_000_000_000), || evidence("b")));
    groups.open(key(1), Nanos(0), Nanos(60_000_000_000), &alert("b"), &mut out);
    assert_eq!(out.iter().map(|alert| alert.count).collect::<Vec<_>>(), [2]);
    groups.tick(Nanos(60_000_000_001), &mut out);
    assert_eq!(groups.len(), 1);
    groups.tick(Nanos(120_000_000_000), &mut out);
    assert_eq!((out.len(), groups.len(), groups.order.len(), groups.bytes), (1, 0, 0, 0));
}

#[test]
fn big_alerts_take_no_more_memory_than_allowed() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let (mut groups, mut out) = (Groups::new(limits), Vec::new());
    for pid in 0..1_000 {
        groups.open(key(pid), Nanos(0), Nanos(0), &alert(&"x".repeat(50_000)), &mut out);
        assert!(groups.bytes <= 1 << 20);
    }
    assert!(groups.cut_short() > 900);
}

#[test]
fn a_tool_call_that_is_told_later_comes_with_the_close() {
    let mut groups = Groups::new(Limits::default());
    let mut out = Vec::new();
    groups.open(key(1), Nanos(5), Nanos(9), &alert("a"), &mut out);
    groups.open(key(2), Nanos(7), Nanos(9), &alert("b"), &mut out);
    let call = ToolCall {
        id: "x".to_owned(),
        name: "bash".to_owned(),
        conversation: None,
        started: String::new(),
        in_flight: None,
    };
    groups.told(|agent, time| (agent == AgentId(1) && time == Nanos(5)).then(|| call.clone()));
    groups.told(|_, time| {
        assert_ne!(time, Nanos(5), "what has a call is not asked for again");
        None
    });
    groups.finish(&mut out);
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].count, out[0].tool_call.as_ref()), (1, Some(&call)));
}
