//! The kernel boundary: offsets, loading and attaching, control groups, rings, decoding.

use std::io;
use std::path::PathBuf;

pub mod btf;
pub mod cgroup;
pub mod clock;
pub mod decode;
pub mod hook;
pub mod proc;
pub mod program;
pub mod ring;
pub mod rounding;
pub mod sensor;
pub mod tier;

/// What can go wrong at the kernel boundary. Each message names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Not root.
    #[error("loading eBPF programs needs root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN); run this with sudo")]
    Privilege,
    /// No BTF.
    #[error("cannot read {path}: this kernel has no BTF; use a kernel built with CONFIG_DEBUG_INFO_BTF=y")]
    Btf {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Not BTF.
    #[error("{path} is no BTF that this version understands; report the kernel's version")]
    BtfFormat {
        /// File.
        path: PathBuf,
    },
    /// A hook that scope depends on cannot be used.
    #[error(
        "the hook {hook} is needed and this kernel does not allow it: {reason}; `detector doctor` tells more"
    )]
    Vital {
        /// Program.
        hook: &'static str,
        /// Why.
        reason: String,
    },
    /// A tier was asked for that cannot be had.
    #[error(
        "the tier {tier} cannot serve `{event}` on this kernel: {reason}; set [kernel] tier = \"auto\" to use what works"
    )]
    Tier {
        /// Tier.
        tier: &'static str,
        /// Event.
        event: &'static str,
        /// Why.
        reason: String,
    },
    /// The object does not load.
    #[error("loading the eBPF object failed")]
    Load(#[source] Box<aya::EbpfError>),
    /// aya cannot read the BTF.
    #[error("parsing the kernel's BTF failed")]
    AyaBtf(#[source] Box<aya::BtfError>),
    /// The marks of the protocols make no table: a mistake of this version.
    #[error("the marks of the protocols cannot be compiled; report this with the version")]
    Automaton(#[source] Box<crate::network::automaton::AutomatonError>),
    /// A map is missing or refuses.
    #[error("the eBPF map {name} failed")]
    Map {
        /// Map.
        name: &'static str,
        /// Cause.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// A program does not attach to a control group.
    #[error("attaching {hook} to the control group {path} failed")]
    Attach {
        /// Program.
        hook: &'static str,
        /// Control group.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A ring is no power of two or too small.
    #[error(
        "ring size {size} is no power of two of at least {least} bytes; set [kernel] ring_size to e.g. \"4MiB\""
    )]
    RingSize {
        /// Asked for.
        size: u32,
        /// Least.
        least: u32,
    },
    /// No cgroup2.
    #[error(
        "no cgroup2 file system is mounted; mount it with `mount -t cgroup2 none /sys/fs/cgroup` (or boot with systemd.unified_cgroup_hierarchy=1)"
    )]
    NoCgroup2,
    /// A control group cannot be read or made.
    #[error("{action} the control group {path} failed")]
    Cgroup {
        /// What was tried.
        action: &'static str,
        /// Control group.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl KernelError {
    /// Whether the operator has to change something before it can work.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Privilege
            | Self::Btf { .. }
            | Self::BtfFormat { .. }
            | Self::Vital { .. }
            | Self::Tier { .. }
            | Self::RingSize { .. }
            | Self::NoCgroup2 => true,
            Self::Load(_)
            | Self::AyaBtf(_)
            | Self::Automaton(_)
            | Self::Map { .. }
            | Self::Attach { .. }
            | Self::Cgroup { .. } => false,
        }
    }
}
