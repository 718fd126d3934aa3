//! A command line read from the left.

/// A command line read from the left: flags with their values, then words.
pub(super) struct Line<'a> {
    pub(super) words: &'a [&'a str],
}

pub(super) enum Item<'a> {
    /// An option and its value.
    Option(&'a str, Option<&'a str>),
    /// The first word that is no option, and everything after it.
    Words(&'a [&'a str]),
}

impl<'a> Line<'a> {
    /// The next option; those in `bare` take no value, every other one does.
    pub(super) fn next(&mut self, takes_value: impl Fn(&str) -> bool) -> Option<Item<'a>> {
        let (first, rest) = self.words.split_first()?;
        if *first == "--" {
            self.words = &[];
            return Some(Item::Words(rest));
        }
        if !first.starts_with('-') || *first == "-" {
            let words = std::mem::take(&mut self.words);
            return Some(Item::Words(words));
        }
        self.words = rest;
        if let Some((name, value)) = first.split_once('=').filter(|_| first.starts_with("--")) {
            return Some(Item::Option(name, Some(value)));
        }
        if !takes_value(first) {
            return Some(Item::Option(first, None));
        }
        let value = rest.first().copied();
        self.words = rest.get(1..).unwrap_or_default();
        Some(Item::Option(first, value))
    }
}
