//! `mining`: the verdict over all that speaks for and against it, by process and those around it.
//!
//! Three ways lead here: [`Signal`]s of other analyses, what this one sees itself (memory of RandomX, rounding), and
//! rules whose matches are marks (`detector.mark`), so that what counts as a miner's name or a pool's stands in one
//! place. `rules/weights/mining.yml` says what each weighs and why. A verdict is told when the certainty rises, and
//! only where it says more than the alerts that rules gave for its parts.

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Measured, Moment, Observation};
use crate::alert::Level;
use crate::event::{AgentId, CgroupId, Event, EventKind, Look, Nanos, OperationCode, ProcessId, Rounding};
use crate::network::{Application, Recognised};
use crate::rules::weights::{Form, Reach, Tables, numbers};

mod known;
mod signal;
mod verdict;

use known::{Evidence, Known, Seen};
pub(crate) use signal::{Mark, Signal};
use verdict::{Rank, Verdict, Weighed, Weights};

/// Most processes of which is known what was looked at.
const MAX_LOOKED: usize = 4_096;
/// Most characters of a fact.
const MOST_TEXT: usize = 300;
/// Sizes of the dataset of RandomX begin here, bytes; the size below it that is reported is that of its cache.
const DATASET: u64 = 1 << 31;
/// Nanoseconds between two looks at what no longer counts.
const SWEEP: u64 = 10_000_000_000;

numbers! {
    /// From how many points on it is what.
    struct Numbers {
        /// Points of `possible`.
        possible,
        /// Points of `likely`.
        likely,
        /// Points of `sure`.
        sure,
        /// Most points of weak marks.
        weak_most,
        /// Generations between processes of one family, at most.
        family,
        /// Share of looks that found another rounding mode.
        rounding_share,
        /// Looks before there is a share.
        rounding_looked,
    }
}

/// What `rules/weights/mining.yml` must say.
pub(super) const FORM: Form = Form { name: "mining", numbers: Numbers::NAMES, marks: Mark::ALL };

/// A process that came near a verdict and has none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Near {
    /// The process.
    pub(crate) process: ProcessId,
    /// Its points.
    pub(crate) points: u64,
    /// From how many on there is a verdict.
    pub(crate) possible: u64,
    /// What they come from: `name +20, data -10`.
    pub(crate) marks: String,
}

/// What was looked at, so that a verdict can say what was not.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    made_of: bool,
    rounding: bool,
    /// It speaks TLS without a name.
    sealed: bool,
}

/// What speaks for and against mining, by process.
#[derive(Debug)]
pub(super) struct Mining {
    weights: Weights,
    evidence: Evidence,
    looked: Kept<ProcessId, Looked>,
    cpu_seen: bool,
    gpu_seen: bool,
    gpu_divided: bool,
    swept: Nanos,
    near: Vec<Near>,
}

impl Default for Mining {
    fn default() -> Self {
        Self {
            weights: Weights::of(&Tables::builtin().get(FORM)),
            evidence: Evidence::default(),
            looked: Kept::new(MAX_LOOKED),
            cpu_seen: false,
            gpu_seen: false,
            gpu_divided: false,
            swept: Nanos(0),
            near: Vec::new(),
        }
    }
}

impl Mining {
    /// Takes the weights to judge by from now on.
    pub(super) fn set_table(&mut self, tables: &Tables) {
        self.weights = Weights::of(&tables.get(FORM));
    }

    /// Takes an event: memory of RandomX.
    pub(super) fn event(&mut self, event: &Event, signals: &mut Vec<Signal>) {
        let EventKind::Operation(operation) = &event.kind else { return };
        if operation.code != OperationCode::RandomxMemory {
            return;
        }
        let (is_dataset, bytes) = (operation.number >= DATASET, operation.number);
        let (mark, text) = match (is_dataset, operation.huge) {
            (true, true) => (Mark::RandomxHuge, format!("asked for {bytes} bytes of memory in huge pages")),
            (true, false) => (Mark::RandomxMemory, format!("asked for {bytes} bytes of memory")),
            (false, true) => (Mark::RandomxCache, format!("asked for {bytes} bytes of memory in huge pages")),
            (false, false) => return,
        };
        let what = if is_dataset { "dataset" } else { "cache" };
        signals.push(Signal {
            time: event.time,
            received: event.received,
            process: event.process,
            mark,
            holds: true,
            text: format!("{text}, the size of RandomX's {what}"),
        });
    }

    /// Takes what the bytes of a flow are: which of them nobody can read.
    pub(super) fn recognised(&mut self, recognised: &Recognised) {
        if recognised.application == Application::Tls && recognised.field("Sni").is_none() {
            self.look_at(recognised.process, |looked| looked.sealed = true);
        }
    }

