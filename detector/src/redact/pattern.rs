//! Forms of secrets that can be told by themselves: read from `patterns.toml`, tried only where a keyword stands.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde::Deserialize;
use smallvec::SmallVec;

use super::{Rank, Span};

/// The built-in list.
const BUILTIN: &str = include_str!("patterns.toml");

/// Least characters of a keyword that shows a secret whose end is cut off.
const TELLING: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    pattern: Vec<Pattern>,
}

/// One form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pattern {
    pub(super) id: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the list"))]
    pub(super) what: String,
    pub(super) regex: String,
    pub(super) keywords: Vec<String>,
    /// Bytes of the shortest text that it can stand in.
    #[serde(default)]
    pub(super) least: usize,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the list"))]
    pub(super) source: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the list, and its test"))]
    pub(super) example: String,
}

/// The list, and where each keyword leads.
pub(super) struct Patterns {
    pub(super) all: Vec<Pattern>,
    /// Made when first needed: a start pays for none.
    compiled: Vec<OnceLock<Option<Regex>>>,
    keywords: Option<AhoCorasick>,
    /// Number of the pattern of each keyword.
    owners: Vec<usize>,
}

pub(super) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    // A test reads the list: what is built in can be read.
    let all = toml::from_str::<File>(BUILTIN).map(|file| file.pattern).unwrap_or_default();
    let words: Vec<(usize, &str)> = all
        .iter()
        .enumerate()
        .flat_map(|(owner, pattern)| pattern.keywords.iter().map(move |word| (owner, &**word)))
        .collect();
    let keywords =
        AhoCorasick::builder().ascii_case_insensitive(true).build(words.iter().map(|(_, word)| word)).ok();
    let owners = words.iter().map(|(owner, _)| *owner).collect();
    let compiled = all.iter().map(|_| OnceLock::new()).collect();
    Patterns { all, compiled, keywords, owners }
});

impl Patterns {
    pub(super) fn regex(&self, at: usize) -> Option<&Regex> {
        let (pattern, compiled) = (self.all.get(at)?, self.compiled.get(at)?);
        compiled.get_or_init(|| Regex::new(&pattern.regex).ok()).as_ref()
    }
}

/// Adds what the list knows.
pub(super) fn find(text: &str, found: &mut Vec<Span<'static>>) {
    let patterns = &*PATTERNS;
    let Some(keywords) = &patterns.keywords else { return };
    let is_cut = text.contains('…');
    let mut wanted: SmallVec<[usize; 8]> = SmallVec::new();
    for hit in keywords.find_overlapping_iter(text) {
        let Some(owner) = patterns.owners.get(hit.pattern().as_usize()).copied() else { continue };
        if !wanted.contains(&owner) {
            wanted.push(owner);
        }
        if is_cut && hit.end() - hit.start() >= TELLING {
            found.extend(cut_short(text, hit.start(), hit.end(), owner));
        }
    }
    for at in wanted {
        if let (Some(pattern), Some(regex)) = (patterns.all.get(at), patterns.regex(at))
            && text.len() >= pattern.least
        {
            let spans = regex.captures_iter(text).filter_map(|captures| {
                let all = captures.get(0)?;
                let secret = captures.name("s").unwrap_or(all);
                let free = !follows_a_letter(text, all.start()) || all.start() != secret.start();
                // `$6$...` is a form, `password=$X` none.
                let is_worth = secret.range() == all.range() || !is_none(secret.as_str());
                (free && is_worth).then_some(Span {
                    start: secret.start(),
                    end: secret.end(),
                    kind: &pattern.id,
                    rank: Rank::Form,
                    whole: false,
                })
            });
            found.extend(spans);
        }
    }
}

/// A secret that begins as one does and whose end was cut off: the form as a whole cannot match.
fn cut_short(text: &str, start: usize, end: usize, owner: usize) -> Option<Span<'static>> {
    let pattern = PATTERNS.all.get(owner)?;
    let word = text.get(start..end)?;
    let begins = pattern.keywords.iter().any(|keyword| keyword == word)
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && word.bytes().any(|byte| !byte.is_ascii_lowercase());
    let rest = text.get(end..)?;
    let belongs = |c: char| c.is_ascii_alphanumeric() || "_-+/=".contains(c);
    let length = rest.find(|c| !belongs(c)).filter(|length| (4..512).contains(length))?;
    let is_cut = rest.get(length..)?.starts_with('…');
    (begins && is_cut && !follows_a_letter(text, start)).then_some(Span {
        start,
        end: end + length,
        kind: &pattern.id,
        rank: Rank::Form,
        whole: false,
    })
}

fn follows_a_letter(text: &str, at: usize) -> bool {
    text.as_bytes().get(..at).and_then(<[u8]>::last).is_some_and(u8::is_ascii_alphanumeric)
}

/// What stands for a secret elsewhere, and what a shell or a template would put there.
pub(super) fn is_none(value: &str) -> bool {
    const SCHEMES: [&str; 6] = ["bearer", "basic", "token", "digest", "negotiate", "apikey"];
    let value = value.trim_matches(['"', '\'']);
    value.is_empty()
        || SCHEMES.iter().any(|scheme| value.eq_ignore_ascii_case(scheme))
        || value.starts_with("[redacted")
        || value.starts_with('$')
        || value.starts_with('<')
        || value.starts_with('{')
        || value.starts_with('%')
        || value.starts_with('`')
        || value.bytes().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b'-'))
}
