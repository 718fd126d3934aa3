//! From documents to engines: each document is parsed, checked and put where its events come by.

use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use rsigma_eval::{
    CorrelationAction, CorrelationConfig, CorrelationEngine, Engine, TimestampFallback, compile_rule,
};
use rsigma_parser::{
    CorrelationRule, FilterRule, FilterRuleTarget, Level as SigmaLevel, SigmaCollection, SigmaRule,
    correlation_exemplars, exemplars, parse_sigma_yaml,
};
use yaml_serde::Value;

use super::error::{Problem, RulesError};
use super::source::{self, Builtin, Document, Origin};
use super::{Category, RuleMeta, RuleSet, Template, check, expand};
use crate::alert::Level;

/// Most windows that correlations keep, over all rules and groups.
const MAX_WINDOWS: usize = 10_000;
/// Most events that one window remembers.
const MAX_WINDOW_EVENTS: usize = 1_024;

/// What documents become, before it is known whether all of them are sound.
#[derive(Default)]
struct Loader<'a> {
    lists: HashMap<String, Vec<String>>,
    rules: Vec<(Document<'a>, Category, SigmaRule, Arc<RuleMeta>)>,
    correlations: Vec<(Document<'a>, CorrelationRule, Arc<RuleMeta>)>,
    filters: Vec<(Document<'a>, FilterRule)>,
    /// Where each id was seen first.
    ids: HashMap<String, String>,
    /// Ids, names and titles of rules that this sensor has no events for.
    elsewhere: HashSet<String>,
    unserved: usize,
    skipped: usize,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// See [`RuleSet::load`].
pub(super) fn rules(paths: &[PathBuf], builtin: Builtin) -> Result<RuleSet, RulesError> {
    let sources = source::read(paths, builtin);
    let mut loader = Loader { lists: sources.lists, problems: sources.problems, ..Loader::default() };
    for file in &sources.files {
        for document in file.documents() {
            loader.document(&document);
        }
    }
    let set = loader.build();
    if loader.problems.is_empty() { Ok(set) } else { Err(RulesError::Bad(loader.problems)) }
}

/// Whether this sensor has events for a log source.
enum Service {
    Here(Category),
    Elsewhere,
}

fn service(category: Option<&str>, product: Option<&str>, service: Option<&str>) -> Service {
    let here = product.is_none_or(|product| product == "linux")
        && service.is_none_or(|service| service == "detector");
    match category.and_then(Category::from_name) {
        Some(category) if here => Service::Here(category),
        _ => Service::Elsewhere,
    }
}

impl<'a> Loader<'a> {
    fn document(&mut self, document: &Document<'a>) {
        let value: Value = if document.text.lines().any(|line| line.starts_with("action:")) {
            Value::Null
        } else {
            match yaml_serde::from_str(document.text) {
                Ok(value) => value,
                Err(error) => return self.problems.push(document.yaml_problem(&error)),
            }
        };
        let is_rule = value.is_null()
            || ["detection", "logsource", "correlation", "filter"].iter().any(|key| value.get(key).is_some());
        if !is_rule {
            if document.file.origin == Origin::Found {
                self.skipped += 1;
            } else {
                let remedy = "a rule has `logsource` and `detection`, or `correlation`, or `filter`";
                self.problems.push(document.problem(None, "is no rule".to_owned(), remedy));
            }
            return;
        }
        let of_source = |key: &str| value.get("logsource").and_then(|source| source.get(key)?.as_str());
        let ours = of_source("service") == Some("detector");
        let strict = ours || document.file.origin == Origin::Builtin;
        let foreign = value.get("detection").is_some()
            && matches!(
                service(of_source("category"), of_source("product"), of_source("service")),
                Service::Elsewhere
            );
        if ours && foreign {
            let names: Vec<&str> = Category::ALL.iter().map(|category| category.name()).collect();
            let remedy = format!("name one of {}", names.join(", "));
            self.problems.push(document.problem(
                Some("category"),
                "is none of detector's".to_owned(),
                remedy,
            ));
            return;
        }
        let keys = document.unknown_keys(&value);
        if strict {
            self.problems.extend(keys);
        } else if !foreign {
            self.warnings.extend(keys.into_iter().filter(|key| key.remedy.starts_with("did you mean")));
        }
        let collection = match parse_sigma_yaml(document.text) {
            Ok(collection) => collection,
            Err(error) => SigmaCollection { errors: vec![error.to_string()], ..SigmaCollection::new() },
        };
        for message in &collection.errors {
            if foreign {
                self.unserved += usize::from(collection.rules.is_empty());
            } else {
                self.problems.push(document.sigma_problem(message));
            }
        }
        for rule in collection.rules {
            self.rule(document, rule, strict);
        }
        for rule in collection.correlations {
            self.correlation(document, rule, strict);
        }
        for filter in collection.filters {
            self.claim(document, filter.id.as_deref());
            self.filters.push((document.clone(), filter));
        }
    }

    fn rule(&mut self, document: &Document<'a>, mut rule: SigmaRule, strict: bool) {
        self.claim(document, rule.id.as_deref());
        let log = &rule.logsource;
        let Service::Here(category) =
            service(log.category.as_deref(), log.product.as_deref(), log.service.as_deref())
        else {
            self.unserved += 1;
            let names = [rule.id, rule.name, Some(rule.title)];
            return self.elsewhere.extend(names.into_iter().flatten());
        };
        let mut alone = SigmaCollection::new();
        alone.rules.push(rule.clone());
        let unknown = document.unknown_fields(category, &alone);
        if strict { &mut self.problems } else { &mut self.warnings }.extend(unknown);
        let missing = expand::lists(&mut rule.detection, &self.lists);
        for name in &missing {
            let key = format!("%{name}%");
            let what = "has no list".to_owned();
            let remedy = format!("write its values into lists/{name}.txt beside the rules, one a line");
            let problem = document.problem(Some(&key), what, remedy);
            if strict { &mut self.problems } else { &mut self.warnings }.push(problem);
        }
        if !missing.is_empty() {
            self.unserved += 1;
            return;
        }
        if strict {
            self.complete(document, rule.id.as_deref(), rule.level);
        }
        if let Err(errors) = exemplars(&rule) {
            self.exemplar_problems(document, &errors);
        }
        let id = rule.id.get_or_insert_with(|| format!("{}:{}", document.file.name, document.line)).clone();
        let meta = RuleMeta {
            id,
            title: rule.title.clone(),
            level: level(rule.level),
            status: rule.status,
            tags: rule.tags.clone(),
            description: rule.description.clone().unwrap_or_default().trim().to_owned(),
            false_positives: rule.falsepositives.clone(),
            author: rule.author.clone(),
            references: rule.references.clone(),
            summary: self.summary(document, rule.custom_attributes.get("detector.summary")),
            category: Some(category),
            file: document.file.name.clone(),
            line: document.line,
        };
        self.rules.push((document.clone(), category, rule, Arc::new(meta)));
    }

    fn correlation(&mut self, document: &Document<'a>, mut rule: CorrelationRule, strict: bool) {
        self.claim(document, rule.id.as_deref());
        if strict {
            self.complete(document, rule.id.as_deref(), rule.level);
        }
        if let Err(errors) = correlation_exemplars(&rule) {
            self.exemplar_problems(document, &errors);
        }
        let id = rule.id.get_or_insert_with(|| format!("{}:{}", document.file.name, document.line)).clone();
        let meta = RuleMeta {
            id,
            title: rule.title.clone(),
            level: level(rule.level),
            status: rule.status,
            tags: rule.tags.clone(),
            description: rule.description.clone().unwrap_or_default().trim().to_owned(),
            false_positives: rule.falsepositives.clone(),
            author: rule.author.clone(),
            references: rule.references.clone(),
            summary: self.summary(document, rule.custom_attributes.get("detector.summary")),
            category: None,
            file: document.file.name.clone(),
            line: document.line,
        };
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

    fn summary(&mut self, document: &Document<'_>, text: Option<&Value>) -> Option<Template> {
        match Template::parse(text?.as_str()?) {
            Ok(template) => Some(template),
            Err(name) => {
                let hint = super::error::did_you_mean(&name, super::fields().iter().map(|field| field.name));
                let remedy = hint.map_or_else(
                    || "write field names in braces, such as {Image}".to_owned(),
                    |hint| format!("did you mean `{{{hint}}}`?"),
                );
                let what = format!("asks for {{{name}}}, which is no field");
                self.problems.push(document.problem(Some("detector.summary"), what, remedy));
                None
            }
        }
    }

    fn exemplar_problems(&mut self, document: &Document<'_>, errors: &[rsigma_parser::ExemplarShapeError]) {
        for error in errors {
            let remedy = "an exemplar has `name`, `expect` (match, no-match) and `event`; `events` with `offset` for a correlation";
            self.problems.push(document.problem(Some("rsigma.exemplars"), error.to_string(), remedy));
        }
    }

    /// Compiles everything. Whether the set may be used is up to `self.problems`.
    fn build(&mut self) -> RuleSet {
        let mut compiled: [Vec<_>; Category::ALL.len()] = Default::default();
        let mut metas = Vec::new();
        let mut sound = Vec::new();
        for (document, category, rule, meta) in std::mem::take(&mut self.rules) {
            match compile_rule(&rule) {
                Ok(rule) => {
                    compiled.get_mut(category as usize).into_iter().for_each(|lane| lane.push(rule.clone()))
                }
                Err(error) => {
                    self.problems.push(document.sigma_problem(&error.to_string()));
                    continue;
                }
            }
            metas.push(meta);
            sound.push((document, category, rule));
        }
        let mut engines = compiled.map(|rules| {
            (!rules.is_empty()).then(|| {
                let mut engine = Engine::new();
                engine.extend_compiled_rules(rules);
                engine
            })
        });
        for (document, filter) in &self.filters {
            if let Err(problem) = apply(document, filter, &sound, &mut engines, &self.elsewhere) {
                self.problems.push(problem);
            }
        }
        let rules: Vec<SigmaRule> = sound.iter().map(|(_, _, rule)| rule.clone()).collect();
        let from_binary: HashSet<&str> = sound
            .iter()
            .filter(|(document, _, _)| document.file.origin == Origin::Builtin)
            .filter_map(|(_, _, rule)| rule.id.as_deref())
            .collect();
        let mut source = self.correlated(&rules);
        let kept =
            |meta: &RuleMeta| source.correlations.iter().any(|rule| rule.id.as_ref() == Some(&meta.id));
        metas.extend(self.correlations.iter().map(|(_, _, meta)| meta).filter(|meta| kept(meta)).cloned());
        let referred = |generate: Option<bool>| -> HashSet<String> {
            let asked =
                source.correlations.iter().filter(|rule| generate.is_none_or(|want| rule.generate == want));
            let refs: Vec<&String> = asked.flat_map(|rule| &rule.rules).collect();
            let named = rules.iter().filter(|rule| refs.iter().any(|name| refers(name, rule)));
            named.filter_map(|rule| rule.id.clone()).collect()
        };
        let correlated = referred(None);
        let loud = referred(Some(true));
        let mut silent = referred(Some(false));
        silent.retain(|id| !loud.contains(id) && !from_binary.contains(id.as_str()));
        source.filters = self.filters.iter().map(|(_, filter)| filter.clone()).collect();
        let correlations = match engine(&source) {
            Ok(engine) => engine,
            Err(error) => {
                if let Some((document, _, _)) = self.correlations.first() {
                    self.problems.push(document.sigma_problem(&error.to_string()));
                }
                None
            }
        };
        RuleSet {
            engines,
            by_id: metas.iter().map(|meta| (meta.id.clone(), meta.clone())).collect(),
            rules: metas,
            correlations,
            correlation_source: source,
            correlated,
            silent,
            unserved: self.unserved,
            skipped: self.skipped,
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    /// Correlations whose rules are all here, with those rules.
    fn correlated(&mut self, rules: &[SigmaRule]) -> SigmaCollection {
        let mut source = SigmaCollection::new();
        for (document, rule, _) in &self.correlations {
            let other = |name: &String| {
                self.correlations
                    .iter()
                    .any(|(_, rule, _)| rule.id.as_ref() == Some(name) || rule.name.as_ref() == Some(name))
            };
            let absent = |name: &&String| !rules.iter().any(|rule| refers(name, rule)) && !other(name);
            match rule.rules.iter().find(absent) {
                None => source.correlations.push(rule.clone()),
                Some(name) if self.elsewhere.contains(name) => self.unserved += 1,
                Some(name) => {
                    let what =
                        "is referred to by this correlation, and no rule has that id or name".to_owned();
                    let remedy = "load the rule too, or correct the reference";
                    self.problems.push(document.problem(Some(name), what, remedy));
                }
            }
        }
        let asked = |rule: &&SigmaRule| {
            source.correlations.iter().flat_map(|rule| &rule.rules).any(|name| refers(name, rule))
        };
        source.rules = rules.iter().filter(asked).cloned().collect();
        source
    }
}

/// Whether a reference means this rule.
fn refers(name: &str, rule: &SigmaRule) -> bool {
    rule.id.as_deref() == Some(name) || rule.name.as_deref() == Some(name)
}

/// A correlation engine without state; `None` where there is nothing to correlate.
pub(super) fn engine(source: &SigmaCollection) -> rsigma_eval::Result<Option<Box<CorrelationEngine>>> {
    if source.correlations.is_empty() {
        return Ok(None);
    }
    let mut engine = CorrelationEngine::new(CorrelationConfig {
        timestamp_fallback: TimestampFallback::Skip,
        max_state_entries: MAX_WINDOWS,
        max_group_entries: Some(MAX_WINDOW_EVENTS),
        action_on_match: CorrelationAction::Reset,
        ..CorrelationConfig::default()
    });
    engine.add_collection(source)?;
    Ok(Some(Box::new(engine)))
}

fn apply(
    document: &Document<'_>,
    filter: &FilterRule,
    rules: &[(Document<'_>, Category, SigmaRule)],
    engines: &mut [Option<Engine>],
    elsewhere: &HashSet<String>,
) -> Result<(), Problem> {
    let meant = |rule: &SigmaRule| match &filter.rules {
        FilterRuleTarget::Any => true,
        FilterRuleTarget::Specific(names) => {
            names.iter().any(|name| rule.id.as_ref() == Some(name) || rule.title == *name)
        }
    };
    if let FilterRuleTarget::Specific(names) = &filter.rules
        && !rules.iter().any(|(_, _, rule)| meant(rule))
    {
        if names.iter().any(|name| elsewhere.contains(name)) {
            return Ok(());
        }
        let key = names.first().map(String::as_str);
        let what = "is filtered here, and no rule has that id or title".to_owned();
        return Err(document.problem(key, what, "correct the reference, or load the rule too"));
    }
    for (at, engine) in engines.iter_mut().enumerate() {
        let Some(engine) = engine else { continue };
        let here = rules.iter().any(|(_, category, rule)| *category as usize == at && meant(rule));
        if here {
            engine.apply_filter(filter).map_err(|error| document.sigma_problem(&error.to_string()))?;
        }
    }
    Ok(())
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
