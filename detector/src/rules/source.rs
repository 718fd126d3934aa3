//! Where rules come from: the binary itself, files and directories, cut into YAML documents.

use std::fs;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use include_dir::{Dir, include_dir};

use super::error::Problem;

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../rules");

/// Whether the rules inside the binary take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// They do.
    With,
    /// Only the given paths count.
    Without,
}

/// How a file came to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is part of the binary.
    Builtin,
    /// It was named.
    Named,
    /// It stands below a directory that was named.
    Found,
}

/// A rule file.
pub(super) struct File {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) text: String,
}

/// One YAML document of a file.
#[derive(Clone)]
pub(super) struct Document<'a> {
    pub(super) file: &'a File,
    /// Line of the file on which it begins, from 1.
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) files: Vec<File>,
    /// Shared values by name: `lists/miner_names.txt` is `%miner_names%`.
    pub(super) lists: HashMap<String, Vec<String>>,
    /// Tables of weights: files of a directory `weights`, later ones in place of earlier ones.
    pub(super) tables: Vec<File>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the built-in rules and `paths`. What cannot be read is a problem, and the rest is read on.
pub(super) fn read(paths: &[PathBuf], builtin: Builtin) -> Sources {
    let mut sources = Sources::default();
    embedded(&BUILTIN, &mut sources, builtin);
    for path in paths {
        if path.is_dir() {
            directory(path, &mut sources);
        } else {
            file(path, Origin::Named, &mut sources);
        }
    }
    sources
}

/// The tables inside the binary.
pub(super) fn builtin_tables() -> Vec<File> {
    let mut sources = Sources::default();
    embedded(&BUILTIN, &mut sources, Builtin::Without);
    sources.tables
}

/// Lists and tables are there without the built-in rules too: a copied rule keeps its meaning.
fn embedded(dir: &Dir<'static>, sources: &mut Sources, builtin: Builtin) {
    for file in dir.files() {
        let Some(text) = file.contents_utf8() else { continue };
        if is_rule_file(file.path()) {
            let name = format!("rules/{}", file.path().display());
            let found = File { name, origin: Origin::Builtin, text: text.to_owned() };
            if is_table(file.path()) {
                sources.tables.push(found);
            } else if builtin == Builtin::With {
                sources.files.push(found);
            }
        } else if let Some(name) = list_name(file.path()) {
            sources.lists.insert(name, values(text));
        }
    }
    for dir in dir.dirs() {
        embedded(dir, sources, builtin);
    }
}

fn directory(path: &Path, sources: &mut Sources) {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries.iter().map(fs::DirEntry::path).collect(),
        Err(error) => return sources.problems.push(unreadable(path, &error)),
    };
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            directory(&entry, sources);
        } else if is_rule_file(&entry) {
            file(&entry, Origin::Found, sources);
        } else if let Some(name) = list_name(&entry) {
            match fs::read_to_string(&entry) {
                Ok(text) => {
                    sources.lists.insert(name, values(&text));
                }
                Err(error) => sources.problems.push(unreadable(&entry, &error)),
            }
        }
    }
}

fn file(path: &Path, origin: Origin, sources: &mut Sources) {
    match fs::read_to_string(path) {
        Ok(text) => {
            let files = if is_table(path) { &mut sources.tables } else { &mut sources.files };
            files.push(File { name: path.display().to_string(), origin, text });
        }
        Err(error) => sources.problems.push(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: None,
        column: None,
        key: None,
        what: format!("cannot be read: {error}"),
        remedy: "name a readable rule file in UTF-8, or a directory of them".to_owned(),
    }
}

fn is_rule_file(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// Whether a rule file is none, but a table of weights.
fn is_table(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|name| name == "weights")
}

fn list_name(path: &Path) -> Option<String> {
    let in_lists = path.parent()?.file_name()? == "lists";
    let is_text = path.extension()? == "txt";
    (in_lists && is_text).then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))?
}

/// One value a line; `#` begins a comment line.
fn values(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

impl File {
    /// The YAML documents of this file; a file that uses Sigma's `action` is one.
    pub(super) fn documents(&self) -> Vec<Document<'_>> {
        let whole = Document { file: self, line: 1, text: &self.text };
        if self.text.lines().any(|line| line.starts_with("action:")) {
            return vec![whole];
        }
        let mut documents = Vec::new();
        let (mut begin, mut first, mut at) = (0, 1, 0);
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            if line.trim_end() == "---" {
                documents.push((first, self.text.get(begin..at).unwrap_or_default()));
                begin = at + line.len();
                first = number + 2;
            }
            at += line.len();
        }
        documents.push((first, self.text.get(begin..).unwrap_or_default()));
        let documents = documents.into_iter().filter(|(_, text)| !text.trim().is_empty());
        documents.map(|(line, text)| Document { file: self, line, text }).collect()
    }
}

/// The document of `name` that begins at `line`.
pub(super) fn text(name: &str, line: usize) -> Option<String> {
    let text = match name.strip_prefix("rules/").and_then(|path| BUILTIN.get_file(path)) {
        Some(file) => file.contents_utf8()?.to_owned(),
        None => fs::read_to_string(name).ok()?,
    };
    let file = File { name: name.to_owned(), origin: Origin::Named, text };
    file.documents().into_iter().find(|document| document.line == line).map(|found| found.text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_know_the_line_they_begin_on() {
        let file = File {
            name: "x".to_owned(),
            origin: Origin::Named,
            text: "---\na: 1\n---\nb: 2\nc: 3\n---\n".to_owned(),
        };
        let found: Vec<_> = file.documents().iter().map(|doc| (doc.line, doc.text.to_owned())).collect();
        assert_eq!(found, [(2, "a: 1\n".to_owned()), (4, "b: 2\nc: 3\n".to_owned())]);
    }
}
