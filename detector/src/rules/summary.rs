//! A rule's sentence for people: text with field names in braces.

use std::fmt;

use super::field;
use super::subject::View;
use crate::redact;

/// `{Image} opened a reverse tunnel to {SshDestination}`, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

/// A value without its secrets: half of one, cut, is no longer known as one.
fn clean(name: &str, value: Option<String>) -> Option<String> {
    let value = value.filter(|value| !value.is_empty())?;
    if value.chars().nth(LONGEST).is_none() {
        return Some(value);
    }
    Some(redact::field(name, &value).into_owned())
}

/// Longest value in a sentence, in characters; the whole value stands in the evidence.
const LONGEST: usize = 200;

impl Template {
    /// Parses a template; the error is the placeholder that is no field, or the unfinished rest.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, after)) = behind.split_once('}') else { return Err(behind.to_owned()) };
            if field::id(name).is_none() {
                return Err(name.to_owned());
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Field(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The sentence for one subject; what is not known reads `unknown`.
    pub(super) fn render(&self, view: &View<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(name) => match clean(name, view.text(name)) {
                    Some(value) if value.chars().count() > LONGEST => {
                        out.extend(value.chars().take(LONGEST));
                        out.push('…');
                    }
                    Some(value) => out.push_str(&value),
                    None => out.push_str("unknown"),
                },
            }
        }
        out
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Field(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}
