//! What files held before somebody wrote them: read at start, kept up to date by what is read later.

use std::path::{Path, PathBuf};

use hashbrown::{HashMap, HashSet};

use super::file::{Found, Namespace, Places};
use super::secret;
use crate::change::class;
use crate::event::{Nanos, text};

/// Most files that are read at start.
const FILES: usize = 4_096;

/// Most bytes of text that are kept; files beyond it have no known past.
const BYTES: usize = 16 << 20;

/// Deepest directory below one that is named by [`class`].
const DEPTH: usize = 3;

/// What files held.
pub(super) struct Baseline {
    known: HashMap<(Namespace, Box<str>), Past>,
    bytes: usize,
    /// Directories of which every file is known.
    listed: HashSet<Box<str>>,
    todo: Vec<(PathBuf, usize)>,
    files: usize,
    left_out: u64,
}

struct Past {
    text: Box<str>,
    /// When it was read at start; `None` for what was read because of an event.
    since_start: Option<Nanos>,
    /// When the file was removed, if it was.
    removed: Option<Nanos>,
}

/// Nanoseconds between a removal and a creation that are one replacement: mv between file systems.
const REPLACED: u64 = 2_000_000_000;

/// The file whose past is asked for.
pub(super) struct Asked<'a> {
    pub(super) namespace: Namespace,
    pub(super) path: &'a str,
    /// When it was opened, renamed, linked.
    pub(super) written: Nanos,
    /// It did not exist then.
    pub(super) created: bool,
    /// It came to this path under another name, so that another file may have been there before.
    pub(super) moved: bool,
}

impl Baseline {
    /// Knows nothing yet; [`Baseline::step`] reads.
    pub(super) fn new() -> Self {
        let files = class::FILES.iter().map(|(file, _)| PathBuf::from(file));
        let below = class::BELOW.iter().map(|(below, _)| PathBuf::from(below));
        let mut todo: Vec<PathBuf> = files.chain(below).collect();
        for home in homes().into_iter().filter(|home| home.is_dir()) {
            todo.extend(class::HOME_FILES.iter().map(|(file, _)| home.join(file)));
            todo.extend(class::HOME_BELOW.iter().map(|(below, _)| home.join(below)));
        }
        Self {
            known: HashMap::new(),
            bytes: 0,
            listed: HashSet::new(),
            // Taken from the end: what is the system's comes first.
            todo: todo.into_iter().rev().map(|path| (path, DEPTH)).collect(),
            files: 0,
            left_out: 0,
        }
    }

    /// Whether there is more to read.
    pub(super) fn is_complete(&self) -> bool {
        self.todo.is_empty()
    }

    /// Files read, and files left out because there were too many.
    pub(super) fn counts(&self) -> (usize, u64) {
        (self.files, self.left_out)
    }

    /// Reads one file, or lists one directory.
    pub(super) fn step(&mut self, places: &mut Places, now: Nanos) {
        let Some((path, depth)) = self.todo.pop() else { return };
        // Events name real paths: /lib may be a link to /usr/lib.
        let Ok(path) = path.canonicalize() else { return };
        let Some(name) = path.to_str() else { return };
        if path.is_dir() {
            if depth > 0 && self.listed.insert(name.into()) {
                let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                self.todo.extend(entries.take(FILES).map(|entry| (entry.path(), depth - 1)));
            }
            return;
        }
        let Some(class) = class(name) else { return };
        if self.files >= FILES {
            self.left_out += 1;
            return;
        }
        let Found::File(open) = places.open(0, 0, name) else { return };
        let Ok(text) = open.read() else { return };
        self.files += 1;
        let text = secret::masked(&text, Some(class));
        // What was read because of an event is newer than this.
        if !self.known.contains_key(&(0, name.into())) {
            self.keep((0, name.into()), Past { text: text.into(), since_start: Some(now), removed: None });
        }
    }

    /// What a file held before it was opened; `None` where nobody knows.
    pub(super) fn before(&self, asked: &Asked<'_>) -> Option<Box<str>> {
        let Asked { namespace, path, written, created, moved } = *asked;
        let past = self.known.get(&(namespace, path.into()));
        if created {
            let replaced = past.filter(|past| past.removed.is_some_and(|at| written.since(at) < REPLACED));
            return Some(replaced.map_or_else(|| "".into(), |past| past.text.clone()));
        }
        match past {
            Some(past) => past.since_start.is_none_or(|read| read < written).then(|| past.text.clone()),
            None => {
                let parent = Path::new(path).parent()?.to_str()?;
                // What was there before an open, and is not known, somebody else made.
                let was_absent =
                    moved && namespace == 0 && self.is_complete() && self.listed.contains(parent);
                was_absent.then(|| "".into())
            }
        }
    }

    /// Remembers what a file holds now.
    pub(super) fn update(&mut self, namespace: Namespace, path: &str, text: Box<str>) {
        self.keep((namespace, path.into()), Past { text, since_start: None, removed: None });
    }

    /// Remembers that a file was removed.
    pub(super) fn remove(&mut self, namespace: Namespace, path: &str, at: Nanos) {
        if let Some(past) = self.known.get_mut(&(namespace, path.into())) {
            past.removed = Some(at);
        }
    }

    fn keep(&mut self, key: (Namespace, Box<str>), past: Past) {
        if let Some(before) = self.known.remove(&key) {
            self.bytes = self.bytes.saturating_sub(before.text.len());
        }
        if self.known.len() >= 2 * FILES || self.bytes + past.text.len() > BYTES {
            self.left_out += 1;
            return;
        }
        self.bytes += past.text.len();
        self.known.insert(key, past);
    }
}

/// Home directories of the accounts of this machine.
fn homes() -> Vec<PathBuf> {
    let accounts = std::fs::read("/etc/passwd").unwrap_or_default();
    let accounts = text(accounts.get(..accounts.len().min(1 << 20)).unwrap_or_default());
    let named = accounts.lines().filter_map(|line| line.split(':').nth(5));
    let mut homes: Vec<PathBuf> = named.filter(|home| home.len() > 1).map(PathBuf::from).collect();
    let below = std::fs::read_dir("/home").into_iter().flatten().flatten();
    homes.extend(below.take(1_024).map(|entry| entry.path()));
    homes.push(PathBuf::from("/root"));
    homes.sort();
    homes.dedup();
    homes
}
