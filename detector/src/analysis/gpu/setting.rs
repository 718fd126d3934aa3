//! `gpu_settings_changed`: limits and clocks of a device that change under an agent's hands.
//!
//! NVML says what holds now, not who set it. Who ran a tool with an option that sets it just before is the likely one;
//! else a process of an agent that holds the device, of which the fact is told as that and no more.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde_json::Value;

use super::super::{Around, Moment, Observation};
use super::{agent_of, place};
use crate::event::{AgentId, Event, Exec, GpuDevice, GpuSample, Nanos, ProcessId};

/// How long before a change shows a tool may have run: what changes seldom is looked at every five samples.
const BEFORE: u64 = 20_000_000_000;
/// Most tools that are remembered.
const MOST_TOOLS: usize = 64;
/// Most devices.
const MOST_DEVICES: usize = 256;
/// Percent from which on the clock of the memory is that of work.
const AT_WORK: u32 = 50;
/// Most characters of a command line.
const LINE: usize = 200;

/// Options of nvidia-smi that set something.
const OPTIONS: &[&str] = &[
    "-pl",
    "--power-limit",
    "-lgc",
    "--lock-gpu-clocks",
    "-rgc",
    "--reset-gpu-clocks",
    "-lmc",
    "--lock-memory-clocks",
    "-lmcd",
    "--lock-memory-clocks-deferred",
    "-rmc",
    "--reset-memory-clocks",
    "-ac",
    "--applications-clocks",
    "-rac",
    "--reset-applications-clocks",
    "-pm",
    "--persistence-mode",
    "-gtt",
    "--gpu-target-temp",
];

/// What devices were set to, and who ran tools.
#[derive(Debug, Default)]
pub(super) struct Settings {
    devices: HashMap<u32, Setting>,
    tools: VecDeque<(Nanos, ProcessId, AgentId, String)>,
}

/// What one device was set to.
#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    power_limit: Option<u32>,
    persistence: Option<bool>,
    /// Whether the memory's clock was held down under load.
    held: Option<bool>,
}

impl Settings {
    /// Takes an exec: a tool that sets something is remembered.
    pub(super) fn exec(&mut self, event: &Event, exec: &Exec) {
        if event.agent == AgentId::NONE || !is_setting(exec) {
            return;
        }
        if self.tools.len() >= MOST_TOOLS {
            self.tools.pop_front();
        }
        let line: String = exec.command_line().chars().take(LINE).collect();
        self.tools.push_back((event.time, event.process, event.agent, line));
    }

    /// Takes a sample; a change that an agent may have made is appended to `out`.
    pub(super) fn sample(
        &mut self,
        around: Around<'_>,
        sample: &GpuSample,
        held_down: f64,
        out: &mut Vec<Observation>,
    ) {
        while self.tools.front().is_some_and(|(time, ..)| sample.time.since(*time) > BEFORE) {
            self.tools.pop_front();
        }
        for (number, device) in
            sample.devices.iter().enumerate().filter(|(_, device)| device.instance.is_none())
        {
            if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(&device.index) {
                continue;
            }
            let known = self.devices.entry(device.index).or_default();
            for change in known.change(device, held_down) {
                out.extend(self.tell(around, sample, number, device, &change));
            }
        }
    }

    fn tell(
        &self,
        around: Around<'_>,
        sample: &GpuSample,
        number: usize,
        device: &GpuDevice,
        change: &Change,
    ) -> Option<Observation> {
        let Change { what, before, after } = change;
        let tool = self.tools.back();
        let holder = || {
            let on = sample.processes.iter().filter(|process| usize::try_from(process.device) == Ok(number));
            let mut of_agents = on.map(|process| (process.process, agent_of(around, process)));
            of_agents.find(|(process, agent)| *agent != AgentId::NONE && process.start.0 != 0)
        };
        let (process, agent, by, how) = match tool {
            Some((_, process, agent, line)) => (*process, *agent, "command", format!("after it ran {line}")),
            None => {
                let (process, agent) = holder()?;
                (process, agent, "holder", "while it held the device".to_owned())
            }
        };
        let text = format!("{what} of GPU {} went from {before} to {after} {how}", place(device));
        let fields = vec![
            ("GpuDevices", Value::from(vec![place(device)])),
            ("GpuName", Value::from(&*device.name)),
            ("GpuSetting", Value::from(*what)),
            ("GpuBefore", Value::from(before.as_str())),
            ("GpuAfter", Value::from(after.as_str())),
            ("GpuSetBy", Value::from(by)),
        ];
        let moment = Moment { agent, ..Moment::now(around) };
        Some(moment.observation(around, process, "gpu_settings_changed", text, fields))
    }
}

/// Something that is set otherwise than before.
#[derive(Debug)]
struct Change {
    what: &'static str,
    before: String,
    after: String,
}

impl Setting {
    /// Takes what a device is set to now; gives what changed.
    fn change(&mut self, device: &GpuDevice, held_down: f64) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut compare = |what, before: Option<String>, after: Option<String>| {
            if let (Some(before), Some(after)) = (before, after)
                && before != after
            {
                changes.push(Change { what, before, after });
            }
        };
        let watts = |limit: u32| format!("{} W", limit / 1_000);
        compare("power limit", self.power_limit.map(watts), device.power_limit.map(watts));
        let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
        compare("persistence mode", self.persistence.map(switch), device.persistence.map(switch));
        let at_work = device.utilization.is_some_and(|share| share >= AT_WORK);
        let held = device
            .memory_clock
            .zip(device.memory_clock_max.filter(|most| *most > 0))
            .filter(|_| at_work)
            .map(|(clock, most)| f64::from(clock) / f64::from(most) <= held_down);
        let clock = |held: bool| if held { "held down" } else { "free" }.to_owned();
        compare("memory clock", self.held.map(clock), held.map(clock));
        self.power_limit = device.power_limit.or(self.power_limit);
        self.persistence = device.persistence.or(self.persistence);
        self.held = held.or(self.held);
        changes
    }
}

/// Whether a program was asked to set something of a GPU.
fn is_setting(exec: &Exec) -> bool {
    let name = exec.exe.rsplit('/').next().unwrap_or_default();
    let called = exec.argv.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let is_tool = [name, called].contains(&"nvidia-smi");
    let sets = |word: &str| OPTIONS.contains(&word.split('=').next().unwrap_or_default());
    is_tool && exec.argv.iter().skip(1).any(|word| sets(word))
}
