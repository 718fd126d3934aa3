//! What agents were meant to do: declared tasks and tool calls. Part of the core: no I/O, no clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Nanos;

mod ledger;

pub use ledger::{Ended, InFlight, Ledger, pattern_of};

/// Most bytes of a host or a name in an [`Expect`].
const MOST_EXPECT: usize = 255;

/// What a task was declared to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Use GPUs.
    Gpu,
    /// Use the processors for long.
    Cpu,
    /// Listen on this port.
    Listen(u16),
    /// Connect to this host: a name with all names below it, or an address.
    Egress(Box<str>),
    /// Leave a process of this name running.
    Daemon(Box<str>),
}

impl Expect {
    /// Reads `gpu`, `cpu`, `listen:8000`, `egress:example.org` or `daemon:NAME`.
    ///
    /// # Errors
    /// It is none of these; says what one looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (word, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.trim();
        let is_short = (1..=MOST_EXPECT).contains(&value.len()) && !value.contains(char::is_control);
        match (word, value) {
            ("gpu", "") => Ok(Self::Gpu),
            ("cpu", "") => Ok(Self::Cpu),
            ("listen", port) => match port.parse() {
                Ok(port) if port > 0 => Ok(Self::Listen(port)),
                Ok(_) | Err(_) => Err(format!("{text:?} names no port; write e.g. listen:8000")),
            },
            ("egress", host) if is_short && host.trim_matches('.').contains(['.', ':']) => {
                Ok(Self::Egress(host.trim_matches('.').to_ascii_lowercase().into()))
            }
            ("egress", _) => {
                Err(format!("{text:?} names no host; write e.g. egress:example.org or egress:203.0.113.7"))
            }
            ("daemon", name) if is_short => Ok(Self::Daemon(name.into())),
            ("daemon", _) => Err(format!("{text:?} names no program; write e.g. daemon:vite")),
            (_, _) => Err(format!(
                "{text:?} is nothing that a task can expect; write gpu, cpu, listen:PORT, egress:HOST or daemon:NAME"
            )),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu => f.write_str("gpu"),
            Self::Cpu => f.write_str("cpu"),
            Self::Listen(port) => write!(f, "listen:{port}"),
            Self::Egress(host) => write!(f, "egress:{host}"),
            Self::Daemon(name) => write!(f, "daemon:{name}"),
        }
    }
}

/// A declared task of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, unique on this machine.
    pub id: Box<str>,
    /// Name of the agent, or the path of its control group.
    pub agent: Box<str>,
    /// What it is called, for people.
    pub name: Box<str>,
    /// What it is expected to do.
    pub expects: Vec<Expect>,
    /// Only processes whose executable matches this glob; any process of the agent otherwise.
    pub exe: Option<Box<str>>,
    /// When it began.
    pub started: Nanos,
    /// When it expires by itself.
    pub expires: Option<Nanos>,
}

/// A task begins or ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskChange {
    /// It begins.
    Started(Task),
    /// It ends: its id, and when.
    Ended(Box<str>, Nanos),
}

/// Whether a tool call begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It begins.
    Started,
    /// It ends.
    Ended,
}

/// An agent called a tool, or the call came back: what its framework says, by its own clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Name of the agent, or the path of its control group; empty where only one agent is watched.
    pub agent: Box<str>,
    /// Id of the call (`gen_ai.tool.call.id`).
    pub id: Box<str>,
    /// The tool (`gen_ai.tool.name`).
    pub name: Box<str>,
    /// Conversation (`gen_ai.conversation.id`), if named.
    pub conversation: Option<Box<str>>,
    /// Begins or ends.
    pub phase: Phase,
    /// When, by the agent's clock.
    pub time: Nanos,
    /// When it was received, by ours.
    pub received: Nanos,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_expects_is_read_and_written_alike() {
        for text in ["gpu", "cpu", "listen:8000", "egress:example.org", "egress:2001:db8::1", "daemon:vite"] {
            assert_eq!(Expect::parse(text).map(|expect| expect.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Expect::parse("egress:.Example.ORG."), Ok(Expect::Egress("example.org".into())));
    }

    #[test]
    fn what_is_nothing_to_expect_is_refused_with_the_remedy() {
        for (text, remedy) in [
            ("listen:0", "listen:8000"),
            ("listen:70000", "listen:8000"),
            ("egress:", "egress:example.org"),
            ("egress:com", "egress:example.org"),
            ("egress:...", "egress:example.org"),
            ("daemon:", "daemon:vite"),
            ("gpu:1", "gpu, cpu"),
            ("everything", "gpu, cpu"),
        ] {
            let message = Expect::parse(text).unwrap_err();
            assert!(message.contains(remedy), "{text}: {message}");
        }
    }
}
