//! `effect_without_tool_call`, `outlives_task`: what an agent does beside what it was meant to do.
//!
//! The lack of a tool call says something only of an agent that tells its calls as they begin, and only of what it
//! started since: its own programs, which ask a model what to do next, were there before the first call. It is
//! looked at some seconds later, since a line about a call may take a moment longer than the call's effect.

use std::collections::VecDeque;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::kept::Kept;
use super::{Around, Moment, Observation};
use crate::change::class::class_of;
use crate::event::{AgentId, Event, EventKind, FileOp, Nanos, ProcessId, is_public};
use crate::process::Process;
use crate::rules::is_daemon;
use crate::task::{Ended, Task};

/// How many calls an agent must have told.
const CALLS: u64 = 3;
/// How long after a call its effects are expected, nanoseconds.
const AFTER: u64 = 5_000_000_000;
/// How much later a call may begin that an effect belongs to.
const BEFORE: u64 = 2_000_000_000;
/// After how long an effect is looked at.
const HELD: u64 = 3_000_000_000;
/// How long a task's processes have to end after it.
const OUTLIVES: u64 = 5_000_000_000;

/// Most effects that wait to be looked at.
const MAX_PENDING: usize = 1024;
/// Most processes whose effects were told of, and most tasks that were looked at.
const MAX_TOLD: usize = 4096;
/// Most processes of one task that are told of.
const MAX_LEFT: usize = 16;

/// What agents do beside their tool calls and tasks.
#[derive(Debug)]
pub(super) struct Meant {
    pending: VecDeque<Effect>,
    told: Kept<(ProcessId, Kind), ()>,
    looked_at: Kept<u64, ()>,
    dropped: u64,
}

/// Something of weight that a process did.
#[derive(Debug)]
struct Effect {
    moment: Moment,
    process: ProcessId,
    kind: Kind,
    target: String,
}

/// The closed list of what weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Connection,
    Listener,
    OwnProgram,
    Persistence,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Listener => "listener",
            Self::OwnProgram => "own_program",
            Self::Persistence => "persistence",
        }
    }

    fn did(self) -> &'static str {
        match self {
            Self::Connection => "connected to",
            Self::Listener => "listens on",
            Self::OwnProgram => "ran the agent's own program",
            Self::Persistence => "changed",
        }
    }
}

impl Default for Meant {
    fn default() -> Self {
        Self {
            pending: VecDeque::new(),
            told: Kept::new(MAX_TOLD),
            looked_at: Kept::new(MAX_TOLD),
            dropped: 0,
        }
    }
}

