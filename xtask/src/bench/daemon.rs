//! The daemon by itself: memory after load, processor time at rest, time from the kernel to the alert.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::stage::Stage;
use super::workload::said;
use super::{Line, median};
use crate::interrupt;
use crate::live::{self, Guarded};

/// How long the daemon is looked at while nothing happens.
const REST: Duration = Duration::from_secs(10);
/// Execs a second that it must keep up with, and for how many seconds.
const RATE: &str = "5000";
const SECONDS: &str = "5";

/// Memory and rest.
pub(super) fn measure(stage: &Stage, _rounds: u32) -> Result<Vec<Line>> {
    let group = Group::create("daemon")?;
    let daemon = stage.daemon("daemon", &group.pattern(), "")?;
    let words: [&str; 3] = ["bench-exec-rate", "1000", "3"];
    said(group.inside(Command::new(stage.trigger()).args(words))?)?;
    let memory = status_kib(&daemon, "VmRSS:")?;
    let before = processor_ticks(&daemon)?;
    let began = Instant::now();
    while began.elapsed() < REST {
        interrupt::check()?;
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let spent = processor_ticks(&daemon)?.saturating_sub(before);
    let ticks = rustix::param::clock_ticks_per_second();
    let share = ratio(spent, ticks) / began.elapsed().as_secs_f64() * 100.0;
    Ok(vec![
        Line::at_most("resident memory after load", ratio(memory, 1024), 60.0, " MiB"),
        Line::at_most("processor time at rest", share, 0.2, " %"),
    ])
}

/// Kernel to alert while thousands of programs start each second.
pub(super) fn latency(stage: &Stage, _rounds: u32) -> Result<Vec<Line>> {
    let group = Group::create("latency")?;
    let alerts = stage.file("latency.jsonl");
    let _daemon = stage.daemon("latency", &group.pattern(), "")?;
    let mut load = Command::new(stage.trigger());
    let mut load = group
        .inside(load.args(["bench-exec-rate", RATE, SECONDS]))?
        .stdout(fs::File::create(stage.file("load.out"))?)
        .spawn()?;
    // Each is a program of a new name in a new process tree, so that no alert is folded into another.
    let mut asked = 0_u32;
    while load.try_wait()?.is_none() {
        interrupt::check()?;
        let miner = stage.file(&format!("miner-{asked}/xmrig"));
        fs::create_dir_all(miner.parent().context("no parent")?)?;
        fs::hard_link(stage.trigger(), &miner).or_else(|_| fs::copy(stage.trigger(), &miner).map(|_| ()))?;
        group.inside(Command::new(&miner).arg("--version"))?.status()?;
        asked += 1;
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let load: Value = serde_json::from_str(&fs::read_to_string(stage.file("load.out"))?)?;
    let rate = load.get("per_second").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let seen = interrupt::wait_for("alerts", Duration::from_secs(10), || {
        let seen = live::alerts(&alerts)?;
        Ok((!seen.is_empty()).then_some(seen))
    })?;
    let mut times: Vec<f64> = seen.iter().map(|alert| alert.latency_us).map(|us| ratio(us, 1000)).collect();
    times.sort_by(f64::total_cmp);
    let p99 = times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))).copied();
    let lost: u64 = seen.iter().map(|alert| alert.events_lost).max().unwrap_or(0);
    let Some((p50, p99)) = median(times.clone()).zip(p99) else { bail!("no alert was seen") };
    let under = format!("at {rate:.0} execs/s, {} alerts of {asked}", times.len());
    Ok(vec![
        Line::at_most(&format!("kernel to alert, p50 {under}"), p50, 1.0, " ms"),
        Line::at_most(&format!("kernel to alert, p99 {under}"), p99, 10.0, " ms"),
        Line::at_most("events lost meanwhile", ratio(lost, 1), 0.0, ""),
    ])
}

/// A control group below the cgroup2 mount; dropped, it is emptied and removed.
pub(super) struct Group {
    path: PathBuf,
    name: String,
}

impl Group {
    /// Makes it.
    pub(super) fn create(name: &str) -> Result<Self> {
        let name = format!("detector-bench-{name}-{}", std::process::id());
        let path = mount()?.join(&name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, name })
    }

    /// How a configuration names it.
    pub(super) fn pattern(&self) -> String {
        format!("/{}", self.name)
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has a command run inside, from its first instruction on.
    pub(super) fn inside<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        use std::io::Write as _;
        use std::os::unix::process::CommandExt as _;
        let procs = fs::OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))?;
        let enter = move || (&procs).write_all(b"0");
        // SAFETY: between fork and exec this only writes to a file that is already open: no allocation,
        // no lock.
        Ok(unsafe { command.pre_exec(enter) })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        for _ in 0..1000 {
            if remove_all(&self.path).is_ok() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        eprintln!("cannot remove {}", self.path.display());
    }
}

fn remove_all(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_all(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

fn mount() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let found = table.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let place = before.split(' ').nth(4)?;
        after.starts_with("cgroup2 ").then(|| PathBuf::from(place))
    });
    found.context("no cgroup2 is mounted")
}

/// A number of /proc/PID/status, in KiB.
fn status_kib(of: &Guarded, key: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", of.pid()))?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
    value.split_whitespace().next().and_then(|word| word.parse().ok()).context("no number")
}

/// Clock ticks that a process has used.
fn processor_ticks(of: &Guarded) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", of.pid()))?;
    let (_, after) = text.rsplit_once(") ").context("no such field")?;
    let fields: Vec<&str> = after.split(' ').collect();
    // utime and stime are fields 14 and 15; after the name comes field 3.
    let number = |at: usize| fields.get(at).and_then(|word| word.parse::<u64>().ok()).context("no number");
    Ok(number(11)? + number(12)?)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(super) fn ratio(number: u64, of: u64) -> f64 {
    number as f64 / of as f64
}
