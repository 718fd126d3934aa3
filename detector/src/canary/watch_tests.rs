//! What becomes of canaries that come, go, move and are copied.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::*;
use crate::canary::Kind;
use crate::event::{CgroupId, Exec, ProcessId, Ticks};

const AGENT: AgentId = AgentId(3);
const TOKEN: &str = "a string that stands nowhere else";

struct Stage {
    place: tempfile::TempDir,
    watch: Watch,
}

impl Stage {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().canonicalize().unwrap().join("key");
        let canary =
            Canary { name: "key".into(), path: path.clone(), kind: Kind::File, tokens: vec![TOKEN.into()] };
        fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let mut watch = Watch::none();
        watch.set(vec![canary], &Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap())).unwrap();
        let stage = Self { place, watch };
        assert!(stage.watch.names.contains_key(&stage.key("key")));
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(name)
    }

    fn key(&self, name: &str) -> InodeKey {
        hold(&self.path(name)).unwrap().key
    }

    fn see(&mut self, op: FileOp, time: u64, file: FileEvent) -> (Option<Box<str>>, Option<Event>) {
        let mut event = event(time, EventKind::File(FileEvent { op, ..file }));
        let more = self.watch.see(&mut event);
        let EventKind::File(file) = event.kind else { unreachable!("it was one") };
        (file.canary, more)
    }

    /// An event about an open file.
    fn file(&self, name: &str) -> FileEvent {
        let InodeKey { inode, dev, .. } = self.key(name);
        FileEvent { path: text(&self.path(name)), inode, dev, ..FileEvent::default() }
    }

    fn found(&mut self) -> Event {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(event) = self.watch.found(Nanos(9)).pop() {
                return event;
            }
            assert!(Instant::now() < deadline, "no copy was found");
            std::thread::yield_now();
        }
    }
}

fn event(seconds: u64, kind: EventKind) -> Event {
    Event {
        time: Nanos(seconds * 1_000_000_000),
        received: Nanos(seconds * 1_000_000_000),
        agent: AGENT,
        process: ProcessId { pid: std::process::id(), start: Ticks(1) },
        thread: 1,
        uid: 0,
        cgroup: CgroupId(1),
        kind,
    }
}

fn text(path: &Path) -> Box<str> {
    path.to_str().unwrap().into()
}

#[test]
fn what_is_planted_is_told_to_kernel_half_and_core() {
    let mut stage = Stage::new();
    let key = stage.key("key");
    assert_eq!(stage.watch.changes(), [Change::Add(key)]);
    let news = stage.watch.news().unwrap();
    assert_eq!(news, [Decoy { name: "key".into(), tokens: vec![TOKEN.into()] }]);
    stage.watch.tick();
    assert_eq!((stage.watch.changes(), stage.watch.news()), (vec![], None));
}

#[test]
fn tokens_are_read_back_from_a_planted_file() {
    let mut stage = Stage::new();
    let mut random = crate::canary::decoy::Random::open().unwrap();
    let path = stage.path("key");
    let content = crate::canary::decoy::content(Kind::Aws, &path, &mut random).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &content).unwrap();
    stage.watch.tick();
    let tokens = token::find(&content);
    let news = stage.watch.news().unwrap();
    assert!(tokens.iter().all(|token| news[0].tokens.iter().any(|known| **known == **token)), "{news:?}");
}

#[test]
fn an_inode_is_followed_through_a_rename_and_forgotten_when_it_is_gone() {
    let mut stage = Stage::new();
    let (key, was, is) = (stage.key("key"), stage.path("key"), stage.path("other"));
    stage.watch.changes();
    let moved = FileEvent { path: text(&is), from: Some(text(&was)), ..FileEvent::default() };
    assert_eq!(stage.see(FileOp::Rename, 1, moved).0.as_deref(), Some("key"));
    fs::rename(&was, &is).unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), []);
    let file = stage.file("other");
    assert_eq!(stage.see(FileOp::Access, 1, file).0.as_deref(), Some("key"));
    let removed = FileEvent { path: text(&is), ..FileEvent::default() };
    assert_eq!(stage.see(FileOp::Unlink, 1, removed).0.as_deref(), Some("key"));

    // Another file at the path is a canary beside it.
    fs::write(&was, "new").unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), [Change::Add(stage.key("key"))]);
    fs::remove_file(&is).unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), [Change::Remove(key)]);
}

