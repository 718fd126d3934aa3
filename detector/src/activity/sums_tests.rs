//! Sums add up, stay bounded, and what no task explains is told apart.

use std::sync::Arc;

use super::*;
use crate::agent::Agent;
use crate::event::{
    Carried, CgroupId, CpuProcess, Endpoint, Exit, Fork, GpuDevice, GpuProcess, NetnsId, Ticks,
};
use crate::network::Names;
use crate::process::ProcessTable;
use crate::task::{Ledger, Task, TaskChange};

const SECOND: u64 = 1_000_000_000;

/// The rooms around the sums, with one agent, and the sums.
#[derive(Default)]
struct World {
    table: ProcessTable,
    names: Names,
    tasks: Ledger,
    sums: Sums,
    now: u64,
}

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: Ticks(u64::from(pid)) }
}

fn name(agent: AgentId) -> Option<&'static str> {
    (agent == AgentId(1)).then_some("coder")
}

impl World {
    fn event(&mut self, pid: u32, kind: EventKind) {
        let event = Event {
            time: Nanos(self.now),
            received: Nanos(self.now),
            agent: AgentId(1),
            process: id(pid),
            thread: pid,
            uid: 0,
            cgroup: CgroupId(1),
            kind,
        };
        self.table.apply(&event);
        let Self { table, names, tasks, sums, now } = self;
        sums.event(Around { table, names, tasks, now: Nanos(*now) }, "coder", &event, false);
    }

    fn exec(&mut self, pid: u32, exe: &str, line: &str) {
        let argv = line.split(' ').map(Into::into).collect();
        let exec = Exec { exe: exe.into(), argv, cwd: "/srv/agents/one".into(), ..Exec::default() };
        self.event(pid, EventKind::Exec(Arc::new(exec)));
    }

    fn used(&mut self, pid: u32, nanos: u64) {
        let process = CpuProcess { process: id(pid), user: nanos, ..CpuProcess::default() };
        let sample = CpuSample { interval: 2 * SECOND, processes: vec![process], ..CpuSample::default() };
        let Self { table, names, tasks, sums, now } = self;
        sums.cpu(Around { table, names, tasks, now: Nanos(*now) }, &sample, name);
    }

    fn exit(&mut self, pid: u32, user: u64) {
        self.event(pid, EventKind::Exit(Exit { user, system: 0, code: 0, signal: None }));
    }

    fn task(&mut self, expects: Vec<Expect>) {
        self.tasks.agent_added(&Agent {
            id: AgentId(1),
            name: "coder".to_owned(),
            cgroup: CgroupId(1),
            path: "/agents/coder".to_owned(),
        });
        self.tasks.change(TaskChange::Started(Task {
            id: "t".into(),
            agent: "coder".into(),
            name: "train".into(),
            expects,
            exe: None,
            started: Nanos(self.now),
            expires: None,
        }));
    }

    fn taken(&mut self) -> Activity {
        let mut out = Vec::new();
        let Self { table, names, tasks, sums, now } = self;
        sums.give(Around { table, names, tasks, now: Nanos(*now) }, name, &mut out);
        assert_eq!(out.len(), 1, "{out:#?}");
        out.pop().unwrap()
    }
}

fn of(activity: &Activity, doing: Doing) -> Vec<(&str, &str, u64)> {
    let items = activity.items.iter().filter(|item| item.doing == doing);
    items.map(|item| (item.name.as_str(), item.more.as_str(), item.count)).collect()
}

fn flow(cookie: u64, remote: &str) -> Flow {
    Flow {
        cookie,
        protocol: Protocol::Tcp,
        remote: remote.parse().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: NetnsId(0),
    }
}

fn stats(flow: Flow, closed: bool, sent: u64, received: u64) -> EventKind {
    let carried = |bytes| Carried { bytes, ..Carried::default() };
    let (sent, received) = (carried(sent), carried(received));
    EventKind::FlowStats(Box::new(FlowStats { flow, closed, age: SECOND, sent, received }))
}

