//! One thing that speaks for mining or against it.

use crate::event::{Nanos, ProcessId};

/// Something about a process that speaks for mining or against it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signal {
    /// When it was seen.
    pub(crate) time: Nanos,
    /// When userspace took the event from the ring that it was seen in; `time` where there was none.
    pub(crate) received: Nanos,
    /// About which process.
    pub(crate) process: ProcessId,
    /// What.
    pub(crate) mark: Mark,
    /// Whether it holds from now on, or no longer.
    pub(crate) holds: bool,
    /// The fact as a sentence without its subject: "keeps 2 processors busy, 99 % of it in user mode".
    pub(crate) text: String,
}

/// The closed list of what a signal can be; `rules/weights/mining.yml` weighs each by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mark {
    /// The name or the options of a miner.
    Command,
    /// Stratum by content.
    Stratum,
    /// What may be stratum by content, and may be the protocol of a node or a service.
    StratumLike,
    /// The name of a pool, asked for or connected to.
    PoolName,
    /// A long thin flow, as to a pool.
    Cadence,
    /// A wallet's address in arguments, files or sent bytes.
    Wallet,
    /// Memory of the exact size of RandomX's dataset, asked for in huge pages.
    RandomxHuge,
    /// Memory of that size.
    RandomxMemory,
    /// Memory of the size of RandomX's cache, in huge pages.
    RandomxCache,
    /// Rounds otherwise than to nearest, again and again.
    Rounding,
    /// Wrote model-specific registers, or allowed to.
    Registers,
    /// Reserved huge pages.
    HugePages,
    /// Runs a file that the agent wrote or fetched.
    NewCode,
    /// Runs a file that is deleted or never had a name.
    Hidden,
    /// Keeps processors busy, in user mode, without pause, children or data.
    CpuBurn,
    /// The same, as a sum over an hour: throttled, or in turns.
    CpuDuty,
    /// Keeps a GPU busy: flat power, constant memory, no traffic.
    GpuBurn,
    /// A GPU at its full pace with its memory's clock held down.
    GpuCoreBound,
    /// Uses a GPU, and no task says so where tasks are registered.
    GpuUndeclared,
    /// Against it: a task of the agent names computing.
    DeclaredCpu,
    /// Against it: a task of the agent names GPUs.
    DeclaredGpu,
    /// Against it: libraries of training or of numerical work are mapped.
    Libraries,
    /// Against it: reads data.
    Data,
    /// Against it: what the GPU does varies as in training.
    GpuVaries,
    /// Against it: programs come and go, as in builds and tests.
    Churn,
}

impl Mark {
    /// The mark of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mark| mark.name() == name)
    }

    /// Whether it says that the process itself computes.
    pub(in crate::analysis) fn computes(self) -> bool {
        matches!(
            self,
            Self::CpuBurn
                | Self::CpuDuty
                | Self::GpuBurn
                | Self::GpuCoreBound
                | Self::GpuUndeclared
                | Self::Rounding
        )
    }

    /// Whether it says who pays for the work.
    pub(in crate::analysis) fn is_of_a_pool(self) -> bool {
        matches!(self, Self::Stratum | Self::PoolName)
    }

    /// Every mark.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Command,
        Self::Stratum,
        Self::StratumLike,
        Self::PoolName,
        Self::Cadence,
        Self::Wallet,
        Self::RandomxHuge,
        Self::RandomxMemory,
        Self::RandomxCache,
        Self::Rounding,
        Self::Registers,
        Self::HugePages,
        Self::NewCode,
        Self::Hidden,
        Self::CpuBurn,
        Self::CpuDuty,
        Self::GpuBurn,
        Self::GpuCoreBound,
        Self::GpuUndeclared,
        Self::DeclaredCpu,
        Self::DeclaredGpu,
        Self::Libraries,
        Self::Data,
        Self::GpuVaries,
        Self::Churn,
    ];

    /// Its name in the weights and in evidence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Stratum => "stratum",
            Self::StratumLike => "stratum_like",
            Self::PoolName => "pool_name",
            Self::Cadence => "cadence",
            Self::Wallet => "wallet",
            Self::RandomxHuge => "randomx_huge",
            Self::RandomxMemory => "randomx_memory",
            Self::RandomxCache => "randomx_cache",
            Self::Rounding => "rounding",
            Self::Registers => "registers",
            Self::HugePages => "huge_pages",
            Self::NewCode => "new_code",
            Self::Hidden => "hidden",
            Self::CpuBurn => "cpu_burn",
            Self::CpuDuty => "cpu_duty",
            Self::GpuBurn => "gpu_burn",
            Self::GpuCoreBound => "gpu_core_bound",
            Self::GpuUndeclared => "gpu_undeclared",
            Self::DeclaredCpu => "declared_cpu",
            Self::DeclaredGpu => "declared_gpu",
            Self::Libraries => "libraries",
            Self::Data => "data",
            Self::GpuVaries => "gpu_varies",
            Self::Churn => "churn",
        }
    }
}
