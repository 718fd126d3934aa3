//! What would have silenced an alert: filters that nearly held, a task, a filter of one's own, a mute.

use rsigma_eval::{ConditionTrace, DetectionTrace, ItemTrace, RuleExplanation};
use serde::Serialize;
use serde_json::{Map, Value};

use super::shell::quote;
use super::trace;
use crate::alert::escape::clip;
use crate::alert::{Alert, Level, intent};
use crate::rules::{Category, RuleMeta, expectation};

/// Most filters that are named.
const FILTERS: usize = 3;
/// Most comparisons of one filter that are named.
const LACKS: usize = 4;

/// One way in which the alert would not have come, or will not come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// `filter`, `task`, `own filter`, `mute`.
    pub kind: &'static str,
    /// What it is, for people.
    pub text: String,
    /// Ready to paste: a command, or the text of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paste: Option<String>,
}

/// The ways, what is nearest first.
pub(super) fn ways(
    alert: &Alert,
    rule: Option<&RuleMeta>,
    fields: &Map<String, Value>,
    evaluation: Option<&RuleExplanation>,
) -> Vec<Way> {
    let mut ways: Vec<Way> = evaluation.map(filters).unwrap_or_default();
    if let Some(rule) = rule {
        ways.extend(task(alert, rule, fields));
        ways.extend(own_filter(alert, rule));
    }
    ways.push(mute(alert));
    ways
}

/// A part of a rule that excuses, as far as it held.
struct Filter<'a> {
    name: &'a str,
    held: usize,
    lacks: Vec<&'a ItemTrace>,
}

/// The filters of the rule that came closest to holding.
fn filters(explanation: &RuleExplanation) -> Vec<Way> {
    let mut found = Vec::new();
    for condition in &explanation.conditions {
        excused(condition, false, &mut found);
    }
    // A filter that lacks more than it has is no near miss, unless nothing is nearer.
    found.sort_by_key(|filter: &Filter<'_>| (filter.lacks.len(), usize::MAX - filter.held));
    let way = |filter: Filter<'_>| {
        let Filter { name, held, lacks } = filter;
        let most: Vec<String> = lacks.iter().take(LACKS).map(|item| trace::asked(item)).collect();
        let more = lacks.len().saturating_sub(LACKS);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let all = held + lacks.len();
        let text = format!(
            "The rule's `{name}` excuses it where this holds, too ({held} of {all} did): {}{more}",
            most.join("; ")
        );
        Way { kind: "filter", text, paste: None }
    };
    found.into_iter().take(FILTERS).map(way).collect()
}

/// Selections under a `not` that did not hold.
fn excused<'a>(trace: &'a ConditionTrace, negated: bool, out: &mut Vec<Filter<'a>>) {
    let mut add = |name: &'a str, detection: &'a DetectionTrace| {
        if negated && !detection.matched() {
            let (held, lacks) = lacking(detection);
            if !lacks.is_empty() {
                out.push(Filter { name, held, lacks });
            }
        }
    };
    match trace {
        ConditionTrace::Selection { name, detection, .. } => add(name, detection),
        ConditionTrace::Quantified { branches, .. } => {
            branches.iter().for_each(|branch| add(&branch.name, &branch.detection));
        }
        ConditionTrace::Not { child, .. } => excused(child, !negated, out),
        ConditionTrace::And { children, .. } | ConditionTrace::Or { children, .. } => {
            children.iter().for_each(|child| excused(child, negated, out));
        }
    }
}

/// How many comparisons held, and those that would have to hold besides; the fewest where several ways lead there.
fn lacking(trace: &DetectionTrace) -> (usize, Vec<&ItemTrace>) {
    match trace {
        DetectionTrace::AllOf { items, .. } => {
            let (held, lacks): (Vec<&ItemTrace>, Vec<_>) = items.iter().partition(|item| item.matched);
            (held.len(), lacks)
        }
        DetectionTrace::AnyOf { branches, .. } => branches
            .iter()
            .map(lacking)
            .filter(|(_, lacks)| !lacks.is_empty())
            .min_by_key(|(_, lacks)| lacks.len())
            .unwrap_or_default(),
        DetectionTrace::And { branches, .. } => {
            branches.iter().map(lacking).fold((0, Vec::new()), |(held, mut all), (more, lacks)| {
                all.extend(lacks);
                (held + more, all)
            })
        }
        DetectionTrace::Keywords { item, matched } => {
            if *matched {
                (1, Vec::new())
            } else {
                (0, vec![item])
            }
        }
        // What would have to change inside a list, or in a condition within one, is not told in one line.
        DetectionTrace::ArrayMatch { .. }
        | DetectionTrace::Conditional { .. }
        | DetectionTrace::Other { .. } => (0, Vec::new()),
    }
}

/// A declaration that would have made it informational, or why none does.
fn task(alert: &Alert, rule: &RuleMeta, fields: &Map<String, Value>) -> Option<Way> {
    if alert.task.as_ref().is_some_and(|task| task.declares.is_some()) {
        return None;
    }
    let expect = expectation(rule, fields)?;
    if intent::is_protected(rule) {
        let text = format!("No task speaks for this: its rule is tagged {}", rule.tags.join(", "));
        return Some(Way { kind: "task", text, paste: None });
    }
    if rule.level == Level::Informational {
        return None;
    }
    let agent = &alert.agent.as_ref()?.name;
    let command = format!(
        "detector task start --agent {} --expect {} --name {}",
        quote(agent),
        quote(&expect.to_string()),
        quote("WHAT IT IS FOR")
    );
    let text = format!("A task that expects {expect} makes it informational while it runs:");
    Some(Way { kind: "task", text, paste: Some(command) })
}

/// A Sigma filter for this executable, where a rule about single events is concerned.
fn own_filter(alert: &Alert, rule: &RuleMeta) -> Option<Way> {
    let exe = alert.process.as_ref().map(|process| &*process.exe).filter(|exe| exe.starts_with('/'))?;
    let category = rule.category.filter(|category| *category != Category::Sensor)?;
    let yaml = |text: &str| Value::String(text.to_owned()).to_string();
    let file = format!(
        "title: {}\nlogsource:\n    category: {}\n    product: linux\nfilter:\n    rules:\n        - {}\n    \
         expected:\n        Image: {}\n    condition: not expected\n",
        yaml(&format!("Expected of {}", clip(exe, 100))),
        category.name(),
        rule.id,
        yaml(&exe.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?")),
    );
    let writable = ["/tmp/", "/var/tmp/", "/dev/shm/", "/home/", "/root/"];
    let caution = if writable.iter().any(|place| exe.starts_with(place)) {
        "; agents can likely write there, so whatever they put in its place is excused, too"
    } else {
        ""
    };
    let text = format!(
        "A file such as this below a directory of `[rules] paths` excuses this executable for good{caution}:"
    );
    Some(Way { kind: "own filter", text, paste: Some(file) })
}

/// A mute of just this.
fn mute(alert: &Alert) -> Way {
    let mut command = format!("detector alerts mute --rule {}", quote(&alert.rule.id));
    if let Some(agent) = &alert.agent {
        command.push_str(&format!(" --agent {}", quote(&agent.name)));
    }
    if let Some(process) = alert.process.as_ref().filter(|process| !process.exe.is_empty()) {
        command.push_str(&format!(" --exe {}", quote(&process.exe)));
    }
    command.push_str(" --for 8h --reason 'WHY'");
    let text = "A mute keeps it from people for a while; it is stored all the same:".to_owned();
    Way { kind: "mute", text, paste: Some(command) }
}
