//! From text to rules: each YAML document is parsed and checked, and all that is wrong is collected.

use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use rsigma_parser::{
    CorrelationRule, ExemplarShapeError, FilterRule, Level as SigmaLevel, SigmaCollection, SigmaRule,
    correlation_exemplars, exemplars, parse_sigma_yaml,
};
use serde::Deserialize as _;
use yaml_serde::{Deserializer, Value};

use super::error::{Problem, RulesError, did_you_mean};
use super::source::{self, Builtin, Document, Origin};
use super::weights::Tables;
use super::{Category, RuleMeta, RuleSet, Template, check, compile, expand};
use crate::alert::Level;
use crate::analysis::Mark;

/// What documents become, before it is known whether all of them are sound.
#[derive(Default)]
pub(super) struct Loader<'a> {
    lists: HashMap<String, Vec<String>>,
    pub(super) rules: Vec<(Document<'a>, Category, SigmaRule, Arc<RuleMeta>)>,
    pub(super) correlations: Vec<(Document<'a>, CorrelationRule, Arc<RuleMeta>)>,
    pub(super) filters: Vec<(Document<'a>, FilterRule)>,
    /// Where each id was seen first.
    ids: HashMap<String, String>,
    /// Ids, names and titles of rules that this sensor has no events for.
    pub(super) elsewhere: HashSet<String>,
    pub(super) tables: Tables,
    pub(super) unserved: usize,
    pub(super) skipped: usize,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// See [`RuleSet::load`].
pub(super) fn rules(paths: &[PathBuf], builtin: Builtin) -> Result<RuleSet, RulesError> {
    let sources = source::read(paths, builtin);
    let mut loader = Loader { lists: sources.lists, problems: sources.problems, ..Loader::default() };
    for file in &sources.tables {
        for document in file.documents() {
            loader.problems.extend(loader.tables.read(&document));
        }
    }
    for file in &sources.files {
        for document in file.documents() {
            loader.document(&document);
        }
    }
    let set = compile::set(&mut loader);
    if loader.problems.is_empty() { Ok(set) } else { Err(RulesError::Bad(loader.problems)) }
}

/// How strictly a document is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Written for this program: each mistake is an error.
    Ours,
    /// Written for any: what is not understood is a warning.
    Other,
    /// About something that this sensor does not see: only counted.
    Foreign,
}

/// The category of a log source, where this sensor has its events.
fn served(category: Option<&str>, product: Option<&str>, service: Option<&str>) -> Option<Category> {
    let here = product.is_none_or(|product| product == "linux")
        && service.is_none_or(|service| service == "detector");
    category.and_then(Category::from_name).filter(|_| here)
}

/// Title, id and so on are fields of the same names in both kinds of rules.
macro_rules! meta {
    ($loader:expr, $document:expr, $rule:expr, $category:expr) => {{
        let (file, line) = ($document.file.name.clone(), $document.line);
        let mark = $rule.custom_attributes.get("detector.mark").and_then(Value::as_str);
        let summary = $rule.custom_attributes.get("detector.summary").and_then(Value::as_str);
        RuleMeta {
            id: $rule.id.get_or_insert_with(|| format!("{file}:{line}")).clone(),
            title: $rule.title.clone(),
            level: level($rule.level),
            status: $rule.status,
            tags: $rule.tags.clone(),
            description: $rule.description.as_deref().unwrap_or_default().trim().to_owned(),
            false_positives: $rule.falsepositives.clone(),
            author: $rule.author.clone(),
            references: $rule.references.clone(),
            mark: mark.and_then(|name| $loader.mark($document, name)),
            summary: summary.and_then(|text| $loader.summary($document, text)),
            category: $category,
            file,
            line,
            hash: crate::explain::hash($document.text),
        }
    }};
}

impl<'a> Loader<'a> {
    fn document(&mut self, document: &Document<'a>) {
        let mut values = Vec::new();
        for part in Deserializer::from_str(document.text) {
            match Value::deserialize(part) {
                Ok(value) => values.push(value),
                Err(_) if document.file.origin == Origin::Found && !document.looks_like_a_rule() => {
                    self.skipped += 1;
                    return;
                }
                Err(error) => return self.problems.push(document.yaml_problem(&error)),
            }
        }
        let is_rule = |value: &Value| {
            ["detection", "logsource", "correlation", "filter"].iter().any(|key| value.get(key).is_some())
        };
        if !values.iter().any(is_rule) {
            if document.file.origin == Origin::Found {
                self.skipped += 1;
            } else {
                let remedy = "a rule has `logsource` and `detection`, or `correlation`, or `filter`";
                self.problems.push(document.problem(None, "is no rule".to_owned(), remedy));
            }
            return;
        }
        let Some(manner) = self.manner(document, &values) else { return };
        for value in &values {
            let keys = document.unknown_keys(value);
            match manner {
                Manner::Ours => self.problems.extend(keys),
                Manner::Other => {
                    self.warnings
                        .extend(keys.into_iter().filter(|key| key.remedy.starts_with("did you mean")));
                }
                Manner::Foreign => {}
            }
        }
        let collection = parse_sigma_yaml(document.text).unwrap_or_else(|error| SigmaCollection {
            errors: vec![error.to_string()],
            ..SigmaCollection::new()
        });
        if manner == Manner::Foreign {
            self.unserved += usize::from(collection.rules.is_empty());
        } else {
            self.problems.extend(collection.errors.iter().map(|message| document.sigma_problem(message)));
        }
        for rule in collection.rules {
            self.rule(document, rule, manner);
        }
        for rule in collection.correlations {
            self.correlation(document, rule, manner);
        }
        for filter in collection.filters {
            self.claim(document, filter.id.as_deref());
            self.filters.push((document.clone(), filter));
        }
    }

    /// `None` where the document claims to be ours and names no category of ours.
    fn manner(&mut self, document: &Document<'_>, values: &[Value]) -> Option<Manner> {
        let sources: Vec<&Value> = values.iter().filter_map(|value| value.get("logsource")).collect();
        let of = |source: &Value, key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        let is_served = |source: &&Value| {
            let (category, product, service) =
                (of(source, "category"), of(source, "product"), of(source, "service"));
            served(category.as_deref(), product.as_deref(), service.as_deref()).is_some()
        };
        let detects = values.iter().any(|value| value.get("detection").is_some());
        let foreign = detects && !sources.iter().any(is_served);
        if sources.iter().any(|source| of(source, "service").as_deref() == Some("detector")) {
            if foreign {
                let names: Vec<&str> = Category::ALL.iter().map(|category| category.name()).collect();
                let remedy = format!("name one of {}", names.join(", "));
                let what = "is none of detector's".to_owned();
                self.problems.push(document.problem(Some("category"), what, remedy));
                return None;
            }
            return Some(Manner::Ours);
        }
        Some(match document.file.origin {
            Origin::Builtin => Manner::Ours,
            Origin::Named | Origin::Found if foreign => Manner::Foreign,
            Origin::Named | Origin::Found => Manner::Other,
        })
    }

    fn rule(&mut self, document: &Document<'a>, mut rule: SigmaRule, manner: Manner) {
        let log = &rule.logsource;
        let Some(category) = served(log.category.as_deref(), log.product.as_deref(), log.service.as_deref())
        else {
            self.unserved += 1;
            return self.elsewhere.extend([rule.id, rule.name, Some(rule.title)].into_iter().flatten());
        };
        self.claim(document, rule.id.as_deref());
        let mut alone = SigmaCollection::new();
        alone.rules.push(rule.clone());
        let mut doubts = document.unknown_fields(category, &alone);
        let missing = expand::lists(&mut rule.detection, &self.lists);
        for name in &missing {
            let remedy = format!("write its values into lists/{name}.txt beside the rules, one a line");
            doubts.push(document.problem(Some(&format!("%{name}%")), "has no list".to_owned(), remedy));
        }
        if manner == Manner::Ours {
            self.complete(document, rule.id.as_deref(), rule.level);
            self.problems.extend(doubts);
        } else {
            self.warnings.extend(doubts);
        }
        if !missing.is_empty() {
            self.unserved += 1;
            return;
        }
        if let Err(errors) = exemplars(&rule) {
            self.exemplar_problems(document, &errors);
        }
        let meta = meta!(self, document, rule, Some(category));
        self.rules.push((document.clone(), category, rule, Arc::new(meta)));
    }

    fn correlation(&mut self, document: &Document<'a>, mut rule: CorrelationRule, manner: Manner) {
        self.claim(document, rule.id.as_deref());
        if manner == Manner::Ours {
            self.complete(document, rule.id.as_deref(), rule.level);
        }
        if let Err(errors) = correlation_exemplars(&rule) {
            self.exemplar_problems(document, &errors);
        }
        let meta = meta!(self, document, rule, None);
        self.correlations.push((document.clone(), rule, Arc::new(meta)));
    }

    /// An id belongs to one document.
    fn claim(&mut self, document: &Document<'_>, id: Option<&str>) {
        let Some(id) = id else { return };
        if let Some(first) = self.ids.get(id) {
            let what = format!("has the id {id}, which {first} has too");
            self.problems.push(document.problem(Some("id"), what, "give one of the two a new UUID"));
        } else {
            self.ids.insert(id.to_owned(), format!("{}:{}", document.file.name, document.line));
        }
    }

    /// What every rule of ours says of itself.
    fn complete(&mut self, document: &Document<'_>, id: Option<&str>, level: Option<SigmaLevel>) {
        if !id.is_some_and(check::is_uuid) {
            let what = "a rule is known by a UUID, and this one has none".to_owned();
            self.problems.push(document.problem(Some("id"), what, "add `id:` with the output of uuidgen"));
        }
        if level.is_none() {
            let what = "a rule says how grave a match is, and this one does not".to_owned();
            let remedy = "add `level:` informational, low, medium, high or critical";
            self.problems.push(document.problem(Some("level"), what, remedy));
        }
    }

    fn summary(&mut self, document: &Document<'_>, text: &str) -> Option<Template> {
        let name = match Template::parse(text) {
            Ok(template) => return Some(template),
            Err(name) => name,
        };
        let hint = did_you_mean(&name, super::fields().iter().map(|field| field.name));
        let remedy = hint.map_or_else(
            || "write field names in braces, such as {Image}".to_owned(),
            |hint| format!("did you mean `{{{hint}}}`?"),
        );
        let what = format!("asks for {{{name}}}, which is no field");
        self.problems.push(document.problem(Some("detector.summary"), what, remedy));
        None
    }

    fn mark(&mut self, document: &Document<'_>, name: &str) -> Option<Mark> {
        let mark = Mark::from_name(name);
        if mark.is_none() {
            let hint = did_you_mean(name, Mark::ALL.iter().map(|mark| mark.name()));
            let remedy = hint.map_or_else(
                || "`detector rules weights` lists the marks".to_owned(),
                |hint| format!("did you mean `{hint}`?"),
            );
            let what = format!("is {name}, which is no mark");
            self.problems.push(document.problem(Some("detector.mark"), what, remedy));
        }
        mark
    }

    fn exemplar_problems(&mut self, document: &Document<'_>, errors: &[ExemplarShapeError]) {
        for error in errors {
            let remedy = "an exemplar has `name`, `expect` (match or no-match) and `event`; for a correlation \
                          `events`, each with `offset` and `event`";
            self.problems.push(document.problem(Some("rsigma.exemplars"), error.to_string(), remedy));
        }
    }
}

/// A rule that does not say is worth a look, no more.
fn level(level: Option<SigmaLevel>) -> Level {
    match level {
        Some(SigmaLevel::Informational) => Level::Informational,
        Some(SigmaLevel::Low) => Level::Low,
        Some(SigmaLevel::Medium) | None => Level::Medium,
        Some(SigmaLevel::High) => Level::High,
        Some(SigmaLevel::Critical) => Level::Critical,
    }
}