    /// Takes what the rim measured.
    pub(super) fn measured(&mut self, measured: &Measured, signals: &mut Vec<Signal>) {
        match measured {
            Measured::Cpu(_) => self.cpu_seen = true,
            Measured::Gpu(sample) => {
                self.gpu_seen = true;
                self.gpu_divided = sample.devices.iter().any(|device| device.mig);
            }
            Measured::Look(look) => self.look(look, signals),
            Measured::Rounding(rounding) => self.rounding(*rounding, signals),
        }
    }

    fn look(&mut self, look: &Look, signals: &mut Vec<Signal>) {
        self.look_at(look.process, |looked| looked.made_of = true);
        let mut say = |mark, text| {
            let Look { time, process, .. } = *look;
            signals.push(Signal { time, received: time, process, mark, holds: true, text });
        };
        if !look.libraries.is_empty() {
            let names: Vec<&str> = look.libraries.iter().take(4).map(AsRef::as_ref).collect();
            say(Mark::Libraries, format!("maps {}", names.join(", ")));
        }
        // That none is open now takes nothing back: another analysis may have seen it read.
        if look.data_files > 0 {
            say(Mark::Data, format!("has {} files of data open", look.data_files));
        }
    }

    fn rounding(&mut self, rounding: Rounding, signals: &mut Vec<Signal>) {
        let Rounding { time, process, looked, other } = rounding;
        self.look_at(process, |known| known.rounding = true);
        #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
        let (all, others) = (looked as f64, other as f64);
        if all >= self.weights.numbers.rounding_looked && others >= all * self.weights.numbers.rounding_share
        {
            let text = format!("rounds otherwise than to nearest in {other} of {looked} looks");
            signals.push(Signal { time, received: time, process, mark: Mark::Rounding, holds: true, text });
        }
    }

    /// Takes what another analysis saw: scripts and libraries that an agent wrote.
    pub(super) fn observed(&self, observation: &Observation, signals: &mut Vec<Signal>) {
        let kind = observation.fields.iter().find(|(name, _)| *name == "NewCodeKind").map(|(_, kind)| kind);
        // Programs that an agent wrote say so themselves.
        if observation.name == "new_code" && kind.is_some_and(|kind| kind != "program") {
            signals.push(Signal {
                time: observation.time,
                received: observation.received,
                process: observation.process,
                mark: Mark::NewCode,
                holds: true,
                text: observation.text.clone(),
            });
        }
    }

    fn look_at(&mut self, process: ProcessId, what: impl FnOnce(&mut Looked)) {
        if let Some(looked) = self.looked.get_or_insert_with(process, Looked::default) {
            what(looked);
        }
    }

    /// Weighs signals with all that is known around their processes; verdicts are appended to `out`.
    pub(super) fn signals(
        &mut self,
        around: Around<'_>,
        signals: impl Iterator<Item = (Signal, Option<Level>)>,
        out: &mut Vec<Observation>,
    ) {
        let mut changed: Vec<Changed> = Vec::new();
        for (signal, alerted) in signals {
            let Signal { time, received, process, mark, holds, text } = signal;
            if process.pid == 0 {
                continue;
            }
            let agent = around.table.get(process).map_or(AgentId::NONE, |process| process.agent);
            if !holds {
                self.evidence.remove(agent, process, mark);
                continue;
            }
            let reach = self.weights.weight(mark).map_or(Reach::Family, |weight| weight.reach);
            let text = text.chars().take(MOST_TEXT).collect::<String>().into();
            let seen = (process, mark, Seen { time, text, alerted });
            if self.evidence.add(&self.weights, around.table, agent, seen) {
                changed.push(Changed {
                    agent,
                    process: (reach == Reach::Family).then_some(process),
                    time,
                    received,
                });
            }
        }
        changed.sort_by_key(|changed| (changed.agent, changed.process));
        changed.dedup_by_key(|changed| (changed.agent, changed.process));
        for changed in changed {
            self.judge(around, changed, out);
        }
    }

