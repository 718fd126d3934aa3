//! Series of samples as programs make them, and what is said of each.

use super::super::world::{SECOND, World, at, field, id};
use super::*;
use crate::agent::Agent;
use crate::event::{CgroupId, Exit};
use crate::task::{Task, TaskChange};

/// What a process does in one sample of two seconds.
#[derive(Clone, Copy)]
struct Does {
    /// Processors, in user mode and in the kernel.
    user: f64,
    system: f64,
    /// Processors that it waited for.
    waited: f64,
    /// Busy threads.
    threads: u32,
    /// Voluntary switches a second and thread.
    switches: u64,
    /// Bytes a second.
    bytes: u64,
}

const INTERVAL: u64 = 2 * SECOND;
const PROCESSORS: u32 = 8;
const IDLE_SHELL: Does =
    Does { user: 0.001, system: 0.001, waited: 0.0, threads: 1, switches: 3, bytes: 100 };
const MINER: Does = Does { user: 3.99, system: 0.01, waited: 0.0, threads: 4, switches: 0, bytes: 300 };
const ONE_THREAD: Does = Does { user: 0.999, threads: 1, ..MINER };
const THROTTLED: Does = Does { user: 1.2, system: 0.01, threads: 4, switches: 10, ..MINER };

/// The analysis alone, with processes and a clock around it.
struct Bench {
    world: World,
    cpu: Cpu,
    signals: Vec<Signal>,
    out: Vec<Observation>,
}

impl Bench {
    /// Agent 1 has a shell, pid 2, and below it process 3, which runs a program.
    fn new(exe: &str, line: &str) -> Self {
        let mut world = World::new();
        world.exec(1, "/opt/agent", "agent").fork(1, 2).exec(2, "/usr/bin/bash", "bash");
        world.fork(2, 3).exec(3, exe, line);
        Self { world, cpu: Cpu::default(), signals: vec![], out: vec![] }
    }

    fn event(&mut self, pid: u32, kind: EventKind) {
        self.world.event(pid, kind.clone());
        let event = at(self.world.time, pid, kind);
        let World { table, names, tasks, time, .. } = &self.world;
        let around = Around { table, names, tasks, now: Nanos(*time) };
        self.cpu.event(around, &event, &mut self.signals);
    }

    /// Starts a program below a process, which ends at once.
    fn starts(&mut self, parent: u32, child: u32, exe: &str) {
        self.world.fork(parent, child);
        let exec = Exec { exe: exe.into(), argv: vec![exe.into()], parent: id(parent), ..Exec::default() };
        self.event(child, EventKind::Exec(exec.into()));
    }

    fn ends(&mut self, pid: u32, user: u64, system: u64) {
        self.event(pid, EventKind::Exit(Exit { user, system, code: 0, signal: None }));
    }

    /// One sample.
    fn sample(&mut self, does: &[(u32, Does)]) -> &mut Self {
        let nanos = |share: f64| (share * 2e9) as u64;
        let processes = does.iter().map(|(pid, does)| CpuProcess {
            process: id(*pid),
            user: nanos(does.user),
            system: nanos(does.system),
            waited: Some(nanos(does.waited)),
            voluntary_switches: Some(does.switches * 2 * u64::from(does.threads)),
            threads: does.threads + 8,
            busy_threads: Some(does.threads),
            transferred: Some(does.bytes * 2),
            ..CpuProcess::default()
        });
        self.world.time += INTERVAL;
        let sample = CpuSample {
            time: Nanos(self.world.time),
            interval: INTERVAL,
            processors: PROCESSORS,
            processes: processes.collect(),
            agents: vec![],
        };
        let World { table, names, tasks, time, .. } = &self.world;
        let around = Around { table, names, tasks, now: Nanos(*time) };
        self.cpu.sample(around, &sample, &mut self.signals, &mut self.out);
        self
    }

    /// Process 3 does this for so long.
    fn run(&mut self, seconds: u64, does: Does) -> &mut Self {
        for _ in 0..seconds / 2 {
            self.sample(&[(3, does)]);
        }
        self
    }

