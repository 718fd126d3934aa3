//! What agents did, in sums: how busy each was every ten seconds, and what it ran, reached and wrote in each minute.
//! Part of the core: no I/O, no clock. What has no room is counted, never kept.

use serde::{Deserialize, Serialize};

mod gpu;
mod sampler;
mod sums;
mod top;

pub(crate) use sampler::Sampler;
pub(crate) use sums::Sums;

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

/// What an agent did in about a minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Name of the agent; all that bear it are one.
    pub agent: String,
    /// Milliseconds since the epoch: when the minute began.
    pub from_ms: i64,
    /// And when it ended.
    pub to_ms: i64,
    /// What it used.
    pub usage: Usage,
    /// What it did, of each kind what counts most.
    pub items: Vec<Item>,
    /// What of each kind had no room.
    pub others: Vec<(Doing, Others)>,
}

/// What an agent used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processes that were born.
    pub born: u64,
    /// Processes that ended.
    pub ended: u64,
    /// Seconds of processors.
    pub cpu_s: f64,
    /// Those of them outside of any task that declares `cpu`.
    pub cpu_unexplained_s: f64,
    /// Seconds of GPUs: the share of each that it used, by the time. Where the driver tells no share, the whole time
    /// that a process of it was on the device counts.
    pub gpu_s: f64,
    /// Those of them outside of any task that declares `gpu`.
    pub gpu_unexplained_s: f64,
    /// Joules of GPUs that fall to it, where the driver tells.
    pub gpu_joules: f64,
}

impl Usage {
    /// Adds what was used at another time.
    pub fn add(&mut self, other: &Self) {
        let Self { born, ended, cpu_s, cpu_unexplained_s, gpu_s, gpu_unexplained_s, gpu_joules } = other;
        self.born = self.born.saturating_add(*born);
        self.ended = self.ended.saturating_add(*ended);
        self.cpu_s += cpu_s;
        self.cpu_unexplained_s += cpu_unexplained_s;
        self.gpu_s += gpu_s;
        self.gpu_unexplained_s += gpu_unexplained_s;
        self.gpu_joules += gpu_joules;
    }

    /// Whether nothing was used.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// A program that ran: `name` is the executable, `more` the script or module that it was given.
    Program,
    /// Somewhere it connected to or sent datagrams: `name` is the host, or the address where no name is known, `more`
    /// the port (`443/tcp`), `note` the last address.
    Destination,
    /// A port it listened on: `name` is the address with the port and the protocol, `more` the program.
    Listener,
    /// A file worth a note: `name` is the path, `note` says why.
    File,
    /// A new file named like a wallet or a miner: `name` is the path.
    Named,
    /// A program that came near a verdict on mining: `name` is the executable, `count` its points, `note` why.
    Mining,
    /// A directory that it works in: where one of its topmost processes is.
    Workspace,
}

impl Doing {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Program,
        Self::Destination,
        Self::Listener,
        Self::File,
        Self::Named,
        Self::Mining,
        Self::Workspace,
    ];

    /// One word, in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Destination => "destination",
            Self::Listener => "listener",
            Self::File => "file",
            Self::Named => "named",
            Self::Mining => "mining",
            Self::Workspace => "workspace",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doing| doing.name() == name)
    }

    /// Most names of one kind that are kept of one agent at one time.
    pub fn most(self) -> usize {
        match self {
            Self::Program | Self::Destination | Self::File => 64,
            Self::Listener | Self::Named => 32,
            Self::Mining | Self::Workspace => 16,
        }
    }
}

/// Something that an agent did, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What kind of thing.
    pub doing: Doing,
    /// What it is; see [`Doing`].
    pub name: String,
    /// What else tells it from others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub more: String,
    /// What was said of it last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How often.
    pub count: u64,
    /// Bytes sent to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent: u64,
    /// Bytes received from it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Item {
    /// Nothing done yet.
    pub fn new(doing: Doing, name: impl Into<String>, more: impl Into<String>) -> Self {
        Self {
            doing,
            name: name.into(),
            more: more.into(),
            note: String::new(),
            count: 0,
            sent: 0,
            received: 0,
        }
    }

    /// How much it counts beside others: each time, and each 4 KiB.
    pub fn weight(&self) -> u64 {
        self.count.saturating_add(self.sent.saturating_add(self.received) >> 12)
    }
}

/// What had no room under its own name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// How many names; one that came, went and came again counts twice.
    pub names: u64,
    /// How often, all together.
    pub count: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

impl Others {
    /// Takes in one more name.
    pub fn add(&mut self, item: &Item) {
        self.join(&Self { names: 1, count: item.count, sent: item.sent, received: item.received });
    }

    /// Takes in what had no room elsewhere.
    pub fn join(&mut self, other: &Self) {
        let Self { names, count, sent, received } = other;
        self.names = self.names.saturating_add(*names);
        self.count = self.count.saturating_add(*count);
        self.sent = self.sent.saturating_add(*sent);
        self.received = self.received.saturating_add(*received);
    }
}
