//! Control groups: children inherit, leaving is reported, who left stays watched.

use detector::event::{AgentId, CgroupId, EventKind, Membership};
use detector_tests::cgroup::Cgroup;
use detector_tests::{needs_root, trigger};

use crate::watch::{Watch, small};

#[test]
fn a_child_group_is_watched_from_birth() {
    needs_root!();
    let mut watch = Watch::new("parent");
    let child = watch.group.child("child").unwrap();
    let id = child.id().unwrap();
    let born = watch.find("cgroup_create", |event| match &event.kind {
        EventKind::CgroupCreate(change) if change.id.0 == id => {
            Some((change.path.to_string(), change.parent, event.agent))
        }
        _ => None,
    });
    assert_eq!(born, (child.below_mount(), CgroupId(watch.group.id().unwrap()), watch.agent));
    let pid = small(&trigger::run(&child, &["nothing"]).unwrap(), "pid");
    let cgroup = watch.find("exec", |event| {
        (event.process.pid == pid && matches!(event.kind, EventKind::Exec(_))).then_some(event.cgroup)
    });
    assert_eq!(cgroup.0, id);
    drop(child);
    watch.find("cgroup_remove", |event| match &event.kind {
        EventKind::CgroupRemove(change) if change.id.0 == id => Some(()),
        _ => None,
    });
}

#[test]
fn a_group_of_nobody_is_reported_without_an_agent() {
    needs_root!();
    let mut watch = Watch::new("nobody");
    let other = Cgroup::create("nobody-else").unwrap();
    let id = other.id().unwrap();
    let agent = watch.find("cgroup_create", |event| match &event.kind {
        EventKind::CgroupCreate(change) if change.id.0 == id => Some(event.agent),
        _ => None,
    });
    assert_eq!(agent, AgentId::NONE);
}

#[test]
fn a_child_that_is_born_outside_is_reported_and_stays_watched() {
    needs_root!();
    let mut watch = Watch::new("born");
    let outside = Cgroup::create("born-outside").unwrap();
    let child = small(&watch.run(&["born-in-cgroup", outside.path().to_str().unwrap()]), "child");
    let to = watch.find("cgroup_move", |event| match &event.kind {
        EventKind::CgroupMove(change) if change.moved.pid == child => Some((change.to, change.change)),
        _ => None,
    });
    assert_eq!(to, (CgroupId(outside.id().unwrap()), Membership::Left));
    let cgroup = watch.find("exit", |event| {
        (event.process.pid == child && matches!(event.kind, EventKind::Exit(_))).then_some(event.cgroup)
    });
    assert_eq!(cgroup.0, outside.id().unwrap());
}

#[test]
fn a_process_that_leaves_is_reported_and_stays_watched() {
    needs_root!();
    let mut watch = Watch::new("leave");
    let outside = Cgroup::create("outside").unwrap();
    let program = trigger::program("detector-trigger").unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().canonicalize().unwrap().join("after");
    let script = r#"echo 0 > "$1/cgroup.procs" && "$2" connect-tcp 127.0.0.1:9 && "$2" open-create "$3""#;
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", script, "sh"]).arg(outside.path()).arg(program).arg(&file);
    let command = watch.group.hold(&mut command).unwrap().stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    let moved = watch.find("cgroup_move", |event| match &event.kind {
        EventKind::CgroupMove(moved) if moved.change == Membership::Left => Some(moved.clone()),
        _ => None,
    });
    assert_eq!((moved.moved.pid, moved.to.0), (pid, outside.id().unwrap()));
    assert_eq!(*moved.path, *outside.below_mount());
    watch.find("connect from outside", |event| match event.kind {
        EventKind::Connect(flow) if flow.remote.port() == 9 => Some(()),
        _ => None,
    });
    let path = file.to_str().unwrap();
    watch.find("file from outside", |event| match &event.kind {
        EventKind::File(file) if &*file.path == path => Some(()),
        _ => None,
    });
    child.wait().unwrap();
}

#[test]
fn entering_a_watched_group_is_joining() {
    needs_root!();
    let mut watch = Watch::new("join");
    let outside = Cgroup::create("join-from").unwrap();
    let said = trigger::run(&outside, &["move-cgroup", watch.group.path().to_str().unwrap()]).unwrap();
    let pid = small(&said, "pid");
    let change = watch.find("cgroup_move", |event| match &event.kind {
        EventKind::CgroupMove(moved) if moved.moved.pid == pid => Some(moved.change),
        _ => None,
    });
    assert_eq!(change, Membership::Joined);
    watch.until_exit(pid);
}

#[test]
fn a_place_of_birth_that_was_made_again_is_served_again() {
    needs_root!();
    let mut watch = Watch::new("pen");
    let outside = Cgroup::create("pen-outside").unwrap();
    for _ in 0..2 {
        let pen = outside.child("pen").unwrap();
        watch.sensor.expect(CgroupId(pen.id().unwrap()), &pen.below_mount()).unwrap();
        let agent = pen.child("agent").unwrap();
        let id = agent.id().unwrap();
        let born = watch.find("birth", |event| match &event.kind {
            EventKind::CgroupCreate(change) if change.id.0 == id => Some(event.agent),
            _ => None,
        });
        assert!(born.0 >= detector_common::limits::PROVISIONAL, "{born:?}");
        let pid = small(&trigger::run(&agent, &["connect-tcp", "127.0.0.1:9"]).unwrap(), "pid");
        let by = watch.find("connect", |event| match event.kind {
            EventKind::Connect(_) if event.process.pid == pid => Some(event.agent),
            _ => None,
        });
        assert_eq!(by, born);
    }
}
