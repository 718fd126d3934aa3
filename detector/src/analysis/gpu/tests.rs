//! Work on GPUs as it is measured: miners of both kinds, training, inference, idling; with a task and without.

use super::super::Measured;
use super::super::world::{SECOND, World, field, id};
use serde_json::Value;

use super::*;
use crate::agent::Agent;
use crate::event::{CgroupId, GpuDevice};
use crate::task::{Task, TaskChange};

/// One second of a device: SM, memory controller, watts, MB/s over PCIe, MiB, share of the memory's clock.
type Second = (u32, u32, u32, u64, u64, f64);

const MINER: u32 = 50;

struct Bench {
    world: World,
    gpu: Gpu,
    signals: Vec<Signal>,
    time: u64,
    settings: (u32, bool),
}

impl Bench {
    fn new() -> Self {
        let mut world = World::new();
        world.exec(MINER, "/usr/bin/python3", "python3 work.py");
        let time = world.time;
        Self { world, gpu: Gpu::default(), signals: Vec::new(), time, settings: (700_000, true) }
    }

    /// A task of the agent of all processes here.
    fn task(mut self, expects: Vec<Expect>) -> Self {
        let agent = AgentId(1);
        let group =
            Agent { id: agent, name: "coder".to_owned(), cgroup: CgroupId(9), path: "/coder".to_owned() };
        self.world.tasks.agent_added(&group);
        self.world.tasks.change(TaskChange::Started(Task {
            id: "t".into(),
            agent: "coder".into(),
            name: "work".into(),
            expects,
            exe: None,
            started: Nanos(self.time),
            expires: None,
        }));
        self
    }

    fn sample(&mut self, devices: &[Second], pids: &[u32]) -> Vec<Observation> {
        self.time += SECOND;
        let device = |(index, second): (usize, &Second)| {
            let (sm, controller, watts, traffic, memory, clock) = *second;
            GpuDevice {
                index: u32::try_from(index).unwrap(),
                uuid: format!("GPU-{index}").into(),
                name: "H100".into(),
                utilization: Some(sm),
                memory_utilization: Some(controller),
                memory_used: Some(memory << 20),
                power: Some(watts * 1_000),
                energy: Some(u64::from(watts) * 1_000),
                power_limit: Some(self.settings.0),
                persistence: Some(self.settings.1),
                memory_clock: Some((clock * 2_000.0) as u32),
                memory_clock_max: Some(2_000),
                pcie_received: Some(traffic * 1_000_000),
                pcie_sent: Some(0),
                ..GpuDevice::default()
            }
        };
        let on = |(index, second): (usize, &Second), pid: u32| GpuProcess {
            device: u32::try_from(index).unwrap(),
            process: id(pid),
            agent: AgentId(1),
            cgroup: CgroupId(9),
            memory: Some(second.4 << 20),
            sm: Some(second.0),
            memory_utilization: Some(second.1),
        };
        let sample = GpuSample {
            time: Nanos(self.time),
            interval: SECOND,
            devices: devices.iter().enumerate().map(device).collect(),
            processes: devices
                .iter()
                .enumerate()
                .flat_map(|place| pids.iter().map(move |pid| on(place, *pid)))
                .collect(),
        };
        let World { table, names, tasks, .. } = &self.world;
        let around = Around { table, names, tasks, now: Nanos(self.time) };
        let mut out = Vec::new();
        self.gpu.sample(around, &sample, &mut self.signals, &mut out);
        out
    }

    /// So many seconds of one device; what was observed.
    fn run(&mut self, seconds: u64, of: impl Fn(u64) -> Second) -> Vec<Observation> {
        (0..seconds).flat_map(|second| self.sample(&[of(second)], &[MINER])).collect()
    }

    /// Marks that hold now.
    fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        for Signal { mark, holds, .. } in &self.signals {
            marks.retain(|known| known != mark);
            if *holds {
                marks.push(*mark);
            }
        }
        marks
    }
}

fn names(seen: &[Observation]) -> Vec<(&str, &str)> {
    seen.iter().map(|seen| (seen.name, field(seen, "GpuShape").as_str().unwrap_or(""))).collect()
}

/// Ethash and its kin; the noise of a real board.
fn memory_bound(second: u64) -> Second {
    (99 + (second % 2) as u32, 98, 258 + (second % 5) as u32, 0, 5_120, 1.0)
}

/// Kaspa and its kin at `--mclk 810`.
fn core_bound(second: u64) -> Second {
    (100, 4, 180 + (second % 3) as u32, 0, 700, 0.09)
}

/// The same with the memory as it is by itself.
fn full_clock(second: u64) -> Second {
    let (sm, controller, watts, traffic, memory, _) = core_bound(second);
    (sm, controller, watts, traffic, memory, 1.0)
}

