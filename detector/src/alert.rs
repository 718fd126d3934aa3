//! What a person reads: one finding, explained, with its evidence; format `detector.alert/1`.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod build;
pub mod card;
pub mod changed;
mod counter;
pub mod escape;
mod evidence;
pub mod group;
pub mod incident;
pub(crate) mod intent;
#[cfg(test)]
mod schema;

/// The value of [`Alert::schema`].
pub const SCHEMA: &str = "detector.alert/1";

/// Sigma's levels, from least to most harmful.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing, nothing more.
    Informational,
    /// Odd, mostly harmless.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking a person.
    Critical,
}

impl Level {
    /// Sigma's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// An alert as it is written to every sink, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// `detector.alert/1`.
    pub schema: String,
    /// ULID; the same input gives the same id.
    pub id: String,
    /// ULID of the incident that it belongs to: alerts of one process tree that follow on each other.
    pub incident: String,
    /// RFC 3339 in UTC, nanoseconds: when the kernel saw the decisive event.
    pub time: String,
    /// Host name.
    pub host: String,
    /// Severity.
    pub level: Level,
    /// The rule's title.
    pub title: String,
    /// One sentence that a person understands.
    pub summary: String,
    /// Which rule.
    pub rule: RuleRef,
    /// Which agent; absent for findings about the sensor itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// Which process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// On what evidence, oldest first.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counter_evidence: Vec<String>,
    /// The task that the process works for, where one is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRef>,
    /// The tool call in flight, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<ToolCall>,
    /// What was done about it.
    pub response: Vec<ResponseRef>,
    /// What could not be seen.
    pub coverage: Coverage,
    /// How often this rule matched in this process tree within the window, this alert included.
    pub count: u64,
    /// Microseconds from the kernel event to this alert.
    pub latency_us: u64,
    /// Every field that the rule could ask for, by Sigma name, with its value: what `detector explain` judges again.
    /// Kept in the store and sent to nobody.
    #[serde(skip)]
    pub subject: Option<Arc<IndexMap<String, Value>>>,
}

/// The rule behind an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleRef {
    /// UUID of the rule.
    pub id: String,
    /// Title of the rule.
    pub title: String,
    /// MITRE ATT&CK tags, as Sigma writes them.
    pub tags: Vec<String>,
    /// File that it was read from.
    pub file: String,
}

/// The agent behind an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentRef {
    /// Name.
    pub name: String,
    /// Control group path below the cgroup2 mount, of the process.
    pub cgroup: String,
    /// Container id, where the path names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Pod UID, where the path names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// The process behind an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Process id.
    pub pid: u32,
    /// Start, clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
    /// Resolved executable.
    pub exe: String,
    /// Arguments.
    pub argv: Vec<String>,
    /// User id.
    pub uid: u32,
    /// Working directory.
    pub cwd: String,
    /// Parent first, then upwards.
    pub ancestors: Vec<Ancestor>,
}

/// A process above the one of the alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Process id.
    pub pid: u32,
    /// Resolved executable.
    pub exe: String,
    /// Arguments joined, cut at 200 characters.
    pub command_line: String,
}

/// One fact that the alert rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// RFC 3339, nanoseconds.
    pub time: String,
    /// Kind of event.
    pub kind: String,
    /// The fact as a sentence.
    pub text: String,
    /// The fields that the rule looked at, by their Sigma names.
    pub fields: IndexMap<String, Value>,
}

/// A task of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRef {
    /// Id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// RFC 3339.
    pub started: String,
    /// What it was declared to do, as `--expect` writes it.
    pub expects: Vec<String>,
    /// Which of these names what was found; the alert is informational for that reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declares: Option<String>,
    /// The rule's level, where that made it less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered_from: Option<Level>,
}

/// A tool call of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Id, as the agent's framework gave it.
    pub id: String,
    /// Tool.
    pub name: String,
    /// Conversation, if the framework named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// RFC 3339.
    pub started: String,
    /// How many calls of the agent were in flight, this one included, where it was not the only one; this is the
    /// one that began last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
}

/// A response and how it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseRef {
    /// What.
    pub action: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// How it went.
    pub outcome: String,
    /// Milliseconds.
    pub took_ms: u64,
}

/// What the sensor could not see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Events of this agent lost since the start.
    pub events_lost: u64,
    /// Standing gaps, one sentence each.
    pub gaps: Vec<String>,
}
