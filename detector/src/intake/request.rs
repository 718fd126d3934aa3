//! What is said over the local socket: one JSON object a line, and one in answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::task::Phase;

/// A request, told apart by `op`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// A task begins.
    Start {
        /// Name of the agent, or the path of its control group.
        agent: String,
        /// `gpu`, `cpu`, `listen:PORT`, `egress:HOST`, `daemon:NAME`.
        #[serde(default)]
        expects: Vec<String>,
        /// Glob over executables.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exe: Option<String>,
        /// What people call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Seconds until it expires by itself; a day where it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_seconds: Option<u64>,
    },
    /// A task ends.
    End {
        /// Its id.
        id: String,
    },
    /// Which tasks run?
    List,
    /// A tool call begins or ends.
    Call {
        /// Name of the agent; not needed from inside its control group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The tool.
        tool: String,
        /// Id of the call; without one the end is that of the last call of this tool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Begins or ends.
        #[serde(with = "phase")]
        phase: Phase,
        /// When, as RFC 3339 or a number since the epoch; now where it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Value>,
        /// Conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<String>,
    },
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// Why not, and the remedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Id of the task or of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tasks that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<Running>>,
}

/// A task that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Name of the agent, or the path of its control group.
    pub agent: String,
    /// What it expects.
    pub expects: Vec<String>,
    /// Glob over executables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl Reply {
    pub(super) fn done(id: Option<String>) -> Self {
        Self { ok: true, id, ..Self::default() }
    }

    pub(super) fn refused(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}

/// `started` and `ended`.
mod phase {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::task::Phase;

    pub(super) fn serialize<S: Serializer>(phase: &Phase, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match phase {
            Phase::Started => "started",
            Phase::Ended => "ended",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Phase, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        match &*text {
            "started" | "start" => Ok(Phase::Started),
            "ended" | "end" => Ok(Phase::Ended),
            other => Err(serde::de::Error::unknown_variant(other, &["started", "ended"])),
        }
    }
}
