//! How the Sigma engine came to its verdict, as lines: each selection and condition, whether it held, and why.

use std::fmt;

use rsigma_eval::{ConditionTrace, DetectionTrace, ItemTrace, MatchReason, RuleExplanation};
use serde::Serialize;
use serde_json::Value;

use crate::alert::escape::clip;

/// Most characters of a pattern or a value.
const MOST: usize = 400;

/// One step of the evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// How deep it stands, from 1.
    pub depth: usize,
    /// Whether it held.
    pub matched: bool,
    /// What was asked, and what was there.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { depth, matched, text } = self;
        let sign = if *matched { "yes" } else { "no " };
        write!(f, "{}{sign} {text}", "  ".repeat(*depth))
    }
}

/// Every step, from the condition down to the single comparison.
pub fn lines(explanation: &RuleExplanation) -> Vec<Line> {
    let mut out = Vec::new();
    for trace in &explanation.conditions {
        condition(trace, 1, &mut out);
    }
    out
}

fn line(matched: bool, depth: usize, text: impl Into<String>, out: &mut Vec<Line>) {
    out.push(Line { depth, matched, text: text.into() });
}

fn condition(trace: &ConditionTrace, depth: usize, out: &mut Vec<Line>) {
    match trace {
        ConditionTrace::Selection { name, matched, detection: within } => {
            line(*matched, depth, name, out);
            detection(within, depth + 1, out);
        }
        ConditionTrace::And { matched, children } => {
            line(*matched, depth, "all of", out);
            children.iter().for_each(|child| condition(child, depth + 1, out));
        }
        ConditionTrace::Or { matched, children } => {
            line(*matched, depth, "one of", out);
            children.iter().for_each(|child| condition(child, depth + 1, out));
        }
        ConditionTrace::Not { matched, child } => {
            line(*matched, depth, "not", out);
            condition(child, depth + 1, out);
        }
        ConditionTrace::Quantified { quantifier, matched, need, got, branches } => {
            line(*matched, depth, format!("{quantifier} of the following: {got} of {need}"), out);
            for branch in branches {
                line(branch.matched, depth + 1, &branch.name, out);
                detection(&branch.detection, depth + 2, out);
            }
        }
    }
}

fn detection(trace: &DetectionTrace, depth: usize, out: &mut Vec<Line>) {
    match trace {
        DetectionTrace::AllOf { items, .. } => items.iter().for_each(|one| item(one, depth, out)),
        DetectionTrace::AnyOf { branches, matched } => {
            line(*matched, depth, "one of", out);
            branches.iter().for_each(|branch| detection(branch, depth + 1, out));
        }
        DetectionTrace::And { branches, .. } => {
            branches.iter().for_each(|branch| detection(branch, depth, out));
        }
        DetectionTrace::Keywords { item: one, .. } => item(one, depth, out),
        DetectionTrace::ArrayMatch {
            field,
            quantifier,
            matched,
            member_count,
            matched_count,
            members,
            ..
        } => {
            let text = format!("{field}: {quantifier} of {member_count} members, {matched_count} match");
            line(*matched, depth, text, out);
            members.iter().for_each(|member| detection(&member.detection, depth + 1, out));
        }
        DetectionTrace::Conditional { condition: within, .. } => condition(within, depth, out),
        DetectionTrace::Other { kind, matched } => line(*matched, depth, kind, out),
    }
}

fn item(item: &ItemTrace, depth: usize, out: &mut Vec<Line>) {
    line(item.matched, depth, asked(item), out);
}

/// What one comparison asked, and what was there.
pub(super) fn asked(item: &ItemTrace) -> String {
    let field = item.field.as_deref().unwrap_or("any text");
    let kind = serde_json::to_value(item.matcher).unwrap_or_default();
    let kind = kind.as_str().unwrap_or("matches").replace('_', " ");
    let pattern = clip(item.pattern.as_deref().unwrap_or_default(), MOST);
    let actual = item.actual.as_ref().map(|actual| clip(&shown(actual), MOST));
    let why = match item.reason {
        MatchReason::Matched => actual.map_or_else(String::new, |actual| format!(": {actual}")),
        MatchReason::FieldAbsent => ": the event has no such field".to_owned(),
        MatchReason::ValueMismatch => format!(": it is {}", actual.unwrap_or_default()),
        MatchReason::CaseMismatch => format!(": it is {}, other case", actual.unwrap_or_default()),
        MatchReason::Existence => ": it is there, or not, against what is asked".to_owned(),
        MatchReason::NoKeywordMatch => ": found nowhere".to_owned(),
    };
    format!("{field} {kind} {pattern}{why}")
}

fn shown(value: &Value) -> String {
    value.to_string()
}
