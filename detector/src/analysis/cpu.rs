//! What processes and agents do with the processors, over seconds and over hours: work that looks like mining, and what
//! speaks against that.
//!
//! Durations are counted in samples, whose clock does not jump. A process is judged by what its busy threads wanted: ran
//! for, or waited for while they were ready to run.

use std::collections::BTreeMap;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::kept::Kept;
use super::mining::{Mark, Signal};
use super::{Around, Moment, Observation};
use crate::event::{AgentId, CpuProcess, CpuSample, Event, EventKind, Exec, Exit, Nanos, ProcessId};
use crate::rules::weights::{Form, Tables, numbers};
use crate::task::Expect;

mod hour;
mod programs;
mod series;

use hour::Hour;
use programs::Programs;
use series::{Bursts, Series, Shape, float};

/// Most processes that are followed.
const MOST: usize = 2_048;
/// Most programs and process trees whose hour is added up.
const MOST_HOURS: usize = 2_048;
/// How long a process is followed that uses nothing, in nanoseconds.
const IDLE: u64 = 300_000_000_000;
/// After which time what still holds is said again, in nanoseconds: a mark counts for two minutes.
const AGAIN: u64 = 30_000_000_000;
const SECOND: f64 = 1e9;

numbers! {
    /// Thresholds; `rules/weights/cpu.yml` gives the reason of each.
    pub(super) struct Numbers {
        /// Seconds of a burn.
        burn_seconds,
        /// Share of user mode.
        burn_user_share,
        /// Processors that are wanted.
        burn_processors,
        /// Processors that are used.
        burn_least,
        /// Share of the time of each busy thread.
        burn_threads_share,
        /// Voluntary switches a second and thread.
        burn_switches,
        /// Programs started a second.
        burn_children,
        /// Bytes a second.
        little_transferred,
        /// Seconds of a steady throttle.
        duty_seconds,
        /// Processors that are used.
        duty_processors,
        /// Voluntary switches a second and thread.
        duty_switches,
        /// Variation between samples.
        duty_variation,
        /// Seconds of work in bursts.
        repeat_seconds,
        /// Bursts.
        repeat_bursts,
        /// Processors over all of it.
        repeat_share,
        /// Seconds of a processor within an hour, of one program.
        hour_seconds,
        /// The same of a process tree.
        hour_tree_seconds,
        /// Share of user mode in what is added up.
        pure_user_share,
        /// Bytes a second.
        data_transferred,
        /// Programs started a second.
        churn_programs,
        /// Seconds without a task.
        alone_seconds,
    }
}

/// What `rules/weights/cpu.yml` must say.
pub(super) const FORM: Form = Form { name: "cpu", numbers: Numbers::NAMES, marks: &[] };

/// What is known of the use of processors.
#[derive(Debug)]
pub(super) struct Cpu {
    numbers: Numbers,
    /// Nanoseconds of samples so far.
    clock: u64,
    /// Nanoseconds that processors had between the last two samples; 0 before the first.
    capacity: u64,
    workers: BTreeMap<ProcessId, Worker>,
    hours: Kept<Sum, Hour>,
    programs: Programs,
    dropped: u64,
}

/// Whose time is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sum {
    /// All processes of an agent that run the same program with the same first argument.
    Program(AgentId, u64),
    /// A process tree, by its topmost process.
    Tree(ProcessId),
}

/// A process that used processors lately, or whose children did.
#[derive(Debug, Default)]
struct Worker {
    series: Series,
    /// Nanoseconds in samples: what is over at its end is new.
    user: u64,
    system: u64,
    /// When it used something last.
    active: u64,
    /// The program of its children that end between samples.
    turns: Option<Sum>,
    /// What was said of it, since when, and when last.
    said: BTreeMap<Mark, Said>,
    /// Since when it has looked like mining, and whether it was told that nobody asked for it.
    looks: Option<u64>,
    told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    last: u64,
}

impl Default for Cpu {
    fn default() -> Self {
        Self {
            numbers: Numbers::of(&Tables::builtin().get(FORM)),
            clock: 0,
            capacity: 0,
            workers: BTreeMap::new(),
            hours: Kept::new(MOST_HOURS),
            programs: Programs::default(),
            dropped: 0,
        }
    }
}

