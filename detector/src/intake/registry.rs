//! What was registered over the socket: tasks by id, and open tool calls that were given none.

use std::collections::{BTreeMap, VecDeque};

use super::request::{Reply, Request, Running};
use super::{Ear, MOST, short, time_of};
use crate::event::Nanos;
use crate::pipeline::Input;
use crate::task::{Expect, Phase, Task, TaskChange, ToolCall, pattern_of};

/// Most tasks that run at once.
const TASKS: usize = 256;
/// Most expectations of one task.
const EXPECTS: usize = 64;
/// Most tool calls whose end is to come without an id.
const CALLS: usize = 1024;
/// Until a task expires for which nobody said when.
const DAY: u64 = 86_400;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An operator.
    Operator,
    /// A process inside this agent's control group.
    Agent(String),
}

/// Tasks and calls.
#[derive(Debug, Default)]
pub(super) struct Registry {
    tasks: BTreeMap<String, Task>,
    /// Agent, tool, id.
    calls: VecDeque<(String, String, String)>,
    made: u64,
}

impl Registry {
    /// Does what is asked.
    pub(super) fn answer(&mut self, request: Request, peer: &Peer, now: Nanos, ear: &Ear) -> Reply {
        self.tasks.retain(|_, task| task.expires.is_none_or(|expires| expires > now));
        let is_call = matches!(request, Request::Call { .. } | Request::List);
        if let (Peer::Agent(agent), false) = (peer, is_call) {
            return Reply::refused(format!(
                "this process is of the agent {agent}, which cannot declare or end its own tasks; \
                 do it from outside of its control group"
            ));
        }
        let done = match request {
            Request::Start { agent, expects, exe, name, ttl_seconds } => {
                self.start(ear, now, agent, &expects, exe, name.as_deref(), ttl_seconds)
            }
            Request::End { id } => self.end(ear, now, &id),
            Request::List => {
                let tasks = self.tasks.values().map(running).collect();
                return Reply { ok: true, tasks: Some(tasks), ..Reply::default() };
            }
            Request::Call { agent, tool, id, phase, time, conversation } => {
                let time = match time.as_ref().map(time_of) {
                    None => Ok(now),
                    Some(Some(time)) => Ok(time),
                    Some(None) => Err("the time is none; write RFC 3339".to_owned()),
                };
                let agent = match (peer, agent) {
                    (Peer::Agent(own), _) => Ok(own.clone()),
                    (Peer::Operator, Some(agent)) => is_known(ear, &agent).map(|()| agent),
                    (Peer::Operator, None) => Ok(String::new()),
                };
                agent.and_then(|agent| {
                    let (id, time) = (self.call_id(&agent, &tool, id, phase, now)?, time?);
                    if tool.is_empty() {
                        return Err("a call needs the name of its tool".to_owned());
                    }
                    ear.call(ToolCall {
                        agent: short(&agent),
                        id: short(&id),
                        name: short(&tool),
                        conversation: conversation.as_deref().map(short),
                        phase,
                        time,
                        received: now,
                    });
                    Ok(id)
                })
            }
        };
        match done {
            Ok(id) => Reply::done(Some(id)),
            Err(error) => Reply::refused(error),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one request")]
    fn start(
        &mut self,
        ear: &Ear,
        now: Nanos,
        agent: String,
        expects: &[String],
        exe: Option<String>,
        name: Option<&str>,
        ttl_seconds: Option<u64>,
    ) -> Result<String, String> {
        is_known(ear, &agent)?;
        if self.tasks.len() >= TASKS || expects.len() > EXPECTS {
            return Err(format!("more than {TASKS} tasks, or {EXPECTS} expectations of one; end some"));
        }
        let expects = expects.iter().map(|text| Expect::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if let Some(pattern) = &exe {
            let fits = (1..=4 * MOST).contains(&pattern.len());
            let error = match pattern_of(pattern) {
                Ok(_) if fits => None,
                Ok(_) => Some("it is empty or too long".to_owned()),
                Err(error) => Some(error.kind().to_string()),
            };
            if let Some(error) = error {
                return Err(format!(
                    "{pattern:?} is no pattern over executables: {error}; write e.g. /usr/bin/python3*"
                ));
            }
        }
        let id = self.next(now);
        let ttl = ttl_seconds.unwrap_or(DAY).saturating_mul(1_000_000_000);
        let task = Task {
            id: id.as_str().into(),
            agent: agent.into(),
            name: short(name.filter(|name| !name.is_empty()).unwrap_or(&id)),
            expects,
            exe: exe.map(Into::into),
            started: now,
            expires: Some(Nanos(now.0.saturating_add(ttl))),
        };
        ear.hear(Input::Task(TaskChange::Started(task.clone())));
        self.tasks.insert(id.clone(), task);
        Ok(id)
    }

    fn end(&mut self, ear: &Ear, now: Nanos, id: &str) -> Result<String, String> {
        let Some(task) = self.tasks.remove(id) else {
            return Err(format!("no task {:?} runs; `detector task list` shows those that do", short(id)));
        };
        ear.hear(Input::Task(TaskChange::Ended(task.id, now)));
        Ok(id.to_owned())
    }

    /// The id of a call: the one that is given, a new one, or that of the last call of this tool.
    fn call_id(
        &mut self,
        agent: &str,
        tool: &str,
        id: Option<String>,
        phase: Phase,
        now: Nanos,
    ) -> Result<String, String> {
        if let Some(id) = id {
            return Ok(id);
        }
        match phase {
            Phase::Started => {
                let id = self.next(now);
                if self.calls.len() >= CALLS {
                    self.calls.pop_front();
                }
                self.calls.push_back((short(agent).into(), short(tool).into(), id.clone()));
                Ok(id)
            }
            Phase::Ended => {
                let is_it = |(of, name, _): &(String, String, String)| {
                    **of == *short(agent) && **name == *short(tool)
                };
                let at = self.calls.iter().rposition(is_it);
                let found = at.and_then(|at| self.calls.remove(at));
                found.map(|(_, _, id)| id).ok_or_else(|| {
                    format!(
                        "no call of {:?} is open that was begun without an id; name it with --id",
                        short(tool)
                    )
                })
            }
        }
    }

    /// Unique on this machine as long as its clock is not set back.
    fn next(&mut self, now: Nanos) -> String {
        self.made += 1;
        format!("{:x}-{}", now.0 / 1_000_000_000, self.made)
    }
}

fn is_known(ear: &Ear, agent: &str) -> Result<(), String> {
    if ear.agents.has(agent) {
        return Ok(());
    }
    let names = ear.agents.names();
    let known = if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") };
    Err(format!(
        "no agent is called {:?}; name an [[agent]] or the path of its control group ({known})",
        short(agent)
    ))
}

fn running(task: &Task) -> Running {
    let Task { id, agent, name, expects, exe, started, expires } = task;
    Running {
        id: id.to_string(),
        name: name.to_string(),
        agent: agent.to_string(),
        expects: expects.iter().map(ToString::to_string).collect(),
        exe: exe.as_deref().map(str::to_owned),
        started: started.rfc3339(),
        expires: expires.map(Nanos::rfc3339),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::sync::{Arc, Mutex};

    use rustix::event::{EventfdFlags, eventfd};

    use super::super::Known;
    use super::*;
    use crate::agent::Pattern;
    use crate::telemetry::Feeder;

    fn ear() -> (Ear, Receiver<Input>) {
        let (feeder, inputs) = Feeder::new(Arc::new(eventfd(0, EventfdFlags::NONBLOCK).unwrap()));
        let agents = Known(Arc::new(Mutex::new(vec![Pattern::new("coder", "/agents/*").unwrap()])));
        (Ear { agents, feeder, said: Arc::default() }, inputs)
    }

    fn ask(registry: &mut Registry, ear: &Ear, peer: &Peer, text: &str) -> Reply {
        registry.answer(serde_json::from_str(text).unwrap(), peer, Nanos(5_000_000_000), ear)
    }

    #[test]
    fn a_task_begins_is_listed_and_ends() {
        let ((ear, inputs), mut registry) = (ear(), Registry::default());
        let mut say = |text: &str| ask(&mut registry, &ear, &Peer::Operator, text);
        let started = say(
            r#"{"op":"start","agent":"coder","expects":["gpu","listen:8000"],"exe":"python3*","ttl_seconds":60}"#,
        );
        let id = started.id.unwrap();
        let Input::Task(TaskChange::Started(task)) = inputs.try_recv().unwrap() else { panic!("no task") };
        assert_eq!((&*task.id, task.expires), (&*id, Some(Nanos(65_000_000_000))));
        assert_eq!(say(r#"{"op":"list"}"#).tasks.unwrap()[0].expects, ["gpu", "listen:8000"]);
        assert!(say(&format!(r#"{{"op":"end","id":"{id}"}}"#)).ok);
        assert!(say(&format!(r#"{{"op":"end","id":"{id}"}}"#)).error.unwrap().contains("task list"));
        assert_eq!(say(r#"{"op":"list"}"#).tasks.unwrap(), []);
    }

    #[test]
    fn nonsense_is_refused_with_the_remedy_and_reaches_nobody() {
        let ((ear, inputs), mut registry) = (ear(), Registry::default());
        for (text, remedy) in [
            (r#"{"op":"start","agent":"codr"}"#, "coder"),
            (r#"{"op":"start","agent":"coder","expects":["all"]}"#, "listen:PORT"),
            (r#"{"op":"start","agent":"coder","exe":"[x"}"#, "/usr/bin/python3*"),
            (r#"{"op":"call","agent":"coder","tool":"","phase":"started"}"#, "name of its tool"),
            (r#"{"op":"call","agent":"coder","tool":"x","phase":"ended"}"#, "--id"),
            (r#"{"op":"call","agent":"coder","tool":"x","phase":"started","time":"x"}"#, "RFC 3339"),
        ] {
            let error = ask(&mut registry, &ear, &Peer::Operator, text).error.unwrap();
            assert!(error.contains(remedy), "{text}: {error}");
        }
        assert!(inputs.try_recv().is_err());
        assert!(serde_json::from_str::<Request>(r#"{"op":"reset"}"#).is_err());
    }

    #[test]
    fn an_agent_tells_its_own_calls_and_declares_nothing() {
        let ((ear, inputs), mut registry) = (ear(), Registry::default());
        let peer = Peer::Agent("/agents/1".to_owned());
        let refused = ask(&mut registry, &ear, &peer, r#"{"op":"start","agent":"coder","expects":["gpu"]}"#);
        assert!(refused.error.unwrap().contains("cannot declare"));
        assert!(!ask(&mut registry, &ear, &peer, r#"{"op":"end","id":"x"}"#).ok);
        assert!(
            ask(&mut registry, &ear, &peer, r#"{"op":"call","agent":"other","tool":"t","phase":"start"}"#).ok
        );
        let Input::ToolCall(call) = inputs.try_recv().unwrap() else { panic!("no call") };
        assert_eq!(&*call.agent, "/agents/1");
    }

    #[test]
    fn calls_without_an_id_end_last_first() {
        let ((ear, inputs), mut registry) = (ear(), Registry::default());
        let mut say = |phase: &str| {
            let text = format!(r#"{{"op":"call","agent":"coder","tool":"bash","phase":"{phase}"}}"#);
            ask(&mut registry, &ear, &Peer::Operator, &text).id
        };
        let (first, second) = (say("started"), say("started"));
        assert_eq!((say("ended"), say("ended"), say("ended")), (second, first, None));
        assert_eq!(inputs.try_iter().count(), 4);
    }
}
