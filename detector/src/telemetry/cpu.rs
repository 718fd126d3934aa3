//! Samples processors: what each watched process and each agent used, on a thread of its own.
//!
//! A round reads one file of each process. More is read of those that used a tenth of a processor or more, and another
//! thread looks at what they are made of where they stay busy, since some of that may wait on the process itself.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use procfs::FromRead as _;
use procfs::process::Stat;
use rustix::time::{ClockId, clock_gettime};

use super::look::{self, Looker};
use super::{Feeder, Gaps, Roster, Watched, file};
use crate::agent::Agent;
use crate::config::CpuConfig;
use crate::event::{AgentId, CpuProcess, CpuSample, ProcessId};
use crate::kernel::clock;
use crate::pipeline::Input;
use crate::runtime::Engine;

mod detail;
mod group;

use detail::{Details, Reader};
use group::Groups;

/// Most processes that are looked at in one round: the busy ones, and of the rest some in turns.
const MOST: usize = 4_096;
/// Most processes in one sample, the busiest.
const MOST_TOLD: usize = 1_024;
/// Most threads that are looked at in one round.
const MOST_THREADS: usize = 1_024;
/// Share of a processor, as its reciprocal, from which on more than its times is read of a process.
const BUSY: u64 = 10;
/// For how many rounds more is read of one that was busy: work comes in bursts.
const WARM: u32 = 5;
/// Share of a processor, as its reciprocal, that makes a process worth a look.
const HOT: u64 = 2;
/// In how many rounds in a row it must have used so much.
const HOT_ROUNDS: u32 = 2;
/// After which time one that stays so busy is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After how many rounds in which none of the watched processes could be read that is said.
const BLIND_ROUNDS: u32 = 3;
/// Shortest time between rounds.
const SHORTEST: Duration = Duration::from_millis(100);

/// What the thread is connected to.
pub struct Ends {
    /// Where samples go.
    pub feeder: Feeder,
    /// Who is watched.
    pub roster: Roster,
    /// Where it says what it cannot measure.
    pub gaps: Gaps,
    /// Where cgroup2 is mounted.
    pub cgroups: PathBuf,
}

impl Ends {
    /// The ends of an engine.
    pub fn of(engine: &Engine) -> Self {
        Self {
            feeder: engine.feeder(),
            roster: engine.roster(),
            gaps: engine.gaps(),
            cgroups: engine.cgroups().mount().to_owned(),
        }
    }
}

/// Starts sampling where the configuration wants it; it ends when nobody takes samples any more.
///
/// # Errors
/// A thread does not start.
pub fn start(config: &CpuConfig, ends: Ends) -> io::Result<()> {
    if !config.enabled {
        return Ok(());
    }
    let interval = config.interval.max(SHORTEST);
    let looker = look::start(ends.feeder.clone())?;
    std::thread::Builder::new().name("processors".to_owned()).spawn(move || run(interval, &ends, &looker))?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "samples are of stretches of time; nothing else is waited for")]
fn run(interval: Duration, ends: &Ends, looker: &Looker) {
    let mut sampler = Sampler::new(Path::new("/proc"), &ends.cgroups);
    loop {
        std::thread::sleep(interval);
        let round = sampler.round(Instant::now(), &ends.roster.get(), &ends.roster.agents());
        for process in round.look {
            looker.look(process);
        }
        ends.gaps.set("cpu", round.gap.into_iter().collect());
        let Some(sample) = round.sample else { continue };
        if !ends.feeder.feed(Input::Cpu(Box::new(sample))) {
            return;
        }
    }
}

/// What one round gave.
#[derive(Debug, Default)]
pub struct Round {
    /// The sample; none in the first round, which has nothing to compare with.
    pub sample: Option<CpuSample>,
    /// Processes that stay busy and should be looked at.
    pub look: Vec<ProcessId>,
    /// What cannot be measured, as a sentence.
    pub gap: Option<String>,
}

