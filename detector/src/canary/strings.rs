//! Searches arguments and bytes for the strings of canaries, as they are and in base64.

use aho_corasick::AhoCorasick;
use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

/// What the core knows of a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoy {
    /// What alerts call it.
    pub name: Box<str>,
    /// Its strings.
    pub tokens: Vec<Box<str>>,
}

/// Least bytes of a string that is looked for.
const LEAST: usize = 12;

/// The strings of canaries, and whose they are.
#[derive(Debug, Default)]
pub struct Strings {
    search: Option<AhoCorasick>,
    /// Number of the canary of each pattern.
    owners: Vec<usize>,
    names: Vec<Box<str>>,
}

impl Strings {
    /// Looks for the strings of these canaries; one shorter than [`LEAST`] is left out.
    pub fn new(decoys: &[Decoy]) -> Self {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut owners = Vec::new();
        for (owner, decoy) in decoys.iter().enumerate() {
            for token in decoy.tokens.iter().filter(|token| token.len() >= LEAST) {
                let mut forms = in_base64(token.as_bytes());
                forms.push(token.as_bytes().to_vec());
                owners.extend(std::iter::repeat_n(owner, forms.len()));
                patterns.append(&mut forms);
            }
        }
        let search = if patterns.is_empty() { None } else { AhoCorasick::new(&patterns).ok() };
        Self { search, owners, names: decoys.iter().map(|decoy| decoy.name.clone()).collect() }
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.search.is_none()
    }

    /// Names of the canaries whose strings stand in one of these texts, each once, in the order of the canaries.
    pub fn find(&self, texts: impl IntoIterator<Item: AsRef<[u8]>>) -> Vec<&str> {
        let Some(search) = &self.search else { return Vec::new() };
        let mut found: Vec<usize> = Vec::new();
        for text in texts {
            let matches = search.find_overlapping_iter(text.as_ref());
            found.extend(matches.filter_map(|found| self.owners.get(found.pattern().as_usize()).copied()));
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|owner| self.names.get(owner).map(AsRef::as_ref)).collect()
    }
}

/// What base64 makes of a string inside a longer one: a form for each of the three places that it may have in
/// a group of three bytes, less the groups that it shares with what stands around it.
fn in_base64(token: &[u8]) -> Vec<Vec<u8>> {
    (0..3)
        .filter_map(|skip| {
            let inner = token.get(skip..)?;
            let whole = inner.get(..inner.len() / 3 * 3)?;
            let form = BASE64_STANDARD_NO_PAD.encode(whole).into_bytes();
            (form.len() >= LEAST).then_some(form)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings() -> Strings {
        let decoy = |name: &str, token: &str| Decoy { name: name.into(), tokens: vec![token.into()] };
        Strings::new(&[decoy("a", "AKIAQWERTYUIOPASDFGH"), decoy("b", "hunter2hunter2"), decoy("c", "short")])
    }

    #[test]
    fn a_string_is_found_wherever_it_stands_and_named_once() {
        let strings = strings();
        let texts = ["x hunter2hunter2", "hunter2hunter2 AKIAQWERTYUIOPASDFGH", "short"];
        assert_eq!(strings.find(texts.map(str::as_bytes)), ["a", "b"]);
        assert_eq!(strings.find([b"AKIAQWERTYUIOPASDFG ".as_slice()]), [""; 0]);
    }

    #[test]
    fn base64_is_no_disguise() {
        let strings = strings();
        for before in ["", "x", "xy", "xyz", "[default]\naws_access_key_id = "] {
            let text = BASE64_STANDARD_NO_PAD.encode(format!("{before}AKIAQWERTYUIOPASDFGH\nand more"));
            assert_eq!(strings.find([text.as_bytes()]), ["a"], "{before}");
        }
    }

    #[test]
    fn without_strings_nothing_is_found() {
        assert!(Strings::new(&[]).is_empty());
        assert_eq!(Strings::default().find([b"anything".as_slice()]), [""; 0]);
    }
}
