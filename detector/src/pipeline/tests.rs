//! What the core promises as a whole.

use std::sync::Arc;

use super::*;
use crate::alert::Level;
use crate::event::{Exec, Exit, Fork, Lost, ProcessId, Ticks};

const SECOND: u64 = 1_000_000_000;

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: Ticks(u64::from(pid)) }
}

fn event(time: u64, pid: u32, kind: EventKind) -> Input {
    Input::Event(Event {
        time: Nanos(time),
        received: Nanos(time + 250_000),
        agent: AgentId(1),
        process: id(pid),
        thread: pid,
        uid: 1000,
        cgroup: CgroupId(40),
        kind,
    })
}

fn exec(time: u64, pid: u32, exe: &str) -> Input {
    let exec = Exec { exe: exe.into(), argv: vec![exe.into()], parent: id(1), ..Exec::default() };
    event(time, pid, EventKind::Exec(Arc::new(exec)))
}

fn fork(time: u64, pid: u32, child: u32) -> Input {
    event(time, pid, EventKind::Fork(Fork { child: id(child) }))
}

fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new(sample::rules(), Settings { host: "node-1".to_owned() });
    let agent =
        Agent { id: AgentId(1), name: "coder".into(), cgroup: CgroupId(40), path: "/agents/c".into() };
    pipeline.step(Input::AgentAdded(agent));
    pipeline
}

fn run(pipeline: &mut Pipeline, inputs: impl IntoIterator<Item = Input>) -> Vec<Alert> {
    let mut out = Outputs::default();
    for input in inputs {
        pipeline.step_into(input, &mut out);
    }
    out.alerts
}

#[test]
fn a_finding_becomes_an_alert_that_explains_itself() {
    let mut pipeline = pipeline();
    pipeline.step(Input::Gaps(vec!["no file events".to_owned()]));
    let alerts = run(
        &mut pipeline,
        [exec(SECOND, 1, "/bin/sh"), fork(2 * SECOND, 1, 2), exec(3 * SECOND, 2, "/tmp/xmrig")],
    );
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.level, Level::Critical);
    assert_eq!(alert.time, "1970-01-01T00:00:03.000000000Z");
    assert_eq!(alert.latency_us, 250);
    assert_eq!(alert.coverage.gaps, ["no file events"]);
    let agent = alert.agent.as_ref().unwrap();
    assert_eq!((agent.name.as_str(), agent.cgroup.as_str()), ("coder", "/agents/c"));
    let process = alert.process.as_ref().unwrap();
    assert_eq!((process.pid, process.exe.as_str()), (2, "/tmp/xmrig"));
    assert_eq!(process.ancestors.iter().map(|above| above.exe.as_str()).collect::<Vec<_>>(), ["/bin/sh"]);
    assert!(alert.summary.contains("coder") && alert.summary.contains("/tmp/xmrig"), "{}", alert.summary);
}

#[test]
fn repeats_in_one_tree_become_a_count() {
    let mut pipeline = pipeline();
    let mut inputs = vec![exec(SECOND, 1, "/bin/sh")];
    for pid in 2..102 {
        inputs.push(fork(2 * SECOND, 1, pid));
        inputs.push(exec(2 * SECOND, pid, "/tmp/xmrig"));
    }
    let first = run(&mut pipeline, inputs);
    assert_eq!(first.len(), 1);
    assert_eq!(run(&mut pipeline, [Input::Tick(Nanos(61 * SECOND))]), []);
    let update = run(&mut pipeline, [Input::Tick(Nanos(62 * SECOND))]);
    let [update] = update.as_slice() else { panic!("{update:?}") };
    assert_eq!((&update.id, update.count), (&first[0].id, 100));
    assert_eq!(update.evidence.len(), 8);
    assert_eq!(pipeline.finish().alerts, []);
    // The next one is a new alert.
    let next = run(&mut pipeline, [exec(63 * SECOND, 2, "/tmp/xmrig")]);
    assert_eq!(next.len(), 1);
    assert_ne!(next[0].id, first[0].id);
}

#[test]
fn grouping_stays_bounded_under_a_hundred_thousand_findings() {
    let mut pipeline = pipeline();
    let mut alerts = 0;
    for pid in 2..100_002 {
        // No common ancestor of the agent: each is a tree of its own.
        let Input::Event(mut event) = exec(SECOND, pid, "/tmp/xmrig") else { unreachable!() };
        event.kind = EventKind::Exec(Arc::new(Exec { exe: "/tmp/xmrig".into(), ..Exec::default() }));
        alerts += pipeline.step(Input::Event(event)).alerts.len();
    }
    assert_eq!(alerts, 100_000);
    let counters = pipeline.counters();
    assert_eq!(counters.groups, 4_096);
    assert_eq!(counters.groups_cut_short, 100_000 - 4_096);
}

#[test]
fn lost_events_are_said_and_counted_on_every_later_alert() {
    let mut pipeline = pipeline();
    let lost = |count| EventKind::Lost(Lost { what: "exec".into(), count });
    let alerts = run(&mut pipeline, [event(SECOND, 0, lost(7)), event(SECOND, 0, lost(5))]);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.process.as_ref(), alert.coverage.events_lost), (None, 7));
    let alerts = run(&mut pipeline, [exec(2 * SECOND, 9, "/tmp/xmrig")]);
    assert_eq!(alerts[0].coverage.events_lost, 12);
}

#[test]
fn a_daemon_becomes_an_observation_that_rules_judge() {
    let mut pipeline = pipeline();
    let alerts = run(
        &mut pipeline,
        [
            fork(SECOND, 1, 2),
            event(SECOND, 2, EventKind::Setsid),
            fork(SECOND, 2, 3),
            event(SECOND, 2, EventKind::Exit(Exit { user: 0, system: 0, code: 0, signal: None })),
            exec(2 * SECOND, 3, "/tmp/daemon"),
            Input::Tick(Nanos(3 * SECOND)),
        ],
    );
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.evidence[0].kind, "daemonised");
    assert_eq!(alert.process.as_ref().unwrap().pid, 3);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let once = || {
        let mut pipeline = pipeline();
        let mut inputs = Vec::new();
        for pid in 2..500 {
            inputs.push(fork(u64::from(pid) * SECOND / 4, 1 + pid / 7, pid));
            inputs.push(exec(u64::from(pid) * SECOND / 4, pid, "/tmp/xmrig"));
            inputs.push(Input::Tick(Nanos(u64::from(pid) * SECOND / 4)));
        }
        let mut alerts = run(&mut pipeline, inputs);
        alerts.extend(pipeline.finish().alerts);
        serde_json::to_string(&alerts).unwrap()
    };
    assert!(once() == once());
}
