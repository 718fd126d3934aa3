//! How a file changed, as words, as fields, and as lines of a card; lines of a balance are shown as these are.

use serde_json::Value;

use super::Evidence;
use super::escape::clip;
use crate::change::Change;

/// Most lines of each side that an alert shows, and most characters of each.
const LINES: usize = 20;
const LINE: usize = 200;

/// Most lines and most sentences in a sentence.
const IN_SENTENCE: usize = 3;

/// Fields that a change has in evidence.
const ADDED: &str = "ChangeAdded";
const REMOVED: &str = "ChangeRemoved";
const MEANING: &str = "ChangeMeaning";
const CONTENT: &str = "Content";
const NOTE: &str = "ChangeNote";

/// What a change does, behind the summary of an alert; nothing where nothing is known.
pub(super) fn gist(change: &Change) -> Option<String> {
    if !change.meaning.is_empty() {
        return Some(some(change.meaning.iter().map(String::as_str)));
    }
    let (what, lines) = match (change.added.is_empty(), change.removed.is_empty()) {
        (false, _) if change.is_complete => ("adds: ", &change.added),
        (true, false) => ("removes: ", &change.removed),
        (_, _) => return change.note.as_ref().map(|note| clip(note, LINE)),
    };
    Some(format!("{what}{}", some(telling(lines))))
}

/// The change behind the sentence of an event, with its separator.
pub(super) fn sentence(change: &Change) -> Option<String> {
    let what = if change.is_complete { "adds" } else { "holds" };
    let mut out = String::new();
    for (what, lines) in [(what, &change.added), ("removes", &change.removed)] {
        if !lines.is_empty() {
            out.push_str(&format!("; {what}: {}", some(telling(lines))));
        }
    }
    if !change.meaning.is_empty() {
        out.push_str(&format!(" ({})", some(change.meaning.iter().map(String::as_str))));
    }
    if let Some(note) = &change.note {
        out.push_str(&format!("; {}", clip(note, LINE)));
    }
    (!out.is_empty()).then_some(out)
}

/// The change as fields of evidence.
pub(super) fn fields(change: &Change) -> impl Iterator<Item = (String, Value)> {
    let added = if change.is_complete { ADDED } else { CONTENT };
    let meaning: Vec<Value> = change.meaning.iter().map(|line| clip(line, 2 * LINE).into()).collect();
    let note = change.note.as_ref().map(|note| (NOTE.to_owned(), clip(note, LINE).into()));
    [(added, shown(&change.added)), (REMOVED, shown(&change.removed)), (MEANING, meaning)]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| (name.to_owned(), Value::Array(values)))
        .chain(note)
}

/// Lines of evidence for people, each behind its sign: those of a change, and of a verdict what spoke for it,
/// against it, and what could not be seen.
pub fn lines(evidence: &Evidence) -> impl Iterator<Item = (&'static str, &str)> {
    let signs = [
        (CONTENT, "  "),
        (REMOVED, "- "),
        (ADDED, "+ "),
        ("MiningFor", "+ "),
        ("MiningAgainst", "- "),
        ("MiningUnseen", "? "),
    ];
    signs.into_iter().flat_map(|(name, sign)| {
        let lines = evidence.fields.get(name).and_then(Value::as_array).map(Vec::as_slice);
        lines.unwrap_or_default().iter().filter_map(move |line| Some((sign, line.as_str()?)))
    })
}

fn shown(lines: &[Box<str>]) -> Vec<Value> {
    let more = lines.len().saturating_sub(LINES);
    let shown = lines.iter().take(LINES).map(|line| clip(line, LINE));
    shown.chain((more > 0).then(|| format!("… and {more} more lines"))).map(Value::String).collect()
}

/// Lines that are more than blanks and comments, if there are any.
fn telling(lines: &[Box<str>]) -> impl Iterator<Item = &str> {
    let is_telling = |line: &str| {
        let line = line.trim();
        !line.is_empty() && (!line.starts_with('#') || line.starts_with("#!"))
    };
    let has_telling = lines.iter().any(|line| is_telling(line));
    lines.iter().map(AsRef::as_ref).filter(move |line| !has_telling || is_telling(line))
}

fn some(lines: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut lines = lines.peekable();
    let mut shown: Vec<String> =
        lines.by_ref().take(IN_SENTENCE).map(|line| clip(line.as_ref().trim(), LINE)).collect();
    let more = lines.count();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(added: &[&str], removed: &[&str]) -> Change {
        let boxed = |lines: &[&str]| lines.iter().map(|line| (*line).into()).collect();
        Change { added: boxed(added), removed: boxed(removed), is_complete: true, ..Change::default() }
    }

    #[test]
    fn a_change_is_said_with_its_meaning() {
        let mut change = change(&["# x", "@reboot root a\u{1b}"], &["b"]);
        change.meaning = vec!["at every boot, as root: a\u{1b}".to_owned()];
        let said = sentence(&change).unwrap();
        assert_eq!(said, "; adds: @reboot root a\\u{1b}; removes: b (at every boot, as root: a\\u{1b})");
        assert_eq!(gist(&change).unwrap(), "at every boot, as root: a\\u{1b}");
    }

    #[test]
    fn long_changes_are_counted() {
        let lines: Vec<String> = (0..100).map(|n| format!("{n}{}", "x".repeat(300))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let fields: Vec<_> = fields(&change(&lines, &[])).collect();
        let [(name, Value::Array(shown))] = fields.as_slice() else { panic!("{fields:?}") };
        assert_eq!((name.as_str(), shown.len()), ("ChangeAdded", 21));
        assert_eq!(shown[20], "… and 80 more lines");
        assert_eq!(shown[0].as_str().unwrap().chars().count(), 201);
        assert!(sentence(&change(&lines, &[])).unwrap().ends_with("; and 97 more"));
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let change = Change { note: Some("it is a FIFO".to_owned()), ..Change::default() };
        assert_eq!(sentence(&change).unwrap(), "; it is a FIFO");
        assert_eq!(gist(&change).unwrap(), "it is a FIFO");
    }
}
