//! The fact behind a finding, as a sentence and as fields.

use serde_json::Value;

use super::escape::{clip, cut};
use super::{Evidence, changed};
use crate::event::{
    Direction, Event, EventKind, Exec, FileEvent, FileOp, Membership, Operation, OperationCode,
};
use crate::network::Recognised;
use crate::process::{Process, ProcessTable};
use crate::redact;
use crate::rules::{Correlation, Finding, Subject, What};

/// Most characters of a path, an address or an argv in a sentence.
const MOST: usize = 300;

/// Most bytes of a command line that are looked through for secrets before a sentence takes its start.
const LINE_MOST: usize = 4_096;

/// Most bytes of one field.
const FIELD_MOST: usize = 8_192;

/// The evidence of one finding.
pub(super) fn evidence(finding: &Finding, subject: &Subject<'_>) -> Evidence {
    let (time, kind) = match subject.what {
        What::Event(event) => (event.time, event.kind.name()),
        What::Observation(observation) => (observation.time, observation.name),
        What::Recognised(recognised) => (recognised.time, recognised.application.name()),
    };
    Evidence {
        time: time.rfc3339(),
        kind: kind.to_owned(),
        text: match &finding.correlation {
            None => sentence(subject),
            Some(correlation) => format!("{}; {}", sentence(subject), counted(correlation)),
        },
        fields: finding
            .matched
            .iter()
            .map(|(name, value)| (name.clone(), bounded(value)))
            .chain(subject.change.into_iter().flat_map(changed::fields))
            .chain(weighed(subject))
            .chain(subject.hostname.map(|name| ("DestinationHostname".to_owned(), clip(name, MOST).into())))
            .collect(),
    }
}

/// The whole balance of a verdict on mining: what spoke for it, against it, and what could not be seen.
fn weighed(subject: &Subject<'_>) -> impl Iterator<Item = (String, Value)> {
    let fields = match subject.what {
        What::Observation(observation) if observation.name == "mining" => observation.fields.as_slice(),
        What::Observation(_) | What::Event(_) | What::Recognised(_) => &[],
    };
    let told = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
    fields
        .iter()
        .filter(move |(_, value)| told(value))
        .map(|(name, value)| ((*name).to_owned(), bounded(value)))
}

/// What happened, who did it first.
pub(super) fn sentence(subject: &Subject<'_>) -> String {
    match subject.what {
        What::Event(event) => {
            let who = who(subject.process(event.process), event.process.pid);
            let change = subject.change.and_then(changed::sentence).unwrap_or_default();
            format!("{}{change}", event_sentence(subject.table, event, &who))
        }
        What::Observation(observation) => {
            let process = subject.table.get(observation.process);
            format!("{} {}", who(process, observation.process.pid), clip(&observation.text, MOST))
        }
        What::Recognised(recognised) => {
            let who = who(subject.table.get(recognised.process), recognised.process.pid);
            format!("{who} {}", spoken(recognised, subject.hostname))
        }
    }
}

fn event_sentence(table: &ProcessTable, event: &Event, who: &str) -> String {
    match &event.kind {
        EventKind::Exec(exec) => format!("pid {} {}", event.process.pid, executed(exec)),
        EventKind::Fork(fork) => format!("{who} made process {}", fork.child.pid),
        EventKind::Exit(exit) => match exit.signal {
            Some(signal) => format!("{who} was ended by signal {signal}"),
            None => format!("{who} ended with exit code {}", exit.code),
        },
        EventKind::Connect(flow) => {
            format!("{who} connects to {} by {}", flow.remote, flow.protocol.name())
        }
        EventKind::ConnectResult(result) if result.errno == 0 => {
            format!("{who} is connected to {} by {}", result.flow.remote, result.flow.protocol.name())
        }
        EventKind::ConnectResult(result) => format!(
            "{who} could not connect to {} by {}: errno {}",
            result.flow.remote,
            result.flow.protocol.name(),
            result.errno
        ),
        EventKind::Payload(payload) => {
            let way = match payload.direction {
                Direction::Out => "sent to",
                Direction::In => "received from",
            };
            let protocol = payload.flow.protocol.name();
            format!("{who} {way} {} {} bytes by {protocol}", payload.flow.remote, payload.total)
        }
        EventKind::FlowStats(stats) => format!(
            "{who} sent {} bytes to {} and received {} in {} s",
            stats.sent.bytes,
            stats.flow.remote,
            stats.received.bytes,
            stats.age / 1_000_000_000
        ),
        EventKind::Send(flow) => format!("{who} sends to {} by {}", flow.remote, flow.protocol.name()),
        EventKind::Bind(at) => format!("{who} binds {} for {}", at.local, at.protocol.name()),
        EventKind::Listen(at) => format!("{who} listens on {} for {}", at.local, at.protocol.name()),
        EventKind::File(file) => format!("{who} {}", touched(file)),
        EventKind::Operation(operation) => format!("{who} {}", operated(table, operation)),
        EventKind::Setsid => format!("{who} began a session of its own"),
        EventKind::CgroupMove(change) => {
            let what = match change.change {
                Membership::Within => "between control groups of its agent, to",
                Membership::Joined => "into the watched control group",
                Membership::Left => "out of its agent's control group, to",
            };
            let moved = table.get(change.moved);
            let moved = self::who(moved, change.moved.pid);
            format!("{moved} was moved {what} {} by pid {}", clip(&change.path, MOST), event.process.pid)
        }
        EventKind::CgroupCreate(change) => format!("control group {} was made", clip(&change.path, MOST)),
        EventKind::CgroupRemove(change) => format!("control group {} was removed", clip(&change.path, MOST)),
        EventKind::Lost(lost) => {
            format!("the sensor lost {} events of kind {}", lost.count, clip(&lost.what, MOST))
        }
    }
}

