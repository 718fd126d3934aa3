//! Cost of watching: each workload alone, watched, beside a watch, beside a detector without agents, and
//! beside bpftrace.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::stage::Stage;
use super::workload::{FILES, WORKLOADS, Workload, nanoseconds};
use super::{Line, median};
use crate::live::Guarded;
use crate::shell::{step, which};

/// Under what a workload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Watched,
    Unwatched,
    Idle,
    /// A probe at every syscall's exit that does nothing: what being there costs whoever uses it.
    Empty,
    Bpftrace,
}

const CONDITIONS: [Condition; 5] =
    [Condition::Watched, Condition::Unwatched, Condition::Idle, Condition::Empty, Condition::Bpftrace];

/// Ratios of one workload under one condition, or why there are none.
struct Series {
    workload: &'static Workload,
    condition: Condition,
    ratios: Vec<f64>,
    failed: Option<anyhow::Error>,
}

/// Loops and everyday work.
pub(super) fn measure(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    measure_all(stage, rounds, WORKLOADS)
}

/// Work on very many files.
pub(super) fn files(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    measure_all(stage, rounds, FILES)
}

/// Measures all workloads under all conditions, alternating.
fn measure_all(stage: &Stage, rounds: u32, workloads: &'static [Workload]) -> Result<Vec<Line>> {
    let mut all: Vec<Series> = workloads
        .iter()
        .flat_map(|workload| {
            CONDITIONS.map(|condition| Series { workload, condition, ratios: vec![], failed: None })
        })
        .collect();
    for round in 1..=rounds {
        step(&format!("  round {round} of {rounds}"));
        for condition in CONDITIONS {
            // Right before, so that whatever else this machine does weighs on both alike.
            let mut alone = vec![];
            for workload in workloads {
                alone.push(workload.run(stage).with_context(|| format!("{} alone", workload.name))?);
            }
            let series = all.iter_mut().filter(|series| series.condition == condition);
            one_round(stage, condition, series.zip(&alone));
            crate::interrupt::check()?;
        }
    }
    Ok(all.iter().map(line).collect())
}

/// Runs all workloads once under one condition.
fn one_round<'a>(
    stage: &Stage,
    condition: Condition,
    series: impl Iterator<Item = (&'a mut Series, &'a f64)>,
) {
    let holder = hold(stage, condition);
    for (series, alone) in series {
        if series.failed.is_some() {
            continue;
        }
        let took = match &holder {
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
            Ok(_) => run(stage, series.workload, condition),
        };
        match took {
            Ok(nanoseconds) => series.ratios.push(nanoseconds / alone),
            Err(error) => series.failed = Some(error),
        }
    }
}

/// Starts what has to run beside the workload.
fn hold(stage: &Stage, condition: Condition) -> Result<Option<Guarded>> {
    Ok(match condition {
        Condition::Watched => None,
        Condition::Unwatched => Some(stage.watch_elsewhere()?),
        Condition::Idle => Some(stage.daemon("idle", "/no-such-group-*", "")?),
        Condition::Empty => Some(bpftrace(stage, EMPTY)?),
        Condition::Bpftrace => Some(bpftrace(stage, SCRIPT)?),
    })
}

fn run(stage: &Stage, workload: &Workload, condition: Condition) -> Result<f64> {
    match condition {
        Condition::Watched => nanoseconds(&mut stage.wrapped(&workload.command_line(stage)?)?),
        Condition::Unwatched | Condition::Idle | Condition::Empty | Condition::Bpftrace => {
            workload.run(stage)
        }
    }
}

/// A script that prints every exec, connect and open, into a file.
const SCRIPT: &str = r#"
tracepoint:syscalls:sys_enter_execve { printf("exec %d %s %s\n", pid, comm, str(args->filename)); }
tracepoint:syscalls:sys_enter_connect { printf("connect %d %s %d\n", pid, comm, args->fd); }
tracepoint:syscalls:sys_enter_openat { printf("open %d %s %s\n", pid, comm, str(args->filename)); }
tracepoint:syscalls:sys_enter_open { printf("open %d %s %s\n", pid, comm, str(args->filename)); }
"#;

/// A script whose probe never does anything; the other lines tell that it is attached.
const EMPTY: &str = r#"
tracepoint:raw_syscalls:sys_exit / pid == 0 / { @never = 1; }
interval:ms:20 { printf("%s\n", "attached, attached, attached, attached, attached, attached"); }
"#;

fn bpftrace(stage: &Stage, text: &str) -> Result<Guarded> {
    let program =
        which("bpftrace").context("bpftrace is missing; `cargo xtask setup --bench` installs it")?;
    let (script, printed) = (stage.file("peer.bt"), stage.file("peer.out"));
    fs::write(&script, text)?;
    let _ = fs::remove_file(&printed);
    // It looks for tracepoints where machines often mount nothing: mount that in a namespace of its own.
    let line = r#"[ -d /sys/kernel/debug/tracing ] || mount -t debugfs none /sys/kernel/debug
[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing
exec "$0" -o "$1" "$2""#;
    let mut command = Command::new("unshare");
    command.args(["-m", "/bin/sh", "-c", line]).arg(program).arg(&printed).arg(&script);
    // At its end it prints an empty line here, whatever it was told to write to.
    command.stdout(Stdio::null());
    // It says how many probes it attaches, then what it sees: more than one buffer means that it prints.
    stage.start("bpftrace", &mut command, |_| {
        let provoked = fs::read_dir("/proc").map(Iterator::count);
        provoked.is_ok() && fs::metadata(&printed).is_ok_and(|meta| meta.len() > 2048)
    })
}

fn line(series: &Series) -> Line {
    let Series { workload, condition, ratios, failed } = series;
    let what = match condition {
        Condition::Watched => format!("{}, watched", workload.name),
        Condition::Unwatched => format!("{}, another cgroup watched", workload.name),
        Condition::Idle => format!("{}, no agent exists", workload.name),
        Condition::Empty => format!("{}, bpftrace with an empty probe at sys_exit", workload.name),
        Condition::Bpftrace => format!("{}, bpftrace", workload.name),
    };
    if let Some(error) = failed {
        return Line::missing(&what, error);
    }
    let ratio = median(ratios.clone()).unwrap_or(f64::NAN);
    match condition {
        Condition::Watched => Line::at_most(&what, ratio, workload.goals.watched, ""),
        Condition::Unwatched => Line::at_most(&what, ratio, workload.goals.unwatched, ""),
        Condition::Idle => Line::at_most(&what, ratio, workload.goals.idle, ""),
        Condition::Empty | Condition::Bpftrace => {
            Line { goal: "peer".to_owned(), ..Line::plain(&what, format!("{ratio:.2}")) }
        }
    }
}
