//! What looking at the wire costs: throughput, short connects, exchanges; and how soon mining is told.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::daemon::ratio;
use super::stage::Stage;
use super::workload::{nanoseconds, said};
use super::{Line, daemon, median};
use crate::{interrupt, live};

/// How one workload is judged.
enum Goal {
    /// Least that throughput may be of what it is alone.
    Throughput(f64),
    /// Most that the time may be of what it is alone.
    Time(f64),
    /// No goal.
    None,
}

/// Name, words for detector-trigger, goal. `SERVICE` is the address of a service that nobody watches.
const WORKLOADS: &[(&str, &[&str], Goal)] = &[
    ("loopback transfer, both ends watched, throughput", &["bench-transfer", "4096"], Goal::Throughput(0.95)),
    ("50,000 short connects to a service", &["bench-connect-to", "50000", "SERVICE"], Goal::Time(1.10)),
    ("50,000 short connects, both ends watched", &["bench-connect", "50000"], Goal::Time(1.10)),
    ("20,000 connects with an exchange each, both ends watched", &["bench-exchange", "20000"], Goal::None),
];

/// Miners that log in, one after the other.
const MINERS: u32 = 300;

/// Costs.
pub(super) fn measure(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    let service = Service::start(stage)?;
    let mut ratios = vec![vec![]; WORKLOADS.len()];
    for round in 1..=rounds {
        step_of(round, rounds);
        for ((_, words, _), ratios) in WORKLOADS.iter().zip(&mut ratios) {
            let mut line = vec![stage.trigger().display().to_string()];
            line.extend(
                words.iter().map(|&word| if word == "SERVICE" { &*service.address } else { word }.to_owned()),
            );
            let alone = nanoseconds(Command::new(stage.trigger()).args(line.iter().skip(1)))?;
            ratios.push(nanoseconds(&mut stage.wrapped(&line)?)? / alone);
            interrupt::check()?;
        }
    }
    let lines = WORKLOADS.iter().zip(ratios).map(|((name, _, goal), ratios)| {
        let ratio = median(ratios).unwrap_or(f64::NAN);
        match goal {
            Goal::Throughput(goal) => Line::at_least_ratio(name, 1.0 / ratio, *goal),
            Goal::Time(goal) => Line::at_most(name, ratio, *goal, ""),
            Goal::None => Line::plain(name, format!("{ratio:.2}")),
        }
    });
    Ok(lines.collect())
}

/// A service outside every watched group; dropped, it ends.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(stage: &Stage) -> Result<Self> {
        let mut command = Command::new(stage.trigger());
        let mut child = command.arg("bench-service").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the service has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("the service names no address")?;
        let address = said.get("address").and_then(Value::as_str).context("the service names no address")?;
        Ok(Self { address: address.to_owned(), child })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // By its handle, so that no other process of that pid can be meant.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn step_of(round: u32, rounds: u32) {
    crate::shell::step(&format!("  round {round} of {rounds}"));
}

/// First stratum bytes to the alert. Each miner is a process tree of its own, so that no alert is folded into
/// another.
pub(super) fn latency(stage: &Stage, _rounds: u32) -> Result<Vec<Line>> {
    let group = daemon::Group::create("stratum")?;
    let alerts = stage.file("stratum.jsonl");
    let _daemon = stage.daemon("stratum", &group.pattern(), "")?;
    for _ in 0..MINERS {
        interrupt::check()?;
        said(group.inside(Command::new(stage.trigger()).arg("bench-stratum"))?)?;
        // As they come in life: one by one, not as a storm that keeps the reader awake.
        std::thread::park_timeout(Duration::from_millis(15));
    }
    let is_mining = |alert: &&live::Alert| alert.rule.ends_with("mining/stratum.yml");
    let seen = interrupt::wait_for("alerts", Duration::from_secs(10), || {
        let seen = live::alerts(&alerts)?;
        let enough = seen.iter().filter(is_mining).count() >= MINERS as usize;
        Ok(enough.then_some(seen))
    });
    let seen = match seen {
        Ok(seen) => seen,
        Err(_) => live::alerts(&alerts)?,
    };
    let mut times: Vec<f64> =
        seen.iter().filter(is_mining).map(|alert| ratio(alert.latency_us, 1000)).collect();
    times.sort_by(f64::total_cmp);
    let p99 = times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))).copied();
    let Some((p50, p99)) = median(times.clone()).zip(p99) else { bail!("no alert was seen") };
    let under = format!("{} alerts of {MINERS}", times.len());
    Ok(vec![
        Line::at_most(&format!("stratum bytes to alert, p50, {under}"), p50, 1.0, " ms"),
        Line::at_most(&format!("stratum bytes to alert, p99, {under}"), p99, 5.0, " ms"),
    ])
}
