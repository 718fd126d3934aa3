//! A finding becomes an alert: who, what, on what evidence, in words.

use std::sync::Arc;

use ulid::Ulid;
use xxhash_rust::xxh3::Xxh3;

use super::changed::gist;
use super::counter;
use super::escape::{clip, cut};
use super::evidence::{evidence, sentence};
use super::intent::Intent;
use super::{AgentRef, Alert, Ancestor, Coverage, Evidence, ProcessRef, RuleRef, SCHEMA};
use crate::event::{Exec, Nanos, ProcessId};
use crate::process::Process;
use crate::redact;
use crate::rules::{Finding, Subject, What};

/// Most bytes of argv in an alert.
const ARGV_MOST: usize = 65_536;

/// Most characters of a summary.
const SUMMARY_MOST: usize = 1_000;

/// Most characters of an ancestor's command line.
const COMMAND_MOST: usize = 200;

/// What an alert says that neither finding nor subject knows.
#[derive(Debug)]
pub struct Context<'a> {
    /// Host name.
    pub host: &'a str,
    /// What could not be seen.
    pub coverage: Coverage,
    /// Number of this alert since the start: it makes ids differ.
    pub sequence: u64,
    /// The incident that it belongs to.
    pub incident: String,
}

/// The alert for a finding about a subject.
pub fn alert(finding: &Finding, subject: &Subject<'_>, context: Context<'_>) -> Alert {
    let Context { host, coverage, sequence, incident } = context;
    let About { time, received, process } = About::of(subject);
    let mut evidence = evidence(finding, subject);
    let Intent { level, task, tool_call, lacks } = Intent::of(finding, subject);
    for lack in lacks {
        evidence.text.push_str(&format!("; {lack}"));
    }
    let rule = &finding.rule;
    let fields = subject.fields();
    let acting = (process.pid != 0).then(|| process_ref(process, subject));
    Alert {
        schema: SCHEMA.to_owned(),
        id: id(&rule.id, process, time, sequence),
        incident,
        time: time.rfc3339(),
        host: host.to_owned(),
        level,
        title: rule.title.clone(),
        summary: summary(finding, subject),
        rule: RuleRef {
            id: rule.id.clone(),
            title: rule.title.clone(),
            tags: rule.tags.clone(),
            file: rule.file.clone(),
        },
        agent: subject.agent_name.map(|name| AgentRef {
            name: name.to_owned(),
            cgroup: subject.cgroup_path.unwrap_or_default().to_owned(),
            container: subject.container.map(str::to_owned),
            pod: subject.pod.map(str::to_owned),
        }),
        counter_evidence: counter::evidence(&fields, acting.as_ref(), task.as_ref()),
        process: acting,
        evidence: vec![evidence],
        task,
        tool_call,
        response: Vec::new(),
        coverage,
        count: 1,
        latency_us: received.since(time) / 1_000,
        subject: Some(Arc::new(fields)),
    }
}

/// The evidence of a repeat, to go with the alert that was given first.
pub fn repeat(finding: &Finding, subject: &Subject<'_>) -> Evidence {
    let mut evidence = evidence(finding, subject);
    redact::evidence(&mut evidence);
    evidence
}

/// What a finding is about, as a sentence.
pub(crate) fn fact(subject: &Subject<'_>) -> String {
    sentence(subject)
}

/// When it was, and who did it.
pub(crate) struct About {
    pub(crate) time: Nanos,
    pub(crate) received: Nanos,
    pub(crate) process: ProcessId,
}

impl About {
    pub(crate) fn of(subject: &Subject<'_>) -> Self {
        match subject.what {
            What::Event(event) => Self { time: event.time, received: event.received, process: event.process },
            What::Observation(observation) => {
                Self { time: observation.time, received: observation.received, process: observation.process }
            }
            What::Recognised(recognised) => {
                Self { time: recognised.time, received: recognised.received, process: recognised.process }
            }
        }
    }
}

