//! Values of names that say what they hold: `NAME=VALUE`, `NAME: VALUE`, `--name VALUE`, `set NAME VALUE`.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::pattern::is_none;
use super::{Rank, Span, entropy};
use crate::alert::escape::cut;

mod name;

use name::Meaning;

/// Parts of names by which they are found.
const MARKS: &[&str] =
    &["pass", "pwd", "secret", "token", "key", "auth", "cred", "cookie", "sig", "mnemonic", "seed", "phrase"];

/// Most bytes of a name.
const NAME_MOST: usize = 96;

/// Most bytes of a value.
const VALUE_MOST: usize = 4_096;

/// Most bytes of a value by which it is judged.
const JUDGED: usize = 256;

static SEARCH: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(MARKS).ok());

/// Adds the values of names that say that theirs is a secret.
pub(super) fn find(text: &str, found: &mut Vec<Span<'static>>) {
    let Some(search) = &*SEARCH else { return };
    let mut behind = 0;
    let mut ends = Ends::default();
    for hit in search.find_iter(text) {
        if hit.start() < behind {
            continue;
        }
        let Some((start, end)) = name_around(text, hit.start(), hit.end()) else { continue };
        behind = end;
        let Some(name) = text.get(start..end) else { continue };
        let Some(meaning) = name::meaning(name) else { continue };
        if let Some(span) = value(text, (start, end), &meaning, &mut ends) {
            behind = span.end;
            found.push(span);
        }
    }
}

/// The name that a mark stands in; `None` where it is no name but part of something long.
fn name_around(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before =
        text.as_bytes().get(..start)?.iter().rev().take(NAME_MOST + 1).take_while(|b| belongs(b)).count();
    let after = text.as_bytes().get(end..)?.iter().take(NAME_MOST + 1).take_while(|b| belongs(b)).count();
    (before + after <= NAME_MOST).then_some((start - before, end + after))
}

/// How a value follows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// `=`, `:=`, `=>`.
    Equals,
    /// `==`: only what is quoted is a value.
    Compares,
    /// `:`.
    Colon,
    /// Nothing but room, behind an option or behind `set NAME`.
    Room,
}

/// Where the last bare word ended that was looked at: names inside of it have values that end there, too.
#[derive(Default)]
struct Ends {
    from: usize,
    to: usize,
}

fn value(
    text: &str,
    (start, end): (usize, usize),
    meaning: &Meaning,
    ends: &mut Ends,
) -> Option<Span<'static>> {
    let name = text.get(start..end)?;
    let rest = text.get(end..)?;
    let (skip, sign) = sign(rest)?;
    let is_option = name.starts_with('-');
    if sign == Sign::Room && !(is_option || (meaning.is_sure && is_set(text, start))) {
        return None;
    }
    let from = end + skip;
    let (open, length, quoted) = extent(text, from, sign, ends)?;
    let text = text.get(from..)?;
    let value = text.get(open..open + length)?;
    // Enough to judge it by.
    let value = cut(value, JUDGED);
    let is_secret = match sign {
        Sign::Compares if !quoted => false,
        Sign::Equals | Sign::Compares | Sign::Colon | Sign::Room => {
            meaning.is_secret(name, value, quoted, sign)
        }
    };
    is_secret.then_some(Span {
        start: from + open,
        end: from + open + length,
        kind: meaning.kind,
        rank: Rank::Named,
        whole: sign == Sign::Room,
    })
}

/// What stands between a name and its value, and how long that is.
fn sign(rest: &str) -> Option<(usize, Sign)> {
    let bytes = rest.as_bytes();
    let closing = bytes.iter().take(3).take_while(|byte| matches!(byte, b'"' | b'\'' | b']' | b'\\')).count();
    let room = room(bytes.get(closing..)?);
    let at = closing + room;
    let (length, sign) = match bytes.get(at..)? {
        [b':', b'=', ..] | [b'=', b'>', ..] => (2, Sign::Equals),
        [b'=', b'=', ..] | [b'!', b'=', ..] => (2, Sign::Compares),
        [b'=', ..] => (1, Sign::Equals),
        [b':', b'/' | b':', ..] => return None,
        [b':', ..] => (1, Sign::Colon),
        _ if room > 0 => return Some((at, Sign::Room)),
        _ => return None,
    };
    let more = self::room(bytes.get(at + length..)?);
    Some((at + length + more, sign))
}

