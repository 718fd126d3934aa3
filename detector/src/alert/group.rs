//! Repeats of one rule in one process tree become a count on one alert, not a storm.

use std::collections::VecDeque;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::{Alert, Evidence, ToolCall};
use crate::event::{AgentId, Nanos, ProcessId};

/// What counts as the same: one rule in one process tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Hash of the rule's id.
    pub rule: u64,
    /// Agent of the tree.
    pub agent: AgentId,
    /// Topmost process of that agent above the one that acted.
    pub root: ProcessId,
    /// Whether a task named what was found: what is not named is no repeat of what is.
    pub declared: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nanoseconds from the first alert in which repeats are counted.
    pub window: u64,
    /// Most groups open at once.
    pub groups: usize,
    /// Most bytes of alerts kept for them, roughly.
    pub bytes: usize,
    /// Most pieces of evidence on one alert.
    pub evidence: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: 60_000_000_000, groups: 4_096, bytes: 16 << 20, evidence: 8 }
    }
}

/// The open groups.
#[derive(Debug)]
pub struct Groups {
    limits: Limits,
    open: HashMap<Key, Group>,
    /// Keys as their groups opened; a serial tells a group from a later one of the same key.
    order: VecDeque<(Key, u64)>,
    serial: u64,
    bytes: usize,
    cut_short: u64,
}

#[derive(Debug)]
struct Group {
    alert: Box<Alert>,
    /// When the kernel saw the decisive event of the first alert.
    time: Nanos,
    /// More is known than was told, whether it happened again or not.
    late: bool,
    opened: Nanos,
    serial: u64,
    bytes: usize,
}

impl Groups {
    /// No groups.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: HashMap::new(), order: VecDeque::new(), serial: 0, bytes: 0, cut_short: 0 }
    }

    /// Counts a repeat. `false` where none is open: the caller then [`Groups::open`]s one.
    ///
    /// `evidence` is asked for only where there is room for it.
    pub fn repeat(&mut self, key: &Key, now: Nanos, evidence: impl FnOnce() -> Evidence) -> bool {
        let Some(group) = self.open.get_mut(key) else { return false };
        if now.since(group.opened) >= self.limits.window {
            return false;
        }
        group.alert.count = group.alert.count.saturating_add(1);
        if group.alert.evidence.len() < self.limits.evidence && self.bytes < self.limits.bytes {
            let evidence = evidence();
            if group.alert.evidence.iter().all(|known| known.text != evidence.text) {
                let bytes = evidence_bytes(&evidence);
                group.bytes += bytes;
                self.bytes += bytes;
                group.alert.evidence.push(evidence);
            }
        }
        true
    }

    /// Opens a group with its first alert; groups that must make room close early.
    ///
    /// `time` is when the kernel saw what the alert is about.
    pub fn open(&mut self, key: Key, time: Nanos, now: Nanos, alert: &Alert, out: &mut Vec<Alert>) {
        let bytes = alert_bytes(alert);
        self.serial += 1;
        let group = Group {
            // What is judged again is stored with the first.
            alert: Box::new(Alert { subject: None, ..alert.clone() }),
            time,
            late: false,
            opened: now,
            serial: self.serial,
            bytes,
        };
        self.bytes += bytes;
        self.order.push_back((key.clone(), self.serial));
        if let Some(before) = self.open.insert(key, group) {
            self.bytes = self.bytes.saturating_sub(before.bytes);
            close(before, out);
        }
        while self.open.len() > self.limits.groups || (self.bytes > self.limits.bytes && self.open.len() > 1)
        {
            self.cut_short += 1;
            self.close_oldest(out);
        }
    }

    /// Tool calls were told: alerts that could name none may now, when their groups close.
    pub fn told(&mut self, find: impl Fn(AgentId, Nanos) -> Option<ToolCall>) {
        for (key, group) in self.open.iter_mut().filter(|(_, group)| group.alert.tool_call.is_none()) {
            if let Some(call) = find(key.agent, group.time) {
                group.alert.tool_call = Some(call);
                group.late = true;
            }
        }
    }

    /// Lets time pass: groups whose window is over close.
    pub fn tick(&mut self, now: Nanos, out: &mut Vec<Alert>) {
        while let Some((key, serial)) = self.order.front() {
            let over = match self.open.get(key) {
                Some(group) if group.serial == *serial => now.since(group.opened) >= self.limits.window,
                Some(_) | None => true,
            };
            if !over {
                return;
            }
            self.close_oldest(out);
        }
    }

    /// Closes everything, at the end.
    pub fn finish(&mut self, out: &mut Vec<Alert>) {
        while !self.order.is_empty() {
            self.close_oldest(out);
        }
    }

    /// Groups open now.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Groups that closed early because too many were open.
    pub fn cut_short(&self) -> u64 {
        self.cut_short
    }

    fn close_oldest(&mut self, out: &mut Vec<Alert>) {
        let Some((key, serial)) = self.order.pop_front() else { return };
        if let Entry::Occupied(entry) = self.open.entry(key)
            && entry.get().serial == serial
        {
            let group = entry.remove();
            self.bytes = self.bytes.saturating_sub(group.bytes);
            close(group, out);
        }
    }
}

/// Says how often it was, where it was more than once, and what became known since.
fn close(group: Group, out: &mut Vec<Alert>) {
    if group.alert.count > 1 || group.late {
        out.push(*group.alert);
    }
}

fn alert_bytes(alert: &Alert) -> usize {
    let process = alert.process.as_ref().map_or(0, |process| {
        let argv: usize = process.argv.iter().map(|argument| argument.len() + 24).sum();
        let ancestors: usize =
            process.ancestors.iter().map(|above| above.exe.len() + above.command_line.len() + 56).sum();
        argv + ancestors + process.exe.len() + process.cwd.len()
    });
    let gaps: usize = alert.coverage.gaps.iter().map(|gap| gap.len() + 24).sum();
    1_024 + process + gaps + alert.summary.len() + alert.evidence.iter().map(evidence_bytes).sum::<usize>()
}

fn evidence_bytes(evidence: &Evidence) -> usize {
    let fields: usize = evidence
        .fields
        .iter()
        .map(|(name, value)| name.len() + 96 + value.as_str().map_or(64, str::len))
        .sum();
    256 + evidence.text.len() + fields
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
