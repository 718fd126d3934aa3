//! What happened, as a process tree: the processes of an incident's alerts, those above them, and when what was found
//! of each.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::alert::{Alert, Level, ProcessRef};

/// Most processes of a story.
const PROCESSES: usize = 500;

/// The processes of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Story {
    /// Topmost processes, the one that something was found of first in front.
    pub roots: Vec<Node>,
    /// Findings that name no process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Found>,
    /// Processes that found no room.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// A process, what was found of it, and its children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Process id.
    pub pid: u32,
    /// Executables, in the order in which they were seen: a process that executes another program goes on.
    pub exes: Vec<String>,
    /// Arguments joined, as last seen.
    pub command_line: String,
    /// What was found of it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Found>,
    /// Its children in the story.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// An alert in a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// RFC 3339.
    pub time: String,
    /// Severity.
    pub level: Level,
    /// Title.
    pub title: String,
    /// One sentence.
    pub summary: String,
    /// How often.
    pub count: u64,
    /// Id of the alert.
    pub alert: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A process while the tree is built. A pid that was used twice has two starts.
#[derive(Default)]
struct Seen {
    exes: Vec<String>,
    command_line: String,
    findings: Vec<Found>,
    parent: Option<Key>,
    order: usize,
}

type Key = (u32, u64);

/// The story of alerts, which are oldest first.
pub fn story(alerts: &[Alert]) -> Story {
    let mut seen: BTreeMap<Key, Seen> = BTreeMap::new();
    let mut story = Story::default();
    for alert in alerts {
        let found = found(alert);
        let Some(process) = &alert.process else {
            story.elsewhere.push(found);
            continue;
        };
        if !add(&mut seen, process, alerts, found) {
            story.left_out += 1;
        }
    }
    let mut children: BTreeMap<Option<Key>, Vec<Key>> = BTreeMap::new();
    for (key, one) in &seen {
        children.entry(one.parent).or_default().push(*key);
    }
    story.roots = below(None, &mut seen, &mut children);
    // What claims to be above itself hangs from nothing.
    while let Some(key) = seen.keys().next().copied() {
        children.insert(None, vec![key]);
        story.roots.extend(below(None, &mut seen, &mut children));
    }
    story
}

fn found(alert: &Alert) -> Found {
    Found {
        time: alert.time.clone(),
        level: alert.level,
        title: alert.title.clone(),
        summary: alert.summary.clone(),
        count: alert.count,
        alert: alert.id.clone(),
    }
}

/// Adds a process with those above it; whether there was room.
fn add(seen: &mut BTreeMap<Key, Seen>, process: &ProcessRef, alerts: &[Alert], found: Found) -> bool {
    // Ancestors are told without their start: theirs is the one by which they acted, where they did.
    let start = |pid: u32| {
        let acted = alerts.iter().filter_map(|alert| alert.process.as_ref()).find(|other| other.pid == pid);
        acted.map_or(0, |other| other.start)
    };
    let chain = process.ancestors.iter().map(|above| {
        let key = (above.pid, start(above.pid));
        (key, above.exe.clone(), above.command_line.clone())
    });
    let own = ((process.pid, process.start), process.exe.clone(), process.argv.join(" "));
    let line: Vec<(Key, String, String)> = std::iter::once(own).chain(chain).collect();
    let fresh = line.iter().filter(|(key, _, _)| !seen.contains_key(key)).count();
    if seen.len() + fresh > PROCESSES {
        return false;
    }
    for (at, (key, exe, command_line)) in line.iter().enumerate() {
        let above = line.get(at + 1).map(|(above, _, _)| *above).filter(|above| above != key);
        let order = seen.len();
        let one = seen.entry(*key).or_insert_with(|| Seen { order, ..Seen::default() });
        if !exe.is_empty() && one.exes.last() != Some(exe) {
            one.exes.push(exe.clone());
        }
        if !command_line.is_empty() {
            one.command_line.clone_from(command_line);
        }
        one.parent = one.parent.or(above);
    }
    if let Some(own) = seen.get_mut(&(process.pid, process.start)) {
        own.findings.push(found);
    }
    true
}

/// The children of a process, the one that something was found below first in front. Each process is taken once, so
/// what claims to be its own ancestor ends.
fn below(
    parent: Option<Key>,
    seen: &mut BTreeMap<Key, Seen>,
    children: &mut BTreeMap<Option<Key>, Vec<Key>>,
) -> Vec<Node> {
    let mut nodes: Vec<(String, usize, Node)> = Vec::new();
    for key in children.remove(&parent).unwrap_or_default() {
        let Some(Seen { exes, command_line, findings, parent: _, order }) = seen.remove(&key) else {
            continue;
        };
        let children = below(Some(key), seen, children);
        let node = Node { pid: key.0, exes, command_line, findings, children };
        nodes.push((first(&node).unwrap_or_default().to_owned(), order, node));
    }
    nodes.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    nodes.into_iter().map(|(_, _, node)| node).collect()
}

/// When something was found of a process or of one below it first.
fn first(node: &Node) -> Option<&str> {
    let below = node.children.iter().filter_map(first);
    node.findings.iter().map(|found| &*found.time).chain(below).min()
}

impl Story {
    /// Every process with how deep it stands, top down.
    pub fn walk(&self) -> Vec<(usize, &Node)> {
        fn into<'a>(nodes: &'a [Node], depth: usize, out: &mut Vec<(usize, &'a Node)>) {
            for node in nodes {
                out.push((depth, node));
                into(&node.children, depth + 1, out);
            }
        }
        let mut out = Vec::new();
        into(&self.roots, 0, &mut out);
        out
    }
}
