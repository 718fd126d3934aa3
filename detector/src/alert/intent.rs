//! What the agent was meant to do, for an alert: its task, the tool call in flight, and whether the task named this.

use super::{Level, TaskRef, ToolCall};
use crate::event::{AgentId, Nanos};
use crate::rules::{Declared, Finding, RuleMeta, Subject, declared};
use crate::task::{InFlight, Ledger, Task};

/// Tags of rules whose findings no task speaks for: mining and what else takes the machine, credentials, evasion.
const NEVER: [&str; 4] =
    ["attack.credential-access", "attack.defense-evasion", "attack.impact", "attack.t1496"];

/// What the alert says beside the finding.
pub(super) struct Intent {
    pub(super) level: Level,
    pub(super) task: Option<TaskRef>,
    pub(super) tool_call: Option<ToolCall>,
    /// What is not there and would be, had the agent been told to do this.
    pub(super) lacks: Vec<&'static str>,
}

impl Intent {
    pub(super) fn of(finding: &Finding, subject: &Subject<'_>) -> Self {
        let (what, tasks, level) = (subject.what, subject.tasks, finding.rule.level);
        let agent = what.agent();
        let exec = subject.process(what.process()).and_then(|process| process.exec.as_deref());
        let mut lacks = Vec::new();
        let task = match lowering(finding, subject) {
            Some(Declared { task, expect }) => Some(TaskRef {
                declares: Some(expect.to_string()),
                lowered_from: (level > Level::Informational).then_some(level),
                ..task_ref(task)
            }),
            None => tasks.task(agent, exec.map_or("", |exec| &exec.exe)).map(task_ref),
        };
        if task.is_none() && tasks.is_used() && agent != AgentId::NONE {
            lacks.push("no task of this agent");
        }
        let tool_call = tool_call(tasks, agent, what.time());
        if tool_call.is_none() && tasks.told_live(agent).is_some() {
            lacks.push("no tool call in flight");
        }
        let lowered = task.as_ref().is_some_and(|task| task.declares.is_some());
        Self { level: if lowered { Level::Informational } else { level }, task, tool_call, lacks }
    }
}

/// The task that names the subject of a finding, so that it is informational.
pub(crate) fn lowering<'a>(finding: &Finding, subject: &Subject<'a>) -> Option<Declared<'a>> {
    if finding.correlation.is_some() || is_protected(&finding.rule) {
        return None;
    }
    let exec = subject.process(subject.what.process()).and_then(|process| process.exec.as_deref());
    declared(subject.tasks, subject.what, subject.hostname, exec)
}

/// Whether no task lowers what a rule finds. Use of GPUs and processors is tagged as mining is; those are
/// observations that the mapping names one by one, and so are daemons.
pub(crate) fn is_protected(rule: &RuleMeta) -> bool {
    use crate::rules::Category;
    if rule.category == Some(Category::Observation) {
        return false;
    }
    rule.tags.iter().any(|tag| {
        NEVER
            .iter()
            .any(|never| tag.strip_prefix(never).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    })
}

/// The tool call of an agent that was in flight at a time.
pub(crate) fn tool_call(tasks: &Ledger, agent: AgentId, time: Nanos) -> Option<ToolCall> {
    let InFlight { id, name, conversation, started, ended: _, parallel } = tasks.in_flight(agent, time)?;
    Some(ToolCall {
        id: id.into(),
        name: name.into(),
        conversation: conversation.map(Into::into),
        started: started.rfc3339(),
        in_flight: (parallel > 1).then(|| u64::try_from(parallel).unwrap_or(u64::MAX)),
    })
}

fn task_ref(task: &Task) -> TaskRef {
    TaskRef {
        id: task.id.to_string(),
        name: task.name.to_string(),
        started: task.started.rfc3339(),
        expects: task.expects.iter().map(ToString::to_string).collect(),
        declares: None,
        lowered_from: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Category, RuleSet};

    #[test]
    fn no_task_lowers_mining_credentials_or_evasion() {
        let rules = RuleSet::builtin().unwrap();
        let areas = ["rules/mining/", "rules/credential/", "rules/evasion/"];
        let on_the_wire = [
            Category::NetworkListen,
            Category::NetworkConnection,
            Category::NetworkPayload,
            Category::DnsQuery,
        ];
        let mut seen = 0;
        for rule in rules.rules() {
            let of_area = areas.iter().any(|area| rule.file.starts_with(area));
            if of_area && rule.category.is_some_and(|category| on_the_wire.contains(&category)) {
                assert!(is_protected(rule), "{} needs a tag of those that no task lowers", rule.file);
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
        for (file, expected) in [
            ("rules/network/listener.yml", false),
            ("rules/network/unresolved_public_address.yml", false),
            ("rules/network/metadata_service.yml", true),
            ("rules/network/ssh_client_of_other_name.yml", true),
        ] {
            let rule = rules.rules().iter().find(|rule| rule.file == file).unwrap();
            assert_eq!(is_protected(rule), expected, "{file}");
        }
    }
}
