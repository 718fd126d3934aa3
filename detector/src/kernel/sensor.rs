//! The loaded kernel half: programs attached, agents watched, maps at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use aya::maps::{Array, HashMap as EbpfHashMap, Map, MapData, RingBuf};
use aya::{Btf, Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use detector_common::limits;
use detector_common::offsets::Offsets;
use detector_common::wire::{InodeKey, Kind, LossKey, Tag, Want};

use super::cgroup::{Cgroups, Group};
use super::hook::{self, Attach, Hook, Tier, When};
use super::program::{self, Link, Loader};
use super::ring::Rings;
use super::rounding::{Rounded, Rounding};
use super::tier::{self, Choice, HookState};
use super::{KernelError, btf};
use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, ProcessId};
use crate::network::automaton::{self, Automaton, StringTable};
use crate::network::protocol;

/// The object that `build.rs` made.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/detector-ebpf"));
/// Least size of a ring: one page times two, and room for the longest record.
pub const LEAST_RING: u32 = 64 << 10;

/// Rows of the automaton's table.
const STATES: usize = limits::AUTOMATON_STATES as usize;
/// The automaton's table as the kernel half keeps it.
type Table = [[u16; 256]; STATES];

/// How the kernel half is loaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of the urgent and of the bulk ring, each; a power of two.
    pub ring_size: u32,
    /// Whether the probes' own diagnostics (aya-log) are wanted.
    pub probe_log: ProbeLog,
    /// The best tier that may be used; the best that works where none is named.
    pub tier: Option<Tier>,
}

/// Whether probes write diagnostics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeLog {
    /// No; the verifier removes the code.
    Off,
    /// Yes, through `tracing` at DEBUG.
    On,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ring_size: 4 << 20, probe_log: ProbeLog::Off, tier: None }
    }
}

/// The loaded kernel half.
pub struct Sensor {
    ebpf: Ebpf,
    groups: EbpfHashMap<MapData, u64, u32>,
    tasks: EbpfHashMap<MapData, u32, Tag>,
    nurseries: EbpfHashMap<MapData, u64, u32>,
    lost: EbpfHashMap<MapData, LossKey, u64>,
    lost_before: BTreeMap<(u32, u32), u64>,
    canaries: EbpfHashMap<MapData, InodeKey, u32>,
    canary_count: Array<MapData, u32>,
    /// What the kernel half knows for canaries: inode and device.
    canaries_known: BTreeSet<(u64, u32)>,
    strings: Array<MapData, Table>,
    cgroups: Cgroups,
    choice: Choice,
    watched: BTreeMap<AgentId, Watched>,
    attached: BTreeMap<PathBuf, Vec<Link>>,
    expected: BTreeMap<PathBuf, CgroupId>,
    rounding: Rounding,
    always: Vec<Link>,
    machine_wide: Vec<Link>,
    idle: bool,
    probe_log: Option<EbpfLogger<&'static dyn log::Log>>,
}

struct Watched {
    place: PathBuf,
    groups: Vec<CgroupId>,
}