/// Steps of four seconds: data comes, the cores work, parameters are updated.
fn training(second: u64) -> Second {
    match second % 4 {
        0 => (82, 30, 320, 900, 60_000 + 200 * (second / 8), 1.0),
        3 => (90, 70, 450, 20, 60_000 + 200 * (second / 8), 1.0),
        _ => (100, 55, 640, 2, 60_000 + 200 * (second / 8), 1.0),
    }
}

/// Requests come in bursts.
fn inference(second: u64) -> Second {
    if second % 5 < 2 { (95, 60, 420, 60, 40_000, 1.0) } else { (0, 0, 110, 0, 40_000, 1.0) }
}

#[test]
fn a_miner_that_waits_for_memory_is_told_within_25_seconds() {
    let mut bench = Bench::new();
    let seen = bench.run(25, memory_bound);
    assert_eq!(names(&seen), [("gpu_busy_without_task", "memory_bound")]);
    assert_eq!(seen[0].process, id(MINER));
    assert_eq!(field(&seen[0], "TasksRegistered"), false);
    assert!(seen[0].text.starts_with("is on GPU 0 (H100): flat work without pause that waits for memory"));
    assert_eq!(bench.marks(), [Mark::GpuBurn]);
    assert_eq!(names(&bench.run(600, memory_bound)), [], "once");
}

#[test]
fn a_miner_with_the_memory_clock_held_down_is_core_bound() {
    let mut bench = Bench::new();
    assert_eq!(names(&bench.run(25, core_bound)), [("gpu_busy_without_task", "core_bound")]);
    assert_eq!(bench.marks(), [Mark::GpuBurn, Mark::GpuCoreBound]);
    // The same at the memory's full clock may be a benchmark.
    let mut bench = Bench::new();
    assert_eq!(names(&bench.run(25, full_clock)), [("gpu_busy_without_task", "flat")]);
    assert_eq!(bench.marks(), [Mark::GpuBurn]);
}

#[test]
fn training_varies_and_speaks_against_mining() {
    let mut bench = Bench::new();
    let seen = bench.run(120, training);
    assert_eq!(names(&seen), [("gpu_busy_without_task", "varied")]);
    assert_eq!(bench.marks(), [Mark::GpuVaries]);
}

#[test]
fn inference_in_bursts_and_an_idle_context_are_not_busy() {
    let mut bench = Bench::new();
    assert_eq!(names(&bench.run(120, inference)), []);
    assert_eq!(bench.marks(), [Mark::GpuVaries]);
    let mut bench = Bench::new();
    assert_eq!(names(&bench.run(120, |_| (0, 0, 70, 0, 400, 0.2))), []);
    assert_eq!(bench.marks(), []);
}

#[test]
fn a_declared_task_leaves_no_observation_but_the_shape() {
    let mut bench = Bench::new().task(vec![Expect::Gpu]);
    assert_eq!(names(&bench.run(60, training)), []);
    let mut bench = Bench::new().task(vec![Expect::Gpu]);
    assert_eq!(names(&bench.run(60, memory_bound)), []);
    assert_eq!(bench.marks(), [Mark::GpuBurn]);
}

#[test]
fn a_task_that_does_not_name_the_gpu_makes_its_use_undeclared() {
    let mut bench = Bench::new().task(vec![Expect::Cpu]);
    let seen = bench.run(25, core_bound);
    assert_eq!(names(&seen), [("gpu_undeclared", ""), ("gpu_busy_without_task", "core_bound")]);
    assert_eq!(field(&seen[1], "TasksRegistered"), true);
    assert_eq!(bench.marks(), [Mark::GpuUndeclared, Mark::GpuBurn, Mark::GpuCoreBound]);
    // Whoever asks what GPUs there are is gone by then.
    let mut bench = Bench::new().task(vec![Expect::Cpu]);
    assert_eq!(names(&bench.run(3, |_| (0, 0, 70, 0, 400, 1.0))), []);
}

#[test]
fn a_miner_that_stops_no_longer_burns_and_one_that_begins_after_training_is_told() {
    let mut bench = Bench::new();
    bench.run(40, memory_bound);
    bench.run(60, |_| (0, 0, 70, 0, 5_120, 1.0));
    assert_eq!(bench.marks(), []);
    let mut bench = Bench::new();
    let varied = bench.run(60, training);
    let flat = bench.run(60, memory_bound);
    assert_eq!(names(&varied), [("gpu_busy_without_task", "varied")]);
    assert_eq!(names(&flat), [("gpu_busy_without_task", "memory_bound")]);
}

