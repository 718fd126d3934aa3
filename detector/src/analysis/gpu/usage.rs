//! What one process does on all the devices that it is on, as a sentence and as fields.

use serde_json::Value;

use super::super::Around;
use super::shape::{Profile, Shape};
use crate::event::{AgentId, CgroupId, GpuDevice, GpuProcess, ProcessId};

/// What one process does on all its devices.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) process: ProcessId,
    pub(super) agent: AgentId,
    pub(super) cgroup: CgroupId,
    devices: Vec<String>,
    name: Box<str>,
    memory: Option<u64>,
    /// What it does where it does most.
    pub(super) profile: Option<Profile>,
}

impl Use {
    pub(super) fn new(device: &GpuDevice, process: &GpuProcess, profile: Option<Profile>) -> Self {
        Self {
            process: process.process,
            agent: process.agent,
            cgroup: process.cgroup,
            devices: vec![place(device)],
            name: device.name.clone(),
            memory: process.memory,
            profile,
        }
    }

    pub(super) fn join(&mut self, device: &GpuDevice, process: &GpuProcess, profile: Option<Profile>) {
        self.devices.push(place(device));
        self.memory = match (self.memory, process.memory) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        let shape = |profile: &Option<Profile>| profile.as_ref().map(|profile| profile.shape);
        if shape(&profile) > shape(&self.profile) {
            self.profile = profile;
        }
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        self.profile.as_ref().map(|profile| profile.shape)
    }

    /// That it is on a device, as the start of a sentence without subject.
    pub(super) fn holds(&self) -> String {
        format!("is on GPU {} ({})", self.devices.join(", "), self.name)
    }

    /// What it does there.
    pub(super) fn text(&self) -> String {
        let what = self.profile.as_ref().map(|profile| format!(": {}", profile.text()));
        format!("{}{}", self.holds(), what.unwrap_or_default())
    }

    pub(super) fn fields(&self, around: Around<'_>, shape: Option<Shape>) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("GpuDevices", Value::from(self.devices.clone())),
            ("GpuName", Value::from(&*self.name)),
            ("TasksRegistered", Value::from(around.tasks.is_used())),
        ];
        fields.extend(self.memory.map(|memory| ("GpuMemory", Value::from(memory))));
        fields.extend(shape.map(|shape| ("GpuShape", Value::from(shape.name()))));
        fields.extend(self.profile.as_ref().map(|profile| ("GpuSeconds", Value::from(profile.seconds))));
        fields
    }
}

/// `2`, or `2.1.0` for a compute instance of a GPU instance of it.
pub(super) fn place(device: &GpuDevice) -> String {
    device.instance.map_or_else(
        || device.index.to_string(),
        |(gpu, compute)| format!("{}.{gpu}.{compute}", device.index),
    )
}
