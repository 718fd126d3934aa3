//! Requests are told of once, and what they start is tied to them.

use super::super::world::{World, at, field};
use super::*;
use crate::event::{CgroupId, Operation};
use crate::network::Names;
use crate::task::Ledger;

fn told(world: &mut World) -> Vec<Observation> {
    world.taken()
}

fn connects(world: &mut World, pid: u32, path: &str) {
    let operation = Operation {
        code: OperationCode::UnixConnect,
        target: None,
        same_agent: false,
        number: 0,
        errno: 0,
        huge: false,
        program_type: None,
        mntns: 0,
        path: Some(path.into()),
        source: None,
        detail: None,
    };
    world.event(pid, EventKind::Operation(Box::new(operation)));
}

/// A control group that appears where no agent is.
fn appears(world: &mut World, path: &str) {
    let change = CgroupChange { id: CgroupId(77), parent: CgroupId(1), path: path.into() };
    let mut event = at(world.time, 0, EventKind::CgroupCreate(change));
    event.agent = AgentId::NONE;
    let names = Names::default();
    let around =
        Around { table: &world.table, names: &names, tasks: &Ledger::default(), now: Nanos(world.time) };
    world.analyses.event(around, &event, &mut world.seen);
}

#[test]
fn a_client_is_told_of_by_its_command_line_once() {
    let mut world = World::new();
    world.exec(2, "/usr/bin/docker", "docker run --privileged -d alpine");
    connects(&mut world, 2, "/run/docker.sock");
    let seen = told(&mut world);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].text, "asks docker to run (privileged, detached): alpine");
    assert_eq!(field(&seen[0], "RequestVia"), "command");
    // A question is none, over the socket either.
    world.exec(3, "/usr/bin/docker", "docker ps");
    connects(&mut world, 3, "/run/docker.sock");
    assert_eq!(world.names(), Vec::<String>::new());
}

#[test]
fn another_program_at_the_managers_socket_is_told_of_once() {
    for (path, manager) in [
        ("/run/docker.sock", "docker"),
        ("/var/run/docker.sock", "docker"),
        ("/run/containerd/containerd.sock", "containerd"),
        ("/run/systemd/private", "systemd"),
        ("/run/user/1000/systemd/private", "systemd"),
        ("/run/dbus/system_bus_socket", "dbus"),
    ] {
        let mut world = World::new();
        world.exec(2, "/usr/bin/curl", "curl --unix-socket x http://d/containers/json");
        connects(&mut world, 2, path);
        connects(&mut world, 2, path);
        let seen = told(&mut world);
        assert_eq!(seen.len(), 1, "{path}");
        assert_eq!(field(&seen[0], "RequestManager"), manager);
    }
    let mut world = World::new();
    world.exec(2, "/usr/bin/psql", "psql");
    connects(&mut world, 2, "/run/postgresql/.s.PGSQL.5432");
    // A client's name alone is no client.
    world.exec(3, "/tmp/docker", "docker ps");
    connects(&mut world, 3, "/run/docker.sock");
    assert_eq!(world.names(), ["service_request 3"]);
}

#[test]
fn ssh_to_this_machine_is_a_request_and_elsewhere_is_none() {
    let mut world = World::new();
    world.exec(2, "/usr/bin/ssh", "ssh localhost ./x").connect(2, 7, "127.0.0.1:22", 0);
    world.exec(3, "/usr/bin/ssh", "ssh host ./x").connect(3, 8, "10.0.0.7:22", 0);
    // The address that the flow comes from is this machine's.
    world.exec(4, "/usr/bin/ssh", "ssh me ./x").connect(4, 9, "10.0.0.1:22", 0);
    world.exec(5, "/usr/bin/ssh", "ssh localhost").connect(5, 10, "127.0.0.1:22", 111);
    world.exec(6, "/usr/bin/curl", "curl").connect(6, 11, "127.0.0.1:22", 0);
    let seen = told(&mut world);
    let pids: Vec<u32> = seen.iter().map(|seen| seen.process.pid).collect();
    assert_eq!(pids, [2, 4]);
    assert_eq!(field(&seen[0], "RequestCommand"), "ssh localhost ./x");
}

#[test]
fn what_appears_soon_after_is_tied_by_name_or_by_time() {
    let mut world = World::new();
    world.exec(2, "/usr/bin/systemd-run", "systemd-run --unit=miner sleep 60");
    world.exec(3, "/usr/bin/systemd-run", "systemd-run sleep 61");
    told(&mut world);
    appears(&mut world, "/system.slice/other.slice");
    appears(&mut world, "/system.slice/run-u7.service");
    appears(&mut world, "/system.slice/miner.service");
    appears(&mut world, "/system.slice/run-u8.service");
    let seen = told(&mut world);
    let tied: Vec<(u32, &Value)> =
        seen.iter().map(|seen| (seen.process.pid, field(seen, "StartedTie"))).collect();
    assert_eq!(tied, [(3, &Value::from("time")), (2, &Value::from("name"))]);
    assert_eq!(field(&seen[1], "StartedCgroup"), "/system.slice/miner.service");
    assert_eq!(seen[0].agent, AgentId(1));
}

#[test]
fn what_appears_late_or_by_another_manager_is_not_tied() {
    let mut world = World::new();
    world.exec(2, "/usr/bin/docker", "docker run a");
    told(&mut world);
    appears(&mut world, "/system.slice/run-u7.service");
    world.wait(11);
    appears(&mut world, &format!("/docker/{}", "a1".repeat(32)));
    assert_eq!(world.names(), Vec::<String>::new());
    world.exec(2, "/usr/bin/docker", "docker run a");
    told(&mut world);
    appears(&mut world, &format!("/docker/{}", "a1".repeat(32)));
    assert_eq!(world.names(), ["service_started 2"]);
}

#[test]
fn a_million_requests_cost_no_more_than_the_limit() {
    let mut world = World::new();
    world.fork(1, 2);
    let mut analysis = Request::default();
    let names = Names::default();
    let around =
        Around { table: &world.table, names: &names, tasks: &Ledger::default(), now: Nanos(world.time) };
    let exec = Exec {
        exe: "/usr/bin/docker".into(),
        argv: ["docker", "run", "a"].map(Into::into).to_vec(),
        ..Exec::default()
    };
    let event = at(world.time, 2, EventKind::Exec(std::sync::Arc::new(exec)));
    for _ in 0..10_000 {
        analysis.event(around, &event, &mut Vec::new());
    }
    assert_eq!(analysis.open.len(), MAX_OPEN);
    assert_eq!(analysis.told.len(), 1);
}
