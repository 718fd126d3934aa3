//! Which tasks run and which tool calls are in flight, by agent.

use super::{Expect, Task, TaskChange, ToolCall};
use crate::agent::Agent;
use crate::event::{AgentId, Nanos};

mod calls;
mod skew;
mod tasks;

use calls::Calls;
use tasks::Tasks;
pub use tasks::{Ended, pattern_of};

/// The tasks and tool calls of all agents.
///
/// Agents are found by their name or by the path of their control group. Several agents may bear one name: what is
/// said of it counts for each of them.
#[derive(Debug, Default)]
pub struct Ledger {
    agents: Vec<Agent>,
    tasks: Tasks,
    calls: Calls,
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
    /// When it ended, by the kernel's clock, if that was told.
    pub ended: Option<Nanos>,
    /// How many calls of the agent were in flight then, this one included.
    pub parallel: usize,
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
            TaskChange::Started(task) => self.tasks.start(task),
            TaskChange::Ended(id, when) => self.tasks.end(&id, when),
        }
    }

    /// A tool call begins or ends.
    pub fn tool_call(&mut self, call: &ToolCall) {
        self.calls.take(call);
    }

    /// Time goes on: tasks expire.
    pub fn tick(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.tasks.tick(self.now);
        self.calls.tick(self.now);
    }

    /// Whether any task was ever registered: where none was, the lack of one says nothing.
    pub fn is_used(&self) -> bool {
        self.tasks.is_used()
    }

    /// The task that a process of this agent works for, with this executable: the one that names it, or else the
    /// latest that names none.
    pub fn task(&self, agent: AgentId, exe: &str) -> Option<&Task> {
        let agent = self.agent(agent)?;
        self.tasks.of(agent, exe, |_| true)
    }

    /// The task of this agent that declared what `is_named` says yes to.
    pub fn declared(&self, agent: AgentId, exe: &str, is_named: impl Fn(&Expect) -> bool) -> Option<&Task> {
        let agent = self.agent(agent)?;
        self.tasks.of(agent, exe, |task| task.expects.iter().any(&is_named))
    }

    /// Whether a task of this agent runs that a process with this executable, first seen at that time, can work for.
    pub fn has_task_since(&self, agent: AgentId, exe: &str, since: Nanos) -> bool {
        let runs_since = |task: &Task| task.started <= since;
        self.agent(agent).is_some_and(|agent| self.tasks.of(agent, exe, runs_since).is_some())
    }

    /// Tasks that ended, oldest first; each is remembered for a while.
    pub fn ended(&self) -> impl Iterator<Item = Ended<'_>> {
        self.tasks.ended()
    }

    /// Whether a task is one of this agent, and speaks of this executable.
    pub fn is_of(&self, task: &Task, agent: AgentId, exe: &str) -> bool {
        self.agent(agent).is_some_and(|agent| self.tasks.is_of(task, agent, exe))
    }

    /// The tool call of this agent that was in flight at a time of the kernel: of several, the one that began last.
    pub fn in_flight(&self, agent: AgentId, time: Nanos) -> Option<InFlight> {
        let agent = self.agent(agent)?;
        self.calls.in_flight(agent, self.is_alone(), time)
    }

    /// Whether tool calls of this agent are told to us at all.
    pub fn tells_calls(&self, agent: AgentId) -> bool {
        self.agent(agent).is_some_and(|agent| self.calls.told(agent, self.is_alone()) > 0)
    }

    /// Since when tool calls of this agent are told as they begin, so that the lack of one says something, and how
    /// many were. `None` where they are told after their end.
    pub fn told_live(&self, agent: AgentId) -> Option<(Nanos, u64)> {
        self.calls.live(self.agent(agent)?, self.is_alone())
    }

    /// Whether a tool call of this agent was in flight at any time between these two.
    pub fn any_between(&self, agent: AgentId, from: Nanos, to: Nanos) -> bool {
        self.agent(agent).is_some_and(|agent| self.calls.any_between(agent, self.is_alone(), from, to))
    }

    /// Tasks and tool calls that had to be forgotten because there were too many.
    pub fn dropped(&self) -> u64 {
        self.tasks.dropped() + self.calls.dropped()
    }

    fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == id)
    }

    /// Whether calls that name no agent can only be of one.
    fn is_alone(&self) -> bool {
        self.agents.len() == 1
    }
}

/// Whether a name or a path, as tasks and calls give it, means this agent.
fn means(said: &str, agent: &Agent) -> bool {
    *said == *agent.name || *said == *agent.path
}

#[cfg(test)]
mod tests;