    fn rest(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds / 2 {
            self.sample(&[]);
        }
        self
    }

    /// What is said of processes since the last call, each mark once: `+mark pid` or `-mark pid`.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for Signal { process, mark, holds, .. } in self.signals.drain(..) {
            let line = format!("{}{} {}", if holds { '+' } else { '-' }, mark.name(), process.pid);
            if said.last() != Some(&line) {
                said.push(line);
            }
        }
        said
    }

    fn task(&mut self, expects: Vec<Expect>) {
        let agent =
            Agent { id: AgentId(1), name: "coder".into(), cgroup: CgroupId(9), path: "/coder".into() };
        self.world.tasks.agent_added(&agent);
        self.world.tasks.change(TaskChange::Started(Task {
            id: "1".into(),
            agent: "coder".into(),
            name: "simulate".into(),
            expects,
            exe: None,
            started: Nanos(0),
            expires: None,
        }));
    }
}

fn none() -> Vec<String> {
    vec![]
}

#[test]
fn a_miner_on_all_threads_burns_within_ten_seconds_until_it_ends() {
    let mut bench = Bench::new("/tmp/a", "a");
    assert_eq!(bench.run(8, MINER).said(), none());
    assert_eq!(bench.run(2, MINER).said(), ["+cpu_burn 3"]);
    // Said again, so that it still counts, and withdrawn at the end.
    assert_eq!(bench.run(120, MINER).said(), ["+cpu_burn 3"]);
    bench.ends(3, 0, 0);
    assert_eq!(bench.said(), ["-cpu_burn 3"]);
}

#[test]
fn a_miner_on_one_thread_of_many_burns() {
    assert_eq!(Bench::new("/tmp/a", "a").run(10, ONE_THREAD).said(), ["+cpu_burn 3"]);
}

#[test]
fn a_miner_that_waits_for_processors_or_its_quota_burns() {
    // Four threads get less than one processor together.
    let crowded = Does { user: 0.79, waited: 3.2, ..MINER };
    assert_eq!(Bench::new("/tmp/a", "a").run(10, crowded).said(), ["+cpu_burn 3"]);
    let quota = Does { user: 0.299, system: 0.001, waited: 0.7, ..ONE_THREAD };
    assert_eq!(Bench::new("/tmp/a", "a").run(10, quota).said(), ["+cpu_burn 3"]);
}

#[test]
fn a_burn_that_stops_is_withdrawn() {
    let mut bench = Bench::new("/tmp/a", "a");
    bench.run(20, MINER).said();
    assert_eq!(bench.rest(20).said(), ["-cpu_burn 3"]);
}

#[test]
fn a_steady_throttle_is_told_within_thirty_seconds() {
    let mut bench = Bench::new("/tmp/a", "a");
    assert_eq!(bench.run(14, THROTTLED).said(), none());
    assert_eq!(bench.run(6, THROTTLED).said(), ["+cpu_duty 3"]);
    // The same on one thread, not quite even.
    let mut bench = Bench::new("/tmp/a", "a");
    for turn in 0..14 {
        let user = 0.3 + f64::from(turn % 3) * 0.03;
        bench.run(2, Does { user, system: 0.002, threads: 1, ..THROTTLED });
    }
    assert_eq!(bench.said(), ["+cpu_duty 3"]);
}

#[test]
fn work_in_bursts_is_told_after_minutes() {
    let mut bench = Bench::new("/tmp/a", "a");
    for _ in 0..3 {
        bench.run(8, MINER).rest(40);
    }
    assert_eq!(bench.said(), none());
    bench.run(8, MINER);
    assert_eq!(bench.said(), ["+cpu_duty 3"]);
}

#[test]
fn work_that_takes_turns_adds_up() {
    let mut bench = Bench::new("/tmp/a", "a");
    // A new process every five seconds, too short-lived for a burn; the parent is no worker itself.
    bench.world.fork(3, 4);
    for turn in 0..90_u32 {
        let pid = 100 + turn;
        bench.starts(3, pid, "/tmp/worker");
        bench.sample(&[]).sample(&[]);
        bench.ends(pid, 4_950_000_000, 10_000_000);
    }
    assert_eq!(bench.said(), ["+cpu_duty 3"]);
    // An hour later it is forgotten.
    assert_eq!(bench.rest(3_600).said(), ["+cpu_duty 3", "-cpu_duty 3"]);
}