/// What is spoken, with whom, and what its parser found.
fn spoken(recognised: &Recognised, hostname: Option<&str>) -> String {
    let Recognised { flow, application, role, fields, .. } = recognised;
    let with = match hostname {
        Some(name) => format!("{} ({})", flow.remote, clip(name, 100)),
        None => flow.remote.to_string(),
    };
    let facts = fields.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(" {name} {}", clip(&redact::field(name, &text), 100))
    });
    let facts: Vec<String> = facts.collect();
    let facts = if facts.is_empty() { String::new() } else { format!(":{}", facts.join(",")) };
    format!("speaks {} as {} with {with}{facts}", application.name(), role.name())
}

/// What a correlation counted, after the event that completed it.
fn counted(correlation: &Correlation) -> String {
    let Correlation { kind: _, group, value, timespan_secs } = correlation;
    let group: Vec<String> =
        group.iter().map(|(name, value)| format!("{} {}", clip(name, 64), clip(value, 100))).collect();
    let common = if group.is_empty() { String::new() } else { format!(" for {}", group.join(", ")) };
    format!("{value} of its kind within {timespan_secs} s{common}")
}

fn executed(exec: &Exec) -> String {
    let origin = if exec.is_memfd() {
        " from memory"
    } else if exec.is_deleted() {
        " (a deleted file)"
    } else {
        ""
    };
    let script = exec.script.as_deref().map(|script| format!(" for the script {}", clip(script, MOST)));
    // A secret is known as a whole, before the cut.
    let line = exec.command_line();
    let command = clip(&redact::text(cut(&line, LINE_MOST)), MOST);
    format!("executed {}{origin}{}: {command}", clip(&exec.exe, MOST), script.unwrap_or_default())
}

fn touched(file: &FileEvent) -> String {
    let mut path = clip(&file.path, MOST);
    if let Some(host) = file.host_path.as_deref().filter(|host| **host != *file.path) {
        path = format!("{path} ({} on the host)", clip(host, MOST));
    }
    let from = clip(file.from.as_deref().unwrap_or("?"), MOST);
    let by_other_name =
        matches!(file.op, FileOp::Open | FileOp::Truncate | FileOp::Chmod) && file.from.is_some();
    if by_other_name {
        path = format!("{path}, by its other name {from},");
    }
    match file.op {
        FileOp::Open if file.created => format!("created {path}"),
        FileOp::Open => format!("opened {path} for writing"),
        FileOp::Truncate => format!("truncated {path}"),
        FileOp::Rename => format!("renamed {from} to {path}"),
        FileOp::Link => format!("linked {from} as {path}"),
        FileOp::Symlink => format!("made {path} a symbolic link to {from}"),
        FileOp::Unlink => format!("removed {path}"),
        FileOp::Chmod => format!("gave {path} the mode {:04o}", file.mode & 0o7777),
        FileOp::Access => match file.canary.as_deref() {
            Some(name) => format!("opened the canary {}: {path}", clip(name, 100)),
            None => format!("opened {path}"),
        },
        FileOp::Copy => format!("wrote {path}, which holds what the canary {from} holds"),
        FileOp::Map => format!("mapped {path} as code"),
    }
}

