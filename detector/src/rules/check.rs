//! What a rule document may say: keys, fields, placeholders; each mistake is found with its line.

use rsigma_eval::{FieldSource, RuleFieldSet};
use rsigma_parser::SigmaCollection;
use yaml_serde::Value;

use super::Category;
use super::error::{Problem, did_you_mean};
use super::field::{self, NOT_OFFERED, fields};
use super::source::Document;

/// Keys of a Sigma document, of every kind.
const KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "custom_attributes",
    "sigma-version",
    "action",
];
/// Words that the Sigma reader has a fixed list of: modifiers, levels, states.
const WORDS: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "base64",
    "base64offset",
    "wide",
    "windash",
    "re",
    "cased",
    "cidr",
    "exists",
    "expand",
    "fieldref",
    "informational",
    "low",
    "medium",
    "high",
    "critical",
    "stable",
    "test",
    "experimental",
    "deprecated",
    "unsupported",
];
/// Attributes of ours and of the engine's.
const ATTRIBUTES: &[&str] =
    &["detector.summary", "detector.mark", "rsigma.exemplars", "rsigma.suppress", "rsigma.action"];

impl Document<'_> {
    /// Whether a text that is no YAML was meant as a rule.
    pub(super) fn looks_like_a_rule(&self) -> bool {
        let keys = ["detection:", "logsource:", "correlation:", "filter:"];
        self.text.lines().any(|line| keys.iter().any(|key| line.starts_with(key)))
    }

    /// A problem of this document; the place is that of `key`, where it is found.
    pub(super) fn problem(&self, key: Option<&str>, what: String, remedy: impl Into<String>) -> Problem {
        let place = key.and_then(|key| locate(self.text, key));
        Problem {
            file: self.file.name.clone(),
            line: Some(place.map_or(self.line, |(line, _)| self.line + line)),
            column: place.map(|(_, column)| column + 1),
            key: key.map(str::to_owned),
            what,
            remedy: remedy.into(),
        }
    }

    /// What the YAML reader refuses.
    pub(super) fn yaml_problem(&self, error: &yaml_serde::Error) -> Problem {
        let place = error.location();
        Problem {
            file: self.file.name.clone(),
            line: Some(place.as_ref().map_or(self.line, |place| self.line + place.line().max(1) - 1)),
            column: place.map(|place| place.column()),
            key: None,
            what: format!("is no YAML: {error}"),
            remedy: "mend the syntax; text with `: ` or a leading `%`, `*`, `[` wants quotes".to_owned(),
        }
    }

    /// What the Sigma reader refuses; its text names the culprit in quotes.
    pub(super) fn sigma_problem(&self, message: &str) -> Problem {
        let quoted = message.split('\'').nth(1).or_else(|| message.rsplit_once(": ").map(|(_, last)| last));
        let key = if message.to_lowercase().contains("condition") { Some("condition") } else { quoted };
        let key = key.filter(|key| locate(self.text, key).is_some());
        let mut what = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if let Some(first) = what.get(..1).map(str::to_lowercase) {
            what.replace_range(..1, &first);
        }
        let remedy = quoted.and_then(|word| suggestion(word, WORDS.iter().copied()));
        let remedy = remedy.unwrap_or_else(|| "write it as the Sigma specification has it".to_owned());
        self.problem(key, what, remedy)
    }

    /// Keys that no Sigma document has.
    pub(super) fn unknown_keys(&self, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        let attributes = value.get("custom_attributes").and_then(Value::as_mapping);
        let known = [(value.as_mapping(), KEYS), (attributes, ATTRIBUTES)];
        for (mapping, known) in known {
            let keys = mapping.into_iter().flat_map(yaml_serde::Mapping::keys).filter_map(Value::as_str);
            for key in keys.filter(|key| !known.contains(key) && !ATTRIBUTES.contains(key)) {
                let remedy = suggestion(key, known.iter().copied()).unwrap_or_else(|| {
                    "remove it, or put it under `custom_attributes` of a rule that is not `service: detector`"
                        .to_owned()
                });
                problems.push(self.problem(Some(key), "is no key of a rule".to_owned(), remedy));
            }
        }
        problems
    }

    /// Fields that the category does not offer.
    pub(super) fn unknown_fields(&self, category: Category, rule: &SigmaCollection) -> Vec<Problem> {
        let offered = || fields().iter().filter(|field| field.categories.contains(&category)).map(|f| f.name);
        let mut problems = Vec::new();
        for (name, origin) in RuleFieldSet::collect(rule, &[], true).iter() {
            let only_listed = origin.sources.iter().all(|source| *source == FieldSource::Metadata);
            // An observation brings fields of its own.
            let free = category == Category::Observation && field::id(name).is_none();
            if only_listed || free || NOT_OFFERED.contains(&name) || offered().any(|known| known == name) {
                continue;
            }
            let (what, remedy) = if field::id(name).is_some() {
                (
                    format!("is no field of {}", category.name()),
                    "move the rule to a category that has it, or ask for another field".to_owned(),
                )
            } else {
                let hint = suggestion(name, offered())
                    .unwrap_or_else(|| "see the field reference for what there is".to_owned());
                (format!("is no field of {}", category.name()), hint)
            };
            problems.push(self.problem(Some(name), what, remedy));
        }
        problems
    }
}

fn suggestion(word: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    did_you_mean(word, known).map(|name| format!("did you mean `{name}`?"))
}

/// Line and column, from 0, of a key (or else of a word) in a document.
fn locate(text: &str, key: &str) -> Option<(usize, usize)> {
    if key.is_empty() {
        return None;
    }
    let as_key = text.lines().enumerate().find_map(|(number, line)| {
        let start = line.trim_start_matches([' ', '-', '\'', '"']);
        let behind = start.strip_prefix(key)?;
        behind.starts_with([':', '|', '\'', '"']).then_some((number, line.len() - start.len()))
    });
    as_key.or_else(|| {
        text.lines().enumerate().find_map(|(number, line)| line.find(key).map(|column| (number, column)))
    })
}

/// Whether a text is a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}