#[test]
fn eight_devices_of_one_process_are_one_observation() {
    let mut bench = Bench::new();
    let seen: Vec<_> =
        (0..30).flat_map(|second| bench.sample(&[memory_bound(second); 8], &[MINER])).collect();
    assert_eq!(names(&seen), [("gpu_busy_without_task", "memory_bound")]);
    assert_eq!(field(&seen[0], "GpuDevices").as_array().unwrap().len(), 8);
}

#[test]
fn what_nvml_does_not_tell_is_no_shape() {
    let mut bench = Bench::new().task(vec![Expect::Cpu]);
    let mut seen = Vec::new();
    for _ in 0..40 {
        bench.time += SECOND;
        let device = GpuDevice {
            mig: true,
            instance: Some((1, 0)),
            name: "MIG 1g.10gb".into(),
            ..GpuDevice::default()
        };
        let process = GpuProcess { process: id(MINER), agent: AgentId(1), ..GpuProcess::default() };
        let sample = GpuSample {
            time: Nanos(bench.time),
            interval: SECOND,
            devices: vec![device],
            processes: vec![process],
        };
        let World { table, names, tasks, .. } = &bench.world;
        let around = Around { table, names, tasks, now: Nanos(bench.time) };
        bench.gpu.sample(around, &sample, &mut bench.signals, &mut seen);
    }
    assert_eq!(names(&seen), [("gpu_undeclared", "")]);
    assert_eq!(field(&seen[0], "GpuDevices")[0], "0.1.0");
}

#[test]
fn processes_of_no_agent_and_places_that_are_none_are_passed_over() {
    let mut bench = Bench::new();
    bench.time += SECOND;
    let stray = GpuProcess { device: 9, process: id(MINER), agent: AgentId(1), ..GpuProcess::default() };
    let nobody = GpuProcess { process: id(777), ..GpuProcess::default() };
    let sample = GpuSample {
        time: Nanos(bench.time),
        interval: 0,
        devices: vec![GpuDevice::default()],
        processes: vec![stray, nobody],
    };
    bench.world.measured(&Measured::Gpu(sample));
    assert_eq!(bench.world.names(), Vec::<String>::new());
}

#[test]
fn a_limit_that_changes_after_a_tool_names_the_tool() {
    let mut bench = Bench::new();
    bench.run(3, training);
    let tool = 60;
    bench.world.exec(tool, "/usr/bin/nvidia-smi", "nvidia-smi -pl 400");
    let event = super::super::world::at(
        bench.time,
        tool,
        EventKind::Exec(bench.world.table.get(id(tool)).unwrap().exec.clone().unwrap()),
    );
    bench.gpu.event(&event);
    bench.settings.0 = 400_000;
    let seen = bench.run(1, training);
    assert_eq!(names(&seen), [("gpu_settings_changed", "")]);
    assert_eq!((seen[0].process, field(&seen[0], "GpuSetBy")), (id(tool), &Value::from("command")));
    assert_eq!(seen[0].text, "power limit of GPU 0 went from 700 W to 400 W after it ran nvidia-smi -pl 400");
    assert_eq!(names(&bench.run(30, |_| (0, 0, 70, 0, 400, 1.0))), [], "once");
}

#[test]
fn a_setting_that_changes_under_nobody_known_names_who_holds_the_device() {
    let mut bench = Bench::new();
    bench.run(3, training);
    bench.settings.1 = false;
    let seen = bench.run(1, training);
    assert_eq!((seen[0].name, field(&seen[0], "GpuSetBy")), ("gpu_settings_changed", &Value::from("holder")));
    bench.settings.1 = true;
    assert_eq!(names(&bench.sample(&[(0, 0, 70, 0, 0, 1.0)], &[])), [], "no agent is there");
}

#[test]
fn a_memory_clock_that_is_held_down_under_load_is_a_setting() {
    let mut bench = Bench::new();
    bench.run(3, full_clock);
    let seen = bench.run(1, core_bound);
    assert_eq!(field(&seen[0], "GpuSetting"), "memory clock");
    let mut bench = Bench::new();
    bench.run(3, core_bound);
    assert_eq!(names(&bench.run(2, |_| (0, 0, 70, 0, 400, 0.1))), [], "an idle device saves power by itself");
}

#[test]
fn hostile_samples_leave_bounded_memory() {
    let mut bench = Bench::new();
    for turn in 0..5 {
        let pids: Vec<u32> = (turn * 2_000..(turn + 1) * 2_000).collect();
        bench.sample(&[memory_bound(0)], &pids);
    }
    assert!(bench.gpu.windows.len() <= MOST && bench.gpu.users.len() <= MOST);
    assert!(bench.gpu.dropped() > 0);
    let World { table, names, tasks, .. } = &bench.world;
    let now = Nanos(bench.time + 2 * GONE);
    bench.gpu.tick(Around { table, names, tasks, now });
    assert_eq!((bench.gpu.windows.len(), bench.gpu.users.len()), (0, 0));
}
