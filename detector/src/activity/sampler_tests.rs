//! How busy agents are told to be.

use super::*;
use crate::event::{CgroupId, CpuAgent, GpuDevice, GpuProcess, ProcessId, Ticks};

const SECOND: u64 = 1_000_000_000;

fn name(agent: AgentId) -> Option<&'static str> {
    match agent.0 {
        1 | 2 => Some("coder"),
        3 => Some("other"),
        _ => None,
    }
}

fn cpu(agents: &[(u32, u64)]) -> CpuSample {
    let agents = agents.iter().map(|(agent, used)| CpuAgent {
        agent: AgentId(*agent),
        cgroup: CgroupId(1),
        user: used / 2,
        system: used - used / 2,
        ..CpuAgent::default()
    });
    CpuSample { interval: 2 * SECOND, processors: 8, agents: agents.collect(), ..CpuSample::default() }
}

fn tick(sampler: &mut Sampler, second: u64) -> Vec<Sample> {
    let mut out = Vec::new();
    sampler.tick(Nanos(second * SECOND), || [("coder".into(), 4)].into_iter().collect(), &mut out);
    out
}

#[test]
fn agents_of_one_name_are_one_sample_every_ten_seconds() {
    let mut sampler = Sampler::default();
    assert!(tick(&mut sampler, 100).is_empty());
    for second in [102, 104, 106, 108] {
        sampler.cpu(&cpu(&[(1, 3 * SECOND), (2, SECOND), (3, 0), (9, SECOND)]), name);
        assert!(tick(&mut sampler, second).is_empty());
    }
    let samples = tick(&mut sampler, 110);
    let expected =
        Sample { at_ms: 110_000, agent: "coder".to_owned(), cpu_cores: 2.0, gpus: vec![], processes: 4 };
    assert_eq!(samples, std::slice::from_ref(&expected));
    // One more says that it is idle now; then nothing does.
    sampler.cpu(&cpu(&[(3, SECOND)]), name);
    let samples = tick(&mut sampler, 120);
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0].agent, "other");
    assert_eq!((samples[1].agent.as_str(), samples[1].cpu_cores), ("coder", 0.0));
    assert_eq!(tick(&mut sampler, 130).len(), 1);
    assert!(tick(&mut sampler, 140).is_empty());
}

#[test]
fn a_gpu_is_shared_out_by_what_the_driver_tells_of_each_process() {
    let process = |agent: u32, device: u32, sm: Option<u32>| GpuProcess {
        device,
        process: ProcessId { pid: 10 + agent, start: Ticks(1) },
        agent: AgentId(agent),
        memory: Some(1 << 30),
        sm,
        ..GpuProcess::default()
    };
    let device = |index: u32| GpuDevice {
        index,
        uuid: "GPU-1".into(),
        utilization: Some(80),
        power: Some(300_000),
        ..GpuDevice::default()
    };
    let sample = GpuSample {
        interval: SECOND,
        devices: vec![device(0), device(1), device(2)],
        processes: vec![
            process(1, 0, Some(20)),
            process(2, 0, Some(20)),
            process(0, 0, Some(40)),
            process(3, 1, None),
            process(3, 2, None),
            process(1, 2, None),
        ],
        ..GpuSample::default()
    };
    let work = gpu::work(&sample, |process| name(process.agent));
    let coder = work[&("coder", 0)];
    assert_eq!((coder.share, coder.memory), (Some(0.4), 2 << 30));
    assert!((coder.energy.unwrap() - 150.0).abs() < 0.001, "{coder:?}");
    assert_eq!(work[&("other", 1)].share, Some(0.8), "alone on it");
    assert_eq!(work[&("other", 2)].share, None, "not alone, and the driver does not tell");

    let mut sampler = Sampler::default();
    tick(&mut sampler, 1);
    for _ in 0..10 {
        sampler.gpu(&sample, name);
    }
    let samples = tick(&mut sampler, 11);
    assert_eq!(samples.len(), 2);
    let used = &samples[0].gpus[0];
    assert_eq!((samples[0].agent.as_str(), used.index, &*used.uuid), ("coder", 0, "GPU-1"));
    assert!((used.utilization.unwrap() - 0.4).abs() < 0.001, "{used:?}");
    assert!((used.power.unwrap() - 300.0).abs() < 0.01, "{used:?}");
}

#[test]
fn agents_without_end_are_bounded_and_counted() {
    let names: Vec<String> = (0..5_000).map(|number| format!("agent-{number}")).collect();
    let mut sampler = Sampler::default();
    let all: Vec<(u32, u64)> = (0..5_000).map(|agent| (agent, SECOND)).collect();
    sampler.cpu(&cpu(&all), |agent| names.get(agent.0 as usize).map(String::as_str));
    assert_eq!((sampler.loads.len(), sampler.dropped()), (MOST, 5_000 - MOST as u64));
}
