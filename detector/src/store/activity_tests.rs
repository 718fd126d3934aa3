use super::*;
use crate::activity::GpuUse;

fn sample(agent: &str, at_ms: i64, cpu_cores: f32) -> Sample {
    Sample { at_ms, agent: agent.to_owned(), cpu_cores, gpus: Vec::new(), processes: 3 }
}

#[test]
fn samples_are_read_as_they_were_written_by_agent_and_time() {
    let store = Store::in_memory().unwrap();
    let busy = Sample {
        gpus: vec![GpuUse {
            index: 1,
            instance: Some((2, 0)),
            uuid: "GPU-1".to_owned(),
            name: "H100".to_owned(),
            utilization: Some(0.5),
            memory: 1 << 40,
            power: Some(312.5),
        }],
        ..sample("a", 20_000, 1.5)
    };
    store.add_samples(&[sample("a", 10_000, 0.25), busy.clone(), sample("b", 20_000, 7.0)]).unwrap();
    assert_eq!(store.samples("a", 0, 20_000).unwrap(), [sample("a", 10_000, 0.25), busy.clone()]);
    assert_eq!(store.samples("a", 10_001, 20_000).unwrap(), [busy]);
    assert_eq!(store.samples("c", 0, i64::MAX).unwrap(), []);
}

#[test]
fn samples_of_more_than_seven_days_ago_are_gone() {
    let store = Store::in_memory().unwrap();
    store.add_samples(&[sample("a", 1_000, 1.0), sample("a", 2_000, 1.0)]).unwrap();
    store.add_samples(&[sample("b", KEPT_MS + 2_000, 1.0)]).unwrap();
    assert_eq!(store.samples("a", 0, i64::MAX).unwrap(), [sample("a", 2_000, 1.0)]);
}
