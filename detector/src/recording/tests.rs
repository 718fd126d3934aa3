//! What a recording promises.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, Event, EventKind, Exec, Flow, Nanos, ProcessId, Protocol, Ticks};
use crate::pipeline::Input;
use crate::process::Process;

fn header() -> Header {
    Header {
        host: "node-1".to_owned(),
        kernel: "6.12.0".to_owned(),
        detector: "0.1.0".to_owned(),
        started: Nanos(1_700_000_000_000_000_000),
    }
}

fn inputs() -> Vec<Input> {
    let id = ProcessId { pid: 7, start: Ticks(70) };
    let exec = Arc::new(Exec {
        exe: "/usr/bin/curl".into(),
        argv: vec!["curl".into(), "\u{2028}\u{0}é".into()],
        env: vec![("LD_PRELOAD".into(), "/x.so".into())],
        parent: id,
        ..Exec::default()
    });
    let event = |kind| {
        Input::Event(Event {
            time: Nanos(5),
            received: Nanos(6),
            agent: AgentId(1),
            process: id,
            thread: 8,
            uid: u32::MAX,
            cgroup: CgroupId(u64::MAX),
            kind,
        })
    };
    let flow = |remote: &str| Flow {
        cookie: 1,
        protocol: Protocol::Tcp,
        remote: remote.parse().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: crate::event::NetnsId(0),
    };
    vec![
        Input::AgentAdded(Agent {
            id: AgentId(1),
            name: "coder".to_owned(),
            cgroup: CgroupId(40),
            path: "/agents/c".to_owned(),
        }),
        Input::Seed(Box::new(Process {
            id,
            parent: None,
            exec: Some(Arc::clone(&exec)),
            agent: AgentId(1),
            cgroup: CgroupId(40),
            uid: 0,
            since: Nanos(1),
            ended: Some(Nanos(2)),
            setsid: None,
        })),
        Input::Cgroup { id: CgroupId(41), path: "/agents/c/d".to_owned() },
        Input::Gaps(vec!["no file events".to_owned()]),
        event(EventKind::Exec(exec)),
        event(EventKind::Connect(flow("10.0.0.1:443"))),
        event(EventKind::Connect(flow("[2001:db8::1]:443"))),
        event(EventKind::Setsid),
        Input::Tick(Nanos(7)),
        Input::AgentRemoved(AgentId(1)),
    ]
}

fn record(dir: &Path, inputs: &[Input]) -> PathBuf {
    let path = dir.join("a.rec");
    let mut recorder = Recorder::create(&path, &header()).unwrap();
    for input in inputs {
        recorder.write(input).unwrap();
    }
    recorder.finish().unwrap();
    path
}

/// Whole inputs, and the error that ended them.
fn read(path: &Path) -> (Vec<Input>, Option<RecordingError>) {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut whole = Vec::new();
    for input in reader {
        match input {
            Ok(input) => whole.push(input),
            Err(error) => return (whole, Some(error)),
        }
    }
    (whole, None)
}

#[test]
fn what_was_recorded_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = record(dir.path(), &inputs());
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), inputs());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn cut_at_any_byte_gives_what_is_whole_and_says_where_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(record(dir.path(), &inputs())).unwrap();
    let path = dir.path().join("cut.rec");
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let (whole, error) = read(&path);
        let Some(RecordingError::Cut { frame, byte, .. }) = error else {
            panic!("{length} of {} bytes: {error:?}", bytes.len());
        };
        assert_eq!(byte, length as u64);
        assert_eq!(whole, inputs()[..whole.len()]);
        assert!(frame as usize == whole.len() + 1 || whole.is_empty());
    }
}

#[test]
fn a_recorder_that_died_left_what_it_had_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    let mut recorder = Recorder::create(&path, &header()).unwrap();
    for input in inputs() {
        recorder.write(&input).unwrap();
        recorder.flush().unwrap();
    }
    let copy = dir.path().join("copy.rec");
    fs::copy(&path, &copy).unwrap();
    let (whole, error) = read(&copy);
    assert_eq!(whole, inputs());
    assert!(matches!(error, Some(RecordingError::Cut { frame: 11, .. })), "{error:?}");
}

#[test]
fn any_flipped_byte_is_an_error_and_never_a_wrong_input() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(record(dir.path(), &inputs())).unwrap();
    let path = dir.path().join("bad.rec");
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for at in line + 1..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            fs::write(&path, &bad).unwrap();
            let (whole, error) = read(&path);
            assert_eq!(whole, inputs()[..whole.len()], "byte {at}");
            assert!(error.is_some() || whole.len() == inputs().len(), "byte {at}");
        }
    }
}

#[test]
fn another_format_names_both_versions_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.rec");
    fs::write(&path, "detector-recording 9 3.2.1\nwhatever").unwrap();
    let error = read(&path).1.unwrap().to_string();
    assert_eq!(
        error,
        format!(
            "{} has recording format 9, this detector {} reads format {FORMAT}: replay it with detector 3.2.1",
            path.display(),
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other");
    for bytes in [&b"{\"a\":1}\n"[..], b"detector-recordings 1\n", b"detector-recording x\n", &[0xff; 4096]] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(read(&path).1, Some(RecordingError::NotARecording { .. })));
    }
    fs::write(&path, format!("detector-recording {FORMAT} 0.1.0\nno zstd here")).unwrap();
    assert!(matches!(read(&path).1, Some(RecordingError::Corrupt { frame: 0, .. })));
    assert!(matches!(read(&dir.path().join("none")).1, Some(RecordingError::Read { .. })));
}

#[test]
fn a_frame_that_claims_to_be_huge_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge");
    let mut bytes = format!("detector-recording {FORMAT} 0.1.0\n").into_bytes();
    bytes.extend(zstd::encode_all(&[0xff_u8; 64][..], 1).unwrap());
    fs::write(&path, bytes).unwrap();
    let error = read(&path).1.unwrap();
    assert!(matches!(error, RecordingError::Corrupt { frame: 0, .. }), "{error}");
    assert!(error.to_string().contains("4294967295 bytes"), "{error}");
}

#[test]
fn an_input_too_large_for_a_frame_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    let mut recorder = Recorder::create(&path, &header()).unwrap();
    let huge = Input::Gaps(vec!["x".repeat(2 << 20)]);
    assert!(matches!(recorder.write(&huge), Err(RecordingError::Encode { .. })));
    recorder.write(&Input::Tick(Nanos(1))).unwrap();
    recorder.finish().unwrap();
    let (whole, error) = read(&path);
    assert_eq!((whole, error.is_none()), (vec![Input::Tick(Nanos(1))], true));
}
