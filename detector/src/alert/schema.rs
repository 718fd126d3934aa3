//! The published JSON schema, `detector/schema/alert-1.json`, against alerts as they are made.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, Event, EventKind, Exec, Lost, Nanos, ProcessId, Ticks};
use crate::pipeline::{Input, Pipeline, Settings, sample};

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("../../schema/alert-1.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn alerts() -> Vec<Value> {
    let mut pipeline = Pipeline::new(sample::rules(), Settings { host: "node-1".to_owned() });
    let path = format!("/docker/{}", "4d1c0b9b".repeat(8));
    let agent = Agent { id: AgentId(1), name: "coder".to_owned(), cgroup: CgroupId(40), path };
    pipeline.step(Input::AgentAdded(agent));
    let id = |pid: u32| ProcessId { pid, start: Ticks(9) };
    let event = |process, agent, kind| {
        Input::Event(Event {
            time: Nanos(1_700_000_000_000_000_000),
            received: Nanos(1_700_000_000_000_400_000),
            agent: AgentId(agent),
            process,
            thread: 1,
            uid: u32::MAX,
            cgroup: CgroupId(40),
            kind,
        })
    };
    let exec = |exe: &str, parent| {
        let argv = vec![exe.into(), "\u{2028}\u{0}".into(), "é".repeat(70_000).into()];
        EventKind::Exec(Arc::new(Exec { exe: exe.into(), argv, parent, ..Exec::default() }))
    };
    let lost = EventKind::Lost(Lost { what: "exec".into(), count: 7 });
    let inputs = [
        Input::Gaps(vec!["no file events".to_owned()]),
        event(id(1), 1, exec("/bin/sh", id(0))),
        event(id(2), 1, exec("/tmp/xmrig", id(1))),
        event(id(2), 1, exec("/var/xmrig", id(1))),
        event(ProcessId::default(), 0, lost),
        Input::Tick(Nanos(1_700_000_100_000_000_000)),
    ];
    inputs
        .into_iter()
        .flat_map(|input| pipeline.step(input).alerts)
        .map(|alert| serde_json::to_value(alert).unwrap())
        .collect()
}

#[test]
fn every_alert_fits_the_published_schema() {
    let schema = schema();
    let alerts = alerts();
    assert_eq!(alerts.len(), 3);
    for alert in &alerts {
        let errors: Vec<String> = schema.iter_errors(alert).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {alert:#}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_alert() {
    let schema = schema();
    let good = alerts().swap_remove(0);
    for (key, value) in [
        ("schema", json!("detector.alert/2")),
        ("id", json!("not a ulid")),
        ("time", json!("yesterday")),
        ("level", json!("severe")),
        ("count", json!(0)),
        ("evidence", json!([])),
        ("surprise", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!schema.is_valid(&bad), "{key}");
    }
}
