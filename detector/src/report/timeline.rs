//! The timeline of a report: a lane for each kind of thing, a mark for each fact, a bar for each tool call and task.

use jiff::Timestamp;
use serde::Serialize;

use super::Setting;
use crate::alert::{Alert, Evidence};

/// Width of the picture, and where its lanes begin.
pub(super) const WIDTH: f64 = 960.0;
pub(super) const LEFT: f64 = 110.0;
pub(super) const RIGHT: f64 = 24.0;
/// Height of a row of marks.
const ROW: f64 = 26.0;
/// Rows that one lane may have; what has no room shares the last.
const ROWS: usize = 8;
/// Room that a mark takes from its neighbour.
const MARK: f64 = 24.0;
/// Most marks that are drawn; the table below holds all.
const MARKS: usize = 300;
/// Most bars.
const BARS: usize = 20;

/// Geometry of the timeline.
#[derive(Serialize)]
pub(super) struct Timeline {
    width: f64,
    height: f64,
    left: f64,
    lanes: Vec<Lane>,
    ticks: Vec<Tick>,
    description: String,
    left_out: usize,
}

#[derive(Serialize)]
struct Lane {
    name: &'static str,
    y: f64,
    height: f64,
    middle: f64,
    marks: Vec<Mark>,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Mark {
    x: f64,
    y: f64,
    number: usize,
    level: &'static str,
    label: String,
}

#[derive(Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    text_y: f64,
    label: String,
    short: String,
}

/// A time on an axis.
#[derive(Serialize)]
pub(super) struct Tick {
    pub(super) x: f64,
    pub(super) label: String,
}

/// From when to when a picture goes, in nanoseconds since the epoch.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) from: i128,
    pub(super) to: i128,
}

impl Span {
    /// A span that has a length, and some air at both ends.
    pub(super) fn around(from: i128, to: i128) -> Self {
        let air = ((to - from) / 40).max(500_000_000);
        Self { from: from - air, to: to + air }
    }

    pub(super) fn x(self, at: i128) -> f64 {
        let share = (at - self.from) as f64 / (self.to - self.from).max(1) as f64;
        round(LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT))
    }

    /// Five times, evenly.
    pub(super) fn ticks(self, setting: &Setting) -> Vec<Tick> {
        let form = if self.to - self.from < 10_000_000_000 { "%H:%M:%S%.1f" } else { "%H:%M:%S" };
        let tick = |part: i128| {
            let at = self.from + (self.to - self.from) * part / 4;
            let stamp = Timestamp::from_nanosecond(at).unwrap_or_default();
            Tick { x: self.x(at), label: stamp.to_zoned(setting.zone.clone()).strftime(form).to_string() }
        };
        (0..5).map(tick).collect()
    }
}

pub(super) fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Nanoseconds since the epoch of an RFC 3339 time.
pub(super) fn nanos(time: &str) -> Option<i128> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

const LANES: [&str; 6] = ["Tool calls", "Process", "Network", "Files", "GPU and CPU", "Sensor"];

/// The lane of a kind of evidence.
fn lane(kind: &str) -> usize {
    match kind {
        "connect" | "connect_result" | "payload" | "flow" | "send" | "bind" | "listen" | "stratum"
        | "ssh" | "tls" | "http" | "dns" | "socks" | "noise" | "tunnel" | "shell" | "canary" => 2,
        "file" => 3,
        "lost" => 5,
        kind if kind.starts_with("gpu") || kind.starts_with("cpu") || kind.starts_with("mining") => 4,
        _ => 1,
    }
}

