//! What the demo and the bench share: the detector around a command, and the alerts that it writes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::interrupt::wait_for;
use crate::place;

/// A child process that does not outlive its handle: told to end, then killed, with what it left in its
/// process group.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Guarded {
    /// Starts a command, with its standard error in a log file.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when it has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot wait")? {
            bail!("{} ended with {status}: {}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        wait_for(&what, limit, || self.child.try_wait().context("cannot wait"))
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }

    /// Tells it to end and waits; kills it when that takes too long.
    pub(crate) fn stop(&mut self) {
        self.stop_leader();
        if let Some(group) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // Mostly there is nobody left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn stop_leader(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            terminate(self.pid(), signal);
            // Not interrupt::wait_for: this runs when we were interrupted, too.
            let mut turns = 0;
            while turns < 1000 && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::park_timeout(Duration::from_millis(5));
                turns += 1;
            }
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Signals a process that we started.
pub(crate) fn terminate(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that has ended in the meantime needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// `detector wrap` around a command, writing alerts to a file.
pub(crate) fn wrap<W: AsRef<OsStr>>(
    name: &str,
    alerts: &Path,
    config: Option<&Path>,
    command: &[W],
) -> Result<Command> {
    let mut wrap = Command::new(place::release("detector")?);
    wrap.args(["wrap", "--name", name, "--alerts"]).arg(alerts);
    wrap.env("DETECTOR_STORE", alerts.with_extension("db"));
    if let Some(file) = config {
        wrap.arg("--config").arg(file);
    }
    wrap.arg("--").args(command);
    Ok(wrap)
}

/// An alert, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    /// Sigma's level.
    pub(crate) level: String,
    /// Title of the rule.
    pub(crate) title: String,
    /// File of the rule.
    pub(crate) rule: String,
    /// One sentence.
    pub(crate) summary: String,
    /// What it is made of, a sentence each.
    pub(crate) evidence: Vec<String>,
    /// The tool call in whose middle it was.
    pub(crate) tool: Option<String>,
    /// Microseconds from the kernel's event to the alert.
    pub(crate) latency_us: u64,
    /// Events of the agent that were lost up to then.
    pub(crate) events_lost: u64,
}

impl Alert {
    /// Whether the level asks for somebody's attention.
    pub(crate) fn is_above_low(&self) -> bool {
        !matches!(self.level.as_str(), "informational" | "low")
    }

    fn from_json(line: &str) -> Result<Self> {
        let alert: Value =
            serde_json::from_str(line).with_context(|| format!("an alert is no JSON: {line}"))?;
        let text = |pointer: &str| {
            let value = alert.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("an alert lacks {pointer}: {line}"))
        };
        Ok(Self {
            level: text("/level")?,
            rule: text("/rule/file")?,
            title: text("/rule/title")?,
            summary: text("/summary")?,
            tool: text("/tool_call/name").ok(),
            evidence: {
                let facts = alert.get("evidence").and_then(Value::as_array).into_iter().flatten();
                facts.filter_map(|fact| fact.get("text")?.as_str().map(str::to_owned)).collect()
            },
            events_lost: alert.pointer("/coverage/events_lost").and_then(Value::as_u64).unwrap_or(0),
            latency_us: alert
                .get("latency_us")
                .and_then(Value::as_u64)
                .context("an alert lacks latency_us")?,
        })
    }
}

/// All whole alerts of a file, which may not exist yet.
pub(crate) fn alerts(file: &Path) -> Result<Vec<Alert>> {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8(text).context("alerts are no UTF-8")?;
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(Alert::from_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_as_the_format_gives_it() {
        let line = r#"{"level":"high","summary":"s","rule":{"title":"Known Miner","file":"rules/a.yml"},"latency_us":312}"#;
        let alert = Alert::from_json(line).unwrap();
        assert!(alert.is_above_low());
        assert_eq!((alert.rule.as_str(), alert.latency_us), ("rules/a.yml", 312));
        assert!(Alert::from_json(r#"{"level":"high"}"#).is_err());
    }
}
