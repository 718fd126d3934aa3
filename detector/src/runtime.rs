//! The rim: one thread drains the rings and runs the core, a tokio runtime carries the rest.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::agent::{Agent, Agents, Pattern};
use crate::canary::{Canary, Change, Decoy, Watch};
use crate::content::Contents;
use crate::event::{AgentId, CgroupId, Event, EventKind, Lost, Membership, Nanos, ProcessId};
use crate::kernel::cgroup::Cgroups;
use crate::kernel::decode::Decoder;
use crate::kernel::ring::Rings;
use crate::kernel::sensor::Sensor;
use crate::kernel::{KernelError, clock, proc};
use crate::pipeline::Input;
use crate::rules::RuleSet;
use crate::telemetry::{Feeder, Gaps, Roster};

mod core;
mod notes;
mod suspicion;

use suspicion::Suspicion;

pub use core::Core;
pub use notes::Notes;

/// How often the core is told that time goes on, and losses are read.
const TICK: Duration = Duration::from_secs(1);
/// How many looks that find nothing mean that the rings are empty.
const QUIET: u32 = 2;

/// How long the end waits for files that are being read.
const LAST_FILES: Duration = Duration::from_millis(1_500);

/// Most groups that were taken for agents and are remembered for it.
const STRANGERS: usize = 4096;

/// What the rim asks of the ring thread.
pub enum Command {
    /// Other rules, agents, expected daemons and canaries count from now on.
    Reload(Box<RuleSet>, Vec<Pattern>, Vec<String>, Vec<Canary>),
    /// Drain what is there, then stop.
    Stop,
}

/// Sends commands to the ring thread and wakes it.
#[derive(Clone)]
pub struct Remote {
    commands: Sender<Command>,
    wake: std::sync::Arc<OwnedFd>,
}

