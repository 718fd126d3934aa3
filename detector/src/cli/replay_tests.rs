//! What `detector replay` promises.

use std::fs;
use std::sync::Arc;

use clap::Parser;

use super::*;
use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, Event, EventKind, Exec, Nanos, ProcessId, Ticks};
use crate::pipeline::sample;
use crate::recording::{Header, Recorder};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    Command::try_parse_from(std::iter::once("replay").chain(words.iter().copied())).unwrap().args
}

fn record(path: &Path) {
    let header = Header {
        host: "node-1".to_owned(),
        kernel: "6.12.0".to_owned(),
        detector: "0.1.0".to_owned(),
        started: Nanos(0),
    };
    let mut recorder = Recorder::create(path, &header).unwrap();
    let mut write = |input| {
        recorder.write(&input).unwrap();
        recorder.flush().unwrap();
    };
    let agent = Agent { id: AgentId(1), name: "a".to_owned(), cgroup: CgroupId(4), path: "/a".to_owned() };
    write(Input::AgentAdded(agent));
    for second in 0..500 {
        let id = |pid: u32| ProcessId { pid, start: Ticks(u64::from(pid)) };
        let pid = second + 2;
        let time = Nanos(1_700_000_000_000_000_000 + u64::from(second) * 1_000_000_000);
        let exec = Exec {
            exe: if second % 3 == 0 { "/tmp/xmrig".into() } else { "/bin/true".into() },
            argv: vec![format!("run-{second}").into()],
            parent: id(1 + pid / 50),
            ..Exec::default()
        };
        write(Input::Event(Event {
            time,
            received: Nanos(time.0 + 100_000),
            agent: AgentId(1),
            process: id(pid),
            thread: pid,
            uid: 0,
            cgroup: CgroupId(4),
            kind: EventKind::Exec(Arc::new(exec)),
        }));
        write(Input::Tick(time));
    }
    recorder.finish().unwrap();
}

#[test]
fn two_replays_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    record(&path);
    let once = || {
        let mut stats = Stats::default();
        let mut out = Sinks { out: Vec::new(), store: None };
        replay(&path, sample::rules(), &mut out, &mut stats).unwrap().unwrap();
        assert_eq!(stats.events, 500);
        out.out
    };
    let first = once();
    assert!(first.iter().filter(|byte| **byte == b'\n').count() > 10);
    assert!(first == once());
}

#[test]
fn a_cut_recording_gives_its_alerts_and_then_fails() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, cut) = (dir.path().join("a.rec"), dir.path().join("cut.rec"));
    record(&whole);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let mut stats = Stats::default();
    let mut out = Sinks { out: Vec::new(), store: None };
    let end = replay(&cut, sample::rules(), &mut out, &mut stats).unwrap();
    assert!(matches!(end, Err(RecordingError::Cut { .. })), "{end:?}");
    assert!(!out.out.is_empty());
    let alerts = dir.path().join("alerts.jsonl");
    let (alerts_arg, cut_arg) = (alerts.to_str().unwrap(), cut.to_str().unwrap());
    let code = run(&args(&["--no-builtin", "--alerts", alerts_arg, cut_arg])).unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
}

#[test]
fn replayed_alerts_land_in_a_store_once() {
    let dir = tempfile::tempdir().unwrap();
    let (path, store) = (dir.path().join("a.rec"), dir.path().join("state.db"));
    record(&path);
    let mut alerts = Vec::new();
    for _ in 0..2 {
        let mut out = Sinks { out: Vec::new(), store: Some(Store::open(&store).unwrap()) };
        let mut stats = Stats::default();
        replay(&path, sample::rules(), &mut out, &mut stats).unwrap().unwrap();
        alerts = out.store.unwrap().alerts(&crate::store::alerts::Filter::default()).unwrap();
    }
    let mut ids: Vec<&str> = alerts.iter().map(|stored| &*stored.alert.id).collect();
    let all = ids.len();
    ids.dedup();
    assert!(all > 3 && ids.len() == all, "{all}");
}

#[test]
fn no_file_is_bad_usage() {
    assert_eq!(Command::try_parse_from(["replay"]).err().unwrap().exit_code(), 2);
}
