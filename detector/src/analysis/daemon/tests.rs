//! What makes a daemon, and what its story says.

use super::super::Measured;
use super::super::world::{SECOND, World, field, id};
use super::*;
use crate::event::{CgroupId, CpuProcess, FileEvent};

const NOBODY: [u32; 0] = [];
const PUBLIC: &str = "203.0.113.9:443";

/// Who was told of as a daemon since the last call.
fn told(world: &mut World) -> Vec<Observation> {
    world.seen.drain(..).filter(|seen| seen.name == "daemonised").collect()
}

fn pids(world: &mut World) -> Vec<u32> {
    told(world).iter().map(|seen| seen.process.pid).collect()
}

/// An agent (2) below what is no agent's (1), and a shell (3) of a tool call.
fn agent() -> World {
    let mut world = World::new();
    world.exec(2, "/usr/bin/node", "node agent.js");
    world.fork(2, 3).exec(3, "/usr/bin/bash", "bash -c x");
    world
}

fn words(observation: &Observation, name: &str) -> Vec<String> {
    let list = field(observation, name).as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

#[test]
fn the_double_fork_is_told_once_after_two_seconds() {
    let mut world = agent();
    world.fork(3, 4).exec(4, "/usr/sbin/served", "served -d");
    world.fork(4, 5).event(5, EventKind::Setsid).fork(5, 6).exit(5).exit(4);
    assert_eq!(pids(world.wait(1)), NOBODY);
    let seen = told(world.wait(1));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].process.pid, 6);
    assert_eq!(words(&seen[0], "DetachedBy"), ["double_fork"]);
    assert_eq!(field(&seen[0], "StartedBy"), "served -d");
    assert_eq!(field(&seen[0], "OutlivesWhat"), "command");
    world.exit(3);
    assert_eq!(pids(world.wait(100)), NOBODY);
}

#[test]
fn each_way_to_detach_has_its_word() {
    let check = |way: &dyn Fn(&mut World), expect: &[&str]| {
        let mut world = agent();
        way(&mut world);
        let seen = told(world.wait(3));
        assert_eq!(seen.len(), 1, "{expect:?}");
        assert_eq!(words(&seen[0], "DetachedBy"), expect);
    };
    let background = |world: &mut World| {
        world.fork(3, 4).exec(4, "/bin/sleep", "sleep 60").exit(3);
    };
    check(&background, &["background"]);
    let setsid = |world: &mut World| {
        world.fork(3, 4).exec(4, "/usr/bin/setsid", "setsid sleep 60").event(4, EventKind::Setsid);
        world.exec(4, "/bin/sleep", "sleep 60").exit(3);
    };
    check(&setsid, &["setsid"]);
    let nohup = |world: &mut World| {
        world.fork(3, 4).exec(4, "/usr/bin/nohup", "nohup sleep 60");
        world.exec(4, "/bin/sleep", "sleep 60").exit(3);
    };
    check(&nohup, &["nohup"]);
    let disown = |world: &mut World| {
        world
            .exec(3, "/usr/bin/bash", "bash -c sleep&disown")
            .fork(3, 4)
            .exec(4, "/bin/sleep", "sleep 60")
            .exit(3);
    };
    check(&disown, &["disown"]);
    // A tool that runs its shell in a session of its own: no daemon's double fork.
    let tool = |world: &mut World| {
        world.fork(2, 4).event(4, EventKind::Setsid).exec(4, "/usr/bin/bash", "bash -c y");
        world.fork(4, 5).exec(5, "/bin/sleep", "sleep 60").exit(4);
    };
    check(&tool, &["background"]);
    let tmux = |world: &mut World| {
        world.fork(3, 4).exec(4, "/usr/bin/tmux", "tmux new-session -d sleep 60");
        world.fork(4, 5).event(5, EventKind::Setsid).fork(5, 6).exit(5).exit(4);
        world.fork(6, 7).event(7, EventKind::Setsid).exec(7, "/bin/sleep", "sleep 60");
    };
    check(&tmux, &["tmux", "double_fork"]);
}