impl Sensor {
    /// Loads every hook that this kernel allows and attaches those that are always on.
    ///
    /// # Errors
    /// No privilege, no BTF, no cgroup2, a ring size that the kernel cannot serve, or a vital hook
    /// refused.
    pub fn load(settings: &Settings) -> Result<(Self, Rings), KernelError> {
        let Settings { ring_size, probe_log, tier } = settings;
        if !ring_size.is_power_of_two() || *ring_size < LEAST_RING {
            return Err(KernelError::RingSize { size: *ring_size, least: LEAST_RING });
        }
        if !rustix::process::geteuid().is_root() && !has_capabilities() {
            return Err(KernelError::Privilege);
        }
        let cgroups = Cgroups::find()?;
        let btf::Facts { offsets, features } = btf::facts(Path::new(btf::VMLINUX))?;
        let words: Vec<u32> =
            Offsets::PATHS.iter().map(|(name, _)| offsets.get(name).unwrap_or(u32::MAX)).collect();
        let types = Btf::from_sys_fs().map_err(|source| KernelError::AyaBtf(Box::new(source)))?;
        let level: u8 = match probe_log {
            ProbeLog::Off => 0,
            ProbeLog::On => 5,
        };
        raise_limits();
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&types))
            .override_global("OFFSETS", words.as_slice(), true)
            .override_global("FEATURES", &features, true)
            .override_global("AYA_LOG_LEVEL", &level, false)
            .map_max_entries("URGENT", *ring_size)
            .map_max_entries("BULK", *ring_size)
            .load(OBJECT)
            .map_err(|source| KernelError::Load(Box::new(source)))?;
        let mut loader = Loader::new(&mut ebpf, &offsets, &types);
        let mut choice = tier::choose(hook::hooks(), *tier, |hook| loader.load(hook))?;
        for state in choice.states.iter_mut().filter(|state| state.is_used()) {
            let missing = state.hook.pieces.iter().filter(|piece| features & piece.feature == 0);
            state.lacks = missing.map(|piece| piece.without).collect();
            state.verified = program::verified(&ebpf, state.hook);
        }
        ask_fallback(&mut ebpf, &choice)?;
        let probe_log = match probe_log {
            ProbeLog::Off => None,
            ProbeLog::On => EbpfLogger::init(&mut ebpf)
                .inspect_err(|error| tracing::warn!(%error, "probes cannot write diagnostics"))
                .ok(),
        };
        let automaton = automaton::compile().map_err(|source| KernelError::Automaton(Box::new(source)))?;
        teach(&mut ebpf, &automaton)?;
        let rings = Rings::new(ring(&mut ebpf, "URGENT")?, ring(&mut ebpf, "BULK")?);
        let mut sensor = Self {
            groups: hash(&mut ebpf, "CGROUPS")?,
            tasks: hash(&mut ebpf, "TASKS")?,
            nurseries: hash(&mut ebpf, "NURSERIES")?,
            lost: hash(&mut ebpf, "LOST")?,
            lost_before: BTreeMap::new(),
            canaries: hash(&mut ebpf, "CANARIES")?,
            canary_count: array(&mut ebpf, "CANARY_COUNT")?,
            canaries_known: BTreeSet::new(),
            strings: array(&mut ebpf, "STRINGS")?,
            rounding: Rounding::new(hash(&mut ebpf, "ROUNDING")?),
            ebpf,
            cgroups,
            choice,
            watched: BTreeMap::new(),
            attached: BTreeMap::new(),
            expected: BTreeMap::new(),
            always: Vec::new(),
            machine_wide: Vec::new(),
            idle: false,
            probe_log,
        };
        sensor.always = sensor.attach_machine_wide(When::Always)?;
        Ok((sensor, rings))
    }

    /// Hands what the probes wrote as diagnostics to the log; nothing where that is off.
    pub fn log(&mut self) {
        if let Some(log) = &mut self.probe_log {
            log.flush();
        }
    }

    /// How each hook fares.
    pub fn states(&self) -> &[HookState] {
        &self.choice.states
    }

    /// Events that no hook serves here, each with the reason.
    pub fn unserved(&self) -> &[(&'static str, String)] {
        &self.choice.unserved
    }

    /// The cgroup2 file system.
    pub fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// Watches an agent from now on: its control group, every group below it, and every process in
    /// them. `place` is where the cgroup programs are attached: the agent's own directory or one above
    /// it that several agents share. Gives the groups, and the processes that were there already.
    ///
    /// # Errors
    /// A map is full, or a program does not attach.
    pub fn watch(&mut self, agent: &Agent, place: &str) -> Result<(Vec<Group>, Vec<u32>), KernelError> {
        let place = self.cgroups.directory(place);
        self.attach_agents()?;
        self.attach_place(&place)?;
        let groups = self.cgroups.tree(&agent.path);
        let mut processes = Vec::new();
        for group in &groups {
            self.groups
                .insert(group.id.0, agent.id.0, 0)
                .map_err(|source| KernelError::Map { name: "CGROUPS", source: Box::new(source) })?;
            processes.extend(self.cgroups.processes(&group.path));
        }
        let ids = groups.iter().map(|group| group.id).collect();
        self.watched.insert(agent.id, Watched { place, groups: ids });
        Ok((groups, processes))
    }

    /// Expects agents to be born in the group at `path`: each child is watched from its birth, under a
    /// provisional number, until [`Sensor::watch`] or [`Sensor::forget`] says what it is.
    ///
    /// # Errors
    /// The map is full or a program does not attach.
    pub fn expect(&mut self, group: CgroupId, path: &str) -> Result<(), KernelError> {
        let place = self.cgroups.directory(path);
        if self.expected.insert(place.clone(), group).is_some_and(|before| before != group) {
            // The directory was removed and made again; what was attached went with the first one.
            self.attached.remove(&place);
        }
        self.attach_place(&place)?;
        self.nurseries
            .insert(group.0, 1, 0)
            .map_err(|source| KernelError::Map { name: "NURSERIES", source: Box::new(source) })
    }

    /// A group that was born among agents is none.
    pub fn forget(&mut self, group: CgroupId, agent: AgentId) {
        // It may be gone already.
        let _ = self.groups.remove(&group.0);
        self.untag(agent);
    }

    /// Tags a process that was there before its agent was watched.
    ///
    /// # Errors
    /// The map is full.
    pub fn tag(&mut self, process: ProcessId, agent: AgentId) -> Result<(), KernelError> {
        let tag = Tag { start: process.start.0.saturating_mul(10_000_000), agent: agent.0, left: 0 };
        // One that the kernel tagged meanwhile knows its start to the nanosecond: leave it.
        match self.tasks.insert(process.pid, tag, 1) {
            Ok(()) => Ok(()),
            Err(_) if self.tasks.get(&process.pid, 0).is_ok() => Ok(()),
            Err(source) => Err(KernelError::Map { name: "TASKS", source: Box::new(source) }),
        }
    }

    /// Stops watching an agent.
    pub fn unwatch(&mut self, agent: AgentId) {
        let Some(Watched { place: _, groups }) = self.watched.remove(&agent) else { return };
        for group in groups {
            // The kernel half may have forgotten it already, when the group was removed.
            let _ = self.groups.remove(&group.0);
        }
        self.untag(agent);
        let Self { attached, watched, expected, .. } = self;
        let in_use = || watched.values().map(|other| &other.place).chain(expected.keys());
        attached.retain(|at, _| in_use().any(|place| place.starts_with(at)));
    }

    /// Detaches what only agents need, if there was none at this call and at the last: to be called now and then.
    /// Agents that follow each other closely find it attached.
    pub fn rest(&mut self) {
        let idle = self.watched.is_empty();
        if idle && self.idle {
            program::detach(std::mem::take(&mut self.machine_wide));
        }
        self.idle = idle;
    }

    fn untag(&mut self, agent: AgentId) {
        let tagged: Vec<u32> = self
            .tasks
            .iter()
            .filter_map(Result::ok)
            .filter_map(|(pid, tag)| (tag.agent == agent.0).then_some(pid))
            .collect();
        for pid in tagged {
            let _ = self.tasks.remove(&pid);
        }
    }

    /// Reports each open of this file from now on.
    ///
    /// # Errors
    /// The map is full.
    pub fn add_canary(&mut self, file: InodeKey) -> Result<(), KernelError> {
        self.canaries
            .insert(file, 1, 0)
            .map_err(|source| KernelError::Map { name: "CANARIES", source: Box::new(source) })?;
        self.canaries_known.insert((file.inode, file.dev));
        self.count_canaries()
    }

    /// Reports opens of this file no longer.
    ///
    /// # Errors
    /// The count cannot be written.
    pub fn remove_canary(&mut self, file: InodeKey) -> Result<(), KernelError> {
        if self.canaries_known.remove(&(file.inode, file.dev)) {
            let _ = self.canaries.remove(&file);
        }
        self.count_canaries()
    }

    /// While the count is 0, the kernel half looks at no open for reading.
    fn count_canaries(&mut self) -> Result<(), KernelError> {
        let count = u32::try_from(self.canaries_known.len()).unwrap_or(u32::MAX);
        self.canary_count
            .set(0, count, 0)
            .map_err(|source| KernelError::Map { name: "CANARY_COUNT", source: Box::new(source) })
    }

    /// Hands over segments with these strings among their first bytes from now on, as many of them as there
    /// is room for; gives how many that is.
    ///
    /// # Errors
    /// The table cannot be written.
    pub fn look_for(&mut self, strings: &[&[u8]]) -> Result<usize, KernelError> {
        let StringTable { table, strings } =
            StringTable::new(strings).map_err(|source| KernelError::Automaton(Box::new(source)))?;
        let mut cells = Box::new([[0_u16; 256]; STATES]);
        for (cell, next) in cells.as_flattened_mut().iter_mut().zip(table) {
            *cell = next;
        }
        // Each segment is walked from the start, so that no walk meets two tables but one of this moment.
        self.strings
            .set(0, cells, 0)
            .map_err(|source| KernelError::Map { name: "STRINGS", source: Box::new(source) })?;
        Ok(strings)
    }

    /// Records lost since the last call, by agent and kind.
    pub fn take_lost(&mut self) -> Vec<(AgentId, Kind, u64)> {
        let mut news = Vec::new();
        for (LossKey { agent, kind }, count) in self.lost.iter().filter_map(Result::ok) {
            let before = self.lost_before.insert((agent, kind), count).unwrap_or(0);
            let kind = u16::try_from(kind).ok().and_then(Kind::from_u16);
            if let Some(kind) = kind.filter(|_| count > before) {
                news.push((AgentId(agent), kind, count - before));
            }
        }
        news
    }

    /// Counts how these processes round, [`limits::ROUNDING`] at most, and no others; those that are counted already go
    /// on from where they are. Whether this kernel lets anybody count.
    ///
    /// # Errors
    /// The map is full, or the program does not attach.
    pub fn watch_rounding(&mut self, pids: &BTreeSet<u32>) -> Result<bool, KernelError> {
        if self.usable(When::Suspicion).is_empty() {
            return Ok(false);
        }
        self.rounding.count(pids)?;
        if pids.is_empty() {
            program::detach(std::mem::take(&mut self.rounding.links));
        } else if self.rounding.links.is_empty() {
            self.rounding.links = self.attach_machine_wide(When::Suspicion)?;
        }
        Ok(true)
    }

    /// How a process rounded since it is counted; `None` where it is not.
    pub fn rounding(&self, pid: u32) -> Option<Rounded> {
        self.rounding.of(pid)
    }

    fn attach_agents(&mut self) -> Result<(), KernelError> {
        if self.machine_wide.is_empty() {
            self.machine_wide = self.attach_machine_wide(When::Agents)?;
        }
        Ok(())
    }

    fn attach_machine_wide(&mut self, when: When) -> Result<Vec<Link>, KernelError> {
        let mut links = Vec::new();
        for hook in self.usable(when) {
            let place = match hook.attach {
                Attach::BtfTracepoint(name)
                | Attach::Lsm(name)
                | Attach::Fentry(name)
                | Attach::Fexit(name)
                | Attach::Kprobe(name)
                | Attach::Kretprobe(name) => name,
                Attach::CgroupSockAddr | Attach::CgroupSock | Attach::CgroupSkb(_) => continue,
            };
            let link = program::attach(&mut self.ebpf, hook).map_err(|source| KernelError::Attach {
                hook: hook.program,
                path: place.into(),
                source: Box::new(source),
            })?;
            links.push(link);
        }
        Ok(links)
    }

    fn attach_place(&mut self, place: &Path) -> Result<(), KernelError> {
        if self.attached.keys().any(|attached| place.starts_with(attached)) {
            return Ok(());
        }
        let directory = File::open(place).map_err(|source| KernelError::Cgroup {
            action: "opening",
            path: place.into(),
            source,
        })?;
        let mut links = Vec::new();
        for hook in self.usable(When::Agents) {
            let link = program::attach_group(&mut self.ebpf, hook, &directory).transpose();
            let link = link.map_err(|source| KernelError::Attach {
                hook: hook.program,
                path: place.into(),
                source: Box::new(source),
            })?;
            links.extend(link);
        }
        self.attached.insert(place.into(), links);
        Ok(())
    }

    fn usable(&self, when: When) -> Vec<&'static Hook> {
        let usable = |state: &&HookState| state.is_used() && state.hook.when == when;
        self.choice.states.iter().filter(usable).map(|state| state.hook).collect()
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        program::detach(std::mem::take(&mut self.machine_wide));
    }
}

