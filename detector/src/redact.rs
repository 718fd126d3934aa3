//! Secrets in what is stored and sent are replaced before anything is stored or sent.
//!
//! Forms that can be told by themselves are data (`redact/patterns.toml`). What cannot is told by the name before it
//! (`assignment`), by the option of a known program (`program`), by being a private key or a seed phrase (`key`), or
//! by looking like chance (`entropy`). `[redacted:KIND]` stands in place of each.
//!
//! Recordings hold raw events: they are made by the operator's own command, and are only masked where bytes of files
//! and flows come in (`content`, `kernel/decode/secret`).

use std::borrow::Cow;

mod alert;
mod assignment;
mod entropy;
mod key;
mod pattern;
mod program;
#[cfg(test)]
mod tests;

pub use alert::{alert, evidence, field, tool_call};

/// Bytes of the shortest text that can say of a part of it that it is a secret: `pwd=x`.
const SHORTEST: usize = 5;

/// How everything that stands for a secret begins.
const OPEN: &str = "[redacted:";

/// A secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span<'a> {
    start: usize,
    end: usize,
    /// What it is: `aws-access-key`.
    kind: &'a str,
    /// How much the kind says: the highest wins where several found the same.
    rank: Rank,
    /// It is the value of an option: as an argument of its own it is secret as a whole.
    whole: bool,
}

/// How a secret was told, from what says least to what says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Chance,
    Named,
    Form,
}

/// Text without its secrets.
pub fn text(text: &str) -> Cow<'_, str> {
    let spans = spans(text);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(replaced(text, 0, text.len(), &spans))
}

/// Takes the secrets out of a command line, argument by argument; what an option asks for may be the next one.
pub fn argv(arguments: &mut [String]) {
    let line = arguments.join(" ");
    let mut spans = spans(&line);
    if spans.is_empty() {
        return;
    }
    let mut bounds = Vec::with_capacity(arguments.len());
    let mut at = 0;
    for argument in arguments.iter() {
        bounds.push((at, at + argument.len()));
        at += argument.len() + 1;
    }
    for span in spans.iter_mut().filter(|span| span.whole) {
        let inside = bounds.partition_point(|(start, _)| *start <= span.start).checked_sub(1);
        // `me:two words` behind `-u`, but not a word of a script.
        if let Some((start, end)) = inside.and_then(|at| bounds.get(at))
            && line.get(*start..span.start).is_some_and(|before| !before.contains(char::is_whitespace))
        {
            span.end = span.end.max(*end);
        }
    }
    let spans = merged(spans);
    for (argument, (start, end)) in arguments.iter_mut().zip(bounds) {
        let touched = spans.iter().any(|span| span.start < end && span.end > start);
        if touched {
            *argument = replaced(&line, start, end, &spans);
        }
    }
}

/// Every secret in a text, in order, none over another.
fn spans(text: &str) -> Vec<Span<'static>> {
    let mut found = Vec::new();
    if text.len() < SHORTEST {
        return found;
    }
    pattern::find(text, &mut found);
    assignment::find(text, &mut found);
    program::find(text, &mut found);
    key::find(text, &mut found);
    entropy::find(text, &mut found);
    merged(found)
}

/// Spans that meet become one, of the kind that says most.
fn merged(mut spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    spans.retain(|span| span.start < span.end);
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut out: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => {
                last.end = last.end.max(span.end);
                last.whole |= span.whole;
                if span.rank > last.rank {
                    (last.kind, last.rank) = (span.kind, span.rank);
                }
            }
            Some(_) | None => out.push(span),
        }
    }
    out
}

/// The part of `text` between two offsets, with what stands for each secret in it. A secret that goes on in the next
/// part is named in both.
fn replaced(text: &str, from: usize, to: usize, spans: &[Span<'_>]) -> String {
    let mut out = String::with_capacity(to - from);
    let mut done = from;
    let first = spans.partition_point(|span| span.end <= from);
    for Span { start, end, kind, rank: _, whole: _ } in spans.iter().skip(first) {
        if *start >= to {
            break;
        }
        out.push_str(text.get(done..(*start).max(from)).unwrap_or_default());
        out.extend([OPEN, *kind, "]"]);
        done = (*end).min(to);
    }
    out.push_str(text.get(done..to).unwrap_or_default());
    out
}
