//! `detector task list`: the tasks that run.

use std::io::Write as _;
use std::process::ExitCode;

use super::Daemon;
use crate::alert::escape::{clip, json_line};
use crate::intake::request::{Request, Running};

/// Most characters of a column.
const MOST: usize = 60;

/// List the tasks that run
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let tasks = args.daemon.ask(&Request::List)?.tasks.unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for task in &tasks {
        let line = if args.json { json_line(serde_json::to_string(task)?) } else { line(task) };
        writeln!(out, "{line}")?;
    }
    if tasks.is_empty() && !args.json {
        writeln!(out, "no task runs")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(task: &Running) -> String {
    let Running { id, name, agent, expects, exe, started, expires } = task;
    let seconds = |time: &str| clip(time.split('.').next().unwrap_or(time), MOST);
    let mut line = format!("{}  {}  agent {}", clip(id, MOST), clip(name, MOST), clip(agent, MOST));
    if !expects.is_empty() {
        line.push_str(&format!("  expects {}", clip(&expects.join(","), 4 * MOST)));
    }
    if let Some(exe) = exe {
        line.push_str(&format!("  exe {}", clip(exe, MOST)));
    }
    line.push_str(&format!("  since {}Z", seconds(started)));
    if let Some(expires) = expires {
        line.push_str(&format!("  until {}Z", seconds(expires)));
    }
    line
}
