//! The processes of an incident as a small tree: those that acted, and what stood above them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Alert, ProcessRef};
use super::{Line, told};

/// Most processes that are shown, most of those that acted, and most above each.
const SHOWN: usize = 14;
const ACTED: usize = 6;
const ABOVE: usize = 5;

/// Most characters of one process.
const MOST: usize = 240;

/// One process of the tree.
struct Node {
    text: String,
    parent: Option<u32>,
    acted: bool,
    /// In the order in which they were first named.
    order: usize,
}

/// The tree, from the top; a pid before each line.
pub(super) fn tree(alerts: &[Alert]) -> Vec<Line> {
    let mut nodes: BTreeMap<u32, Node> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    // The newest last, but the first ones matter most: who began it.
    for process in alerts.iter().filter_map(|alert| alert.process.as_ref()) {
        let acted = nodes.values().filter(|node| node.acted).count();
        let is_known = nodes.contains_key(&process.pid);
        if !is_known && (acted >= ACTED || nodes.len() >= SHOWN) {
            left_out.insert(process.pid);
            continue;
        }
        add(&mut nodes, process);
    }
    let mut out = Vec::new();
    let mut tops: Vec<u32> = Vec::new();
    for (pid, node) in &nodes {
        if node.parent.is_none_or(|parent| !nodes.contains_key(&parent) || parent == *pid) {
            tops.push(*pid);
        }
    }
    tops.sort_by_key(|pid| nodes.get(pid).map(|node| node.order));
    let mut shown = BTreeSet::new();
    let mut open: Vec<(u32, usize)> = tops.into_iter().rev().map(|pid| (pid, 0)).collect();
    while let Some((pid, depth)) = open.pop() {
        // A pid that was used twice could make a loop.
        let Some(node) = nodes.get(&pid).filter(|_| shown.insert(pid)) else { continue };
        let branch = if depth == 0 { String::new() } else { format!("{}└ ", "  ".repeat(depth - 1)) };
        let text = format!("{branch}{}", node.text);
        out.push(Line { label: pid.to_string(), text: told(&text, MOST + 2 * depth), code: true });
        let mut children: Vec<u32> =
            nodes.iter().filter(|(_, node)| node.parent == Some(pid)).map(|(pid, _)| *pid).collect();
        children.sort_by_key(|pid| std::cmp::Reverse(nodes.get(pid).map(|node| node.order)));
        open.extend(children.into_iter().map(|child| (child, depth + 1)));
    }
    if !left_out.is_empty() {
        let text = format!("… and {} more processes", left_out.len());
        out.push(Line { label: String::new(), text, code: false });
    }
    out
}

fn add(nodes: &mut BTreeMap<u32, Node>, process: &ProcessRef) {
    let ProcessRef { pid, start: _, exe, argv, uid, cwd: _, ancestors } = process;
    let command = argv.join(" ");
    let order = nodes.len();
    let text = format!("{}  (uid {uid})", named(exe, &command));
    let above = ancestors.first().map(|above| above.pid);
    let node = nodes.entry(*pid).or_insert(Node { text: String::new(), parent: above, acted: true, order });
    (node.text, node.acted) = (text, true);
    node.parent = node.parent.or(above);
    for (at, above) in ancestors.iter().take(ABOVE).enumerate() {
        let order = nodes.len();
        let parent = ancestors.get(at + 1).filter(|_| at + 1 < ABOVE).map(|next| next.pid);
        let node = nodes.entry(above.pid).or_insert_with(|| Node {
            text: named(&above.exe, &above.command_line),
            parent,
            acted: false,
            order,
        });
        node.parent = node.parent.or(parent);
    }
}

/// The command line, after the executable where that is not its first word.
fn named(exe: &str, command: &str) -> String {
    match (exe.is_empty(), command.is_empty()) {
        (true, true) => "(unknown)".to_owned(),
        (true, false) => command.to_owned(),
        (false, true) => exe.to_owned(),
        (false, false) if command.split(' ').next() == Some(exe) => command.to_owned(),
        (false, false) => format!("{exe}: {command}"),
    }
}
