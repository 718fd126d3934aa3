//! A daemon's story: who started it, how it detached, what it outlived, what it holds open.

use serde_json::Value;

use super::super::kept::Kept;
use super::super::{Around, Moment, Observation, program};
use super::expected::Said;
use super::holds::Holds;
use crate::event::{Exec, Nanos, ProcessId};
use crate::process::{Process, ProcessTable};
use crate::task::InFlight;

/// Most characters of a command in the story.
const COMMAND: usize = 200;

/// Most programs that a daemon runs which its story names.
const RUNS: usize = 4;

/// Programs that keep terminals for others.
const MULTIPLEXERS: &[&str] = &["tmux", "screen", "dtach", "abduco", "zellij"];

/// What is known beside the process itself.
pub(super) struct Facts<'a> {
    pub(super) since: Nanos,
    pub(super) outlives_agent: bool,
    pub(super) works: bool,
    pub(super) expected: Said,
    pub(super) holds: &'a Holds,
    pub(super) launched: &'a Kept<ProcessId, Vec<&'static str>>,
}

pub(super) fn observe(
    around: Around<'_>,
    moment: Moment,
    process: &Process,
    facts: &Facts<'_>,
) -> Observation {
    let Facts { since, outlives_agent, works, expected, holds, launched } = *facts;
    let table = around.table;
    let seconds = moment.time.since(since) / 1_000_000_000;
    let ended = over(table, process);
    let starter = ended.last().copied();
    let started_by = starter.and_then(|starter| starter.exec.as_deref()).map(command).unwrap_or_default();
    let detached = detached_by(table, process, &ended, launched);
    let runs = runs(table, process);
    let (listens, connects) = (holds.listeners(), holds.connections());

    let outlived = if outlives_agent { "the agent's first process" } else { "the command that started it" };
    let call = outlived_call(around, moment, process, starter);
    let who = starter.map(|starter| format!(", pid {},", starter.id.pid)).unwrap_or_default();
    let mut text =
        format!("still runs {seconds} s after {outlived}{who} ended; detached by {}", detached.join(", "));
    let mut add = |what: &str, items: &[String]| {
        if !items.is_empty() {
            text.push_str(&format!("; {what} {}", items.join(", ")));
        }
    };
    add("listens on", &listens);
    add("is connected to", &connects);
    add("runs", &runs);
    add("writes", &holds.files().iter().map(|path| cut(path, 80)).collect::<Vec<_>>());
    if works {
        text.push_str("; keeps working");
    }
    if let Some(call) = &call {
        text.push_str(&format!("; outlives the tool call {} {}", cut(&call.name, 80), cut(&call.id, 80)));
    }
    if !started_by.is_empty() {
        text.push_str(&format!("; started by {}", cut(&started_by, 100)));
    }

    let what = match &call {
        _ if outlives_agent => "agent",
        Some(_) => "tool_call",
        None => "command",
    };
    let list = |items: Vec<String>| Value::from(items);
    let mut fields = vec![
        ("DetachedBy", Value::from(detached)),
        ("StartedBy", Value::from(started_by)),
        ("OutlivesWhat", Value::from(what)),
        ("OutlivedSeconds", Value::from(seconds)),
        ("Listens", list(listens)),
        ("ListensReachable", Value::from(holds.is_reachable())),
        ("Connects", list(connects)),
        ("ConnectsPublic", Value::from(holds.is_public())),
        ("Writes", list(holds.files().iter().map(ToString::to_string).collect())),
        ("Runs", list(runs)),
        ("KeepsWorking", Value::from(works)),
        ("ExpectedDaemon", Value::from(expected.name())),
    ];
    if let Some(InFlight { id, name, .. }) = call {
        fields.push(("ToolCallId", Value::from(&*id)));
        fields.push(("ToolName", Value::from(&*name)));
    }
    moment.observation(around, process.id, "daemonised", text, fields)
}

/// The tool call in which a daemon was started, where it is over.
fn outlived_call(
    around: Around<'_>,
    moment: Moment,
    process: &Process,
    starter: Option<&Process>,
) -> Option<InFlight> {
    let born = starter.map_or(process.since, |starter| starter.since);
    let call = around.tasks.in_flight(process.agent, born)?;
    call.ended.is_some_and(|ended| ended <= moment.time).then_some(call)
}

/// The ended processes above, up to the first that lives or belongs to somebody else; the last of them is
/// the command.
fn over<'a>(table: &'a ProcessTable, process: &Process) -> Vec<&'a Process> {
    table
        .ancestors(process.id)
        .take_while(|above| above.ended.is_some() && above.agent == process.agent)
        .collect()
}

fn detached_by(
    table: &ProcessTable,
    process: &Process,
    ended: &[&Process],
    launched: &Kept<ProcessId, Vec<&'static str>>,
) -> Vec<&'static str> {
    let own = process.exec.as_deref().map_or("", |exec| program::basename(&exec.exe));
    let mut words: Vec<&'static str> = MULTIPLEXERS.iter().filter(|name| **name == own).copied().collect();
    let on_the_way = std::iter::once(process.id).chain(ended.iter().map(|above| above.id));
    for word in on_the_way.filter_map(|id| launched.get(&id)).flatten().copied() {
        let of_another = MULTIPLEXERS.contains(&word);
        if !words.contains(&word) && !of_another {
            words.push(word);
        }
    }
    if let Some(session) = table.session(process.id) {
        let leader = ended.iter().find(|above| above.id == session.leader);
        // A shell that a tool runs in a session of its own, `setsid bash -c …`, executes after setsid; a
        // daemon's middle process does not.
        let is_middle = leader.is_some_and(|leader| same(leader.exec.as_deref(), session.exec.as_deref()));
        if is_middle {
            words.push("double_fork");
        } else if session.leader == process.id && !words.contains(&"setsid") {
            words.push("setsid");
        }
    }
    if words.is_empty() {
        words.push("background");
    }
    words
}

fn same(one: Option<&Exec>, other: Option<&Exec>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.inode == other.inode && one.argv == other.argv)
}

/// Commands of its children that are something else than itself.
fn runs(table: &ProcessTable, process: &Process) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    for child in table.children(process.id).filter(|child| child.ended.is_none()) {
        let Some(exec) = child.exec.as_deref().filter(|exec| !same(Some(exec), process.exec.as_deref()))
        else {
            continue;
        };
        let line = cut(&exec.command_line(), 80);
        if !runs.contains(&line) {
            runs.push(line);
        }
        if runs.len() >= RUNS {
            break;
        }
    }
    runs
}

fn command(exec: &Exec) -> String {
    cut(&exec.command_line(), COMMAND)
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