#[test]
fn what_a_process_used_before_the_watch_does_not_count() {
    let mut bench = Bench::new("/usr/bin/python3", "python3 train.py");
    bench.rest(4);
    bench.ends(3, 36_000 * SECOND, 0);
    bench.rest(4);
    assert_eq!(bench.said(), none());
    let Sum::Program(..) = program_of(&bench, 2) else { panic!() };
    let tree = Sum::Tree(bench.world.table.root(id(3)));
    assert!(bench.cpu.hour(tree) <= 32.0, "{}", bench.cpu.hour(tree));
}

fn program_of(bench: &Bench, pid: u32) -> Sum {
    let World { table, names, tasks, time, .. } = &bench.world;
    program(Around { table, names, tasks, now: Nanos(*time) }, id(pid)).unwrap()
}

#[test]
fn a_build_churns_and_does_not_burn() {
    let mut bench = Bench::new("/usr/bin/cargo", "cargo build");
    let rustc = Does { user: 0.9, system: 0.08, threads: 1, switches: 30, bytes: 500_000, ..MINER };
    for turn in 0..120_u32 {
        let pid = 100 + 2 * turn;
        bench.starts(3, pid, "/usr/bin/rustc");
        bench.starts(3, pid + 1, "/usr/bin/rustc");
        bench.sample(&[(3, IDLE_SHELL), (99, rustc), (pid, rustc), (pid + 1, rustc)]);
        bench.ends(pid, 2 * SECOND, SECOND / 5);
        bench.ends(pid + 1, 2 * SECOND, SECOND / 5);
    }
    assert_eq!(bench.said(), none());
    // One crate that takes long is of the same build.
    bench.starts(3, 900, "/usr/bin/rustc");
    for turn in 0..10_u32 {
        bench.starts(3, 901 + turn, "/usr/bin/rustc");
        bench.sample(&[(900, Does { user: 0.99, system: 0.01, ..ONE_THREAD })]);
    }
    assert_eq!(bench.said(), ["+cpu_burn 900", "+churn 900"]);
    // The shell's other commands are not.
    bench.starts(2, 950, "/tmp/a");
    for turn in 0..10_u32 {
        bench.starts(3, 951 + turn, "/usr/bin/rustc");
        bench.sample(&[(950, ONE_THREAD)]);
    }
    assert!(!bench.said().contains(&"+churn 950".to_owned()));
}

#[test]
fn compression_works_on_data() {
    let xz = Does { user: 7.6, system: 0.1, threads: 8, switches: 4, bytes: 20_000_000, ..MINER };
    assert_eq!(Bench::new("/usr/bin/xz", "xz -T0 a").run(60, xz).said(), ["+data 3"]);
    // Slow enough that little is read; the queue between threads shows, or nothing does.
    let slow = Does { user: 7.6, system: 0.02, threads: 8, switches: 4, bytes: 100_000, ..MINER };
    assert_eq!(Bench::new("/usr/bin/xz", "xz -9e -T0 a").run(60, slow).said(), none());
}

#[test]
fn tests_loaders_and_shells_do_not_burn() {
    let pytest = Does { user: 0.7, system: 0.2, threads: 1, switches: 150, bytes: 400_000, ..MINER };
    assert_eq!(Bench::new("/usr/bin/python3", "python3 -m pytest").run(120, pytest).said(), none());
    let loader = Does { user: 0.5, system: 0.4, threads: 1, switches: 400, bytes: 80_000_000, ..MINER };
    assert_eq!(Bench::new("/usr/bin/python3", "python3 train.py").run(120, loader).said(), ["+data 3"]);
    assert_eq!(Bench::new("/usr/bin/bash", "bash").run(600, IDLE_SHELL).said(), none());
    // A service that ticks, and one that answers now and then.
    let ticks = Does { user: 0.3, system: 0.01, threads: 1, switches: 120, bytes: 1_000, ..MINER };
    assert_eq!(Bench::new("/opt/game", "game").run(300, ticks).said(), none());
    let mut service = Bench::new("/opt/service", "service");
    for turn in 0..30 {
        let user = [0.02, 0.6, 0.1, 0.0, 0.35][turn % 5];
        service.run(2, Does { user, system: user / 8.0, threads: 1, switches: 20, bytes: 9_000, ..MINER });
    }
    assert_eq!(service.said(), none());
}

