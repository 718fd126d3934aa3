//! The core: one step turns one input into alerts. It does no I/O and reads no clock.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_64;

use crate::activity::{Activity, Sample, Sampler, Sums};
use crate::agent::Agent;
use crate::alert::build::{self, About};
use crate::alert::group::{self, Groups};
use crate::alert::incident::{Incidents, Tie};
use crate::alert::{Alert, Coverage, Level, intent};
use crate::analysis::{Analyses, Around, Measured, Observation, Signal};
use crate::canary::{Decoy, Strings};
use crate::change::Change;
use crate::event::{
    AgentId, CgroupId, CpuSample, Event, EventKind, FileText, GpuSample, Look, Nanos, Own, ProcessId,
    Rounding,
};
use crate::network::{Network, Recognised};
use crate::process::{Process, ProcessTable};
use crate::redact;
use crate::rules::{Category, Finding, RuleSet, Subject, What};
use crate::task::{Ledger, TaskChange, ToolCall};
use crate::telemetry::Watched;

mod held;
mod places;

use held::{Held, Waiting};
use places::{Agents, Cgroups};

/// Everything that can make the core act. A recording is a list of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The kernel saw something.
    Event(Event),
    /// A process that was there before (read from `/proc`).
    Seed(Box<Process>),
    /// An agent is watched from now on.
    AgentAdded(Agent),
    /// An agent's control group is gone.
    AgentRemoved(AgentId),
    /// A control group that was there before: its path below the cgroup2 mount.
    Cgroup {
        /// The control group.
        id: CgroupId,
        /// Its path.
        path: String,
    },
    /// What a small file held after it was written.
    FileText(Box<FileText>),
    /// The canaries and their strings; replaces what was said before.
    Canaries(Vec<Decoy>),
    /// What the sensor cannot see, one sentence each; replaces what was said before.
    Gaps(Vec<String>),
    /// What the detector itself is; said once, at its start.
    Own(Box<Own>),
    /// Time went on; sent about once a second.
    Tick(Nanos),
    /// What agents may leave running, as [`ExpectedDaemon::parse`](crate::analysis::ExpectedDaemon::parse) reads
    /// it; replaces what was said before.
    ExpectedDaemons(Vec<String>),
    /// What the processors did.
    Cpu(Box<CpuSample>),
    /// What the GPUs did.
    Gpu(Box<GpuSample>),
    /// What a busy process is made of.
    Look(Box<Look>),
    /// How a busy process rounds.
    Rounding(Rounding),
    /// A task begins or ends.
    Task(TaskChange),
    /// An agent calls a tool, or the call comes back.
    ToolCall(Box<ToolCall>),
}

/// What one step gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// Alerts to deliver, oldest first.
    pub alerts: Vec<Alert>,
    /// How busy agents were, about every ten seconds.
    pub samples: Vec<Sample>,
    /// What agents did, about every minute.
    pub activity: Vec<Activity>,
}

impl Outputs {
    /// Lets go of everything.
    pub fn clear(&mut self) {
        let Self { alerts, samples, activity } = self;
        alerts.clear();
        samples.clear();
        activity.clear();
    }
}

/// What the core is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the host, for alerts.
    pub host: String,
}

/// What the core keeps and what it had to let go, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Processes in the table.
    pub processes: usize,
    /// Processes that had to leave a full table.
    pub processes_evicted: u64,
    /// Groups of repeats open now.
    pub groups: usize,
    /// Groups that closed early because too many were open.
    pub groups_cut_short: u64,
    /// Things that an analysis did not follow, and tasks and tool calls that were forgotten, because too many were.
    pub analysis_dropped: u64,
    /// Flows whose first bytes are remembered.
    pub flows: usize,
    /// Flows, names of addresses and DNS questions that had to go before their time.
    pub flows_evicted: u64,
    /// Control groups that are not known because too many are.
    pub cgroups_dropped: u64,
    /// Alerts given, updates not counted.
    pub alerts: u64,
}

