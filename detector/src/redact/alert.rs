//! Takes the secrets out of every text of an alert.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::{argv, text};
use crate::alert::{
    AgentRef, Alert, Ancestor, Coverage, Evidence, ProcessRef, ResponseRef, RuleRef, TaskRef, ToolCall,
};

/// Fields whose value is what they say and never a secret: an address that is paid, an id, a hash.
const PLAIN: &[&str] = &[
    "Agent",
    "CgroupPath",
    "Container",
    "Ja4",
    "Pod",
    "ProcessTree",
    "StartedCgroup",
    "StratumLogin",
    "TaskId",
    "ToolCallId",
    "Wallets",
    "ScriptWallets",
];

/// Fields that are lists of arguments: an option's value may be the next entry.
const ARGUMENTS: &[&str] = &["Args"];

/// Takes the secrets out of an alert. Ids, names of rules and agents, times and the title stay as they are.
pub fn alert(alert: &mut Alert) {
    let Alert {
        schema: _,
        id: _,
        incident: _,
        time: _,
        host: _,
        level: _,
        title: _,
        summary,
        rule: RuleRef { id: _, title: _, tags: _, file: _ },
        agent,
        process,
        evidence: facts,
        counter_evidence,
        task,
        tool_call,
        response,
        coverage: Coverage { events_lost: _, gaps: _ },
        count: _,
        latency_us: _,
        subject,
    } = alert;
    string(summary);
    if let Some(AgentRef { name: _, cgroup: _, container: _, pod: _ }) = agent {}
    if let Some(ProcessRef { pid: _, start: _, exe, argv: arguments, uid: _, cwd, ancestors }) = process {
        string(exe);
        string(cwd);
        argv(arguments);
        for Ancestor { pid: _, exe, command_line } in ancestors {
            string(exe);
            string(command_line);
        }
    }
    facts.iter_mut().for_each(evidence);
    counter_evidence.iter_mut().for_each(string);
    if let Some(TaskRef { id: _, name, started: _, expects: _, declares: _, lowered_from: _ }) = task {
        string(name);
    }
    if let Some(call) = tool_call {
        self::tool_call(call);
    }
    for ResponseRef { action, mode: _, outcome, took_ms: _ } in response {
        string(action);
        string(outcome);
    }
    if let Some(fields) = subject.as_mut().map(Arc::make_mut) {
        for (name, value) in fields {
            self::value(name, value);
        }
    }
}

/// Takes the secrets out of a fact.
pub fn evidence(evidence: &mut Evidence) {
    let Evidence { time: _, kind: _, text, fields } = evidence;
    string(text);
    for (name, value) in fields {
        self::value(name, value);
    }
}

/// Takes the secrets out of what an agent's framework calls a tool.
pub fn tool_call(call: &mut ToolCall) {
    let ToolCall { id: _, name, conversation: _, started: _, in_flight: _ } = call;
    string(name);
}

/// The text of a field, without its secrets unless the field has none by what it is.
pub fn field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if PLAIN.contains(&name) { Cow::Borrowed(value) } else { text(value) }
}

fn value(name: &str, value: &mut Value) {
    if PLAIN.contains(&name) {
        return;
    }
    if ARGUMENTS.contains(&name)
        && let Value::Array(list) = value
    {
        let mut arguments: Vec<String> =
            list.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
        argv(&mut arguments);
        *list = arguments.into_iter().map(Value::String).collect();
        return;
    }
    within(value);
}

fn within(value: &mut Value) {
    match value {
        Value::String(text) => string(text),
        Value::Array(values) => lines(values),
        Value::Object(map) => map.values_mut().for_each(within),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Entries of a list may be lines of one file: a private key goes on from one to the next.
fn lines(values: &mut [Value]) {
    let mut in_key = false;
    for value in values {
        match value {
            Value::String(text) => {
                let begins = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY");
                let ends = text.contains("-----END ");
                if in_key {
                    in_key = !ends;
                    super::OPEN.clone_into(text);
                    text.push_str("private-key]");
                } else {
                    in_key = begins && !ends;
                    string(text);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                within(value);
            }
        }
    }
}

fn string(text: &mut String) {
    if let Cow::Owned(clean) = self::text(text) {
        *text = clean;
    }
}