#[test]
fn ends_that_arrive_in_any_order_make_the_same_daemon() {
    let mut late_setsid = agent();
    late_setsid.fork(3, 4).exit(3).event(4, EventKind::Setsid);
    assert_eq!(pids(late_setsid.wait(3)), [4]);
    let mut late_fork = agent();
    late_fork.event(3, EventKind::Setsid).exit(3).fork(3, 4);
    assert_eq!(pids(late_fork.wait(3)), [4]);
}

#[test]
fn what_ends_in_time_and_what_was_not_made_by_an_agent_is_not_told() {
    let mut world = agent();
    // Its maker lives; it ends in time; its maker is not the agent's.
    world.fork(3, 4).event(4, EventKind::Setsid);
    world.fork(2, 5).fork(5, 6).exit(5).exit(6);
    assert_eq!(pids(world.wait(10)), NOBODY);
    let outside = Process {
        id: id(50),
        parent: None,
        exec: None,
        agent: AgentId::NONE,
        cgroup: CgroupId(1),
        uid: 0,
        since: Nanos(world.time),
        ended: Some(Nanos(world.time)),
        setsid: None,
    };
    world.table.seed(outside.clone());
    world.table.seed(Process { id: id(51), parent: Some(id(50)), agent: AgentId(1), ended: None, ..outside });
    world.event(51, EventKind::Setsid);
    assert_eq!(pids(world.wait(10)), NOBODY);
}

#[test]
fn a_daemon_that_outlives_its_agent_is_told_again_as_such() {
    let mut world = agent();
    world.fork(3, 4).exec(4, "/bin/sleep", "sleep 600").exit(3);
    assert_eq!(field(&told(world.wait(3))[0], "OutlivesWhat"), "command");
    world.wait(30).exit(2);
    let seen = told(world.wait(3));
    assert_eq!((seen.len(), seen[0].process.pid), (1, 4));
    assert_eq!(field(&seen[0], "OutlivesWhat"), "agent");
    assert!(seen[0].text.contains("the agent's first process, pid 2,"), "{}", seen[0].text);
    assert_eq!(pids(world.wait(30)), NOBODY);
}

#[test]
fn a_command_beside_the_agents_first_process_is_not_the_agent() {
    let mut world = agent();
    // As `docker exec` does it: its maker is nobody of the agent.
    world.exec(20, "/bin/sh", "sh -c x").fork(20, 21).exit(20);
    let seen = told(world.wait(3));
    assert_eq!(field(&seen[0], "OutlivesWhat"), "command");
}

#[test]
fn the_story_names_what_the_daemon_and_its_workers_hold() {
    let mut world = agent();
    world.fork(3, 4).exec(4, "/usr/bin/gunicorn", "gunicorn app").listen(4, "0.0.0.0:8000");
    world.fork(4, 5).exec(5, "/usr/bin/worker", "worker 1").connect(5, 7, PUBLIC, 0);
    let log = FileEvent { path: "/work/log".into(), ..FileEvent::default() };
    world.event(4, EventKind::File(log)).exit(3);
    let seen = told(world.wait(3));
    assert_eq!((seen.len(), seen[0].process.pid), (1, 4));
    assert_eq!(words(&seen[0], "Listens"), ["0.0.0.0:8000/tcp"]);
    assert_eq!(words(&seen[0], "Connects"), ["203.0.113.9:443/tcp"]);
    assert_eq!(words(&seen[0], "Writes"), ["/work/log"]);
    assert_eq!(words(&seen[0], "Runs"), ["worker 1"]);
    assert_eq!(field(&seen[0], "ListensReachable"), true);
    assert_eq!(field(&seen[0], "ConnectsPublic"), true);
    for part in ["still runs 2 s", "pid 3", "background", "0.0.0.0:8000/tcp", "worker 1", "/work/log"] {
        assert!(seen[0].text.contains(part), "{part}: {}", seen[0].text);
    }
}