/// The same input gives the same id: nothing here is random.
fn id(rule: &str, process: ProcessId, time: Nanos, sequence: u64) -> String {
    let mut hash = Xxh3::new();
    hash.update(rule.as_bytes());
    hash.update(&process.pid.to_le_bytes());
    hash.update(&process.start.0.to_le_bytes());
    hash.update(&time.0.to_le_bytes());
    hash.update(&sequence.to_le_bytes());
    Ulid::from_parts(time.0 / 1_000_000, hash.digest128()).to_string()
}

/// The rule's own sentence, or title and evidence.
fn summary(finding: &Finding, subject: &Subject<'_>) -> String {
    if finding.rule.summary.is_some() {
        let change = subject.change.and_then(gist).map(|gist| format!("; {gist}")).unwrap_or_default();
        return clip(&format!("{}{change}", finding.summary), SUMMARY_MOST);
    }
    let by = subject.agent_name.map(|name| format!(" by agent {}", clip(name, 100))).unwrap_or_default();
    format!("{}{by}: {}.", finding.rule.title, sentence(subject))
}

fn process_ref(id: ProcessId, subject: &Subject<'_>) -> ProcessRef {
    let known = subject.process(id);
    let exec = known.and_then(|process| process.exec.as_deref());
    let uid = match subject.what {
        What::Event(event) => event.uid,
        What::Observation(_) => known.map_or(0, |process| process.uid),
        What::Recognised(recognised) => recognised.uid,
    };
    ProcessRef {
        pid: id.pid,
        start: id.start.0,
        exe: exec.map(|exec| exec.exe.to_string()).unwrap_or_default(),
        argv: exec.map(argv).unwrap_or_default(),
        uid,
        cwd: exec.map(|exec| exec.cwd.to_string()).unwrap_or_default(),
        ancestors: subject.table.ancestors(id).map(ancestor).collect(),
    }
}

fn ancestor(process: &Process) -> Ancestor {
    let exec = process.exec.as_deref();
    Ancestor {
        pid: process.id.pid,
        exe: exec.map(|exec| exec.exe.to_string()).unwrap_or_default(),
        command_line: exec.map(|exec| clean_line(&exec.argv)).unwrap_or_default(),
    }
}

/// As [`command_line`], without secrets: half of one is no longer known as one.
fn clean_line(argv: &[Box<str>]) -> String {
    let mut start: Vec<String> = Vec::new();
    let mut bytes = 0;
    for argument in argv {
        start.push(cut(argument, 4 * COMMAND_MOST + 4).to_owned());
        bytes += argument.len() + 1;
        if bytes > 4 * COMMAND_MOST {
            break;
        }
    }
    redact::argv(&mut start);
    let start: Vec<Box<str>> = start.into_iter().map(Into::into).collect();
    command_line(&start)
}

/// Arguments joined, cut early so that a long argv costs nothing.
fn command_line(argv: &[Box<str>]) -> String {
    let mut line = String::new();
    for (number, argument) in argv.iter().enumerate() {
        if number > 0 {
            line.push(' ');
        }
        line.push_str(cut(argument, 4 * COMMAND_MOST + 4));
        if line.len() > 4 * COMMAND_MOST {
            break;
        }
    }
    match line.char_indices().nth(COMMAND_MOST) {
        Some((end, _)) => format!("{}…", cut(&line, end)),
        None => line,
    }
}

/// Arguments up to [`ARGV_MOST`] bytes; what is missing is said in their place.
fn argv(exec: &Exec) -> Vec<String> {
    let mut left = ARGV_MOST;
    let mut out = Vec::with_capacity(exec.argv.len());
    for (number, argument) in exec.argv.iter().enumerate() {
        // A quote, a quote, a comma: an empty argument takes room too.
        let room = argument.len() + 3;
        if room > left {
            out.push(format!("{}…[cut, {} bytes in all]", cut(argument, left), argument.len()));
            let more = exec.argv.len() - number - 1;
            if more > 0 {
                out.push(format!("…[{more} more arguments]"));
            }
            break;
        }
        left -= room;
        out.push(argument.to_string());
    }
    if let Some(total) = exec.argv_truncated {
        out.push(format!("…[cut by the sensor, {total} bytes in all]"));
    }
    out
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
