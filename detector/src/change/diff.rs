//! Lines that came and lines that went.

use similar::{Algorithm, ChangeTag, capture_diff_slices};
use xxhash_rust::xxh3::xxh3_64;

use hashbrown::HashMap;

/// Most differing lines of each side that are compared in order. Beyond it, lines are counted: a file of
/// thousands of different lines must not hold up whoever waits for alerts.
const ORDERED: usize = 500;

/// Lines that came and lines that went, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Lines of the new text only.
    pub added: Vec<&'a str>,
    /// Lines of the old text only.
    pub removed: Vec<&'a str>,
}

/// Compares two texts line by line.
pub fn difference<'a>(before: &'a str, now: &'a str) -> Difference<'a> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(same..).unwrap_or_default(), new.get(same..).unwrap_or_default());
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let old = old.get(..old.len() - same).unwrap_or_default();
    let new = new.get(..new.len() - same).unwrap_or_default();
    if old.is_empty() || new.is_empty() {
        return Difference { added: new.to_vec(), removed: old.to_vec() };
    }
    if old.len() > ORDERED || new.len() > ORDERED {
        return Difference { added: missing(new, old), removed: missing(old, new) };
    }
    let mut difference = Difference::default();
    for change in capture_diff_slices(Algorithm::Myers, old, new)
        .iter()
        .flat_map(|operation| operation.iter_changes(old, new))
    {
        match change.tag() {
            ChangeTag::Insert => difference.added.push(change.value()),
            ChangeTag::Delete => difference.removed.push(change.value()),
            ChangeTag::Equal => {}
        }
    }
    difference
}

/// Lines of `from` that `other` has not, or not as often.
fn missing<'a>(from: &[&'a str], other: &[&str]) -> Vec<&'a str> {
    let mut there: HashMap<u64, usize> = HashMap::with_capacity(other.len());
    for line in other {
        *there.entry(xxh3_64(line.as_bytes())).or_default() += 1;
    }
    let is_missing = |line: &&&str| match there.get_mut(&xxh3_64(line.as_bytes())) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        Some(_) | None => true,
    };
    from.iter().filter(is_missing).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_came_and_went_are_told_apart() {
        let check = |before, now, added: &[&str], removed: &[&str]| {
            let expected = Difference { added: added.to_vec(), removed: removed.to_vec() };
            assert_eq!(difference(before, now), expected);
        };
        check("", "a\nb\n", &["a", "b"], &[]);
        check("a\nb\n", "", &[], &["a", "b"]);
        check("a\nb\nc\n", "a\nx\nc\n", &["x"], &["b"]);
        check("a\nb\nc\n", "a\nb\nc", &[], &[]);
        check("a\nb\nc\nd", "b\nx\nd\ny", &["x", "y"], &["a", "c"]);
        check("a\r\n", "a\n", &[], &[]);
    }

    #[test]
    fn thousands_of_lines_are_counted_not_ordered() {
        let lines = |from: usize| (from..from + 30_000).map(|n| format!("{n}\n")).collect::<String>();
        let (before, now) = (lines(0), format!("x\n{}y\n", lines(10)));
        let difference = difference(&before, &now);
        assert_eq!((difference.added.len(), difference.removed.len()), (12, 10));
        assert_eq!(difference.added.first(), Some(&"x"));
    }
}
