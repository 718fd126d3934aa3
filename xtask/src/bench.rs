//! `cargo xtask bench`: what watching costs, as ratios measured in one run, with goals and peers beside.
//!
//! A ratio is the median over rounds of (this condition / alone in the same round). Each row of [`ROWS`]
//! measures one subject; what cannot be measured here says why and does not stop the rest.

mod audit;
mod cost;
mod daemon;
mod growth;
pub(crate) mod many;
mod network;
mod replay;
mod stage;
mod workload;

use anyhow::{Result, bail};

use crate::interrupt;
use crate::root::Root;
use crate::setup::{self, Purpose};
use crate::shell::step;
use crate::table::align;
use stage::Stage;

/// Options of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each condition is measured.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only rows whose name contains this.
    filter: Option<String>,
    /// Everything is built already: what we pass when we start ourselves again as root.
    #[arg(long, hide = true)]
    built: bool,
}

/// One subject of measurement.
struct Row {
    name: &'static str,
    measure: fn(&Stage, u32) -> Result<Vec<Line>>,
}

/// All of them; auditd last, because it leaves a mark on the kernel until it is wiped.
const ROWS: &[Row] = &[
    Row { name: "cost", measure: cost::measure },
    Row { name: "files", measure: cost::files },
    Row { name: "replay", measure: replay::measure },
    Row { name: "daemon", measure: daemon::measure },
    Row { name: "latency", measure: daemon::latency },
    Row { name: "network", measure: network::measure },
    Row { name: "network-latency", measure: network::latency },
    Row { name: "growth-cgroups", measure: growth::cgroups },
    Row { name: "growth-rules", measure: growth::rules },
    Row { name: "growth-processes", measure: growth::processes },
    Row { name: "auditd", measure: audit::measure },
];

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    what: String,
    measured: String,
    goal: String,
}

impl Line {
    /// A number with a goal that it should not exceed.
    fn at_most(what: &str, number: f64, goal: f64, unit: &str) -> Self {
        let verdict = if number <= goal { "met" } else { "NOT MET" };
        Self {
            what: what.to_owned(),
            measured: format!("{number:.2}{unit}"),
            goal: format!("≤ {goal:.2}{unit}: {verdict}"),
        }
    }

    /// A number with a goal that it should reach.
    fn at_least(what: &str, number: f64, goal: f64, unit: &str) -> Self {
        let verdict = if number >= goal { "met" } else { "NOT MET" };
        Self {
            what: what.to_owned(),
            measured: format!("{number:.0}{unit}"),
            goal: format!("≥ {goal:.0}{unit}: {verdict}"),
        }
    }

    /// A ratio that should reach its goal.
    fn at_least_ratio(what: &str, ratio: f64, goal: f64) -> Self {
        let verdict = if ratio >= goal { "met" } else { "NOT MET" };
        Self {
            what: what.to_owned(),
            measured: format!("{ratio:.2}"),
            goal: format!("≥ {goal:.2}: {verdict}"),
        }
    }

    /// A number that stands for itself.
    fn plain(what: &str, measured: String) -> Self {
        Self { what: what.to_owned(), measured, goal: String::new() }
    }

    /// What could not be measured, and why.
    fn missing(what: &str, error: &anyhow::Error) -> Self {
        let reason = format!("{error:#}");
        let reason = reason.lines().next().unwrap_or_default();
        Self { what: what.to_owned(), measured: "not measured".to_owned(), goal: reason.to_owned() }
    }
}

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let wanted = |row: &&Row| arguments.filter.as_deref().is_none_or(|filter| row.name.contains(filter));
    let rows: Vec<&Row> = ROWS.iter().filter(wanted).collect();
    if rows.is_empty() {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        bail!("no row has that in its name; there are {}", names.join(", "));
    }
    if !arguments.built {
        setup::ensure(&[Purpose::Build, Purpose::Live])?;
        crate::build::release(&["detector", "detector-tests"])?;
    }
    let rounds = arguments.rounds.to_string();
    let words = ["bench", "--built", "--rounds", &rounds].into_iter().chain(arguments.filter.as_deref());
    Root::become_it(words)?;
    interrupt::watch()?;
    let busy = load();
    let stage = Stage::create()?;
    let mut lines = vec![];
    for row in rows {
        step(&format!("measuring: {}", row.name));
        match (row.measure)(&stage, arguments.rounds) {
            Ok(more) => lines.extend(more),
            Err(error) => {
                interrupt::check()?;
                lines.push(Line::missing(row.name, &error));
            }
        }
    }
    println!("{}", table(&lines));
    println!(
        "Ratios: median of {} rounds, each against the same workload alone in that round.",
        arguments.rounds
    );
    if busy > 0.5 {
        println!("Other work ran on this machine (load {busy:.1} at the start): take the ratios with care.");
    }
    Ok(())
}

/// Mean number of runnable tasks in the last minute, before we add ours.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn table(lines: &[Line]) -> String {
    let mut rows = vec![["what", "measured", "goal"].map(str::to_owned)];
    for Line { what, measured, goal } in lines {
        rows.push([what.clone(), measured.clone(), goal.clone()]);
    }
    align(&rows)
}

/// The middle of some numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle).copied()?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    numbers.get(middle.checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn a_goal_that_is_not_met_stands_out() {
        assert!(Line::at_most("x", 1.06, 1.05, "").goal.contains("NOT MET"));
        assert!(Line::at_least("x", 600_000.0, 500_000.0, "/s").goal.ends_with(": met"));
    }
}
