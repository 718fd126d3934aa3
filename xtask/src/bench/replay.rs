//! How fast the core is: a recording of real work, replayed with all rules on one core.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::stage::Stage;
use super::workload::said;
use super::{Line, median};
use crate::place;

/// Events a second that one core must judge.
const GOAL: f64 = 500_000.0;

/// How often the recording is replayed in one measurement: a second's worth of events or so.
const TIMES: usize = 200;

/// Records the work, replays it.
pub(super) fn measure(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    let recording = stage.file("work.detrec");
    let detector = place::release("detector")?;
    let mut record = Command::new(&detector);
    record.arg("record").arg("-o").arg(&recording).args(["--name", "bench", "--"]);
    record.arg(stage.trigger()).args(["bench-command", "3", "/bin/bash"]).arg(stage.work_script());
    said(&mut record).context("recording the work")?;
    let mut rates = vec![];
    let mut events = 0.0;
    for _ in 0..rounds {
        let mut replay = Command::new(&detector);
        replay.args(["replay", "--stats", "--alerts", "/dev/null"]).stdin(Stdio::null());
        replay.args(std::iter::repeat_n(&recording, TIMES));
        let output = replay.output().context("cannot run detector replay")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let (counted, rate) = statistics(&text).with_context(|| format!("replay said: {}", text.trim()))?;
        events = counted;
        rates.push(rate);
    }
    let rate = median(rates).context("no round was replayed")?;
    Ok(vec![Line::at_least(&format!("replay, all rules, one core ({events} events)"), rate, GOAL, "/s")])
}

/// Events and events a second from `N events (M inputs) in S s: R events/s, …`.
fn statistics(text: &str) -> Option<(f64, f64)> {
    let line = text.lines().find(|line| line.contains(" events/s"))?;
    let events = line.split(' ').next()?.parse().ok()?;
    let rate = line.split(" events/s").next()?.rsplit(' ').next()?.parse().ok()?;
    Some((events, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_of_replay_are_read() {
        let line = "500 events (510 inputs) in 0.001 s: 500000 events/s, 3 alert lines\n";
        assert_eq!(statistics(line), Some((500.0, 500_000.0)));
        assert_eq!(statistics("error: no such file"), None);
    }
}
