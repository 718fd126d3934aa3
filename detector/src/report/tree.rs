//! The process tree of a report, as rows of nested lists.

use serde::Serialize;

use super::{Setting, Time};
use crate::explain::story::{Found, Node, Story};

/// Deeper than this, processes stand beside each other: a browser nests only so far.
const DEEPEST: usize = 24;

#[derive(Serialize)]
pub(super) struct Tree {
    rows: Vec<Row>,
    /// Lists that are open at the end.
    ends: usize,
    elsewhere: Vec<Finding>,
    left_out: usize,
}

/// A process: how many lists end before it, and whether one begins.
#[derive(Serialize)]
struct Row {
    ends: usize,
    begins: bool,
    pid: u32,
    program: String,
    command_line: String,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    time: Time,
    level: &'static str,
    title: String,
    summary: String,
    count: u64,
    alert: String,
}

pub(super) fn tree(story: &Story, setting: &Setting) -> Tree {
    let of = |found: &Found| Finding {
        time: Time::of(&found.time, &setting.zone),
        level: found.level.name(),
        title: found.title.clone(),
        summary: found.summary.clone(),
        count: found.count,
        alert: found.alert.clone(),
    };
    let mut open = 0;
    let mut rows = Vec::new();
    for (depth, node) in story.walk() {
        let depth = depth.min(DEEPEST) + 1;
        let Node { pid, exes, command_line, findings, children: _ } = node;
        rows.push(Row {
            ends: usize::saturating_sub(open, depth),
            begins: depth > open,
            pid: *pid,
            program: exes.join(" → "),
            command_line: command_line.clone(),
            findings: findings.iter().map(of).collect(),
        });
        open = depth;
    }
    Tree { rows, ends: open, elsewhere: story.elsewhere.iter().map(of).collect(), left_out: story.left_out }
}
