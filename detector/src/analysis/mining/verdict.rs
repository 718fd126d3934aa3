//! Weighs what is known of one process and of those around it: points, certainty, and the reasons in words.

use std::collections::BTreeMap;

use super::known::{Known, Seen};
use super::{Mark, Near, Numbers};
use crate::alert::Level;
use crate::analysis::Around;
use crate::event::{Nanos, ProcessId};
use crate::process::{Process, ProcessTable};
use crate::rules::weights::{Reach, Strength, Table, Weight};
use crate::task::Expect;

/// How sure it is, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Possible,
    Likely,
    Sure,
    /// Sure, and a pool is spoken to or named.
    WithPool,
}

impl Rank {
    /// The word in `MiningCertainty`.
    pub(super) fn certainty(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Sure | Self::WithPool => "sure",
        }
    }

    /// Level of the rule that alerts then: rules/mining/verdict*.yml.
    pub(super) fn level(self) -> Level {
        match self {
            Self::Possible => Level::Low,
            Self::Likely => Level::Medium,
            Self::Sure => Level::High,
            Self::WithPool => Level::Critical,
        }
    }
}

/// The table, ready to be asked often.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) numbers: Numbers,
    /// By the place of a mark among all.
    by_mark: Vec<Option<Weight>>,
}

impl Weights {
    pub(super) fn of(table: &Table) -> Self {
        let by_mark = Mark::ALL.iter().map(|mark| table.weight(*mark).cloned()).collect();
        Self { numbers: Numbers::of(table), by_mark }
    }

    pub(super) fn weight(&self, mark: Mark) -> Option<&Weight> {
        self.by_mark.get(mark as usize)?.as_ref()
    }

    /// A verdict that is none, as something that came near one: two thirds of the points, or all of them taken back.
    pub(super) fn near(&self, process: ProcessId, verdict: &Verdict) -> Option<Near> {
        let possible = self.numbers.possible;
        let before: i32 = verdict.marks.iter().map(|weighed| weighed.weight.max(0)).max().unwrap_or(0);
        let points = f64::from(verdict.points);
        if points * 3.0 < possible * 2.0 && f64::from(before) < possible {
            return None;
        }
        let marks: Vec<String> = verdict.marks.iter().chain(&verdict.against).map(Weighed::short).collect();
        Some(Near {
            process,
            points: u64::try_from(verdict.points).unwrap_or(0),
            possible: possible as u64,
            marks: marks.join(", "),
        })
    }

    /// Who made a process, the next first, as far as a family goes.
    pub(super) fn family_of(&self, processes: &ProcessTable, process: ProcessId) -> Vec<ProcessId> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number from 0 on"
        )]
        let generations = self.numbers.family as usize;
        processes.ancestors(process).take(generations).map(|above| above.id).collect()
    }
}

/// One mark in the balance.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    pub(super) mark: Mark,
    /// What it weighs by the table.
    pub(super) weight: i32,
    /// What is left of it after what answers it, and after heavier marks of its group.
    pub(super) counts: i32,
    /// Whether it is there to be told only: another of its group counts.
    pub(super) same_as: Option<Mark>,
    pub(super) text: Box<str>,
    pub(super) alerted: Option<Level>,
}

/// What all marks of a process say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) points: i32,
    pub(super) rank: Option<Rank>,
    /// For it, the heaviest first.
    pub(super) marks: Vec<Weighed>,
    pub(super) against: Vec<Weighed>,
}

impl Weighed {
    /// What it adds, or what one against takes off each mark that it answers.
    pub(super) fn points(&self) -> i32 {
        if self.weight < 0 { self.weight } else { self.counts }
    }

    /// The mark and its points.
    pub(super) fn short(&self) -> String {
        format!("{} {:+}", self.mark.name(), self.points())
    }

    /// For people: the mark, its points, and the fact.
    pub(super) fn line(&self) -> String {
        let (name, text) = (self.mark.name(), &self.text);
        let points = match self.same_as {
            Some(other) => format!("+0, counted as {}", other.name()),
            None if self.weight > self.counts && self.weight > 0 => {
                format!("{:+} of {:+}", self.counts, self.weight)
            }
            None => format!("{:+}", self.points()),
        };
        format!("{name} {points}: {text}")
    }
}

impl Weight {
    /// Whether something that was seen then counts now.
    pub(super) fn counts(&self, seen: Nanos, now: Nanos) -> bool {
        self.lasts == 0 || now.since(seen) <= self.lasts.saturating_mul(1_000_000_000)
    }
}

impl Verdict {
    /// The verdict on a process, given all that is known of its agent.
    pub(super) fn of(weights: &Weights, around: Around<'_>, about: &Known, all: &[Known]) -> Self {
        let process = about.process;
        let mut found = own(around, process);
        for known in all {
            let is_near = about.is_near(known);
            for (mark, seen) in &known.marks {
                let Some(weight) = weights.weight(*mark) else { continue };
                let reaches = match weight.reach {
                    Reach::Agent => true,
                    Reach::Family => is_near,
                };
                if !reaches || !weight.counts(seen.time, around.now) {
                    continue;
                }
                // What was seen at the process itself, or else at the oldest: the same whatever came first.
                let is_better = |before: &(ProcessId, Seen)| {
                    (known.process == process, before.0) > (before.0 == process, known.process)
                };
                if found.get(mark).is_none_or(is_better) {
                    found.insert(*mark, (known.process, said_by(known.process, process, seen)));
                }
            }
        }
        Self::weigh(weights, found.into_iter().map(|(mark, (_, seen))| (mark, seen)))
    }