impl Remote {
    /// Sends a command. A thread that has stopped hears none, which is as well.
    pub fn send(&self, command: Command) {
        let _ = self.commands.send(command);
        // A full counter is a wake-up already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// Sensor, agents and core: what the ring thread owns.
pub struct Engine {
    sensor: Sensor,
    rings: Rings,
    decoder: Decoder,
    agents: Agents,
    /// Groups that were born among agents and are none: what they did until that was said is dropped.
    strangers: BTreeSet<AgentId>,
    canaries: Watch,
    core: Core,
    contents: Contents,
    measured: Receiver<Input>,
    feeder: Feeder,
    roster: Roster,
    suspicion: Suspicion,
    gaps: Gaps,
    commands: Receiver<Command>,
    wake: std::sync::Arc<OwnedFd>,
}

impl Engine {
    /// An engine and the remote that steers it. `files` are the detector's own, beside its executable.
    pub fn new(
        sensor: Sensor,
        rings: Rings,
        agents: Agents,
        core: Core,
        contents: Contents,
        files: &[PathBuf],
    ) -> (Self, Remote) {
        let (sender, commands) = channel();
        let wake = contents.wake().clone();
        let remote = Remote { commands: sender, wake: wake.clone() };
        let (feeder, measured) = Feeder::new(wake.clone());
        let mut decoder = Decoder::new(clock::offset());
        decoder.look_for_links();
        let mut engine = Self {
            sensor,
            rings,
            decoder,
            agents,
            strangers: BTreeSet::new(),
            canaries: Watch::none(),
            core,
            contents,
            measured,
            feeder,
            roster: Roster::default(),
            suspicion: Suspicion::default(),
            gaps: Gaps::default(),
            commands,
            wake,
        };
        let gaps = gaps(&engine.sensor);
        engine.core.feed(Input::Gaps(gaps), clock::now);
        let own = proc::own(engine.sensor.cgroups(), files);
        engine.core.feed(Input::Own(Box::new(own)), clock::now);
        (engine, remote)
    }

    /// Hands inputs to this engine from other threads.
    pub fn feeder(&self) -> Feeder {
        self.feeder.clone()
    }

    /// Who is watched, kept up to date while the engine runs.
    pub fn roster(&self) -> Roster {
        self.roster.clone()
    }

    /// Where those who measure say what they cannot.
    pub fn gaps(&self) -> Gaps {
        self.gaps.clone()
    }

    /// Watches every control group that a pattern matches now.
    ///
    /// # Errors
    /// A map is full or a program does not attach.
    pub fn watch_existing(&mut self) -> Result<(), KernelError> {
        for group in self.sensor.cgroups().tree("/") {
            self.recognise(group.id, &group.path, AgentId::NONE)?;
        }
        Ok(())
    }

    /// Watches one control group under a name of its own, whatever the patterns say.
    ///
    /// # Errors
    /// A map is full or a program does not attach.
    pub fn watch(&mut self, name: &str, cgroup: CgroupId, path: &str) -> Result<Agent, KernelError> {
        let agent = self.agents.add(name.to_owned(), cgroup, path);
        self.begin(&agent, path)?;
        Ok(agent)
    }

    /// Tells the core what agents may leave running, in place of what was said before.
    pub fn expect_daemons(&mut self, entries: Vec<String>) {
        self.core.feed(Input::ExpectedDaemons(entries), clock::now);
    }

    /// Watches other canaries from now on. One that is not there is said once in the log, and watched when it
    /// comes.
    pub fn set_canaries(&mut self, canaries: Vec<Canary>) {
        if let Err(error) = self.canaries.set(canaries, &self.wake) {
            tracing::error!(%error, "copies of canaries are not found: the thread that reads does not start");
        }
        self.follow_canaries();
    }

    /// Tells the kernel half and the core what is new about canaries.
    fn follow_canaries(&mut self) {
        for event in self.canaries.found(clock::now()) {
            self.core.feed(Input::Event(event), clock::now);
        }
        for change in self.canaries.changes() {
            let told = match change {
                Change::Add(file) => self.sensor.add_canary(file),
                Change::Remove(file) => self.sensor.remove_canary(file),
            };
            if let Err(error) = told {
                tracing::error!(%error, "a canary or a copy of one is not watched");
            }
        }
        if let Some(decoys) = self.canaries.news() {
            look_for(&mut self.sensor, &decoys);
            self.core.feed(Input::Canaries(decoys), clock::now);
        }
    }

    /// The cgroup2 file system.
    pub fn cgroups(&self) -> &Cgroups {
        self.sensor.cgroups()
    }

    /// How many agents are watched.
    pub fn agents(&self) -> usize {
        self.agents.live().count()
    }

    /// Tells the core of a process and of what is above it.
    pub fn seed(&mut self, pid: u32, agent: AgentId, cgroup: CgroupId) {
        for process in proc::read_with_ancestors(pid, agent, cgroup, clock::now()) {
            self.core.feed(Input::Seed(Box::new(process)), clock::now);
        }
    }

    /// Drains, judges and ticks until told to stop; gives the core back, for what it still holds.
    ///
    /// # Errors
    /// poll(2) fails.
    pub fn run(mut self) -> io::Result<Core> {
        let mut quiet = 0;
        let mut last_tick = Instant::now();
        let mut last_event = Instant::now();
        let mut stopping = false;
        let mut stopped = None;
        loop {
            let drained = self.drain();
            for text in self.contents.take() {
                self.core.feed(Input::FileText(Box::new(text)), clock::now);
            }
            while let Ok(input) = self.measured.try_recv() {
                if let Input::Cpu(sample) = &input {
                    self.suspect(sample);
                }
                self.core.feed(input, clock::now);
            }
            self.follow_canaries();
            quiet = if drained == 0 { quiet + 1 } else { 0 };
            if drained > 0 {
                last_event = Instant::now();
            }
            if last_tick.elapsed() >= TICK {
                last_tick = Instant::now();
                self.tick();
            }
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Reload(rules, patterns, daemons, canaries)) => {
                        self.expect_daemons(daemons);
                        self.reload(*rules, patterns, canaries);
                    }
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => stopping = true,
                    Err(TryRecvError::Empty) => break,
                }
                if stopping {
                    break;
                }
            }
            if stopping && quiet > QUIET {
                let since = *stopped.get_or_insert_with(Instant::now);
                if self.contents.is_waiting() && since.elapsed() < LAST_FILES {
                    Rings::rest(self.wake.as_fd())?;
                    continue;
                }
                self.tick();
                return Ok(self.core);
            }
            if drained >= Rings::BATCH {
                continue;
            }
            if stopping || last_event.elapsed() < Rings::awake() {
                Rings::rest(self.wake.as_fd())?;
            } else {
                self.rings.wait(self.wake.as_fd(), TICK.saturating_sub(last_tick.elapsed()))?;
            }
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        }
    }

    /// Takes one batch from the rings; gives how many events that were.
    fn drain(&mut self) -> usize {
        let events: Vec<Event> = self.rings.drain(&mut self.decoder, clock::now).collect();
        let count = events.len();
        for event in events {
            self.event(event);
        }
        count
    }

    fn event(&mut self, mut event: Event) {
        let mut gone = None;
        // A process that was born elsewhere is reported without a path: the kernel has none at hand there.
        if let EventKind::CgroupMove(change) = &mut event.kind
            && change.path.is_empty()
            && let Some(path) = proc::cgroup(change.moved.pid)
        {
            change.path = path;
        }
        let opened = self.canaries.see(&mut event);
        match &event.kind {
            EventKind::CgroupCreate(change) if !self.agents.knows(event.agent) => {
                if let Err(error) = self.recognise(change.id, &change.path, event.agent) {
                    tracing::error!(path = %change.path, %error, "an agent cannot be watched");
                }
            }
            EventKind::CgroupRemove(change) => gone = self.agents.remove(change.id),
            EventKind::CgroupMove(change) if change.change == Membership::Joined => {
                self.seed(change.moved.pid, event.agent, change.to);
            }
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::Lost(_) => {}
        }
        if !self.strangers.contains(&event.agent) {
            for event in std::iter::once(event).chain(opened) {
                self.contents.ask(&event);
                self.core.feed(Input::Event(event), clock::now);
            }
        }
        if let Some(agent) = gone {
            self.sensor.unwatch(agent.id);
            tracing::info!(agent = %agent.name, path = %agent.path, "agent is gone");
            self.core.feed(Input::AgentRemoved(agent.id), clock::now);
        }
    }

    fn recognise(&mut self, cgroup: CgroupId, path: &str, born: AgentId) -> Result<(), KernelError> {
        if self.agents.are_born_in(path) {
            self.sensor.expect(cgroup, path)?;
        }
        match self.agents.recognise(cgroup, path, born) {
            Some((agent, place)) => self.begin(&agent, &place),
            None if born == AgentId::NONE => Ok(()),
            None => {
                self.sensor.forget(cgroup, born);
                self.strangers.insert(born);
                if self.strangers.len() > STRANGERS {
                    // Numbers rise; nothing of the oldest is in the rings any more.
                    self.strangers.pop_first();
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, agent: &Agent, place: &str) -> Result<(), KernelError> {
        self.core.feed(Input::AgentAdded(agent.clone()), clock::now);
        let (groups, processes) = self.sensor.watch(agent, place)?;
        for group in groups {
            self.core.feed(Input::Cgroup { id: group.id, path: group.path }, clock::now);
        }
        for pid in &processes {
            if let Some(process) = proc::identity(*pid) {
                self.sensor.tag(process, agent.id)?;
                self.seed(*pid, agent.id, agent.cgroup);
            }
        }
        tracing::info!(agent = %agent.name, path = %agent.path, processes = processes.len(), "agent is watched");
        Ok(())
    }

    fn reload(&mut self, rules: RuleSet, patterns: Vec<Pattern>, canaries: Vec<Canary>) {
        self.set_canaries(canaries);
        self.core.replace_rules(rules);
        self.agents.set_patterns(patterns);
        if let Err(error) = self.watch_existing() {
            tracing::error!(%error, "an agent of the new configuration cannot be watched");
        }
    }

    fn tick(&mut self) {
        self.decoder.set_clock(clock::offset());
        self.sensor.log();
        self.contents.log();
        self.canaries.tick();
        self.follow_canaries();
        let now = clock::now();
        for (agent, kind, count) in self.sensor.take_lost() {
            let what = kind_name(kind).into();
            tracing::warn!(agent = agent.0, kind = %kind_name(kind), count, "events were lost");
            let lost = Event {
                time: now,
                received: now,
                agent,
                process: ProcessId::default(),
                thread: 0,
                uid: 0,
                cgroup: CgroupId(0),
                kind: EventKind::Lost(Lost { what, count }),
            };
            self.core.feed(Input::Event(lost), clock::now);
        }
        self.resolve_suspicion();
        if let Some(measured) = self.gaps.news() {
            let all = gaps(&self.sensor).into_iter().chain(measured).collect();
            self.core.feed(Input::Gaps(all), clock::now);
        }
        self.core.feed(Input::Tick(now), clock::now);
        self.roster.set(self.core.watched());
        self.roster.set_agents(self.agents.live().cloned().collect());
        self.sensor.rest();
    }
}

/// Has the kernel half look for the strings of canaries in what is sent.
fn look_for(sensor: &mut Sensor, decoys: &[Decoy]) {
    let strings: BTreeSet<&[u8]> =
        decoys.iter().flat_map(|decoy| &decoy.tokens).map(|token| token.as_bytes()).collect();
    let strings: Vec<&[u8]> = strings.into_iter().collect();
    match sensor.look_for(&strings) {
        Ok(looked_for) if looked_for < strings.len() => tracing::warn!(
            looked_for,
            strings = strings.len(),
            "there are more strings of canaries than room; the others are seen only in flows whose first bytes \
             are handed over for another reason"
        ),
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "strings of canaries are not looked for in what is sent"),
    }
}

/// What the sensor cannot see on this kernel, one sentence each.
pub fn gaps(sensor: &Sensor) -> Vec<String> {
    let mut gaps = Vec::new();
    for (event, reason) in sensor.unserved() {
        gaps.push(format!("no {event} events: {}", reason.lines().next().unwrap_or_default()));
    }
    let alone = sensor.states().iter().filter(|state| state.hook.tier.is_none());
    for state in alone {
        if let Some(reason) = &state.refused {
            let reason = reason.lines().next().unwrap_or_default();
            gaps.push(format!("no {} events: {reason}", state.hook.serves.join(", ")));
        }
    }
    for state in sensor.states().iter().filter(|state| state.is_used()) {
        for blind in state.hook.blind {
            let gap = format!("not seen: {blind}");
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
        }
    }
    gaps
}

/// The word that events use for a kind of record.
fn kind_name(kind: detector_common::wire::Kind) -> &'static str {
    use detector_common::wire::Kind;
    match kind {
        Kind::Exec | Kind::ExecChunk => "exec",
        Kind::Fork => "fork",
        Kind::Exit => "exit",
        Kind::Connect => "connect",
        Kind::ConnectResult => "connect_result",
        Kind::Send => "send",
        Kind::Bind => "bind",
        Kind::Listen => "listen",
        Kind::FileOpen
        | Kind::FileTruncate
        | Kind::FileRename
        | Kind::FileLink
        | Kind::FileSymlink
        | Kind::FileUnlink
        | Kind::FileChmod
        | Kind::FileAccess
        | Kind::ImageLoad => "file",
        Kind::Operation => "operation",
        Kind::Setsid => "setsid",
        Kind::CgroupMove => "cgroup_move",
        Kind::CgroupCreate => "cgroup_create",
        Kind::CgroupRemove => "cgroup_remove",
        Kind::Payload => "payload",
        Kind::Flow => "flow",
    }
}

/// The time that alerts are measured against.
pub type Clock = fn() -> Nanos;