#[test]
fn a_listener_that_was_opened_before_the_fork_is_the_daemons() {
    let mut world = agent();
    world.fork(3, 4).listen(4, "0.0.0.0:4444").fork(4, 5).exit(4);
    assert_eq!(words(&told(world.wait(3))[0], "Listens"), ["0.0.0.0:4444/tcp"]);
}

#[test]
fn what_says_more_later_is_told_once_each() {
    let mut world = agent();
    world.fork(3, 4).exit(3);
    assert_eq!(pids(world.wait(3)), [4]);
    world.connect(4, 7, "10.0.0.2:5432", 0);
    assert_eq!(pids(&mut world), NOBODY);
    world.fork(4, 5).connect(5, 8, PUBLIC, 0).closed(5, 8, PUBLIC, 9).exit(5);
    assert_eq!(pids(&mut world), [4]);
    world.connect(4, 9, PUBLIC, 0).listen(4, "127.0.0.1:80");
    assert_eq!(pids(&mut world), NOBODY);
    world.listen(4, "0.0.0.0:80");
    let seen = told(&mut world);
    assert_eq!(seen.len(), 1);
    assert_eq!(words(&seen[0], "Listens"), ["127.0.0.1:80/tcp", "0.0.0.0:80/tcp"]);
}

#[test]
fn a_daemon_that_keeps_working_is_told_of_after_minutes() {
    let mut world = agent();
    world.fork(3, 4).exit(3);
    assert_eq!(field(&told(world.wait(3))[0], "KeepsWorking"), false);
    for child in 10..20 {
        world.fork(4, child).exec(child, "/usr/bin/curl", "curl x").exit(child).wait(60);
    }
    let seen = told(&mut world);
    assert_eq!(seen.len(), 1);
    assert_eq!(field(&seen[0], "KeepsWorking"), true);
}

#[test]
fn a_daemon_that_only_computes_keeps_working_and_one_that_ticks_does_not() {
    for (used, works) in [(SECOND, true), (SECOND / 10, false)] {
        let mut world = agent();
        world.fork(3, 4).exit(3).wait(3);
        told(&mut world);
        for _ in 0..6 {
            let process = CpuProcess { process: id(4), user: used, ..CpuProcess::default() };
            let time = Nanos(world.wait(60).time);
            let sample = CpuSample {
                time,
                interval: 2 * SECOND,
                processors: 2,
                processes: vec![process],
                agents: vec![],
            };
            world.measured(&Measured::Cpu(sample));
        }
        let seen = told(&mut world);
        assert_eq!(
            seen.iter().map(|seen| field(seen, "KeepsWorking")).collect::<Vec<_>>(),
            vec![true; works.into()]
        );
    }
}

#[test]
fn one_that_hands_its_work_from_child_to_child_is_told_of_once() {
    let mut world = agent();
    world.fork(3, 10).exit(3);
    for pid in 11..40 {
        world.fork(pid - 1, pid).wait(1).exit(pid - 1);
    }
    let seen = told(world.wait(5));
    assert_eq!(seen.len(), 1);
    assert_eq!(field(&seen[0], "StartedBy"), "bash -c x");
}

#[test]
fn what_is_expected_says_so_and_is_told_of_once() {
    let mut world = agent();
    world.fork(3, 4).exec(4, "/usr/bin/vite", "vite").listen(4, "0.0.0.0:80");
    world.analyses.expect_daemons(&["/usr/bin/vite".to_owned()]);
    world.exit(3);
    assert_eq!(field(&told(world.wait(3))[0], "ExpectedDaemon"), "declared");
    world.connect(4, 7, PUBLIC, 0).exit(2);
    assert_eq!(pids(world.wait(5)), NOBODY);
}

#[test]
fn many_orphans_cost_no_memory_beyond_the_limit() {
    let mut world = agent();
    for pid in 10..20_010 {
        world.fork(3, pid);
    }
    world.exit(3);
    assert_eq!(world.analyses.dropped(), 20_000 - MAX_FOLLOWED as u64);
    assert_eq!(pids(world.wait(3)).len(), MAX_FOLLOWED);
    for pid in 10..20_010 {
        world.exit(pid);
    }
    assert!(world.analyses.daemon.followed.is_empty());
}
