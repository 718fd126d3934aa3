//! How fast the core is: a recording of real work, replayed with all rules on one core.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::stage::Stage;
use super::workload::said;
use super::{Line, median};
use crate::place;

/// Events a second that one core must judge.
const GOAL: f64 = 500_000.0;

/// Records the work, replays it.
pub(super) fn measure(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    let recording = stage.file("work.detrec");
    let detector = place::release("detector")?;
    let mut record = Command::new(&detector);
    record.arg("record").arg("-o").arg(&recording).args(["--name", "bench", "--"]);
    record.arg(stage.trigger()).args(["bench-command", "3", "/bin/bash"]).arg(stage.work_script());
    said(&mut record).context("recording the work")?;
    let mut rates = vec![];
    let mut events = 0;
    for _ in 0..rounds {
        let mut replay = Command::new(&detector);
        let stats =
            said(replay.arg("replay").arg("--stats").arg(&recording)).context("replaying the work")?;
        events = stats.get("events").and_then(Value::as_u64).context("--stats names no events")?;
        let rate = stats.get("events_per_second").and_then(Value::as_f64);
        rates.push(rate.context("--stats names no events_per_second")?);
    }
    let rate = median(rates).context("no round was replayed")?;
    Ok(vec![Line::at_least(&format!("replay, all rules, one core ({events} events)"), rate, GOAL, "/s")])
}
