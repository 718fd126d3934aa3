//! What is done beside tool calls and tasks, and what only looks so.

use super::super::world::{SECOND, World, field, id};
use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, Nanos};
use crate::task::{Expect, Phase, Task, TaskChange, ToolCall};

/// An agent whose first process is 10 and works through its child 20.
fn world() -> World {
    let mut world = World::new();
    world.tasks.agent_added(&Agent {
        id: AgentId(1),
        name: "coder".to_owned(),
        cgroup: CgroupId(9),
        path: "/agents/1".to_owned(),
    });
    world.fork(1, 10).exec(10, "/usr/bin/agent", "agent");
    world
}

fn call(world: &mut World, id: &str, phase: Phase) {
    let time = Nanos(world.time);
    world.tasks.tool_call(&ToolCall {
        agent: "coder".into(),
        id: id.into(),
        name: "bash".into(),
        conversation: None,
        phase,
        time,
        received: time,
    });
}

/// Three calls of two seconds; the last one is over for some seconds.
fn calls(world: &mut World, ago: u64) {
    for name in ["a", "b", "c"] {
        call(world, name, Phase::Started);
        world.wait(2);
        call(world, name, Phase::Ended);
    }
    world.wait(ago);
}

fn unasked(world: &mut World) -> Vec<String> {
    world.wait(10);
    let seen = world.taken().into_iter().filter(|seen| seen.name == "effect_without_tool_call");
    seen.map(|seen| format!("{} {}", field(&seen, "Effect").as_str().unwrap(), seen.process.pid)).collect()
}

#[test]
fn effects_between_calls_are_told_once_a_process_and_kind() {
    let mut world = world();
    calls(&mut world, 20);
    world.fork(10, 20).exec(20, "/usr/bin/python3", "python3 x.py");
    world
        .connect(20, 1, "203.0.113.9:443", 0)
        .connect(20, 2, "203.0.113.10:443", 0)
        .listen(20, "0.0.0.0:4444");
    assert_eq!(unasked(&mut world), ["connection 20", "listener 20"]);
}

#[test]
fn effects_within_a_call_just_after_it_or_just_before_its_line_are_silent() {
    let mut world = world();
    calls(&mut world, 20);
    call(&mut world, "d", Phase::Started);
    world.fork(10, 20).exec(20, "/usr/bin/curl", "curl").connect(20, 1, "203.0.113.9:443", 0);
    world.wait(2);
    call(&mut world, "d", Phase::Ended);
    world.wait(3).fork(10, 21).exec(21, "/usr/bin/curl", "curl").connect(21, 2, "203.0.113.9:443", 0);
    world.wait(20).fork(10, 22).exec(22, "/usr/bin/curl", "curl").connect(22, 3, "203.0.113.9:443", 0);
    world.wait(1);
    call(&mut world, "e", Phase::Started);
    assert_eq!(unasked(&mut world), [""; 0]);
}

#[test]
fn the_agents_own_programs_may_connect_between_calls() {
    let mut world = world();
    world.fork(10, 11).exec(11, "/usr/bin/node", "node mcp-server.js");
    world.wait(1);
    calls(&mut world, 20);
    world.connect(10, 1, "203.0.113.9:443", 0).connect(11, 2, "203.0.113.9:443", 0);
    assert_eq!(unasked(&mut world), [""; 0]);
}

#[test]
fn an_agent_that_tells_few_calls_or_tells_them_later_is_not_judged_by_them() {
    let mut world = world();
    call(&mut world, "a", Phase::Started);
    world.wait(20).fork(10, 20).exec(20, "/usr/bin/curl", "curl").connect(20, 1, "203.0.113.9:443", 0);
    assert_eq!(unasked(&mut world), [""; 0]);
    for name in ["b", "c", "d"] {
        let received = Nanos(world.time);
        let told = |phase, time| ToolCall {
            agent: "coder".into(),
            id: name.into(),
            name: "bash".into(),
            conversation: None,
            phase,
            time: Nanos(time),
            received,
        };
        world.tasks.tool_call(&told(Phase::Started, world.time - 5 * SECOND));
        world.tasks.tool_call(&told(Phase::Ended, world.time - 2 * SECOND));
        world.wait(5);
    }
    world.wait(20).fork(10, 21).exec(21, "/usr/bin/curl", "curl").connect(21, 2, "203.0.113.9:443", 0);
    assert_eq!(unasked(&mut world), [""; 0]);
}

fn task(world: &World, id: &str, expects: Vec<Expect>) -> Task {
    Task {
        id: id.into(),
        agent: "coder".into(),
        name: "train".into(),
        expects,
        exe: None,
        started: Nanos(world.time),
        expires: None,
    }
}

fn outlives(world: &mut World) -> Vec<u32> {
    world.wait(10);
    let seen = world.taken().into_iter().filter(|seen| seen.name == "outlives_task");
    seen.map(|seen| seen.process.pid).collect()
}

#[test]
fn who_outlives_its_task_is_told_once_topmost_first() {
    let mut world = world();
    world.fork(10, 11).exec(11, "/usr/bin/bash", "bash");
    let task = task(&world, "t", vec![Expect::Daemon("/usr/bin/vite".into())]);
    world.tasks.change(TaskChange::Started(task));
    world.wait(1);
    world.fork(10, 20).exec(20, "/usr/bin/python3", "python3 x.py").fork(20, 21).exec(21, "/bin/sh", "sh");
    world.fork(10, 30).exec(30, "/usr/bin/vite", "vite");
    world.fork(10, 40).exec(40, "/bin/true", "true").exit(40);
    assert_eq!(outlives(&mut world), [0_u32; 0]);
    world.tasks.change(TaskChange::Ended("t".into(), Nanos(world.time)));
    world.wait(4);
    assert!(world.taken().is_empty());
    assert_eq!(outlives(&mut world), [20]);
    assert_eq!(outlives(&mut world), [0_u32; 0]);
    assert!(world.table.get(id(21)).is_some());
}

#[test]
fn what_another_task_goes_on_with_outlives_none() {
    let mut world = world();
    let (first, second) = (task(&world, "a", vec![]), task(&world, "b", vec![]));
    world.tasks.change(TaskChange::Started(first));
    world.tasks.change(TaskChange::Started(second));
    world.fork(10, 20).exec(20, "/usr/bin/python3", "python3 x.py");
    world.tasks.change(TaskChange::Ended("a".into(), Nanos(world.time)));
    assert_eq!(outlives(&mut world), [0_u32; 0]);
    world.tasks.change(TaskChange::Ended("b".into(), Nanos(world.time)));
    assert_eq!(outlives(&mut world), [20]);
}
