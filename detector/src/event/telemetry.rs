//! What was measured: processors, GPUs, and what a process that draws attention is made of.
//!
//! Amounts that grow are given as what was added since the sample before; `None` is what could not be had.

use serde::{Deserialize, Serialize};

use super::{AgentId, CgroupId, Nanos, ProcessId};

/// What processes and agents used of the processors since the sample before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuSample {
    /// When it was taken.
    pub time: Nanos,
    /// Nanoseconds since the one before, by a clock that does not jump.
    pub interval: u64,
    /// Processors that are online.
    pub processors: u32,
    /// Watched processes that used any and still run; what one used at its end stands in its exit event.
    pub processes: Vec<CpuProcess>,
    /// Agents.
    pub agents: Vec<CpuAgent>,
}

/// What one process used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuProcess {
    /// The process.
    pub process: ProcessId,
    /// Nanoseconds in user mode.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Nanoseconds that its busy threads were ready to run and waited: for a processor, or for their quota. This and
    /// what else is an `Option` or may be 0 is read of processes that used a tenth of a processor or more.
    pub waited: Option<u64>,
    /// Voluntary context switches of its busy threads.
    pub voluntary_switches: Option<u64>,
    /// Threads.
    pub threads: u32,
    /// Those of them that ran, or were ready to, for at least a twentieth of the time.
    pub busy_threads: Option<u32>,
    /// Nice value of its first thread.
    pub nice: i32,
    /// Scheduling policy, as sched_setscheduler(2) numbers it; 5 is SCHED_IDLE.
    pub policy: u32,
    /// Processors that its busy threads may run on, at most; 1 where each is pinned, 0 where that is not known.
    pub affinity: u32,
    /// Bytes read and written by system calls.
    pub transferred: Option<u64>,
    /// Bytes of memory in huge pages of hugetlbfs, held now.
    pub huge_pages: u64,
    /// Bytes of memory, held now.
    pub resident: u64,
}

/// What one agent used, by its control group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuAgent {
    /// The agent.
    pub agent: AgentId,
    /// Its control group.
    pub cgroup: CgroupId,
    /// Nanoseconds in user mode.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Nanoseconds that the quota of this group held it back; those of groups below it are not in it.
    pub throttled: u64,
    /// Share of time that some task of it waited for a processor, over ten seconds; 0 to 1.
    pub pressure: Option<f64>,
}

/// What a process is made of, looked at because it is busy. Read from `/proc`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub time: Nanos,
    /// The process.
    pub process: ProcessId,
    /// File names of the libraries that it maps and that say what it is for: `libtorch_cpu.so`.
    pub libraries: Vec<Box<str>>,
    /// Files of data that it has open for reading, with at least a mebibyte each; how many.
    pub data_files: u32,
    /// Sizes of its largest anonymous areas of memory in bytes, largest first, eight at most.
    pub anonymous: Vec<u64>,
    /// Areas of memory that are executable and of no file.
    pub executable_anonymous: u32,
    /// Bytes of memory in huge pages, transparent ones included.
    pub huge: u64,
}

/// How a busy process had its processor round, counted each time that one of its threads was taken off it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rounding {
    /// When counting ended.
    pub time: Nanos,
    /// The process.
    pub process: ProcessId,
    /// Times that were looked at.
    pub looked: u64,
    /// Those with another rounding mode than to nearest.
    pub other: u64,
}

/// What the GPUs did since the sample before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuSample {
    /// When it was taken.
    pub time: Nanos,
    /// Nanoseconds since the one before, by a clock that does not jump.
    pub interval: u64,
    /// Devices, MIG instances after the device that they are part of.
    pub devices: Vec<GpuDevice>,
    /// Processes on them.
    pub processes: Vec<GpuProcess>,
}

/// One GPU, or one MIG instance of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuDevice {
    /// NVML's index of the physical device.
    pub index: u32,
    /// GPU instance and compute instance, of a MIG device.
    pub instance: Option<(u32, u32)>,
    /// UUID.
    pub uuid: Box<str>,
    /// Product name.
    pub name: Box<str>,
    /// Whether MIG is on: what NVML does not tell then is `None`.
    pub mig: bool,
    /// Share of time that a kernel ran, percent.
    pub utilization: Option<u32>,
    /// Share of time that the memory controller was busy, percent.
    pub memory_utilization: Option<u32>,
    /// Bytes of memory in use.
    pub memory_used: Option<u64>,
    /// Bytes of memory.
    pub memory_total: Option<u64>,
    /// Power now, milliwatts.
    pub power: Option<u32>,
    /// Energy since the sample before, millijoules.
    pub energy: Option<u64>,
    /// Enforced power limit, milliwatts.
    pub power_limit: Option<u32>,
    /// Clock of the streaming multiprocessors, MHz.
    pub sm_clock: Option<u32>,
    /// Highest clock of the streaming multiprocessors, MHz.
    pub sm_clock_max: Option<u32>,
    /// Clock of the memory, MHz.
    pub memory_clock: Option<u32>,
    /// Highest clock of the memory, MHz.
    pub memory_clock_max: Option<u32>,
    /// Persistence mode.
    pub persistence: Option<bool>,
    /// PCIe bytes per second to the device.
    pub pcie_received: Option<u64>,
    /// PCIe bytes per second from the device.
    pub pcie_sent: Option<u64>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
}

/// One process on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuProcess {
    /// Place of the device in [`GpuSample::devices`].
    pub device: u32,
    /// The process: its start is 0 where it is gone or not to be seen.
    pub process: ProcessId,
    /// Agent that it belongs to; [`AgentId::NONE`] for none.
    pub agent: AgentId,
    /// Control group of the process; 0 where it belongs to no agent.
    pub cgroup: CgroupId,
    /// Bytes of device memory that it holds.
    pub memory: Option<u64>,
    /// Share of the streaming multiprocessors that it used, percent.
    pub sm: Option<u32>,
    /// Share of the memory controller that it used, percent.
    pub memory_utilization: Option<u32>,
}