/// The core.
pub struct Pipeline {
    settings: Settings,
    table: ProcessTable,
    agents: Agents,
    cgroups: Cgroups,
    gaps: Vec<String>,
    analyses: Analyses,
    network: Network,
    tasks: Ledger,
    /// Calls were told that open groups were not compared with.
    calls_told: bool,
    canaries: Arc<Strings>,
    rules: RuleSet,
    groups: Groups,
    incidents: Incidents,
    held: Held,
    sampler: Sampler,
    sums: Sums,
    now: Nanos,
    alerts: u64,
    /// Kept between steps, so that a step allocates nothing.
    findings: Vec<Finding>,
    observations: Vec<Observation>,
    recognised: Vec<Recognised>,
    /// What rules that matched say for mining.
    marked: Vec<(Signal, Option<Level>)>,
}

impl Pipeline {
    /// A core that knows nothing yet.
    pub fn new(rules: RuleSet, settings: Settings) -> Self {
        let mut analyses = Analyses::default();
        analyses.set_tables(rules.tables());
        Self {
            settings,
            table: ProcessTable::default(),
            agents: Agents::default(),
            cgroups: Cgroups::default(),
            gaps: Vec::new(),
            analyses,
            network: Network::default(),
            tasks: Ledger::default(),
            calls_told: false,
            canaries: Arc::default(),
            recognised: Vec::new(),
            marked: Vec::new(),
            rules,
            groups: Groups::new(group::Limits::default()),
            incidents: Incidents::default(),
            held: Held::default(),
            sampler: Sampler::default(),
            sums: Sums::default(),
            now: Nanos(0),
            alerts: 0,
            findings: Vec::new(),
            observations: Vec::new(),
        }
    }

    /// Takes one input; gives what follows from it.
    pub fn step(&mut self, input: Input) -> Outputs {
        let mut out = Outputs::default();
        self.step_into(input, &mut out);
        out
    }

    /// As [`Pipeline::step`], adding to what `out` holds.
    pub fn step_into(&mut self, input: Input, out: &mut Outputs) {
        self.take(input, out);
        self.weigh(out);
        self.near_misses();
    }

    fn take(&mut self, input: Input, out: &mut Outputs) {
        match input {
            Input::Event(event) => self.event(&event, out),
            Input::Seed(process) => self.seed(*process),
            Input::AgentAdded(agent) => {
                self.cgroups.insert(agent.cgroup, &agent.path);
                self.agents.insert(&agent);
                self.tasks.agent_added(&agent);
            }
            Input::AgentRemoved(id) => {
                self.agents.remove(id);
                self.tasks.agent_removed(id);
            }
            Input::Cgroup { id, path } => self.cgroups.insert(id, &path),
            Input::FileText(text) => self.file_text(&text, out),
            Input::Canaries(decoys) => {
                self.canaries = Arc::new(Strings::new(&decoys));
                self.network.set_canaries(Arc::clone(&self.canaries));
            }
            Input::Gaps(gaps) => self.gaps = gaps,
            Input::Own(own) => self.table.set_own(*own),
            Input::Tick(now) => self.tick(now, out),
            Input::ExpectedDaemons(entries) => self.analyses.expect_daemons(&entries),
            Input::Cpu(sample) => self.measured(&Measured::Cpu(*sample), out),
            Input::Gpu(sample) => self.measured(&Measured::Gpu(*sample), out),
            Input::Look(look) => self.measured(&Measured::Look(*look), out),
            Input::Rounding(rounding) => self.measured(&Measured::Rounding(rounding), out),
            Input::Task(change) => self.tasks.change(change),
            Input::ToolCall(call) => {
                self.tasks.tool_call(&call);
                self.calls_told = true;
            }
        }
    }

    /// Gives what waits for a window to close; for the end of a run or of a recording.
    pub fn finish(&mut self) -> Outputs {
        let mut out = Outputs::default();
        while let Some(waiting) = self.held.next() {
            self.judge_held(&waiting, None, &mut out);
        }
        let mut recognised = std::mem::take(&mut self.recognised);
        self.network.finish(&mut recognised);
        self.recognised(recognised, &mut out);
        self.weigh(&mut out);
        self.name_calls();
        self.groups.finish(&mut out.alerts);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        self.sums.give(around, |agent| self.agents.name(agent), &mut out.activity);
        out
    }