    /// Weighs marks, each given once.
    pub(super) fn weigh(weights: &Weights, found: impl Iterator<Item = (Mark, Seen)>) -> Self {
        let mut out = Self::default();
        let mut carries = false;
        let found: Vec<(Mark, &Weight, Seen)> =
            found.filter_map(|(mark, seen)| Some((mark, weights.weight(mark)?, seen))).collect();
        for (mark, weight, seen) in &found {
            let answered: i32 = found
                .iter()
                .filter(|(_, other, _)| other.answers.iter().any(|name| name == mark.name()))
                .map(|(_, other, _)| other.weight)
                .sum();
            let weighed = Weighed {
                mark: *mark,
                weight: weight.weight,
                counts: weight.weight.saturating_add(answered).max(0),
                same_as: None,
                text: seen.text.clone(),
                alerted: seen.alerted,
            };
            if weight.strength == Strength::Against { &mut out.against } else { &mut out.marks }
                .push(weighed);
        }
        out.marks.sort_by_key(|weighed| (std::cmp::Reverse(weighed.counts), weighed.mark));
        let mut groups: BTreeMap<&str, Mark> = BTreeMap::new();
        for weighed in &mut out.marks {
            let Some(weight) = weights.weight(weighed.mark) else { continue };
            if let Some(group) = weight.group.as_deref() {
                if let Some(first) = groups.get(group) {
                    weighed.same_as = Some(*first);
                    weighed.counts = 0;
                    continue;
                }
                groups.insert(group, weighed.mark);
            }
            carries |= weighed.counts > 0
                && match weight.strength {
                    Strength::Decisive | Strength::Strong => true,
                    Strength::Weak | Strength::Against => false,
                };
        }
        out.points = out.marks.iter().fold(0_i32, |sum, weighed| sum.saturating_add(weighed.counts));
        let points = f64::from(out.points);
        let points = if carries { points } else { points.min(weights.numbers.weak_most) };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "points are sums of small numbers, cut to a small one"
        )]
        let whole = points as i32;
        out.points = whole;
        let with_pool = out.marks.iter().any(|weighed| weighed.mark.is_of_a_pool());
        out.rank = if points >= weights.numbers.sure {
            Some(if with_pool { Rank::WithPool } else { Rank::Sure })
        } else if points >= weights.numbers.likely {
            Some(Rank::Likely)
        } else if points >= weights.numbers.possible {
            Some(Rank::Possible)
        } else {
            None
        };
        out
    }

    /// The gravest alert that rules gave for what is weighed here.
    pub(super) fn alerted(&self) -> Option<Level> {
        self.marks.iter().filter_map(|weighed| weighed.alerted).max()
    }

    /// Whether it joins facts beyond what one rule says of one program.
    pub(super) fn is_a_picture(&self) -> bool {
        let is_fact = |weighed: &&Weighed| {
            weighed.counts > 0 && !matches!(weighed.mark, Mark::NewCode | Mark::Hidden | Mark::HugePages)
        };
        self.marks.iter().filter(is_fact).count() > 1
    }
}

/// What the process table and the tasks say of a process.
fn own(around: Around<'_>, process: ProcessId) -> BTreeMap<Mark, (ProcessId, Seen)> {
    let mut found = BTreeMap::new();
    let Some(Process { exec: Some(exec), agent, since, .. }) = around.table.get(process) else {
        return found;
    };
    let mut add = |mark, text: String| {
        found.insert(mark, (process, Seen { time: *since, text: text.into(), alerted: None }));
    };
    if exec.is_memfd() {
        add(Mark::Hidden, "runs a file that is in memory only".to_owned());
    } else if exec.is_deleted() {
        add(Mark::Hidden, format!("runs {}, which is deleted", exec.exe));
    }
    if let Some(written) = exec.written {
        add(Mark::NewCode, format!("runs {}, which process {} of an agent wrote", exec.exe, written.by.pid));
    }
    for (mark, expect) in [(Mark::DeclaredCpu, Expect::Cpu), (Mark::DeclaredGpu, Expect::Gpu)] {
        if let Some(task) = around.tasks.declared(*agent, &exec.exe, |said| *said == expect) {
            add(mark, format!("the task {} ({}) declares that", task.name, task.id));
        }
    }
    found
}

/// What was seen, with the process that it was seen at where that is another.
fn said_by(by: ProcessId, about: ProcessId, seen: &Seen) -> Seen {
    if by == about {
        return seen.clone();
    }
    Seen { text: format!("process {}: {}", by.pid, seen.text).into(), ..seen.clone() }
}