/// The timeline of facts, which are oldest first.
pub(super) fn timeline(facts: &[(&Alert, &Evidence)], setting: &Setting) -> Timeline {
    let bars = bars(facts);
    let times: Vec<i128> = facts.iter().filter_map(|(_, fact)| nanos(&fact.time)).collect();
    let from = times.iter().copied().min().unwrap_or(0);
    let to = times.iter().copied().max().unwrap_or(0);
    // A tool call that began long before would press everything else together.
    let reach = (to - from).max(5_000_000_000);
    let began = bars.iter().map(|(began, _, _)| (*began).max(from - reach)).min().unwrap_or(from);
    let span = Span::around(from.min(began), to);
    let mut marks: [Vec<Mark>; LANES.len()] = Default::default();
    for (at, (alert, fact)) in facts.iter().enumerate().take(MARKS) {
        let Some(time) = nanos(&fact.time) else { continue };
        let label = format!("{}: {} ({})", at + 1, fact.text, alert.level.name());
        let mark = Mark { x: span.x(time), y: 0.0, number: at + 1, level: alert.level.name(), label };
        if let Some(lane) = marks.get_mut(lane(&fact.kind)) {
            lane.push(mark);
        }
    }
    let mut lanes = Vec::new();
    let mut y = 8.0;
    for (at, (name, marks)) in LANES.into_iter().zip(marks).enumerate() {
        let bars = if at == 0 { draw(&bars, span, y) } else { Vec::new() };
        if marks.is_empty() && bars.is_empty() {
            continue;
        }
        let (marks, rows) = stack(marks, y);
        let height = ROW * rows.max(bars.len()).max(1) as f64 + 8.0;
        lanes.push(Lane { name, y, height, middle: y + height / 2.0 + 4.0, marks, bars });
        y += height + 4.0;
    }
    let shown = setting.zone.clone();
    let clock = |at: i128| {
        Timestamp::from_nanosecond(at)
            .unwrap_or_default()
            .to_zoned(shown.clone())
            .strftime("%H:%M:%S")
            .to_string()
    };
    Timeline {
        width: WIDTH,
        height: y + 28.0,
        left: LEFT,
        lanes,
        ticks: span.ticks(setting),
        description: format!(
            "{} facts from {} to {}, by kind. The numbers are those of the table of evidence below.",
            facts.len(),
            clock(from),
            clock(to)
        ),
        left_out: facts.len().saturating_sub(MARKS),
    }
}

/// Tool calls and tasks with when they began and when they were last seen to run.
fn bars(facts: &[(&Alert, &Evidence)]) -> Vec<(i128, i128, String)> {
    let mut all: Vec<(String, i128, i128, String)> = Vec::new();
    for (alert, fact) in facts {
        let task = alert
            .task
            .as_ref()
            .map(|task| (format!("task {}", task.id), &task.started, format!("task {}", task.name)));
        let call = alert
            .tool_call
            .as_ref()
            .map(|call| (format!("call {}", call.id), &call.started, format!("{} {}", call.name, call.id)));
        for (key, started, label) in task.into_iter().chain(call) {
            let (Some(began), Some(seen)) = (nanos(started), nanos(&fact.time)) else { continue };
            let room = all.len() < BARS;
            match all.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, _, last, _)) => *last = (*last).max(seen),
                None if room => all.push((key, began, seen, label)),
                None => {}
            }
        }
    }
    all.into_iter().map(|(_, began, last, label)| (began, last, label)).collect()
}

fn draw(bars: &[(i128, i128, String)], span: Span, top: f64) -> Vec<Bar> {
    let one = |(at, (began, last, label)): (usize, &(i128, i128, String))| {
        let y = top + 6.0 + ROW * at as f64;
        let x = span.x(*began);
        let width = (span.x(*last) - x).max(4.0);
        let fits = (width / 7.0) as usize;
        let short = if label.chars().count() <= fits { label.clone() } else { String::new() };
        Bar { x, y, width, text_y: y + 14.0, label: label.clone(), short }
    };
    bars.iter().enumerate().map(one).collect()
}

/// Puts marks of one lane into rows so that none hides another, while there is room; how many rows that took.
fn stack(marks: Vec<Mark>, top: f64) -> (Vec<Mark>, usize) {
    let mut ends: Vec<f64> = Vec::new();
    let place = |mut mark: Mark| {
        let free = ends.iter().position(|end| *end <= mark.x);
        let row = free.unwrap_or_else(|| ends.len().min(ROWS - 1));
        match ends.get_mut(row) {
            Some(end) => *end = mark.x + MARK,
            None => ends.push(mark.x + MARK),
        }
        mark.y = top + 4.0 + ROW * (row as f64 + 0.5);
        mark
    };
    let marks: Vec<Mark> = marks.into_iter().map(place).collect();
    let rows = ends.len();
    (marks, rows)
}
