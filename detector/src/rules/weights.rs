//! Tables of numbers and weights that analyses judge by: data in `rules/weights/`, each with its reason.
//!
//! A table is a file `weights/NAME.yml`. The built-in ones always hold; a file of the same name below `[rules]
//! paths` takes the place of the built-in one as a whole. What a table must say is its [`Form`]: each number and
//! each mark exactly once, and nothing else.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use yaml_serde::Value;

use super::error::{Problem, did_you_mean};
use super::source::{self, Document};
use crate::analysis::{self, Mark};

static BUILTIN: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    for file in source::builtin_tables() {
        for document in file.documents() {
            tables.read(&document);
        }
    }
    tables
});

/// What a table must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Name of its file, without ending.
    pub(crate) name: &'static str,
    /// Its numbers.
    pub(crate) numbers: &'static [&'static str],
    /// The marks that it weighs.
    pub(crate) marks: &'static [Mark],
}

/// Declares the numbers of a table as a struct with a field each, which [`Table::number`] fills.
///
/// ```ignore
/// numbers! {
///     /// When a process counts as busy.
///     pub(super) struct Numbers {
///         /// Share of one processor.
///         busy_share,
///     }
/// }
/// ```
macro_rules! numbers {
    ($(#[$about:meta])* $seen:vis struct $name:ident { $($(#[$doc:meta])* $number:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $seen struct $name {
            $($(#[$doc])* $seen $number: f64,)*
        }

        impl $name {
            /// Their names in the table.
            $seen const NAMES: &'static [&'static str] = &[$(stringify!($number)),*];

            /// As the table has them.
            $seen fn of(table: &$crate::rules::weights::Table) -> Self {
                Self { $($number: table.number(stringify!($number))),* }
            }
        }
    };
}
pub(crate) use numbers;

/// A number that something is compared with.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// What it counts: `points`, `seconds`, `share`.
    pub unit: String,
    /// Why it is this one.
    pub reason: String,
    /// Where that is known from.
    pub source: String,
}

/// How far evidence counts beyond the process that it was seen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// For the process, those that made it and those that it made, as far as the number `family` goes.
    Family,
    /// For every process of the agent.
    Agent,
}

/// What evidence can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// It decides by itself, and nothing speaks against it.
    Decisive,
    /// With other evidence it may decide.
    Strong,
    /// However much of it there is, it does not decide.
    Weak,
    /// It takes its weight off each mark that it answers.
    Against,
}

/// What one mark weighs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Points for; those of a mark against are negative.
    pub weight: i32,
    /// Seconds that it counts after it was last seen; 0: as long as it holds.
    pub lasts: u64,
    /// How far it counts.
    pub reach: Reach,
    /// What it can do.
    pub strength: Strength,
    /// Marks of one group are one fact: only the heaviest of them counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The marks that one against speaks about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// Why it weighs so much.
    pub reason: String,
    /// Where that is known from.
    pub source: String,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name, as that of its file.
    pub table: String,
    /// What it is for.
    pub description: String,
    /// Its numbers by name.
    pub numbers: BTreeMap<String, Number>,
    /// Its weights by the name of the mark.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, Weight>,
    /// File that it was read from.
    #[serde(skip_deserializing)]
    pub file: String,
}

impl Table {
    /// The number of this name; one that no amount reaches, where the table lacks it, which the loader refuses.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.numbers.get(name).map_or(f64::INFINITY, |number| number.value)
    }

    /// What a mark weighs.
    pub(crate) fn weight(&self, mark: Mark) -> Option<&Weight> {
        self.marks.get(mark.name())
    }
}

/// Every table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    tables: BTreeMap<&'static str, Table>,
}

impl Tables {
    /// Those inside the binary.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// The table of this form; an empty one where there is none, which no file can bring about.
    pub(crate) fn get(&self, form: Form) -> Table {
        self.tables.get(form.name).cloned().unwrap_or_else(|| Table {
            table: form.name.to_owned(),
            description: String::new(),
            numbers: BTreeMap::new(),
            marks: BTreeMap::new(),
            file: String::new(),
        })
    }

