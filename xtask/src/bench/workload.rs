//! What is measured: tight loops and real work, with the goals for each.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::stage::Stage;

/// One workload.
#[derive(Debug)]
pub(super) struct Workload {
    /// For the table.
    pub(super) name: &'static str,
    /// Words for detector-trigger.
    pub(super) words: &'static [&'static str],
    /// Goals: most that the ratio may be.
    pub(super) goals: Goals,
}

/// Most that the ratio to "alone" may be.
#[derive(Debug)]
pub(super) struct Goals {
    /// The detector watches the workload.
    pub(super) watched: f64,
    /// The detector watches another control group.
    pub(super) unwatched: f64,
    /// The detector runs, and there is no agent.
    pub(super) idle: f64,
}

/// Loops and everyday work.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "exec loop",
        words: &["bench-exec", "1500"],
        goals: Goals { watched: 1.05, unwatched: 1.02, idle: 1.02 },
    },
    Workload {
        name: "connect loop",
        words: &["bench-connect", "15000"],
        goals: Goals { watched: 1.05, unwatched: 1.02, idle: 1.02 },
    },
    Workload {
        name: "open/close loop",
        words: &["bench-open", "300000"],
        goals: Goals { watched: 1.30, unwatched: 1.20, idle: 1.01 },
    },
    Workload {
        name: "git clone and build",
        words: &["bench-command", "1", "/bin/bash", "WORK"],
        goals: Goals { watched: 1.05, unwatched: 1.05, idle: 1.02 },
    },
];

/// Work on very many files.
pub(super) const FILES: &[Workload] = &[
    Workload {
        name: "clone of 20,000 files",
        words: &["bench-command", "1", "git", "clone", "-q", "--no-hardlinks", "REPOSITORY", "EMPTY"],
        goals: Goals { watched: 1.10, unwatched: 1.05, idle: 1.02 },
    },
    Workload {
        name: "tar x of 20,000 files",
        words: &["bench-command", "1", "tar", "-xf", "ARCHIVE", "-C", "EMPTY"],
        goals: Goals { watched: 1.10, unwatched: 1.05, idle: 1.02 },
    },
];

impl Workload {
    /// The command line of the trigger program; what the last run wrote is gone.
    pub(super) fn command_line(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut line = vec![stage.trigger().display().to_string()];
        for &word in self.words {
            line.push(match word {
                "REPOSITORY" => stage.many()?.repository().display().to_string(),
                "ARCHIVE" => stage.many()?.archive().display().to_string(),
                "EMPTY" => stage.many()?.emptied()?.display().to_string(),
                "WORK" => stage.work_script().display().to_string(),
                word => word.to_owned(),
            });
        }
        Ok(line)
    }

    /// Runs it plainly; nanoseconds for one turn.
    pub(super) fn run(&self, stage: &Stage) -> Result<f64> {
        let line = self.command_line(stage)?;
        let (program, words) = line.split_first().context("an empty command line")?;
        let mut command = Command::new(program);
        nanoseconds(command.args(words))
    }
}

/// Runs a command whose first JSON line says how many nanoseconds a turn took.
pub(super) fn nanoseconds(command: &mut Command) -> Result<f64> {
    said(command)?.get("nanoseconds").and_then(Value::as_f64).context("the workload named no time")
}

/// Runs a command to its end; its first JSON line.
pub(super) fn said(command: &mut Command) -> Result<Value> {
    crate::interrupt::check()?;
    let output = command.stdin(Stdio::null()).output().context("cannot run the workload")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("the workload ended with {}: {}", output.status, text.trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{')).context("the workload said nothing")?;
    serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))
}