    /// Judges by other rules from now on.
    pub fn replace_rules(&mut self, rules: RuleSet) {
        self.analyses.set_tables(rules.tables());
        self.rules = rules;
    }

    /// Takes a signal as if an analysis had seen it.
    #[cfg(test)]
    pub(crate) fn signal(&mut self, signal: Signal) -> Vec<Alert> {
        let mut out = Outputs::default();
        self.now = self.now.max(signal.time);
        self.marked.push((signal, None));
        self.weigh(&mut out);
        out.alerts
    }

    /// The processes.
    pub fn table(&self) -> &ProcessTable {
        &self.table
    }

    /// Processes of agents that live.
    pub fn watched(&self) -> impl Iterator<Item = Watched> {
        let living = self.table.iter().filter(|process| process.ended.is_none());
        let of_agents = living.filter(|process| process.agent != AgentId::NONE);
        of_agents.map(|&Process { id: process, agent, cgroup, .. }| Watched { process, agent, cgroup })
    }

    /// What the core keeps and what it had to let go.
    pub fn counters(&self) -> Counters {
        Counters {
            processes: self.table.len(),
            processes_evicted: self.table.evicted(),
            groups: self.groups.len(),
            groups_cut_short: self.groups.cut_short(),
            analysis_dropped: self.analyses.dropped()
                + self.tasks.dropped()
                + self.sampler.dropped()
                + self.sums.dropped(),
            flows: self.network.len(),
            flows_evicted: self.network.evicted(),
            cgroups_dropped: self.cgroups.dropped(),
            alerts: self.alerts,
        }
    }

    fn event(&mut self, event: &Event, out: &mut Outputs) {
        self.now = self.now.max(event.time);
        self.release(out);
        self.table.apply(event);
        match &event.kind {
            EventKind::CgroupCreate(change) => self.cgroups.insert(change.id, &change.path),
            EventKind::CgroupMove(change) if !change.path.is_empty() => {
                self.cgroups.insert(change.to, &change.path);
            }
            EventKind::Lost(lost) => self.agents.add_lost(event.agent, lost.count),
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
            | EventKind::CgroupRemove(_) => {}
        }
        let mut observations = std::mem::take(&mut self.observations);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        self.analyses.event(around, event, &mut observations);
        let waits = Held::waits_for(event);
        if let Some(name) = self.agents.name(event.agent) {
            self.sums.event(around, name, event, waits);
        }
        if waits {
            if let Some(crowded_out) = self.held.keep(event, self.table.get(event.process)) {
                self.judge_held(&crowded_out, None, out);
            }
        } else {
            self.judge(What::Event(event), event.agent, event.cgroup, out);
        }
        self.observed(observations, out);
        let mut recognised = std::mem::take(&mut self.recognised);
        self.network.event(event, &mut recognised);
        self.recognised(recognised, out);
        if let EventKind::CgroupRemove(change) = &event.kind {
            self.cgroups.remove(change.id);
        }
    }

    fn seed(&mut self, process: Process) {
        let id = process.id;
        self.table.seed(process);
        if let Some(known) = self.table.get(id) {
            self.analyses.seeded(&self.table, known);
        }
    }

    fn file_text(&mut self, text: &FileText, out: &mut Outputs) {
        self.now = self.now.max(text.time);
        if let Some((waiting, change)) = self.held.arrived(text) {
            self.judge_held(&waiting, Some(&change), out);
        }
        self.release(out);
        let mut observations = std::mem::take(&mut self.observations);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        self.analyses.file_text(around, text, &mut observations);
        self.observed(observations, out);
    }

    fn measured(&mut self, measured: &Measured, out: &mut Outputs) {
        self.now = self.now.max(measured.time());
        self.release(out);
        let mut observations = std::mem::take(&mut self.observations);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        let name = |agent| self.agents.name(agent);
        match measured {
            Measured::Cpu(sample) => {
                self.sampler.cpu(sample, name);
                self.sums.cpu(around, sample, name);
            }
            Measured::Gpu(sample) => {
                self.sampler.gpu(sample, name);
                self.sums.gpu(around, sample, name);
            }
            Measured::Look(_) | Measured::Rounding(_) => {}
        }
        self.analyses.measured(around, measured, &mut observations);
        self.observed(observations, out);
    }

