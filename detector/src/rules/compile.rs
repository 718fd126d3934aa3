//! From rules to engines: one a category, filters applied, correlations behind them.

use hashbrown::HashSet;
use rsigma_eval::{
    CorrelationAction, CorrelationConfig, CorrelationEngine, Engine, TimestampFallback, compile_rule,
};
use rsigma_parser::{FilterRule, FilterRuleTarget, SigmaCollection, SigmaRule};

use super::error::Problem;
use super::load::Loader;
use super::source::{Document, Origin};
use super::{Category, RuleMeta, RuleSet};

/// Most windows that correlations keep, over all rules and groups.
const MAX_WINDOWS: usize = 10_000;
/// Most events that one window remembers.
const MAX_WINDOW_EVENTS: usize = 1_024;

/// A rule that compiled.
struct Sound<'a> {
    document: Document<'a>,
    category: Category,
    rule: SigmaRule,
}

/// Compiles everything. Whether the set may be used is up to the loader's problems.
pub(super) fn set(loader: &mut Loader<'_>) -> RuleSet {
    let mut lanes: [Vec<_>; Category::ALL.len()] = Default::default();
    let mut metas = Vec::new();
    let mut sound = Vec::new();
    for (document, category, rule, meta) in std::mem::take(&mut loader.rules) {
        match compile_rule(&rule) {
            Ok(compiled) => {
                if let Some(lane) = lanes.get_mut(category as usize) {
                    lane.push(compiled);
                }
                metas.push(meta);
                sound.push(Sound { document, category, rule });
            }
            Err(error) => loader.problems.push(document.sigma_problem(&error.to_string())),
        }
    }
    let mut engines = lanes.map(|rules| {
        (!rules.is_empty()).then(|| {
            let mut engine = Engine::new();
            engine.extend_compiled_rules(rules);
            engine
        })
    });
    for (document, filter) in &loader.filters {
        loader.problems.extend(apply(document, filter, &sound, &mut engines, &loader.elsewhere));
    }
    let source = correlated(loader, &sound);
    let kept = |meta: &RuleMeta| source.correlations.iter().any(|rule| rule.id.as_ref() == Some(&meta.id));
    metas.extend(loader.correlations.iter().map(|(_, _, meta)| meta).filter(|meta| kept(meta)).cloned());
    let correlations = engine(&source).unwrap_or_else(|error| {
        if let Some((document, _, _)) = loader.correlations.first() {
            loader.problems.push(document.sigma_problem(&error.to_string()));
        }
        None
    });
    RuleSet {
        engines,
        by_id: metas.iter().map(|meta| (meta.id.clone(), meta.clone())).collect(),
        rules: metas,
        correlations,
        correlated: source.rules.iter().filter_map(|rule| rule.id.clone()).collect(),
        silent: silent(&source, &sound),
        correlation_source: source,
        tables: std::mem::take(&mut loader.tables),
        unserved: loader.unserved,
        skipped: loader.skipped,
        warnings: std::mem::take(&mut loader.warnings),
    }
}

/// Correlations whose rules are all here, with those rules.
fn correlated(loader: &mut Loader<'_>, rules: &[Sound<'_>]) -> SigmaCollection {
    let mut source = SigmaCollection::new();
    for (document, rule, _) in &loader.correlations {
        let chained = |name: &String| {
            let mut others = loader.correlations.iter().map(|(_, rule, _)| rule);
            others.any(|other| other.id.as_ref() == Some(name) || other.name.as_ref() == Some(name))
        };
        let absent = |name: &&String| !rules.iter().any(|sound| refers(name, &sound.rule)) && !chained(name);
        match rule.rules.iter().find(absent) {
            None => source.correlations.push(rule.clone()),
            Some(name) if loader.elsewhere.contains(name) => loader.unserved += 1,
            Some(name) => {
                let what = "is referred to by this correlation, and no rule has that id or name".to_owned();
                let remedy = "load the rule too, or correct the reference";
                loader.problems.push(document.problem(Some(name), what, remedy));
            }
        }
    }
    let asked = |rule: &&SigmaRule| {
        source.correlations.iter().flat_map(|rule| &rule.rules).any(|name| refers(name, rule))
    };
    source.rules = rules.iter().map(|sound| &sound.rule).filter(asked).cloned().collect();
    source.filters = loader.filters.iter().map(|(_, filter)| filter.clone()).collect();
    source
}

/// Rules that only quiet correlations refer to (`generate: false`, Sigma's default) speak through
/// those alone. A built-in rule is never silenced this way: a file dropped beside it must not do that.
fn silent(source: &SigmaCollection, rules: &[Sound<'_>]) -> HashSet<String> {
    let referred = |rule: &SigmaRule, generate: bool| {
        let asking = source.correlations.iter().filter(|correlation| correlation.generate == generate);
        asking.flat_map(|correlation| &correlation.rules).any(|name| refers(name, rule))
    };
    rules
        .iter()
        .filter(|sound| sound.document.file.origin != Origin::Builtin)
        .filter(|sound| referred(&sound.rule, false) && !referred(&sound.rule, true))
        .filter_map(|sound| sound.rule.id.clone())
        .collect()
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

/// Narrows the rules that a filter names; says what is wrong with it, if anything.
fn apply(
    document: &Document<'_>,
    filter: &FilterRule,
    rules: &[Sound<'_>],
    engines: &mut [Option<Engine>],
    elsewhere: &HashSet<String>,
) -> Option<Problem> {
    let meant = |rule: &SigmaRule| match &filter.rules {
        FilterRuleTarget::Any => true,
        FilterRuleTarget::Specific(names) => {
            names.iter().any(|name| rule.id.as_ref() == Some(name) || rule.title == *name)
        }
    };
    if let FilterRuleTarget::Specific(names) = &filter.rules
        && !rules.iter().any(|sound| meant(&sound.rule))
    {
        if names.iter().any(|name| elsewhere.contains(name)) {
            return None;
        }
        let key = names.first().map(String::as_str);
        let what = "is filtered here, and no rule has that id or title".to_owned();
        return Some(document.problem(key, what, "correct the reference, or load the rule too"));
    }
    for (at, engine) in engines.iter_mut().enumerate() {
        let Some(engine) = engine else { continue };
        if rules.iter().any(|sound| sound.category as usize == at && meant(&sound.rule))
            && let Err(error) = engine.apply_filter(filter)
        {
            return Some(document.sigma_problem(&error.to_string()));
        }
    }
    None
}
