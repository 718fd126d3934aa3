//! The examples inside the rules, run: each must match or not match as it says.

use std::sync::Arc;

use rsigma_eval::{CorrelationEngine, evaluate_rule};
use rsigma_parser::{ExemplarPayload, Expect, Timespan, correlation_exemplars};
use serde_json::{Map, Value};

use super::sample::Sample;
use super::{Category, RuleMeta, RuleSet, compile, field};

/// How one exemplar went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The rule that carries it.
    pub rule: Arc<RuleMeta>,
    /// Its name.
    pub name: String,
    /// Whether it should match.
    pub expect: Expect,
    /// Whether the rule did as expected.
    pub passed: bool,
    /// Fields that the category does not have: most likely mistyped.
    pub unknown_fields: Vec<String>,
}

/// How all of them went.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// Each exemplar, in the order of the rules.
    pub outcomes: Vec<Outcome>,
    /// Rules that lack an exemplar that matches, or one that does not.
    pub incomplete: Vec<Arc<RuleMeta>>,
}

impl TestReport {
    /// Exemplars that went wrong.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed || !outcome.unknown_fields.is_empty())
    }

    /// Whether every exemplar passed and every rule has both kinds.
    pub fn passed(&self) -> bool {
        self.incomplete.is_empty() && self.failures().next().is_none()
    }
}

/// Runs every exemplar on fresh state.
pub(super) fn run(set: &RuleSet) -> TestReport {
    let mut report = TestReport::default();
    for rule in &set.rules {
        let from = report.outcomes.len();
        match rule.category {
            Some(category) => detection(set, rule, category, &mut report.outcomes),
            None => correlation(set, rule, &mut report.outcomes),
        }
        let has = |expect| report.outcomes.iter().skip(from).any(|outcome| outcome.expect == expect);
        if !has(Expect::Match) || !has(Expect::NoMatch) {
            report.incomplete.push(rule.clone());
        }
    }
    report
}

fn detection(set: &RuleSet, rule: &Arc<RuleMeta>, category: Category, outcomes: &mut Vec<Outcome>) {
    let Some(compiled) = set.compiled(category, &rule.id) else { return };
    let list = compiled.custom_attributes.get("rsigma.exemplars").and_then(Value::as_array);
    for (at, exemplar) in list.into_iter().flatten().enumerate() {
        let Some(Value::Object(fields)) = exemplar.get("event").cloned() else { continue };
        let expect = exemplar.get("expect").and_then(Value::as_str).and_then(Expect::parse);
        let Some(expect) = expect else { continue };
        let unknown_fields = unknown(category, &fields);
        let sample = Sample::new(category, fields);
        let matched = evaluate_rule(compiled, &sample.view()).is_some();
        let name = exemplar.get("name").and_then(Value::as_str);
        outcomes.push(Outcome {
            rule: rule.clone(),
            name: name.map_or_else(|| at.to_string(), str::to_owned),
            expect,
            passed: matched == (expect == Expect::Match),
            unknown_fields,
        });
    }
}

fn correlation(set: &RuleSet, rule: &Arc<RuleMeta>, outcomes: &mut Vec<Outcome>) {
    let source = &set.correlation_source;
    let Some(parsed) = source.correlations.iter().find(|found| found.id.as_deref() == Some(&rule.id)) else {
        return;
    };
    for exemplar in correlation_exemplars(parsed).unwrap_or_default() {
        let ExemplarPayload::Sequence(events) = exemplar.payload else { continue };
        let Ok(Some(mut engine)) = compile::engine(source) else { continue };
        let mut fired = false;
        for event in events {
            if let Ok(Value::Object(fields)) = serde_json::to_value(&event.event) {
                fired |= feed(set, &mut engine, &rule.id, &event.offset, &fields);
            }
        }
        outcomes.push(Outcome {
            rule: rule.clone(),
            name: exemplar.name,
            expect: exemplar.expect,
            passed: fired == (exemplar.expect == Expect::Match),
            unknown_fields: Vec::new(),
        });
    }
}

/// Gives one event to the rules that correlations refer to; whether the correlation `id` fired.
///
/// The event does not say its category: it is taken for each that a referred rule stands in.
fn feed(
    set: &RuleSet,
    engine: &mut CorrelationEngine,
    id: &str,
    offset: &Timespan,
    fields: &Map<String, Value>,
) -> bool {
    let mut fired = false;
    for category in Category::ALL {
        let sample = Sample::new(*category, fields.clone());
        let view = sample.view();
        let referred = set.correlated.iter().filter_map(|rule| set.compiled(*category, rule));
        let found: Vec<_> = referred.filter_map(|rule| evaluate_rule(rule, &view)).collect();
        if found.is_empty() {
            continue;
        }
        let seconds = i64::try_from(offset.seconds).unwrap_or(i64::MAX);
        let results = engine.process_with_detections(&view, found, seconds);
        fired |= results.iter().any(|result| result.header.rule_id.as_deref() == Some(id));
    }
    fired
}

fn unknown(category: Category, fields: &Map<String, Value>) -> Vec<String> {
    let free = category == Category::Observation;
    let known = |name: &str| {
        field::fields().iter().any(|field| field.name == name && field.categories.contains(&category))
    };
    fields
        .keys()
        .filter(|name| !free && !known(name) && !field::NOT_OFFERED.contains(&name.as_str()))
        .cloned()
        .collect()
}
