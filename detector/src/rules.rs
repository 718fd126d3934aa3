//! Sigma rules: loading, judging, explaining, testing.
//!
//! One Sigma engine a category holds the rules; an event goes to the engine of its category only, as
//! a view that gives fields on demand. Kinds of events that no category names are not judged at all.
//! Correlations run behind the engines, on the event's own time.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use rsigma_eval::{CorrelationEngine, Engine, EvaluationResult, RuleExplanation};
use rsigma_parser::{CorrelationType, SigmaCollection, Status};
use serde_json::{Map, Value};

use crate::alert::Level;
use crate::analysis::Mark;

mod check;
mod compile;
mod declared;
mod error;
mod exemplar;
mod expand;
mod expected;
mod facts;
mod field;
mod load;
mod sample;
mod source;
mod subject;
mod summary;
pub(crate) mod weights;

pub(crate) use declared::{Declared, declared, is_daemon};
pub use error::{Problem, RulesError};
pub use exemplar::{Outcome, TestReport};
pub(crate) use expected::expectation;
pub use field::{Field, fields};
pub use source::Builtin;
pub use subject::{Subject, What};
pub use summary::Template;
pub use weights::{Number, Reach, Strength, Table, Tables, Weight};

/// What a rule judges: Sigma's `logsource.category`, each with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// A program was executed.
    ProcessCreation,
    /// A connect, or a datagram to an address of its own.
    NetworkConnection,
    /// A TCP socket listens, or another is bound.
    NetworkListen,
    /// An application was recognised by the bytes of a flow.
    NetworkPayload,
    /// A name was asked for.
    DnsQuery,
    /// A file was opened for writing, truncated, renamed, linked.
    FileEvent,
    /// A file was given other permission bits.
    FileChange,
    /// A file was removed.
    FileDelete,
    /// A canary was opened.
    FileAccess,
    /// A file was mapped executable.
    ImageLoad,
    /// Something was done to another process or to the kernel.
    Operation,
    /// A fact that took several events.
    Observation,
    /// A process was moved between control groups.
    Cgroup,
    /// The sensor speaks of itself.
    Sensor,
}

impl Category {
    /// Every category.
    pub const ALL: &'static [Self] = &[
        Self::ProcessCreation,
        Self::NetworkConnection,
        Self::NetworkListen,
        Self::NetworkPayload,
        Self::DnsQuery,
        Self::FileEvent,
        Self::FileChange,
        Self::FileDelete,
        Self::FileAccess,
        Self::ImageLoad,
        Self::Operation,
        Self::Observation,
        Self::Cgroup,
        Self::Sensor,
    ];

    /// Sigma's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessCreation => "process_creation",
            Self::NetworkConnection => "network_connection",
            Self::NetworkListen => "network_listen",
            Self::NetworkPayload => "network_payload",
            Self::DnsQuery => "dns_query",
            Self::FileEvent => "file_event",
            Self::FileChange => "file_change",
            Self::FileDelete => "file_delete",
            Self::FileAccess => "file_access",
            Self::ImageLoad => "image_load",
            Self::Operation => "operation",
            Self::Observation => "observation",
            Self::Cgroup => "cgroup",
            Self::Sensor => "sensor",
        }
    }

    /// The category with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.name() == name)
    }
}

/// What is known of a rule beside its condition.
#[derive(Clone, Debug)]
pub struct RuleMeta {
    /// UUID; for a rule without one, its file and line.
    pub id: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub level: Level,
    /// Sigma's status; an experimental rule never triggers a response.
    pub status: Option<Status>,
    /// MITRE ATT&CK and other tags.
    pub tags: Vec<String>,
    /// What it detects.
    pub description: String,
    /// What else looks like it.
    pub false_positives: Vec<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// Sentence for people, `detector.summary`.
    pub summary: Option<Template>,
    /// What a match says for mining, beside its alert: `detector.mark`.
    pub(crate) mark: Option<Mark>,
    /// What it judges; `None` for a correlation.
    pub category: Option<Category>,
    /// File that it was read from; built-in rules as `rules/AREA/NAME.yml`.
    pub file: String,
    /// Line of that file where it begins.
    pub line: usize,
}

/// A rule that matched.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: Arc<RuleMeta>,
    /// The rule's sentence about this subject, or its title.
    pub summary: String,
    /// The fields that the rule looked at, with their values.
    pub matched: Vec<(String, Value)>,
    /// What a correlation counted; `None` for a rule about one event.
    pub correlation: Option<Correlation>,
}

/// What a correlation counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// `event_count`, `value_count`, `temporal`, `temporal_ordered` …
    pub kind: CorrelationType,
    /// Fields that the events have in common, with their values.
    pub group: Vec<(String, String)>,
    /// The number that satisfied the condition.
    pub value: f64,
    /// Seconds of the window.
    pub timespan_secs: u64,
}