#[test]
fn programs_are_counted_with_the_script_that_they_were_given() {
    let mut world = World::default();
    for pid in 10..13 {
        world.exec(pid, "/usr/bin/python3.11", "python3 train.py --epochs 3");
    }
    world.exec(13, "/usr/bin/python3.11", "python3 -m pytest -x");
    world.exec(14, "/usr/bin/git", "git push https://token@example.org/");
    let activity = world.taken();
    assert_eq!(of(&activity, Doing::Program)[0], ("/usr/bin/python3.11", "train.py", 3), "{activity:#?}");
    let mut programs = of(&activity, Doing::Program);
    programs.sort_unstable();
    let others = [("/usr/bin/git", "", 1), ("/usr/bin/python3.11", "pytest", 1)];
    assert_eq!(programs[..2], others);
    assert_eq!(of(&activity, Doing::Workspace), [("/srv/agents/one", "", 10)], "five ran, five live");
}

#[test]
fn bytes_of_a_flow_that_is_told_again_and_again_count_once() {
    let mut world = World::default();
    let flow = flow(7, "192.0.2.7:443");
    world.event(10, EventKind::Connect(flow));
    world.event(10, stats(flow, false, 1_000, 10));
    world.event(10, stats(flow, false, 5_000, 20));
    world.event(10, stats(flow, true, 6_000, 30));
    let accepted = Flow { initiated: false, ..flow };
    world.event(10, stats(accepted, true, 99, 99));
    let activity = world.taken();
    assert_eq!(of(&activity, Doing::Destination), [("192.0.2.7", "443/tcp", 1)]);
    assert_eq!((activity.items[0].sent, activity.items[0].received), (6_000, 30));
}

#[test]
fn a_million_destinations_stay_bounded_and_the_heavy_ones_are_right() {
    let mut world = World::default();
    let at = |number: u32| format!("{}:443", std::net::Ipv4Addr::from(0x0a00_0000 + number));
    for number in 0..1_000_000_u32 {
        world.event(10, EventKind::Connect(flow(u64::from(number) + 100, &at(number))));
        if number % 10 == 0 {
            world.event(10, EventKind::Connect(flow(1, "192.0.2.1:3333")));
        }
        // Comes late, and carries much in few connections.
        if number > 500_000 && number % 1_000 == 0 {
            world.event(10, EventKind::Connect(flow(2, "192.0.2.2:22")));
            world.event(10, stats(flow(2, "192.0.2.2:22"), true, 1 << 20, 0));
        }
        let known = world.sums.agents["coder"].tops[&Doing::Destination].len();
        assert!(known <= 2 * Doing::Destination.most(), "{known}");
    }
    let activity = world.taken();
    let destinations: Vec<&Item> =
        activity.items.iter().filter(|item| item.doing == Doing::Destination).collect();
    assert_eq!(destinations.len(), Doing::Destination.most());
    let heavy = destinations.iter().find(|item| item.name == "192.0.2.2").unwrap();
    assert_eq!((heavy.count, heavy.sent), (499, 499 << 20));
    let often = destinations.iter().find(|item| item.name == "192.0.2.1").unwrap();
    assert_eq!(often.count, 100_000);
    let (_, others) = activity.others[0];
    let told: u64 = destinations.iter().map(|item| item.count).sum();
    assert_eq!(told + others.count, 1_000_000 + 100_000 + 499, "nothing is lost from the sum");
}

