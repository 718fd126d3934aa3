//! How busy each agent is, from what was measured: one sample of all about every ten seconds.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::gpu;
use super::{GpuUse, Sample};
use crate::event::{AgentId, CpuSample, GpuSample, Nanos};

/// Nanoseconds from one sample to the next, at least.
const EVERY: u64 = 10_000_000_000;
/// Most agents that are sampled, by name.
const MOST: usize = 1_024;
/// Most devices of one agent in one sample.
const MOST_DEVICES: usize = 128;

/// A device: its index, and the instance of it.
type Place = (u32, Option<(u32, u32)>);

/// What was measured since the last sample.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    since: Nanos,
    /// Nanoseconds that processors were measured for.
    measured: u64,
    loads: BTreeMap<Box<str>, Load>,
    /// Who was busy in the last sample: one that shows them idle ends the line of a plot.
    busy: BTreeSet<Box<str>>,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Load {
    cpu: u64,
    gpus: BTreeMap<Place, Device>,
}

#[derive(Debug, Default)]
struct Device {
    uuid: Box<str>,
    name: Box<str>,
    /// Nanoseconds that the agent kept it busy, and of how many that is known.
    busy: f64,
    shared: f64,
    memory: u64,
    /// Joules of the whole device, and the nanoseconds that they are known for.
    energy: f64,
    powered: f64,
}

impl Sampler {
    /// Takes what processors did; `name` is what an agent is called.
    pub(crate) fn cpu<'a>(&mut self, sample: &CpuSample, name: impl Fn(AgentId) -> Option<&'a str>) {
        self.measured = self.measured.saturating_add(sample.interval);
        for agent in &sample.agents {
            let used = agent.user.saturating_add(agent.system);
            if used > 0
                && let Some(load) = name(agent.agent).and_then(|name| self.load(name))
            {
                load.cpu = load.cpu.saturating_add(used);
            }
        }
    }

    /// Takes what GPUs did.
    pub(crate) fn gpu<'a>(&mut self, sample: &GpuSample, name: impl Fn(AgentId) -> Option<&'a str>) {
        let interval = sample.interval as f64;
        for ((agent, place), work) in gpu::work(sample, |process| name(process.agent)) {
            let Some(device) = gpu::device(sample, place) else { continue };
            let Some(load) = self.load(agent) else { continue };
            let key = (device.index, device.instance);
            if load.gpus.len() >= MOST_DEVICES && !load.gpus.contains_key(&key) {
                continue;
            }
            let known = load.gpus.entry(key).or_default();
            known.uuid.clone_from(&device.uuid);
            known.name.clone_from(&device.name);
            if let Some(share) = work.share {
                known.shared += interval;
                known.busy += share * interval;
            }
            known.memory = known.memory.max(work.memory);
            if let Some(joules) = gpu::joules(device, sample.interval) {
                known.energy += joules;
                known.powered += interval;
            }
        }
    }

    /// The samples that are due. `living` counts the processes of each agent that live; it is asked when one is.
    pub(crate) fn tick(
        &mut self,
        now: Nanos,
        living: impl FnOnce() -> HashMap<Box<str>, u32>,
        out: &mut Vec<Sample>,
    ) {
        if self.since == Nanos(0) {
            self.since = now;
        }
        if now.since(self.since) < EVERY {
            return;
        }
        self.since = now;
        let loads = std::mem::take(&mut self.loads);
        let idle = std::mem::take(&mut self.busy);
        let measured = std::mem::take(&mut self.measured) as f64;
        if loads.is_empty() && idle.is_empty() {
            return;
        }
        let living = living();
        let at_ms = i64::try_from(now.0 / 1_000_000).unwrap_or(i64::MAX);
        let sample = |agent: &str, load: &Load| Sample {
            at_ms,
            agent: agent.to_owned(),
            cpu_cores: if measured > 0.0 { (load.cpu as f64 / measured) as f32 } else { 0.0 },
            gpus: load.gpus.iter().map(|(place, device)| device.used(*place)).collect(),
            processes: living.get(agent).copied().unwrap_or(0),
        };
        for (agent, load) in &loads {
            out.push(sample(agent, load));
        }
        for agent in idle.iter().filter(|agent| !loads.contains_key(*agent)) {
            out.push(sample(agent, &Load::default()));
        }
        self.busy = loads.into_keys().collect();
    }

    /// Agents that were not sampled because too many are.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn load(&mut self, agent: &str) -> Option<&mut Load> {
        if !self.loads.contains_key(agent) {
            if self.loads.len() >= MOST {
                self.dropped = self.dropped.saturating_add(1);
                return None;
            }
            self.loads.insert(agent.into(), Load::default());
        }
        self.loads.get_mut(agent)
    }
}

impl Device {
    fn used(&self, (index, instance): Place) -> GpuUse {
        let mean = |sum: f64, of: f64| (of > 0.0).then(|| (sum / of) as f32);
        GpuUse {
            index,
            instance,
            uuid: self.uuid.to_string(),
            name: self.name.to_string(),
            utilization: mean(self.busy, self.shared),
            memory: self.memory,
            power: mean(self.energy * 1e9, self.powered),
        }
    }
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