/// Tells the hook of the syscall tier which events are its own.
fn ask_fallback(ebpf: &mut Ebpf, choice: &Choice) -> Result<(), KernelError> {
    let mut wanted = 0_u64;
    for state in choice.states.iter().filter(|state| state.hook.tier == Some(Tier::Syscall)) {
        for (event, bit) in hook::event::FALLBACK {
            if state.serves.contains(event) {
                wanted |= bit;
            }
        }
    }
    let refused = |source| KernelError::Map { name: "FALLBACK", source: Box::new(source) };
    let mut map = Array::<_, u64>::try_from(take_map(ebpf, "FALLBACK")?).map_err(refused)?;
    map.set(0, wanted, 0).map_err(refused)
}

fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, KernelError> {
    let missing = || aya::maps::MapError::InvalidName { name: name.to_owned() };
    ebpf.take_map(name).ok_or_else(|| KernelError::Map { name, source: Box::new(missing()) })
}

fn hash<K: aya::Pod, V: aya::Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<EbpfHashMap<MapData, K, V>, KernelError> {
    EbpfHashMap::try_from(take_map(ebpf, name)?)
        .map_err(|source| KernelError::Map { name, source: Box::new(source) })
}

fn array<V: aya::Pod>(ebpf: &mut Ebpf, name: &'static str) -> Result<Array<MapData, V>, KernelError> {
    Array::try_from(take_map(ebpf, name)?)
        .map_err(|source| KernelError::Map { name, source: Box::new(source) })
}

