//! `detector gpu`: what the GPUs do, who uses them, and what cannot be told here.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::{USAGE, setup};
use crate::agent::Pattern;
use crate::config::GpuConfig;
use crate::event::{GpuDevice, GpuProcess, GpuSample, Nanos};
use crate::kernel::proc;
use crate::process::container;
use crate::telemetry::gpu::{self, GpuError, Rounds, Seen};

mod page;

/// How far apart the two readings of a single sample are: amounts that grow need two.
const APART: Duration = Duration::from_secs(1);

/// Show what the GPUs do and who uses them
///
/// It reads NVML once, or again and again, as the daemon does. Ends with status 2 where NVML cannot be had, and says
/// what to do about it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file, for the names of agents and the NVML library
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on, a sample each interval of the configuration, until interrupted
    #[arg(long)]
    watch: bool,
    /// As JSON; one line a sample with --watch
    #[arg(long)]
    json: bool,
}

/// One sample, as it is shown.
#[derive(Debug, Serialize)]
struct Report {
    time: String,
    driver: String,
    devices: Vec<GpuDevice>,
    processes: Vec<User>,
    /// What cannot be told here, and why.
    gaps: Vec<String>,
}

/// A process on a device.
#[derive(Debug, Serialize)]
struct User {
    /// Place of the device in `devices`.
    device: u32,
    pid: u32,
    /// Name of the agent that it belongs to, by the patterns of the configuration.
    agent: Option<String>,
    container: Option<String>,
    /// Its command line; none where it is gone or in another pid namespace.
    command: Option<String>,
    memory: Option<u64>,
    sm: Option<u32>,
    memory_utilization: Option<u32>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { config, watch, json } = args;
    let checked = setup::config(config.as_deref())?;
    let settings = &checked.config.telemetry.gpu;
    let interval = if *watch { settings.interval } else { APART };
    let rounds = Rounds::start(gpu::library(settings), interval);
    let first = match rounds.next() {
        Ok(seen) => seen,
        Err(error) => return Ok(refused(&error)),
    };
    if *watch {
        let mut seen = first;
        loop {
            show(&report(seen, &checked.patterns), *json, true)?;
            seen = match rounds.next() {
                Ok(seen) => seen,
                Err(error) => return Ok(refused(&error)),
            };
        }
    }
    match rounds.next() {
        Ok(seen) => show(&report(seen, &checked.patterns), *json, false)?,
        Err(error) => return Ok(refused(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether GPUs are measured here, and what there is or why not; for `doctor`.
pub(super) fn state() -> (bool, String) {
    let library = gpu::library(&GpuConfig::default());
    match Rounds::start(library, APART).next() {
        Ok(seen) => (true, page::summary(&seen)),
        Err(error) => (false, format!("{}; {}", error.chain(), error.remedy())),
    }
}

fn refused(error: &GpuError) -> ExitCode {
    super::complain(&anyhow::anyhow!("{}; {}", error.chain(), error.remedy()));
    ExitCode::from(USAGE)
}

fn show(report: &Report, json: bool, watch: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match (json, watch) {
        (true, true) => writeln!(out, "{}", crate::alert::escape::json_line(serde_json::to_string(report)?))?,
        (true, false) => writeln!(out, "{}", serde_json::to_string_pretty(report)?)?,
        (false, _) => out.write_all(page::page(report).as_bytes())?,
    }
    Ok(out.flush()?)
}

fn report(seen: Seen, patterns: &[Pattern]) -> Report {
    let Seen { driver, sample, gaps } = seen;
    let GpuSample { time: Nanos(time), interval: _, devices, processes } = sample;
    let processes = processes.iter().map(|process| user(process, patterns)).collect();
    Report { time: Nanos(time).rfc3339(), driver, devices, processes, gaps }
}

fn user(process: &GpuProcess, patterns: &[Pattern]) -> User {
    let GpuProcess { device, process, agent: _, cgroup: _, memory, sm, memory_utilization } = process;
    // Without a start time it is gone, or the pid is not one of ours.
    let seen = process.start.0 != 0;
    let path = if seen { proc::cgroup(process.pid) } else { None };
    let path = path.as_deref().unwrap_or_default();
    User {
        device: *device,
        pid: process.pid,
        agent: agent(path, patterns),
        container: container::of(path).and_then(|container| container.id),
        command: if seen { command(process.pid) } else { None },
        memory: *memory,
        sm: *sm,
        memory_utilization: *memory_utilization,
    }
}

/// The agent that a control group is, or is below of.
fn agent(path: &str, patterns: &[Pattern]) -> Option<String> {
    let ends = path.match_indices('/').map(|(end, _)| end).skip(1).chain([path.len()]);
    let mut above = ends.filter_map(|end| path.get(..end));
    above
        .find_map(|path| patterns.iter().find(|pattern| pattern.matches(path)))
        .map(|found| found.name().to_owned())
}

fn command(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let line = line.strip_suffix(&[0]).unwrap_or(&line);
    let words: Vec<_> = line.split(|byte| *byte == 0).map(crate::event::text).collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_below_an_agents_is_of_that_agent() {
        let patterns = [Pattern::new("coder", "/agents/coder-*").unwrap()];
        assert_eq!(agent("/agents/coder-1", &patterns).as_deref(), Some("coder"));
        assert_eq!(agent("/agents/coder-1/work/deep", &patterns).as_deref(), Some("coder"));
        assert_eq!(agent("/agents/other", &patterns), None);
        assert_eq!(agent("", &patterns), None);
    }
}