/// Rules, ready to judge.
pub struct RuleSet {
    /// One engine a category, in the order of [`Category::ALL`]; `None` where no rule asks.
    engines: [Option<Engine>; Category::ALL.len()],
    rules: Vec<Arc<RuleMeta>>,
    by_id: HashMap<String, Arc<RuleMeta>>,
    correlations: Option<Box<CorrelationEngine>>,
    /// Correlations with the rules that they refer to, for tests on fresh state.
    correlation_source: SigmaCollection,
    /// Ids of rules that some correlation refers to.
    correlated: HashSet<String>,
    /// Ids of rules that speak through their correlation only (Sigma's `generate: false`).
    silent: HashSet<String>,
    tables: Tables,
    unserved: usize,
    skipped: usize,
    warnings: Vec<Problem>,
}

impl RuleSet {
    /// The rules inside the binary.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::load(&[], Builtin::With)
    }

    /// Rules from files and directories (recursively, `.yml` and `.yaml`), beside the built-in ones
    /// or without them. Rules about things that this sensor does not see are counted as unserved.
    pub fn load(paths: &[std::path::PathBuf], builtin: Builtin) -> Result<Self, RulesError> {
        load::rules(paths, builtin)
    }

    /// Judges one subject. Findings are appended, plain rules first, correlations behind.
    pub fn judge(&mut self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let Some(category) = subject.what.category() else { return };
        let Some(Some(engine)) = self.engines.get(category as usize) else { return };
        let view = subject::View::of(subject);
        let results = engine.evaluate(&view);
        if results.is_empty() {
            return;
        }
        let mut correlated = false;
        for result in &results {
            let Some(id) = result.header.rule_id.as_deref() else { continue };
            correlated |= self.correlated.contains(id);
            if !self.silent.contains(id) {
                findings.extend(self.finding(id, result, &view));
            }
        }
        if !correlated {
            return;
        }
        if let Some(mut correlations) = self.correlations.take() {
            let seconds = i64::try_from(subject.what.time().0 / 1_000_000_000).unwrap_or(i64::MAX);
            let fired = correlations.process_with_detections(&view, results, seconds);
            for result in fired.iter().filter(|result| result.is_correlation()) {
                if let Some(id) = result.header.rule_id.as_deref() {
                    findings.extend(self.finding(id, result, &view));
                }
            }
            self.correlations = Some(correlations);
        }
    }

    fn finding(&self, id: &str, result: &EvaluationResult, view: &subject::View<'_>) -> Option<Finding> {
        let rule = self.by_id.get(id)?.clone();
        let summary = rule.summary.as_ref().map_or_else(|| rule.title.clone(), |text| text.render(view));
        let mut matched: Vec<(String, Value)> = Vec::new();
        if let Some(detection) = result.as_detection() {
            for field in &detection.matched_fields {
                if !matched.iter().any(|(name, _)| *name == field.field) {
                    matched.push((field.field.clone(), field.value.clone()));
                }
            }
            // The engine keeps selections in a hash map; the same event must give the same alert.
            matched.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let correlation = result.as_correlation().map(|body| Correlation {
            kind: body.correlation_type,
            group: body.group_key.clone(),
            value: body.aggregated_value,
            timespan_secs: body.timespan_secs,
        });
        if let Some(correlation) = &correlation {
            let group = correlation.group.iter();
            matched = group.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        }
        Some(Finding { rule, summary, matched, correlation })
    }

    /// Every rule that judges, in the order of their files.
    pub fn rules(&self) -> &[Arc<RuleMeta>] {
        &self.rules
    }

    /// The numbers and weights that analyses judge by.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Rules that were read but judge nothing that this sensor sees.
    pub fn unserved(&self) -> usize {
        self.unserved
    }

    /// YAML documents below the given directories that are no rules.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// What is doubtful about the rules but no reason to refuse them.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Rules by id, the beginning of an id, title (in any case) or file name without ending.
    pub fn find(&self, key: &str) -> Vec<&Arc<RuleMeta>> {
        let lower = key.to_lowercase();
        let stem =
            |file: &str| facts::program::basename(file).rsplit_once('.').map(|(stem, _)| stem.to_owned());
        let exact = |rule: &&Arc<RuleMeta>| {
            rule.id.eq_ignore_ascii_case(key)
                || rule.title.to_lowercase() == lower
                || stem(&rule.file).as_deref() == Some(key)
        };
        let found: Vec<_> = self.rules.iter().filter(exact).collect();
        if !found.is_empty() || key.len() < 4 {
            return found;
        }
        self.rules.iter().filter(|rule| rule.id.starts_with(&lower)).collect()
    }

    /// The text of a rule's file from its first line on, up to the next document.
    pub fn text(&self, rule: &RuleMeta) -> Option<String> {
        source::text(&rule.file, rule.line)
    }

    /// Why a rule matches the event that `fields` describe, or does not; `None` for correlations.
    pub fn explain(&self, rule: &RuleMeta, fields: Map<String, Value>) -> Option<RuleExplanation> {
        let category = rule.category?;
        let sample = sample::Sample::new(category, fields);
        Some(rsigma_eval::explain_rule(self.compiled(category, &rule.id)?, &sample.view()))
    }

    /// Runs the exemplars of every rule.
    pub fn test(&self) -> TestReport {
        exemplar::run(self)
    }

    fn compiled(&self, category: Category, id: &str) -> Option<&rsigma_eval::CompiledRule> {
        let engine = self.engines.get(category as usize)?.as_ref()?;
        engine.rules().iter().find(|rule| rule.id.as_deref() == Some(id))
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}
