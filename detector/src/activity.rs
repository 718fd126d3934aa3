//! What agents did, in sums: how busy each was every ten seconds, and what it ran, reached and wrote in each minute.
//! Part of the core: no I/O, no clock. What has no room is counted, never kept.

use serde::{Deserialize, Serialize};

mod gpu;
mod sampler;

pub(crate) use sampler::Sampler;

/// How busy an agent was for about ten seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The end of these ten seconds, milliseconds since the epoch.
    pub at_ms: i64,
    /// Name of the agent; all that bear it are one.
    pub agent: String,
    /// Processors that it kept busy: 2.5 is two and a half of them.
    pub cpu_cores: f32,
    /// GPUs that its processes were on.
    pub gpus: Vec<GpuUse>,
    /// Its processes that lived at the end.
    pub processes: u32,
}

/// How busy an agent kept one GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    /// NVML's index of the physical device.
    pub index: u32,
    /// GPU instance and compute instance, of a MIG device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<(u32, u32)>,
    /// UUID.
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// Share of the device that the agent used, 0 to 1; `None` where the driver tells neither that nor the device's.
    pub utilization: Option<f32>,
    /// Most bytes of device memory that the agent held.
    pub memory: u64,
    /// Watts of the whole device, on average.
    pub power: Option<f32>,
}
