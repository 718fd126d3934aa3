//! What is wrong with a rule, said so that its author can put it right.

use std::fmt;

use thiserror::Error;

/// Rules that cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// One or more things are wrong in rule files; each is named.
    #[error("{}", listed(.0))]
    Bad(Vec<Problem>),
}

impl RulesError {
    /// Each thing that is wrong.
    pub fn problems(&self) -> &[Problem] {
        let Self::Bad(problems) = self;
        problems
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
    /// Key in the file, where one is to blame.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key, what, remedy } = self;
        write!(f, "{file}")?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
            if let Some(column) = column {
                write!(f, ":{column}")?;
            }
        }
        if let Some(key) = key {
            write!(f, ": `{key}`")?;
        }
        write!(f, ": {what}; {remedy}")
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// `; did you mean …?` in words, where one of `known` is close to `word`.
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    known
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 5)
        .min()
        .map(|(_, name)| name)
}