impl Meant {
    /// Takes an event that the table knows already.
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event) {
        if event.agent == AgentId::NONE {
            return;
        }
        let Some((since, _)) = around.tasks.told_live(event.agent).filter(|(_, told)| *told >= CALLS) else {
            return;
        };
        let Some((kind, target)) = effect(event) else { return };
        let process = event.process;
        let is_later = around.table.get(process).is_some_and(|process| process.since > since);
        if !is_later || around.table.root(process) == process || self.told.get(&(process, kind)).is_some() {
            return;
        }
        if self.pending.len() >= MAX_PENDING {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.told.insert((process, kind), ());
        self.pending.push_back(Effect { moment: Moment::of(event), process, kind, target });
    }

    /// Says which effects belong to no call, and who outlives its task.
    pub(super) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        while self.pending.front().is_some_and(|effect| around.now.since(effect.moment.time) >= HELD) {
            let Some(effect) = self.pending.pop_front() else { break };
            out.extend(unasked(around, effect));
        }
        for ended in around.tasks.ended() {
            let Ended { task, when } = ended;
            let key = xxh3_64(task.id.as_bytes()) ^ when.0;
            if around.now.since(when) >= OUTLIVES && self.looked_at.get(&key).is_none() {
                self.looked_at.insert(key, ());
                left(around, task, when, out);
            }
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What an event does, if it weighs.
fn effect(event: &Event) -> Option<(Kind, String)> {
    match &event.kind {
        EventKind::Connect(flow) => {
            let weighs = flow.initiated && is_public(flow.remote.ip()) && flow.remote.port() != 53;
            weighs.then(|| (Kind::Connection, flow.remote.to_string()))
        }
        EventKind::Listen(end) => Some((Kind::Listener, end.local.to_string())),
        EventKind::Exec(exec) => {
            let own = exec.written.is_some_and(|written| written.agent == event.agent);
            own.then(|| (Kind::OwnProgram, exec.exe.to_string()))
        }
        EventKind::File(file) => {
            let writes = match file.op {
                FileOp::Open | FileOp::Truncate | FileOp::Rename | FileOp::Link | FileOp::Symlink => true,
                FileOp::Unlink | FileOp::Chmod | FileOp::Access | FileOp::Copy | FileOp::Map => false,
            };
            (writes && class_of(file).is_some()).then(|| (Kind::Persistence, file.path.to_string()))
        }
        EventKind::Fork(_)
        | EventKind::Exit(_)
        | EventKind::ConnectResult(_)
        | EventKind::Payload(_)
        | EventKind::FlowStats(_)
        | EventKind::Send(_)
        | EventKind::Bind(_)
        | EventKind::Operation(_)
        | EventKind::Setsid
        | EventKind::CgroupMove(_)
        | EventKind::CgroupCreate(_)
        | EventKind::CgroupRemove(_)
        | EventKind::Lost(_) => None,
    }
}

fn unasked(around: Around<'_>, effect: Effect) -> Option<Observation> {
    let Effect { moment, process, kind, target } = effect;
    let (from, to) = (moment.time.0.saturating_sub(AFTER), moment.time.0.saturating_add(BEFORE));
    if around.tasks.any_between(moment.agent, Nanos(from), Nanos(to)) {
        return None;
    }
    let text =
        format!("{} {target} while no tool call of its agent was in flight, nor just before", kind.did());
    let fields = vec![("Effect", Value::from(kind.name())), ("EffectTarget", Value::from(target))];
    // It took until now to know.
    let moment = Moment { received: around.now, ..moment };
    Some(moment.observation(around, process, "effect_without_tool_call", text, fields))
}

/// Processes that a task left running: of its agent and executable, begun while it ran, the topmost of each tree.
fn left(around: Around<'_>, task: &Task, ended: Nanos, out: &mut Vec<Observation>) {
    let (table, tasks) = (around.table, around.tasks);
    let is_left = |process: &Process| {
        let Some(exec) = process.exec.as_deref() else { return false };
        let lives = process.ended.is_none() && process.agent != AgentId::NONE;
        let begun = task.started <= process.since && process.since <= ended;
        // The agent's own first process serves every task; one that a task names by its executable does not.
        let is_work = task.exe.is_some() || table.root(process.id) != process.id;
        lives
            && begun
            && is_work
            && tasks.is_of(task, process.agent, &exec.exe)
            && !tasks.has_task_since(process.agent, &exec.exe, process.since)
            && !task.expects.iter().any(|expect| is_daemon(expect, exec))
    };
    let above = |process: &Process| process.parent.and_then(|parent| table.get(parent));
    let mut left: Vec<&Process> =
        table.iter().filter(|process| is_left(process) && !above(process).is_some_and(is_left)).collect();
    // A hash map has an order of its own; alerts have not.
    left.sort_unstable_by_key(|process| process.id);
    for process in left.into_iter().take(MAX_LEFT) {
        let seconds = around.now.since(ended) / 1_000_000_000;
        let text = format!("still runs {seconds} s after the task {} ended, in which it began", task.name);
        let fields = vec![
            ("TaskId", Value::from(&*task.id)),
            ("TaskName", Value::from(&*task.name)),
            ("OutlivedSeconds", Value::from(seconds)),
        ];
        out.push(Moment::now(around).observation(around, process.id, "outlives_task", text, fields));
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