impl Cpu {
    /// Takes the thresholds to judge by from now on.
    pub(super) fn set_table(&mut self, tables: &Tables) {
        self.numbers = Numbers::of(&tables.get(FORM));
    }

    /// Takes an event: programs that are started, and what a process used by its end.
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, signals: &mut Vec<Signal>) {
        match &event.kind {
            EventKind::Exec(_) => self.programs.started(around.table, event.process, self.clock),
            EventKind::Exit(exit) => self.ended(around, event, *exit, signals),
            EventKind::Fork(_)
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
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// Takes a sample.
    pub(super) fn sample(
        &mut self,
        around: Around<'_>,
        sample: &CpuSample,
        signals: &mut Vec<Signal>,
        out: &mut Vec<Observation>,
    ) {
        self.clock = self.clock.saturating_add(sample.interval);
        self.capacity = sample.interval.saturating_mul(u64::from(sample.processors));
        let mut used: BTreeMap<ProcessId, &CpuProcess> = BTreeMap::new();
        for process in &sample.processes {
            used.insert(process.process, process);
            self.used(around, sample, process);
        }
        let ids: Vec<ProcessId> = self.workers.keys().copied().collect();
        for id in ids {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            let used = used.get(&id).copied();
            worker.series.push(sample.interval, sample.processors, used);
            // Of one that rests nothing new begins to hold.
            if used.is_some() || worker.turns.is_some() || !worker.said.is_empty() {
                self.judge(around, sample.time, id, signals, out);
            }
        }
        let clock = self.clock;
        self.workers.retain(|_, worker| !worker.said.is_empty() || clock - worker.active < IDLE);
    }

    /// Processes, programs and trees that were not followed because too many were.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped + self.hours.dropped() + self.programs.dropped()
    }

    /// Takes what a process used since the sample before.
    fn used(&mut self, around: Around<'_>, sample: &CpuSample, process: &CpuProcess) {
        let Some(worker) = self.worker(process.process) else { return };
        worker.user = worker.user.saturating_add(process.user);
        worker.system = worker.system.saturating_add(process.system);
        let seconds = float(sample.interval) / SECOND;
        let bytes = float(process.transferred.unwrap_or(0));
        let threads = f64::from(process.busy_threads.unwrap_or(1).max(1));
        let switches = float(process.voluntary_switches.unwrap_or(0)) / threads;
        if bytes < self.numbers.little_transferred * seconds
            && switches < self.numbers.duty_switches * seconds
        {
            self.add(around, process.process, process.user, process.system);
        }
    }

    /// Adds time to the hour of the program and of the tree of a process, if it is work as a miner does it.
    fn add(&mut self, around: Around<'_>, id: ProcessId, user: u64, system: u64) {
        let all = user.saturating_add(system);
        let is_pure = float(user) >= self.numbers.pure_user_share * float(all);
        if all == 0 || !is_pure || self.is_churning(around, id) {
            return;
        }
        let tree = Sum::Tree(around.table.root(id));
        for sum in program(around, id).into_iter().chain([tree]) {
            if let Some(hour) = self.hours.get_or_insert_with(sum, Hour::new) {
                hour.add(self.clock, all);
            }
        }
    }

    fn is_churning(&self, around: Around<'_>, id: ProcessId) -> bool {
        self.programs.around(around.table, id, self.clock) >= self.numbers.churn_programs
    }

    /// What is known of a process, or nothing where too many are followed.
    fn worker(&mut self, id: ProcessId) -> Option<&mut Worker> {
        if !self.workers.contains_key(&id) && self.workers.len() >= MOST {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        let worker = self.workers.entry(id).or_default();
        worker.active = self.clock;
        Some(worker)
    }

    /// A process ended: what it used since the last sample counts, and what was said of it holds no longer.
    fn ended(&mut self, around: Around<'_>, event: &Event, exit: Exit, signals: &mut Vec<Signal>) {
        self.programs.ended(event.process);
        let worker = self.workers.remove(&event.process).unwrap_or_default();
        for (mark, _) in worker.said {
            signals.push(Signal {
                time: event.time,
                received: event.received,
                process: event.process,
                mark,
                holds: false,
                text: "ended".to_owned(),
            });
        }
        // More than the processors had since cannot be new: the rest is from before the watch.
        let new = |total: u64, known: u64| total.saturating_sub(known).min(self.capacity.saturating_mul(2));
        let (user, system) = (new(exit.user, worker.user), new(exit.system, worker.system));
        if user.saturating_add(system) == 0 {
            return;
        }
        self.add(around, event.process, user, system);
        let process = around.table.get(event.process);
        let maker = process.and_then(|process| process.parent).and_then(|maker| around.table.get(maker));
        let maker = maker.filter(|maker| maker.agent == event.agent && maker.ended.is_none());
        if let (Some(maker), Some(program)) = (maker, program(around, event.process))
            && let Some(worker) = self.worker(maker.id)
        {
            worker.turns = Some(program);
        }
    }

    /// Says what is new about a process.
    fn judge(
        &mut self,
        around: Around<'_>,
        time: Nanos,
        id: ProcessId,
        signals: &mut Vec<Signal>,
        out: &mut Vec<Observation>,
    ) {
        let numbers = self.numbers;
        let Some(worker) = self.workers.get(&id) else { return };
        let recent = worker.series.shape(numbers.burn_seconds);
        let burns = recent.filter(|shape| self.burns(id, shape)).map(|shape| burn_text(&shape));
        let duty = if burns.is_some() { None } else { self.duty(around, id) };
        let is_busy = |shape: &Shape| shape.processors >= numbers.duty_processors;
        let busy = recent.filter(is_busy);
        let data = busy.filter(|shape| shape.transferred >= numbers.data_transferred);
        let data = data.map(|shape| format!("reads and writes {:.1} MiB/s", shape.transferred / 1_048_576.0));
        let rate = self.programs.around(around.table, id, self.clock);
        let churns = busy.filter(|_| rate >= numbers.churn_programs);
        let churns = churns.map(|_| format!("and those that it works for start {rate:.1} programs a second"));
        let looks = burns.is_some() || duty.is_some();
        let declared = (looks || busy.is_some()).then(|| declared(around, id)).flatten();
        let declared = declared.map(|name| format!("works for the task {name}, which declares processors"));
        let is_declared = declared.is_some();
        let told = burns.clone().or_else(|| duty.clone());
        for (mark, text) in [
            (Mark::CpuBurn, burns),
            (Mark::CpuDuty, duty),
            (Mark::Data, data),
            (Mark::Churn, churns),
            (Mark::DeclaredCpu, declared),
        ] {
            signals.extend(self.say(time, id, mark, text));
        }
        let clock = self.clock;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let since = told.is_some().then(|| worker.looks.unwrap_or(clock));
        worker.looks = since;
        let alone = since.is_some_and(|since| float(clock - since) >= numbers.alone_seconds * SECOND);
        if let (true, false, false, Some(text), Some(shape)) = (alone, is_declared, worker.told, told, recent)
            && around.tasks.is_used()
        {
            worker.told = true;
            out.push(alone_observation(around, id, &text, &shape));
        }
    }

    /// A signal, where a mark begins to hold, still does after a while, or no longer does.
    fn say(&mut self, time: Nanos, process: ProcessId, mark: Mark, text: Option<String>) -> Option<Signal> {
        let clock = self.clock;
        let worker = self.workers.get_mut(&process)?;
        let signal = |holds, text| Some(Signal { time, received: time, process, mark, holds, text });
        let Some(text) = text else {
            worker.said.remove(&mark)?;
            return signal(false, "no longer".to_owned());
        };
        if worker.said.get(&mark).is_some_and(|said| clock - said.last < AGAIN) {
            return None;
        }
        worker.said.insert(mark, Said { last: clock });
        signal(true, text)
    }

    /// Whether it keeps processors busy as a miner does.
    fn burns(&self, id: ProcessId, shape: &Shape) -> bool {
        let Numbers { burn_seconds, burn_user_share, burn_processors, burn_least, .. } = self.numbers;
        let Numbers { burn_threads_share, burn_switches, burn_children, little_transferred, .. } =
            self.numbers;
        shape.user >= burn_user_share
            && shape.least >= burn_processors
            && shape.processors >= burn_least
            && shape.wanted >= burn_threads_share * shape.threads
            && shape.switches.is_some_and(|switches| switches < burn_switches)
            && shape.transferred < little_transferred
            && self.programs.below(id, self.clock, whole(burn_seconds)) < burn_children
    }

    /// Whether it does the same with pauses: a steady share, bursts, or a sum over the hour; as a sentence.
    fn duty(&mut self, around: Around<'_>, id: ProcessId) -> Option<String> {
        let numbers = self.numbers;
        let worker = self.workers.get(&id)?;
        let is_work = |shape: &Shape| {
            shape.user >= numbers.burn_user_share
                && shape.processors >= numbers.duty_processors
                && shape.switches.is_some_and(|switches| switches < numbers.duty_switches)
                && shape.transferred < numbers.little_transferred
        };
        let is_quiet =
            self.programs.below(id, self.clock, whole(numbers.duty_seconds)) < numbers.burn_children;
        let steady = worker.series.shape(numbers.duty_seconds);
        if let Some(shape) = steady.filter(is_work)
            && is_quiet
            && shape.variation <= numbers.duty_variation
        {
            return Some(format!(
                "uses {:.2} of {:.0} processors, no more and no less, {:.0} % of it in user mode",
                shape.processors,
                shape.threads.max(1.0),
                shape.user * 100.0
            ));
        }
        let bursts = worker.series.bursts(numbers.repeat_seconds);
        if let Some(Bursts { count, work, processors, seconds }) = bursts
            && is_quiet
            && f64::from(count) >= numbers.repeat_bursts
            && processors >= numbers.repeat_share
            && is_work(&work)
        {
            return Some(format!(
                "worked {count} times in {seconds:.0} s after a pause, {:.0} % of it in user mode",
                work.user * 100.0
            ));
        }
        let turns = worker.turns;
        let of_program = program(around, id).map(|sum| (sum, "it and others of its program"));
        let of_turns = turns.map(|sum| (sum, "its children of one program"));
        for (sum, who) in of_program.into_iter().chain(of_turns) {
            let seconds = self.hour(sum);
            if seconds >= numbers.hour_seconds {
                return Some(format!(
                    "{who} used {seconds:.0} s of a processor within an hour, all in user mode"
                ));
            }
        }
        let seconds = self.hour(Sum::Tree(id));
        (seconds >= numbers.hour_tree_seconds).then(|| {
            format!("it and what it made used {seconds:.0} s of a processor within an hour, all in user mode")
        })
    }

    /// Seconds of a processor within the last hour.
    fn hour(&mut self, sum: Sum) -> f64 {
        let clock = self.clock;
        self.hours.get_mut(&sum).map_or(0.0, |hour| float(hour.sum(clock)) / SECOND)
    }
}

fn burn_text(shape: &Shape) -> String {
    format!(
        "keeps {:.1} processors busy, {:.0} % of it in user mode, with {:.1} pauses a second and thread",
        shape.processors,
        shape.user * 100.0,
        shape.switches.unwrap_or(0.0)
    )
}

/// The program of a process with its first argument, which tells the scripts of an interpreter apart.
fn program(around: Around<'_>, id: ProcessId) -> Option<Sum> {
    let process = around.table.get(id)?;
    let Exec { exe, argv, .. } = process.exec.as_deref()?;
    let mut text = exe.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(argv.get(1).map(AsRef::as_ref).unwrap_or_default().as_bytes());
    Some(Sum::Program(process.agent, xxh3_64(&text)))
}

/// The name of the task that declares that this process uses processors.
fn declared(around: Around<'_>, id: ProcessId) -> Option<String> {
    let process = around.table.get(id)?;
    let exe = process.exec.as_deref().map_or("", |exec| &*exec.exe);
    let task = around.tasks.declared(process.agent, exe, |expect| *expect == Expect::Cpu)?;
    Some(task.name.to_string())
}

fn alone_observation(around: Around<'_>, id: ProcessId, text: &str, shape: &Shape) -> Observation {
    let fields = vec![
        ("CpuProcessors", Value::from((shape.processors * 100.0).round() / 100.0)),
        ("CpuUserPercent", Value::from(whole(shape.user * 100.0))),
        ("CpuThreads", Value::from(whole(shape.threads.round()))),
    ];
    let text = format!("{text}; no task of the agent declares that");
    Moment::now(around).observation(around, id, "cpu_busy_without_task", text, fields)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and 0 is what NaN means here"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
#[path = "cpu/tests.rs"]
mod tests;