#[test]
fn what_cannot_be_read_is_not_held_against_anybody() {
    let mut bench = Bench::new("/tmp/a", "a");
    for _ in 0..30 {
        bench.world.time += INTERVAL;
        let process = CpuProcess { process: id(3), user: 2 * INTERVAL, threads: 2, ..CpuProcess::default() };
        let sample = CpuSample {
            time: Nanos(bench.world.time),
            interval: INTERVAL,
            processors: PROCESSORS,
            processes: vec![process],
            agents: vec![],
        };
        let World { table, names, tasks, time, .. } = &bench.world;
        let around = Around { table, names, tasks, now: Nanos(*time) };
        bench.cpu.sample(around, &sample, &mut bench.signals, &mut bench.out);
    }
    assert_eq!(bench.said(), none());
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing() {
    let mut bench = Bench::new("/tmp/a", "a");
    for turn in 0..5 {
        bench.world.time = if turn % 2 == 0 { 5 * SECOND } else { 90_000 * SECOND };
        bench.run(2, MINER);
    }
    assert_eq!(bench.said(), ["+cpu_burn 3"]);
}

#[test]
fn work_that_no_task_declares_is_told_once_and_only_where_there_are_tasks() {
    let mut bench = Bench::new("/tmp/a", "a");
    bench.run(120, MINER);
    assert_eq!(bench.out.len(), 0);
    bench.task(vec![Expect::Gpu]);
    bench.run(120, MINER);
    let [seen] = bench.out.as_slice() else { panic!("{:?}", bench.out) };
    assert_eq!((seen.name, seen.process), ("cpu_busy_without_task", id(3)));
    assert_eq!((field(seen, "CpuProcessors"), field(seen, "CpuUserPercent")), (&4.0.into(), &99.into()));
    assert!(seen.text.starts_with("keeps 4.0 processors busy, 100 % of it in user mode"), "{}", seen.text);
}

#[test]
fn a_task_that_declares_processors_speaks_for_the_process() {
    let mut bench = Bench::new("/tmp/a", "a");
    bench.task(vec![Expect::Cpu]);
    bench.run(120, MINER);
    let said = bench.said();
    assert!(
        said.contains(&"+declared_cpu 3".to_owned()) && said.contains(&"+cpu_burn 3".to_owned()),
        "{said:?}"
    );
    assert_eq!(bench.out.len(), 0);
    bench.world.tasks.change(TaskChange::Ended("1".into(), Nanos(0)));
    assert_eq!(bench.run(2, MINER).said(), ["-declared_cpu 3"]);
}

#[test]
fn a_hundred_thousand_processes_cost_no_more_than_the_limit() {
    let mut cpu = Cpu::default();
    let world = World::new();
    let around = Around { table: &world.table, names: &world.names, tasks: &world.tasks, now: Nanos(SECOND) };
    let (mut signals, mut out) = (vec![], vec![]);
    for first in 0..100_u32 {
        let processes = (0..1_000).map(|number| CpuProcess {
            process: id(1 + first * 1_000 + number),
            user: SECOND,
            ..CpuProcess::default()
        });
        let sample = CpuSample {
            interval: INTERVAL,
            processors: 2,
            processes: processes.collect(),
            ..CpuSample::default()
        };
        cpu.sample(around, &sample, &mut signals, &mut out);
    }
    assert!(cpu.workers.len() <= MOST && cpu.hours.len() <= MOST_HOURS);
    assert!(cpu.dropped() > 0);
}