#[test]
fn a_file_that_replaces_the_canary_is_the_canary() {
    let mut stage = Stage::new();
    let key = stage.key("key");
    stage.watch.changes();
    fs::write(stage.path("other"), "x").unwrap();
    let other = stage.key("other");
    fs::rename(stage.path("other"), stage.path("key")).unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), [Change::Remove(key), Change::Add(other)]);
}

#[test]
fn another_configuration_lets_go_of_what_it_does_not_name() {
    let mut stage = Stage::new();
    let key = stage.key("key");
    stage.watch.changes();
    stage.watch.set(Vec::new(), &Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap())).unwrap();
    assert_eq!(stage.watch.changes(), [Change::Remove(key)]);
    assert_eq!(stage.watch.news(), Some(vec![]));
}

#[test]
fn an_exec_of_a_canary_is_an_open() {
    let mut stage = Stage::new();
    let FileEvent { inode, dev, path, .. } = stage.file("key");
    let mut exec =
        event(1, EventKind::Exec(Arc::new(Exec { exe: path.clone(), inode, dev, ..Exec::default() })));
    let EventKind::File(file) = stage.watch.see(&mut exec).unwrap().kind else { panic!("no file event") };
    assert_eq!((file.op, file.canary.as_deref(), &file.path), (FileOp::Access, Some("key"), &path));
}

#[test]
fn copies_that_were_begun_before_or_after_the_open_are_found() {
    let mut stage = Stage::new();
    stage.watch.news();
    for name in ["before", "after"] {
        fs::write(stage.path(name), format!("copied: {TOKEN}")).unwrap();
    }
    fs::write(stage.path("unlike"), "something else").unwrap();
    let (key, before, after, unlike) =
        (stage.file("key"), stage.file("before"), stage.file("after"), stage.file("unlike"));
    assert_eq!(stage.see(FileOp::Open, 100, before).0, None);
    stage.see(FileOp::Access, 105, key);
    let first = stage.found();
    stage.see(FileOp::Open, 150, unlike.clone());
    stage.see(FileOp::Open, 150, after);
    let second = stage.found();
    for (event, name) in [(first, "before"), (second, "after")] {
        let EventKind::File(file) = event.kind else { panic!("no file event") };
        assert_eq!((file.op, file.canary.as_deref()), (FileOp::Copy, Some("copy of key")));
        assert_eq!((&file.path, file.from), (&text(&stage.path(name)), Some(text(&stage.path("key")))));
        let again = stage.file(name);
        assert_eq!(stage.see(FileOp::Access, 160, again).0.as_deref(), Some("copy of key"));
    }
    assert_eq!(stage.see(FileOp::Access, 160, unlike).0, None);

    let gone = stage.key("before");
    stage.watch.changes();
    fs::remove_file(stage.path("before")).unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), [Change::Remove(gone)]);
}

#[test]
fn a_canary_that_is_not_there_is_taken_up_when_it_comes() {
    let mut stage = Stage::new();
    let path = stage.path("key");
    fs::remove_file(&path).unwrap();
    stage.watch.tick();
    stage.watch.changes();
    assert!(stage.watch.placed[0].missed);
    fs::write(&path, "x").unwrap();
    stage.watch.tick();
    assert_eq!(stage.watch.changes(), [Change::Add(stage.key("key"))]);
    assert!(!stage.watch.placed[0].missed);
}