    /// Takes a file in the place of the table of its name; gives what is wrong with it.
    pub(super) fn read(&mut self, document: &Document<'_>) -> Vec<Problem> {
        // The reader of values refuses a key that stands twice, which one of maps would not.
        let parsed = yaml_serde::from_str::<Value>(document.text);
        let table = match parsed.and_then(|_| yaml_serde::from_str::<Table>(document.text)) {
            Ok(table) => Table { file: document.file.name.clone(), ..table },
            Err(error) => return vec![shapeless(document, &error)],
        };
        let Some(form) = analysis::TABLES.iter().find(|form| form.name == table.table) else {
            let names: Vec<&str> = analysis::TABLES.iter().map(|form| form.name).collect();
            let what = format!("names the table {}, which there is not", table.table);
            return vec![document.problem(Some("table"), what, format!("name one of {}", names.join(", ")))];
        };
        let problems = check(document, *form, &table);
        if problems.is_empty() {
            self.tables.insert(form.name, table);
        }
        problems
    }
}

fn shapeless(document: &Document<'_>, error: &yaml_serde::Error) -> Problem {
    Problem {
        what: format!("is no table of weights: {error}"),
        remedy:
            "write `table`, `description`, `numbers` and `marks` as the built-in file does; `detector rules \
                 weights` shows what they hold"
                .to_owned(),
        ..document.yaml_problem(error)
    }
}

/// Each number and mark once, no other, and each with a sense.
fn check(document: &Document<'_>, form: Form, table: &Table) -> Vec<Problem> {
    let marks: Vec<&'static str> = form.marks.iter().map(|mark| mark.name()).collect();
    let mut problems = Vec::new();
    let mut names = |what: &str, known: &[&'static str], given: Vec<&str>| {
        for name in given.iter().filter(|name| !known.contains(name)) {
            let hint = did_you_mean(name, known.iter().copied());
            let remedy =
                hint.map_or_else(|| "remove it".to_owned(), |hint| format!("did you mean `{hint}`?"));
            problems.push(document.problem(Some(name), format!("is no {what} of this table"), remedy));
        }
        for name in known.iter().filter(|name| !given.contains(name)) {
            let what = format!("has no {what} `{name}`");
            problems.push(document.problem(None, what, "add it; a file takes the place of the whole table"));
        }
    };
    names("number", form.numbers, table.numbers.keys().map(String::as_str).collect());
    names("mark", &marks, table.marks.keys().map(String::as_str).collect());
    for (name, number) in &table.numbers {
        if !number.value.is_finite() || number.value < 0.0 {
            let what = "is no amount".to_owned();
            problems.push(document.problem(Some(name), what, "write a number from 0 on"));
        }
    }
    for (name, weight) in &table.marks {
        problems
            .extend(unsound(table, weight).map(|(what, remedy)| document.problem(Some(name), what, remedy)));
    }
    let reasons = table.numbers.iter().map(|(name, number)| (name, &number.reason, &number.source));
    for (name, reason, source) in
        reasons.chain(table.marks.iter().map(|(name, weight)| (name, &weight.reason, &weight.source)))
    {
        if reason.trim().is_empty() || source.trim().is_empty() {
            let what = "does not say why, or where that is known from".to_owned();
            problems.push(document.problem(Some(name), what, "write a sentence after `reason` and `source`"));
        }
    }
    problems
}

/// What makes no sense about a weight.
fn unsound(table: &Table, weight: &Weight) -> Option<(String, String)> {
    let against = weight.strength == Strength::Against;
    if !(-1_000..=1_000).contains(&weight.weight) || (weight.weight < 0) != against {
        let what = format!("weighs {} points", weight.weight);
        let remedy = "write 0 to 1000, and -1000 to -1 with `strength: against`";
        return Some((what, remedy.to_owned()));
    }
    if !against && !weight.answers.is_empty() {
        let what = "answers other marks, and speaks for itself".to_owned();
        return Some((what, "remove `answers`, or write `strength: against`".to_owned()));
    }
    for name in &weight.answers {
        match table.marks.get(name).map(|answered| answered.strength) {
            Some(Strength::Strong | Strength::Weak) => {}
            Some(Strength::Decisive) => {
                let what = format!("answers {name}, which is decisive: nothing speaks against that");
                return Some((what, format!("remove {name} from `answers`")));
            }
            Some(Strength::Against) | None => {
                let what = format!("answers {name}, which is no mark for mining");
                return Some((what, format!("remove {name} from `answers`")));
            }
        }
    }
    None
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