/// What is remembered between rounds.
#[derive(Debug)]
pub struct Sampler {
    proc: PathBuf,
    known: HashMap<ProcessId, Known>,
    groups: Groups,
    reader: Reader,
    last: Option<Instant>,
    number: u64,
    turn: usize,
    blind: u32,
    tick: u64,
    page: u64,
    buffer: Vec<u8>,
}

/// What is remembered of one process.
#[derive(Debug, Default)]
struct Known {
    /// Nanoseconds since it began.
    user: u64,
    system: u64,
    /// Number of the round that this is from.
    round: u64,
    /// Rounds in which more is still read of it.
    warm: u32,
    /// Rounds in a row in which it was hot.
    hot: u32,
    looked: Option<Instant>,
    details: Option<Details>,
}

/// A process that used something in this round.
struct Used {
    agent: AgentId,
    process: CpuProcess,
}

impl Sampler {
    /// One that has seen nothing; `proc` is where procfs is mounted, `cgroups` where cgroup2 is.
    pub fn new(proc: &Path, cgroups: &Path) -> Self {
        Self {
            proc: proc.to_owned(),
            known: HashMap::new(),
            groups: Groups::new(cgroups),
            reader: Reader::default(),
            last: None,
            number: 0,
            turn: 0,
            blind: 0,
            tick: 1_000_000_000_u64.checked_div(procfs::ticks_per_second()).unwrap_or(10_000_000),
            page: procfs::page_size(),
            buffer: Vec::with_capacity(4_096),
        }
    }

    /// Reads what was used since the round before. `now` is by a clock that does not jump.
    pub fn round(&mut self, now: Instant, watched: &[Watched], agents: &[Agent]) -> Round {
        let interval = self.last.map(|last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.number += 1;
        let nanos = interval.map_or(0, |interval| u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX));
        let (mut used, read) = self.times(watched, interval.is_some().then_some(nanos));
        used.sort_by_key(|used| std::cmp::Reverse(used.process.user.saturating_add(used.process.system)));
        used.truncate(MOST_TOLD);
        let mut look = Vec::new();
        let mut threads = MOST_THREADS;
        for used in &mut used {
            look.extend(self.closer(now, nanos, &mut used.process, &mut threads));
        }
        // What was not seen in a while is over; where there are more processes than one round takes, that is longer.
        let rounds = u64::try_from(watched.len() / MOST).unwrap_or(0) + 2;
        let oldest = self.number.saturating_sub(rounds);
        self.known.retain(|_, known| known.round > oldest);
        self.blind = if read == 0 && !watched.is_empty() { self.blind.saturating_add(1) } else { 0 };
        let busy = |agent: AgentId| used.iter().any(|used| used.agent == agent);
        let agents: Vec<&Agent> = agents.iter().filter(|agent| busy(agent.id)).collect();
        let agents = self.groups.round(&agents);
        let sample = interval.map(|_| CpuSample {
            time: clock::now(),
            interval: nanos,
            processors: processors(&mut self.buffer),
            processes: used.into_iter().map(|used| used.process).collect(),
            agents,
        });
        Round { sample, look, gap: (self.blind >= BLIND_ROUNDS).then(blindness) }
    }

