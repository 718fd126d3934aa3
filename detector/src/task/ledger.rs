//! Which tasks run and which tool calls are in flight, by agent.

use super::{Expect, Task, TaskChange, ToolCall};
use crate::agent::Agent;
use crate::event::{AgentId, Nanos};

/// The tasks and tool calls of all agents.
#[derive(Debug, Default)]
pub struct Ledger {
    agents: Vec<Agent>,
    tasks: Vec<Task>,
    now: Nanos,
}

/// A tool call that was in flight at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlight {
    /// Id of the call.
    pub id: Box<str>,
    /// The tool.
    pub name: Box<str>,
    /// Conversation, if named.
    pub conversation: Option<Box<str>>,
    /// When it began, by the kernel's clock.
    pub started: Nanos,
}

impl Ledger {
    /// An agent is watched from now on.
    pub fn agent_added(&mut self, agent: &Agent) {
        self.agents.push(agent.clone());
    }

    /// An agent's control group is gone.
    pub fn agent_removed(&mut self, id: AgentId) {
        self.agents.retain(|agent| agent.id != id);
    }

    /// A task begins or ends.
    pub fn change(&mut self, change: TaskChange) {
        match change {
            TaskChange::Started(task) => self.tasks.push(task),
            TaskChange::Ended(id, _) => self.tasks.retain(|task| task.id != id),
        }
    }

    /// A tool call begins or ends.
    pub fn tool_call(&mut self, _call: &ToolCall) {}

    /// Time goes on: tasks expire.
    pub fn tick(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.tasks.retain(|task| task.expires.is_none_or(|expires| expires > now));
    }

    /// Whether any task was ever registered: where none was, the lack of one says nothing.
    pub fn is_used(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// The task that a process of this agent works for, with this executable: the one that names it, or else the
    /// latest.
    pub fn task(&self, agent: AgentId, exe: &str) -> Option<&Task> {
        self.declared(agent, exe, |_| true)
    }

    /// The task of this agent that declared what `is_named` says yes to.
    pub fn declared(&self, agent: AgentId, exe: &str, is_named: impl Fn(&Expect) -> bool) -> Option<&Task> {
        let _ = exe;
        let agent = self.agents.iter().find(|known| known.id == agent)?;
        let is_of_it = |task: &&Task| *task.agent == *agent.name || *task.agent == *agent.path;
        self.tasks.iter().rev().filter(is_of_it).find(|task| task.expects.iter().any(&is_named))
    }

    /// The tool call of this agent that was in flight at a time of the kernel.
    pub fn in_flight(&self, _agent: AgentId, _time: Nanos) -> Option<InFlight> {
        None
    }

    /// Whether tool calls of this agent are told to us at all.
    pub fn tells_calls(&self, _agent: AgentId) -> bool {
        false
    }
}