    /// Lets time pass: what no longer counts is forgotten, and what a task excused until now is weighed again.
    pub(super) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        if around.now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = around.now;
        for agent in self.evidence.expire(&self.weights, around.table, around.now) {
            self.judge(around, Changed { agent, process: None, time: around.now, received: around.now }, out);
        }
    }

    /// Weighs what is known of the processes that a change reaches, and tells what rose.
    fn judge(&mut self, around: Around<'_>, changed: Changed, out: &mut Vec<Observation>) {
        let all = self.evidence.of(changed.agent);
        let origin = changed.process.and_then(|origin| all.iter().find(|known| known.process == origin));
        let mut risen: Vec<(Rank, &Known, Verdict)> = Vec::new();
        for known in all.iter().filter(|known| origin.is_none_or(|origin| origin.is_near(known))) {
            let verdict = Verdict::of(&self.weights, around, known, all);
            let Some(rank) = verdict.rank else {
                self.near.extend(self.weights.near(known.process, &verdict));
                continue;
            };
            if all.iter().any(|other| other.told >= Some(rank) && other.is_near(known)) {
                continue;
            }
            let adds = verdict.alerted() < Some(rank.level());
            if adds || (rank >= Rank::Sure && verdict.is_a_picture()) {
                risen.push((rank, known, verdict));
            }
        }
        // Who computes is told first, and those around it are told by that.
        risen.sort_by_key(|(rank, known, verdict)| {
            (std::cmp::Reverse((*rank, known.computes(), verdict.points)), known.process)
        });
        let mut told: Vec<(&Known, Rank)> = Vec::new();
        for (rank, known, verdict) in risen {
            if !told.iter().any(|(other, _)| other.is_near(known)) {
                out.push(self.observation(around, changed, known.process, rank, &verdict));
                told.push((known, rank));
            }
        }
        let told: Vec<(ProcessId, Rank)> =
            told.into_iter().map(|(known, rank)| (known.process, rank)).collect();
        for (process, rank) in told {
            self.evidence.told(changed.agent, process, rank);
        }
    }

    fn observation(
        &self,
        around: Around<'_>,
        changed: Changed,
        process: ProcessId,
        rank: Rank,
        verdict: &Verdict,
    ) -> Observation {
        let Verdict { points, rank: _, marks, against } = verdict;
        let mut text = match rank {
            Rank::Possible => "may be mining".to_owned(),
            Rank::Likely => "is likely mining".to_owned(),
            Rank::Sure | Rank::WithPool => "is mining".to_owned(),
        };
        let names: Vec<String> = marks.iter().map(Weighed::short).collect();
        text.push_str(&format!(", {points} points: {}", names.join(", ")));
        if !against.is_empty() {
            let names: Vec<String> = against.iter().map(Weighed::short).collect();
            text.push_str(&format!("; against it: {}", names.join(", ")));
        }
        let unseen = self.unseen(around, process, marks);
        let lines = |weighed: &[Weighed]| Value::from(weighed.iter().map(Weighed::line).collect::<Vec<_>>());
        let names: Vec<&str> = marks.iter().map(|weighed| weighed.mark.name()).collect();
        let fields = vec![
            ("MiningScore", Value::from(*points)),
            ("MiningCertainty", rank.certainty().into()),
            ("MiningPool", (rank == Rank::WithPool).into()),
            ("MiningMarks", names.into()),
            ("MiningFor", lines(marks)),
            ("MiningAgainst", lines(against)),
            ("MiningUnseen", unseen.into()),
        ];
        let Changed { agent, time, received, process: _ } = changed;
        let moment = Moment { time, received, agent, cgroup: CgroupId(0) };
        moment.observation(around, process, "mining", text, fields)
    }

    /// What could not be seen of a process, a sentence each.
    fn unseen(&self, around: Around<'_>, process: ProcessId, marks: &[Weighed]) -> Vec<&'static str> {
        let looked = self.looked.get(&process).copied().unwrap_or_default();
        let has = |mark: Mark| marks.iter().any(|weighed| weighed.mark == mark);
        [
            (!self.cpu_seen, "use of processors: nothing measures it"),
            (!self.gpu_seen, "use of GPUs: nothing measures it"),
            (self.gpu_divided, "use of divided GPUs (MIG) by process: the driver does not tell"),
            (!around.tasks.is_used(), "what the agent was asked to do: no task was declared"),
            (!looked.made_of, "libraries and data of the process: not looked at"),
            (!looked.rounding && !has(Mark::Rounding), "how the process rounds: not looked at"),
            (looked.sealed && !has(Mark::PoolName), "whom it speaks to in TLS: the name is hidden"),
        ]
        .into_iter()
        .filter_map(|(holds, what)| holds.then_some(what))
        .collect()
    }

    /// What came near a verdict since it was asked for last.
    pub(super) fn near(&mut self) -> std::vec::Drain<'_, Near> {
        self.near.drain(..)
    }

    /// Processes that had to make room for others.
    pub(super) fn dropped(&self) -> u64 {
        self.evidence.dropped()
    }
}

/// Of whom more is known than before, and since when; no process: of the whole agent.
#[derive(Clone, Copy, Debug)]
struct Changed {
    agent: AgentId,
    process: Option<ProcessId>,
    time: Nanos,
    received: Nanos,
}

#[cfg(test)]
mod tests;