    fn tick(&mut self, now: Nanos, out: &mut Outputs) {
        self.now = self.now.max(now);
        self.tasks.tick(now);
        self.release(out);
        self.table.tick(now);
        let mut observations = std::mem::take(&mut self.observations);
        let mut recognised = std::mem::take(&mut self.recognised);
        self.network.tick(now, &mut recognised);
        self.recognised(recognised, out);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        self.analyses.tick(around, &mut observations);
        self.observed(observations, out);
        self.name_calls();
        self.groups.tick(self.now, &mut out.alerts);
        let Self { sampler, sums, table, agents, .. } = self;
        sampler.tick(self.now, || agents.living(table), &mut out.samples);
        let around = self::around(table, &self.network, &self.tasks, self.now);
        sums.tick(around, |agent| agents.name(agent), &mut out.activity);
    }

    /// Lets alerts whose groups are open name calls that were told since. Once a tick: calls come in batches.
    fn name_calls(&mut self) {
        if std::mem::take(&mut self.calls_told) {
            self.groups.told(|agent, time| {
                let mut call = intent::tool_call(&self.tasks, agent, time)?;
                redact::tool_call(&mut call);
                Some(call)
            });
        }
    }

    /// Judges what the bytes of flows turned out to be, and keeps the room that it stood in.
    fn recognised(&mut self, mut recognised: Vec<Recognised>, out: &mut Outputs) {
        for one in recognised.drain(..) {
            let mut observations = std::mem::take(&mut self.observations);
            let around = around(&self.table, &self.network, &self.tasks, self.now);
            self.analyses.recognised(around, &one, &mut observations);
            self.judge(What::Recognised(&one), one.agent, one.cgroup, out);
            self.observed(observations, out);
        }
        self.recognised = recognised;
    }

    /// Judges what the analyses saw, and keeps the room that it stood in.
    fn observed(&mut self, mut observations: Vec<Observation>, out: &mut Outputs) {
        for observation in observations.drain(..) {
            let (agent, cgroup) = (observation.agent, observation.cgroup);
            if let Some(name) = self.agents.name(agent) {
                self.sums.observed(name, &observation);
            }
            self.judge(What::Observation(&observation), agent, cgroup, out);
        }
        self.observations = observations;
    }

    /// Has the marks weighed that rules gave in this step. What a verdict is judged to be gives none.
    fn weigh(&mut self, out: &mut Outputs) {
        if self.marked.is_empty() {
            return;
        }
        let mut observations = std::mem::take(&mut self.observations);
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        self.analyses.marked(around, self.marked.drain(..), &mut observations);
        self.observed(observations, out);
        self.marked.clear();
    }

    /// Counts what came near a verdict on mining in this step.
    fn near_misses(&mut self) {
        let around = around(&self.table, &self.network, &self.tasks, self.now);
        for near in self.analyses.near() {
            let agent = self.table.get(near.process).map_or(AgentId::NONE, |process| process.agent);
            if let Some(name) = self.agents.name(agent) {
                self.sums.near(around, name, &near);
            }
        }
    }

    /// Judges what has waited for its content long enough.
    fn release(&mut self, out: &mut Outputs) {
        while let Some(waiting) = self.held.due(self.now) {
            self.judge_held(&waiting, None, out);
        }
    }

    /// Judges an event that waited, as if it were then.
    fn judge_held(&mut self, waiting: &Waiting, change: Option<&Change>, out: &mut Outputs) {
        let Waiting { event, actor, .. } = waiting;
        let from = out.alerts.len();
        let held = Judged { actor: actor.as_ref(), change };
        self.judge_as(What::Event(event), held, event.agent, event.cgroup, out);
        let about = |alert: &&mut Alert| alert.count == 1;
        for alert in out.alerts.iter_mut().skip(from).filter(about) {
            alert.latency_us = self.now.since(event.time) / 1_000;
        }
    }

