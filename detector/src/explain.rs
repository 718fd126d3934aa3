//! Why there was an alert: its rule judged again on the fields that were kept, its story, what would have silenced it.

use serde::Serialize;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::alert::incident::Incident;
use crate::alert::{Alert, Level};
use crate::rules::{RuleMeta, RuleSet};

pub mod shell;
pub mod silence;
pub mod story;
pub mod trace;

/// The value of [`Explanation::schema`].
pub const SCHEMA: &str = "detector.explanation/1";

/// The field of a subject in which the hash of the rule's text is kept.
pub const RULE_HASH: &str = "detector.rule_hash";

/// One alert, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `detector.explanation/1`.
    pub schema: &'static str,
    /// The alert.
    pub alert: Alert,
    /// The rule as it is now; absent where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// How the rule of now judges the fields of then.
    pub verdict: Verdict,
    /// What a reader must know about that, one sentence each: that the rule has changed, that fields are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The fields that the rule looked at and that matched.
    pub matched: Vec<Field>,
    /// Every other field that was kept.
    pub others: Vec<Field>,
    /// Every step of the evaluation.
    pub trace: Vec<trace::Line>,
    /// What would have silenced it, what is nearest first.
    pub silence: Vec<silence::Way>,
}

/// A rule, for whoever wonders at it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// UUID.
    pub id: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub level: Level,
    /// What it detects.
    pub description: String,
    /// What else looks like it.
    pub false_positives: Vec<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// MITRE ATT&CK and other tags.
    pub tags: Vec<String>,
    /// File that it is read from.
    pub file: String,
    /// Line of that file where it begins.
    pub line: usize,
    /// Hash of its text.
    pub hash: String,
}

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Sigma name.
    pub name: String,
    /// Value.
    pub value: Value,
}

/// How the rule of now judges the fields of then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It matches.
    Matches,
    /// It does not match any more.
    DiffersNow,
    /// It counts or orders several events, which one event cannot explain.
    Correlation,
    /// The rule is gone.
    NoRule,
    /// The fields were not kept.
    NoFields,
}

/// An incident, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IncidentExplanation {
    /// `detector.explanation/1`.
    pub schema: &'static str,
    /// The incident, its alerts in it.
    pub incident: Incident,
    /// What happened, as a process tree.
    pub story: story::Story,
    /// Its alerts, explained, oldest first.
    pub alerts: Vec<Explanation>,
}

/// Explains one alert by the rules of now.
pub fn alert(alert: &Alert, rules: &RuleSet) -> Explanation {
    let meta = rules.rules().iter().find(|rule| rule.id == alert.rule.id);
    let rule = meta.map(|meta| rule(meta, rules));
    let (fields, then) = fields(alert);
    let mut notes = Vec::new();
    let evaluation =
        meta.filter(|_| alert.subject.is_some()).and_then(|meta| rules.explain(meta, fields.clone()));
    let verdict = match (&evaluation, meta) {
        (Some(evaluation), _) if evaluation.matched => Verdict::Matches,
        (Some(_), _) => Verdict::DiffersNow,
        (None, None) => Verdict::NoRule,
        (None, Some(meta)) if meta.category.is_none() => Verdict::Correlation,
        (None, Some(_)) => Verdict::NoFields,
    };
    match verdict {
        Verdict::Matches => {}
        Verdict::DiffersNow => notes.push(
            "the rule as it is now does not match what was kept of the event: the rule or a list that it uses has \
             changed since, or it asked for something that is not kept"
                .to_owned(),
        ),
        Verdict::Correlation => notes.push(
            "the rule counts or orders several events; the alerts of the rules that it refers to explain each of them"
                .to_owned(),
        ),
        Verdict::NoRule => notes.push(format!(
            "no rule has the id {} now; name its file with --rules or --config",
            alert.rule.id
        )),
        Verdict::NoFields => notes.push(
            "the fields of the event were not kept with this alert, so its rule cannot judge it again".to_owned(),
        ),
    }
    if let (Some(then), Some(rule)) = (&then, &rule)
        && *then != rule.hash
    {
        notes.push(format!(
            "the rule has changed since the alert (its text had the hash {then}, now {}); it is explained by the rule \
             of now",
            rule.hash
        ));
    }
    if rule.as_ref().is_some_and(|rule| rule.title != alert.rule.title) {
        notes.push(format!("the rule was called “{}” then", alert.rule.title));
    }
    let looked_at: Vec<&str> =
        alert.evidence.iter().flat_map(|fact| fact.fields.keys()).map(String::as_str).collect();
    let own = alert.evidence.first().map(|fact| &fact.fields);
    let matched = own.into_iter().flatten().map(|(name, value)| field(name, value)).collect();
    let others = fields.iter().filter(|(name, _)| !looked_at.contains(&name.as_str()));
    Explanation {
        schema: SCHEMA,
        rule,
        verdict,
        notes,
        matched,
        others: others.map(|(name, value)| field(name, value)).collect(),
        trace: evaluation.as_ref().map(trace::lines).unwrap_or_default(),
        silence: silence::ways(alert, meta.map(|meta| &**meta), &fields, evaluation.as_ref()),
        alert: alert.clone(),
    }
}

/// Explains an incident by the rules of now.
pub fn incident(incident: Incident, alerts: &[Alert], rules: &RuleSet) -> IncidentExplanation {
    IncidentExplanation {
        schema: SCHEMA,
        story: story::story(alerts),
        alerts: alerts.iter().map(|one| alert(one, rules)).collect(),
        incident,
    }
}

/// Hash of a rule's text, by which one sees that it has changed.
pub fn hash(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// The fields that were kept, or those of the evidence where none were; and the hash of the rule then.
fn fields(alert: &Alert) -> (Map<String, Value>, Option<String>) {
    let Some(subject) = &alert.subject else {
        let own = alert.evidence.first().into_iter().flat_map(|fact| &fact.fields);
        return (own.map(|(name, value)| (name.clone(), value.clone())).collect(), None);
    };
    let hash = subject.get(RULE_HASH).and_then(Value::as_str).map(str::to_owned);
    let fields = subject.iter().filter(|(name, _)| *name != RULE_HASH);
    (fields.map(|(name, value)| (name.clone(), value.clone())).collect(), hash)
}

fn field(name: &str, value: &Value) -> Field {
    Field { name: name.to_owned(), value: value.clone() }
}

fn rule(meta: &RuleMeta, rules: &RuleSet) -> Rule {
    Rule {
        id: meta.id.clone(),
        title: meta.title.clone(),
        level: meta.level,
        description: meta.description.clone(),
        false_positives: meta.false_positives.clone(),
        references: meta.references.clone(),
        tags: meta.tags.clone(),
        file: meta.file.clone(),
        line: meta.line,
        hash: rules.text(meta).map(|text| hash(&text)).unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "explain/tests.rs"]
mod tests;