fn room(bytes: &[u8]) -> usize {
    bytes.iter().take(8).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Whether the word before a name is `set`, as in `aws configure set NAME VALUE`.
fn is_set(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default().trim_end_matches([' ', '"', '\'']);
    let from = before.rfind(' ').map_or(0, |at| at + 1);
    before
        .get(from..)
        .is_some_and(|word| matches!(word, "set" | "--set" | "config" | "add" | "--global" | "--local"))
}

/// Where a value begins, how long it is, and whether it is quoted.
fn extent(text: &str, from: usize, sign: Sign, ends: &mut Ends) -> Option<(usize, usize, bool)> {
    let rest = text.get(from..text.floor_char_boundary(from + VALUE_MOST))?;
    // A quote inside a quote, of JSON in a shell.
    if let [b'\\', b'"', ..] = rest.as_bytes() {
        let inner = rest.get(2..)?;
        return Some((2, inner.find("\\\"").unwrap_or(bare(inner)), true));
    }
    // `f"..."`, `b'...'`.
    let open = usize::from(matches!(rest.as_bytes(), [b'f' | b'b' | b'r' | b'u', b'"' | b'\'', ..]));
    if let Some(quote) = rest.get(open..)?.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inner = rest.get(open + 1..)?;
        return Some((open + 1, inner.find(quote).unwrap_or_else(|| bare(inner)), true));
    }
    if sign == Sign::Room && rest.starts_with('-') {
        return None;
    }
    if !(ends.from..ends.to).contains(&from) {
        *ends = Ends { from, to: from + bare(rest) };
    }
    Some((0, ends.to - from, false))
}

/// How long a value without quotes is.
fn bare(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || ";&|<>\"'`,)}]\\…".contains(c)).unwrap_or(text.len())
}

impl Meaning {
    /// Whether a value is what its name says. What a shell would compute is no secret, and hiding it could hide a
    /// command.
    fn is_secret(&self, name: &str, value: &str, quoted: bool, sign: Sign) -> bool {
        if is_none(value) || is_reference(value) || (!quoted && is_code(value)) || says_nothing(value) {
            return false;
        }
        if name::last_word(name) == value.to_ascii_lowercase() || value.eq_ignore_ascii_case(name) {
            return false;
        }
        if !self.is_sure {
            return entropy::is_random(value) || is_long_hex(value);
        }
        let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
        if self.is_number_elsewhere
            && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && value.len() < 7
        {
            return false;
        }
        // Words behind a colon, or an identifier behind `=`, are prose and code: `token: unexpected`.
        let bare_word = !quoted && !has_digit && value.len() < 20;
        match sign {
            Sign::Colon if self.is_number_elsewhere => {
                quoted || (has_digit && value.len() >= 8) || value.len() >= 20
            }
            Sign::Colon => quoted || value.len() >= 4,
            Sign::Equals if self.is_number_elsewhere => !bare_word || !is_identifier(value),
            Sign::Equals | Sign::Compares => true,
            Sign::Room => !(self.is_number_elsewhere && bare_word && is_identifier(value)),
        }
    }
}

/// A path, a URL, an address of a secret elsewhere.
fn is_reference(value: &str) -> bool {
    let begins = [
        "/",
        "./",
        "../",
        "~",
        "@",
        "file:",
        "env:",
        "vault:",
        "arn:",
        "op://",
        "secret://",
        "ssm:",
        "id=",
        "type=",
        "src=",
    ];
    begins.iter().any(|begin| value.starts_with(begin)) || (value.contains("://") && !value.contains('@'))
}

/// An expression: a call, an index, a field, a type.
fn is_code(value: &str) -> bool {
    value.contains(['(', '[', '{', '<', '$', '`'])
        || value.starts_with(['&', '*', '!', '+', '?', '|', '\\'])
        || value.contains("::")
        || (value.contains('.')
            && value.split('.').all(|part| {
                !part.is_empty() && is_identifier(part) && !part.bytes().any(|b| b.is_ascii_digit())
            }))
}

fn is_identifier(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-')
}

/// Words that stand where a secret would and are none.
fn says_nothing(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "",
        "null",
        "nil",
        "none",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "str",
        "string",
        "bytes",
        "int",
        "bool",
        "any",
        "optional",
        "required",
        "auto",
        "basic",
        "default",
        "undefined",
        "empty",
        "prompt",
        "ask",
        "stdin",
        "file",
        "env",
        "enabled",
        "disabled",
        "must",
        "is",
        "the",
        "should",
        "cannot",
        "may",
        "has",
        "for",
        "not",
        "and",
        "or",
        "your",
        "invalid",
        "incorrect",
        "missing",
        "wrong",
        "authentication",
        "optional[str]",
        "publickey",
        "password",
        "keyring",
        "manual",
        "self",
        "this",
        "ok",
        "expired",
        "unknown",
        "unset",
        "generate",
        "random",
        "changed",
        "updated",
        "hidden",
        "...",
    ];
    let value = value.trim_end_matches(['.', ',', ':']);
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

fn is_long_hex(value: &str) -> bool {
    value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}