    /// Reads the times of processes; gives those that used some and how many could be read.
    fn times(&mut self, watched: &[Watched], interval: Option<u64>) -> (Vec<Used>, usize) {
        let began = interval.map(|interval| boot_time().saturating_sub(interval).saturating_sub(self.tick));
        let mut used = Vec::new();
        let mut read = 0_usize;
        for Watched { process, agent, .. } in self.chosen(watched) {
            let Some(stat) = self.stat(process) else { continue };
            read += 1;
            let user = stat.utime.saturating_mul(self.tick);
            let system = stat.stime.saturating_mul(self.tick);
            // One that began since the last round used all of it since; of an older one nobody can say.
            let is_new = began.is_some_and(|began| process.start.0.saturating_mul(self.tick) >= began);
            let known = self.known.entry(process).or_insert_with(|| {
                let (user, system) = if is_new { (0, 0) } else { (user, system) };
                Known { user, system, ..Known::default() }
            });
            let added = (user.saturating_sub(known.user), system.saturating_sub(known.system));
            known.user = user;
            known.system = system;
            known.round = self.number;
            if added == (0, 0) {
                known.hot = 0;
                known.warm = known.warm.saturating_sub(1);
                continue;
            }
            used.push(Used {
                agent,
                process: CpuProcess {
                    process,
                    user: added.0,
                    system: added.1,
                    threads: stat.num_threads.try_into().unwrap_or(1),
                    nice: stat.nice.try_into().unwrap_or(0),
                    policy: stat.policy.unwrap_or(0),
                    resident: stat.rss.saturating_mul(self.page),
                    ..CpuProcess::default()
                },
            });
        }
        (used, read)
    }

    /// The processes of this round: all, or those that were busy and as many of the rest as there is room for.
    fn chosen(&mut self, watched: &[Watched]) -> Vec<Watched> {
        if watched.len() <= MOST {
            return watched.to_vec();
        }
        let is_warm = |it: &&Watched| self.known.get(&it.process).is_some_and(|known| known.warm > 0);
        let (warm, cold): (Vec<&Watched>, Vec<&Watched>) = watched.iter().partition(is_warm);
        let room = MOST.saturating_sub(warm.len());
        let from = self.turn.checked_rem(cold.len()).unwrap_or(0);
        self.turn = from + room;
        warm.into_iter().take(MOST).chain(cold.into_iter().cycle().skip(from).take(room)).copied().collect()
    }

    /// `/proc/PID/stat` of this very process; nothing where it is over, hidden, or its pid another's.
    fn stat(&mut self, process: ProcessId) -> Option<Stat> {
        let path = self.proc.join(process.pid.to_string()).join("stat");
        file::read(&path, 4_096, &mut self.buffer).ok()?;
        // Cut short or empty, it is of one that ended meanwhile.
        self.buffer.ends_with(b"\n").then_some(())?;
        let stat = Stat::from_read(self.buffer.as_slice()).ok()?;
        (stat.starttime == process.start.0).then_some(stat)
    }

    /// Reads more of a process that is busy or was lately; gives it where it should be looked at.
    fn closer(
        &mut self,
        now: Instant,
        interval: u64,
        process: &mut CpuProcess,
        threads: &mut usize,
    ) -> Option<ProcessId> {
        let used = process.user.saturating_add(process.system);
        let known = self.known.get_mut(&process.process)?;
        known.warm = if used >= interval / BUSY { WARM } else { known.warm.saturating_sub(1) };
        if known.warm > 0 && *threads > 0 {
            let directory = self.proc.join(process.process.pid.to_string());
            let before = known.details.take();
            known.details = self.reader.read(&directory, interval, before, process, threads);
        } else {
            known.details = None;
        }
        known.hot = if used >= interval / HOT { known.hot.saturating_add(1) } else { 0 };
        let is_due = known.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_AGAIN);
        if interval == 0 || known.hot < HOT_ROUNDS || !is_due {
            return None;
        }
        known.looked = Some(now);
        Some(process.process)
    }
}

fn blindness() -> String {
    "no use of processors: /proc shows none of the watched processes (hidepid, or a pid namespace of the \
     detector's own)"
        .to_owned()
}

/// Processors that are online.
fn processors(buffer: &mut Vec<u8>) -> u32 {
    let online = file::read(Path::new("/sys/devices/system/cpu/online"), 4_096, buffer);
    online.ok().and_then(|()| file::count(buffer)).unwrap_or(1)
}

/// Nanoseconds since boot, which the start of a process is counted in.
fn boot_time() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
#[path = "cpu/tests.rs"]
mod tests;