fn operated(table: &ProcessTable, operation: &Operation) -> String {
    let Operation {
        code,
        target,
        number,
        huge,
        path,
        source,
        detail,
        errno,
        same_agent: _,
        program_type,
        mntns: _,
    } = operation;
    let named = |text: &Option<Box<str>>| clip(text.as_deref().unwrap_or("?"), MOST);
    let target = || match target {
        Some(id) if table.get(*id).is_some() => who(table.get(*id), id.pid),
        Some(id) => format!("{} (pid {})", named(detail), id.pid),
        None => "another process".to_owned(),
    };
    let done = match code {
        OperationCode::Ptrace => format!("traces {} (request {number:#x})", target()),
        OperationCode::WriteMemory => format!("wrote into the memory of {}", target()),
        OperationCode::Signal => format!("sent signal {number} to {}", target()),
        OperationCode::Bpf => match program_type {
            Some(kind) => format!("loaded the eBPF program {} of type {kind}", named(detail)),
            None => format!("called bpf(2), command {number}"),
        },
        OperationCode::ModuleLoad => format!("loaded the kernel module {}", named(path)),
        OperationCode::ModuleUnload => format!("removed the kernel module {}", named(detail)),
        OperationCode::MoveCgroup => format!("moved {} to another control group", target()),
        OperationCode::SetName => format!("calls itself {}", named(detail)),
        OperationCode::IoUring => "made an io_uring".to_owned(),
        OperationCode::Mount => {
            let kind = detail.as_ref().map(|kind| format!(" ({})", clip(kind, MOST))).unwrap_or_default();
            format!("mounted {}{kind} at {}", named(source), named(path))
        }
        OperationCode::Unmount => format!("unmounted {}", named(path)),
        OperationCode::Setns => format!("entered another namespace (flags {number:#x})"),
        OperationCode::Unshare => format!("made a namespace of its own (flags {number:#x})"),
        OperationCode::Memfd => format!("made a file in memory: {}", named(detail)),
        OperationCode::Userfaultfd => "took over page faults with userfaultfd(2)".to_owned(),
        OperationCode::ChangeRoot => format!("changed its root directory to {}", named(path)),
        OperationCode::FileCapability => format!("gave capabilities to {}", named(path)),
        OperationCode::Kexec => "loaded another kernel".to_owned(),
        OperationCode::UnixConnect => format!("connected to the socket {}", named(path)),
        OperationCode::RandomxMemory => {
            let pages = if *huge { " in huge pages" } else { "" };
            format!("asked for {number} bytes of memory{pages}, as RandomX does for its dataset")
        }
    };
    if *errno == 0 { done } else { format!("{done}, or would have: errno {errno}") }
}

/// `name (pid N)`, as far as known.
fn who(process: Option<&Process>, pid: u32) -> String {
    let name = process
        .and_then(|process| process.exec.as_deref())
        .and_then(|exec| exec.exe.rsplit('/').find(|name| !name.is_empty()));
    name.map_or_else(|| format!("pid {pid}"), |name| format!("{} (pid {pid})", clip(name, 64)))
}

fn bounded(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > FIELD_MOST => {
            let kept = cut(text, FIELD_MOST);
            Value::String(format!("{kept}…[cut, {} bytes in all]", text.len()))
        }
        Value::Array(values) => Value::Array(values.iter().take(256).map(bounded).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FileOp;

    #[test]
    fn hostile_names_are_escaped_in_sentences() {
        let exec = Exec {
            exe: "/tmp/a\u{202e}b".into(),
            argv: vec!["x\n".into(), "y".repeat(1_000).into()],
            ..Exec::default()
        };
        let text = executed(&exec);
        assert!(text.starts_with("executed /tmp/a\\u{202e}b (a deleted file): x\\u{a} yyy"), "{text}");
        assert!(text.ends_with('…') && text.len() < 400, "{text}");
    }

    #[test]
    fn each_way_to_touch_a_file_has_a_sentence() {
        let sentence = |op, created| {
            touched(&FileEvent {
                op,
                path: "/a".into(),
                from: matches!(op, FileOp::Rename | FileOp::Link | FileOp::Symlink | FileOp::Copy)
                    .then(|| "/b".into()),
                mode: 0o10_0755,
                created,
                ..FileEvent::default()
            })
        };
        assert_eq!(sentence(FileOp::Open, true), "created /a");
        assert_eq!(sentence(FileOp::Open, false), "opened /a for writing");
        assert_eq!(sentence(FileOp::Truncate, false), "truncated /a");
        assert_eq!(sentence(FileOp::Rename, false), "renamed /b to /a");
        assert_eq!(sentence(FileOp::Link, false), "linked /b as /a");
        assert_eq!(sentence(FileOp::Symlink, true), "made /a a symbolic link to /b");
        assert_eq!(sentence(FileOp::Unlink, false), "removed /a");
        assert_eq!(sentence(FileOp::Access, false), "opened /a");
        assert_eq!(sentence(FileOp::Copy, false), "wrote /a, which holds what the canary /b holds");
        assert_eq!(sentence(FileOp::Map, false), "mapped /a as code");
        assert_eq!(sentence(FileOp::Chmod, false), "gave /a the mode 0755");
        let other = FileEvent {
            path: "/tmp/a".into(),
            host_path: Some("/etc/a".into()),
            from: Some("/b".into()),
            ..FileEvent::default()
        };
        let expected = "opened /tmp/a (/etc/a on the host), by its other name /b, for writing";
        assert_eq!(touched(&other), expected);
    }

    #[test]
    fn long_fields_are_cut_and_say_so() {
        let long = Value::from("z".repeat(20_000));
        let short = bounded(&long);
        assert!(short.as_str().unwrap().ends_with("…[cut, 20000 bytes in all]"));
        assert_eq!(bounded(&Value::from(7)), Value::from(7));
    }
}