fn ring(ebpf: &mut Ebpf, name: &'static str) -> Result<RingBuf<MapData>, KernelError> {
    RingBuf::try_from(take_map(ebpf, name)?)
        .map_err(|source| KernelError::Map { name, source: Box::new(source) })
}

/// Gives the kernel half the table by which it judges first bytes.
fn teach(ebpf: &mut Ebpf, automaton: &Automaton) -> Result<(), KernelError> {
    let refused = |name| move |source| KernelError::Map { name, source: Box::new(source) };
    let Automaton { table, marks, .. } = automaton;
    let mut cells = Box::new([[0_u16; 256]; STATES]);
    for (cell, next) in cells.as_flattened_mut().iter_mut().zip(table) {
        *cell = *next;
    }
    // The walk has no branch that would end it: a state that ends it leads to itself.
    for (state, row) in (0..).zip(cells.iter_mut()).skip(usize::from(limits::AUTOMATON_ACCEPT)) {
        row.fill(state);
    }
    let mut map: Array<MapData, Table> = array(ebpf, "AUTOMATON")?;
    map.set(0, cells, 0).map_err(refused("AUTOMATON"))?;
    let mut wants: Array<MapData, Want> = array(ebpf, "WANTS")?;
    let of_strings = (u32::from(limits::AUTOMATON_STRING - limits::AUTOMATON_ACCEPT), automaton::STRING_WANT);
    let of_marks = (0..).zip(marks.iter().map(|mark| mark.want));
    for (at, want) in of_marks.chain([of_strings]) {
        let protocol::Want { bytes, again, urgent, length_at } = want;
        let length_at = length_at.map_or(0, |at| u32::from(at) + 1);
        let want = Want { bytes: bytes.into(), again: again.into(), urgent: urgent.into(), length_at };
        wants.set(at, want, 0).map_err(refused("WANTS"))?;
    }
    Ok(())
}

/// Whether this process may load tracing and cgroup programs without being root.
fn has_capabilities() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| {
        sets.effective.contains(CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::NET_ADMIN)
    })
}

/// Many agents need many links; kernels before 5.11 count BPF memory as locked. What is refused here
/// (containers often lack CAP_SYS_RESOURCE) shows later, where it matters.
fn raise_limits() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
}