    fn judge(&mut self, what: What<'_>, agent: AgentId, cgroup: CgroupId, out: &mut Outputs) {
        self.judge_as(what, Judged::default(), agent, cgroup, out);
    }

    fn judge_as(
        &mut self,
        what: What<'_>,
        judged: Judged<'_>,
        agent: AgentId,
        cgroup: CgroupId,
        out: &mut Outputs,
    ) {
        let Judged { actor, change } = judged;
        let place = self.cgroups.get(cgroup);
        let subject = Subject {
            what,
            table: &self.table,
            agent_name: self.agents.name(agent),
            cgroup_path: place.map(|cgroup| &*cgroup.path),
            container: place.and_then(|cgroup| cgroup.container.as_deref()),
            pod: place.and_then(|cgroup| cgroup.pod.as_deref()),
            hostname: what.flow().and_then(|flow| {
                let name = self.network.names().get(flow.netns, flow.remote.ip(), self.now)?;
                Some(&**name)
            }),
            actor,
            change,
            canaries: &self.canaries,
            tasks: &self.tasks,
        };
        self.rules.judge(&subject, &mut self.findings);
        for finding in self.findings.drain(..) {
            let About { time, received, process } = About::of(&subject);
            if let What::Event(Event { kind: EventKind::File(file), .. }) = what
                && let Some(name) = subject.agent_name
            {
                self.sums.found(name, file, &finding.rule.title);
            }
            if let Some(mark) = finding.rule.mark {
                let text = build::fact(&subject);
                self.marked.push((
                    Signal { time, received, process, mark, holds: true, text },
                    Some(finding.rule.level),
                ));
            }
            let key = group::Key {
                rule: xxh3_64(finding.rule.id.as_bytes()),
                agent,
                root: self.table.root(process),
                declared: intent::lowering(&finding, &subject).is_some(),
            };
            if self.groups.repeat(&key, self.now, || build::repeat(&finding, &subject)) {
                continue;
            }
            self.alerts += 1;
            let coverage = Coverage { events_lost: self.agents.lost(agent), gaps: self.gaps.clone() };
            let ties = ties(&subject, &key, &self.analyses);
            let incident = self.incidents.place(&ties, self.now);
            let context =
                build::Context { host: &self.settings.host, coverage, sequence: self.alerts, incident };
            let mut alert = build::alert(&finding, &subject, context);
            redact::alert(&mut alert);
            self.groups.open(key, time, self.now, &alert, &mut out.alerts);
            out.alerts.push(alert);
        }
    }
}

/// What ties an alert to what was found before: its tree, its tool call, and the tree that wrote what it runs.
fn ties(subject: &Subject<'_>, key: &group::Key, analyses: &Analyses) -> SmallVec<[Tie; 4]> {
    let group::Key { rule, agent, root, declared } = *key;
    let process = subject.what.process();
    let of_sensor = subject.what.category() == Some(Category::Sensor);
    if of_sensor || process.pid == 0 || agent == AgentId::NONE {
        return smallvec![Tie::Rule { agent, rule }];
    }
    if declared {
        return smallvec![Tie::Declared { agent, root }];
    }
    let mut ties = smallvec![Tie::Tree { agent, root }];
    let tree = |of: ProcessId| Tie::Tree { agent, root: subject.table.root(of) };
    let exec = subject.process(process).and_then(|process| process.exec.as_deref());
    ties.extend(exec.and_then(|exec| analyses.writer(exec)).map(tree));
    let call = intent::tool_call(subject.tasks, agent, subject.what.time());
    ties.extend(call.map(|call| Tie::Call { agent, call: xxh3_64(call.id.as_bytes()) }));
    ties.push(Tie::Tree { agent, root: process });
    ties
}

fn around<'a>(table: &'a ProcessTable, network: &'a Network, tasks: &'a Ledger, now: Nanos) -> Around<'a> {
    Around { table, names: network.names(), tasks, now }
}

/// What an event that waited brings along.
#[derive(Clone, Copy, Default)]
struct Judged<'a> {
    actor: Option<&'a Process>,
    change: Option<&'a Change>,
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
#[path = "pipeline/tests.rs"]
mod tests;
