//! `[telemetry]`: what is measured beside what the kernel reports.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// What is measured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Processors, by procfs and control groups.
    pub cpu: CpuConfig,
    /// GPUs, by NVML.
    pub gpu: GpuConfig,
}

/// Processors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CpuConfig {
    /// Whether they are sampled.
    pub enabled: bool,
    /// How often: `"2s"` (the default).
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl Default for CpuConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(2) }
    }
}

/// GPUs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GpuConfig {
    /// Whether they are sampled, where there are any.
    pub enabled: bool,
    /// How often: `"1s"` (the default).
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// The NVML library; found by the dynamic linker (`libnvidia-ml.so.1`) where none is named.
    pub library: Option<PathBuf>,
}

impl Default for GpuConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(1), library: None }
    }
}