#[test]
fn what_a_process_used_is_counted_once_and_what_no_task_declares_is_unexplained() {
    let mut world = World { now: SECOND, ..World::default() };
    // Born in our sight: what was sampled is not counted again at its end.
    world.event(10, EventKind::Fork(Fork { child: id(11) }));
    world.exec(11, "/usr/bin/cc", "cc a.c");
    world.used(11, 3 * SECOND);
    world.exit(11, 5 * SECOND);
    // Sampled until after its end was told.
    world.used(11, SECOND);
    // Was there before: how much it had used then is not known.
    world.exec(12, "/usr/bin/make", "make");
    world.used(12, 2 * SECOND);
    world.exit(12, 3_600 * SECOND);
    // Came two seconds before its end.
    let change = Membership::Joined;
    let joins = CgroupMove { moved: id(14), to: CgroupId(1), path: "/a".into(), change };
    world.event(9, EventKind::CgroupMove(joins));
    world.now += 2 * SECOND;
    world.exit(14, 3_600 * SECOND);
    world.task(vec![Expect::Cpu]);
    world.event(10, EventKind::Fork(Fork { child: id(13) }));
    world.exit(13, 4 * SECOND);
    let usage = world.taken().usage;
    let expected = Usage { born: 2, ended: 4, cpu_s: 13.0, cpu_unexplained_s: 9.0, ..Usage::default() };
    assert_eq!(usage, expected);
}

#[test]
fn gpu_time_is_explained_by_a_task_that_declares_gpu() {
    let mut world = World { now: SECOND, ..World::default() };
    let device = |index| GpuDevice { index, power: Some(200_000), ..GpuDevice::default() };
    let process = |pid, device, sm| GpuProcess {
        device,
        process: id(pid),
        agent: AgentId(1),
        sm,
        ..GpuProcess::default()
    };
    let sample = GpuSample {
        interval: 2 * SECOND,
        devices: vec![device(0), device(1)],
        processes: vec![process(10, 0, Some(50)), process(11, 1, None)],
        ..GpuSample::default()
    };
    world.exec(10, "/usr/bin/python3", "python3 a.py");
    world.exec(11, "/usr/bin/python3", "python3 a.py");
    for tasks in [None, Some(Expect::Cpu), Some(Expect::Gpu)] {
        if let Some(expect) = tasks {
            world.task(vec![expect]);
        }
        let World { table, names, tasks, sums, now } = &mut world;
        sums.gpu(Around { table, names, tasks, now: Nanos(*now) }, &sample, name);
    }
    let usage = world.taken().usage;
    assert_eq!((usage.gpu_s, usage.gpu_unexplained_s), (9.0, 6.0));
    assert_eq!(usage.gpu_joules, 1_200.0, "of the device whose share is known");
}

#[test]
fn new_files_named_like_wallets_and_miners_are_told_from_old_ones() {
    let mut world = World::default();
    let file = |path: &str, created| {
        EventKind::File(FileEvent { path: path.into(), created, ..FileEvent::default() })
    };
    world.event(10, file("/work/my_Wallet.dat", true));
    world.event(10, file("/work/old_wallet.dat", false));
    world.event(10, file("/wallets/readme", true));
    world.event(10, file("/work/XMRig-6.22", true));
    let renamed = FileEvent { op: FileOp::Rename, path: "/work/gminer".into(), ..FileEvent::default() };
    world.event(10, EventKind::File(renamed));
    let activity = world.taken();
    let mut named = of(&activity, Doing::Named);
    named.sort_unstable();
    let expected = [("/work/XMRig-6.22", "", 1), ("/work/gminer", "", 1), ("/work/my_Wallet.dat", "", 1)];
    assert_eq!(named, expected);
}

#[test]
fn who_listens_is_named() {
    let mut world = World::default();
    world.exec(10, "/usr/bin/python3", "python3 -m http.server");
    let end = |protocol, local: &str| Endpoint { cookie: 1, protocol, local: local.parse().unwrap() };
    world.event(10, EventKind::Listen(end(Protocol::Tcp, "0.0.0.0:8000")));
    world.event(10, EventKind::Bind(end(Protocol::Tcp, "0.0.0.0:8000")));
    world.event(10, EventKind::Bind(end(Protocol::Udp, "[::]:53")));
    world.event(10, EventKind::Bind(end(Protocol::Udp, "0.0.0.0:0")));
    let activity = world.taken();
    let mut listeners = of(&activity, Doing::Listener);
    listeners.sort_unstable();
    let expected = [("0.0.0.0:8000/tcp", "/usr/bin/python3", 1), ("[::]:53/udp", "/usr/bin/python3", 1)];
    assert_eq!(listeners, expected);
}
