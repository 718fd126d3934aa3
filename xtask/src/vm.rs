//! `cargo xtask vm`: the probes' live tests on other kernels, each in a virtual machine of its own.
//!
//! Needs no root and leaves nothing behind but the kernels in the user's cache. Without the processor's own
//! virtualisation qemu emulates one, which is slow and works everywhere.

mod bench;
mod image;
mod kernels;
mod machine;
mod report;
mod verifier;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Purpose};
use crate::shell::step;
use crate::{interrupt, place, table};
use image::{Image, PROGRAMS};
use kernels::{KERNELS, Kernel};
use machine::{Pace, Run};

/// Longest that a kernel may take for all tests, emulated.
const LIMIT: Duration = Duration::from_secs(600);

/// Options of `vm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Kernels, as `--list` names them; all of them when none is named.
    kernels: Vec<String>,
    /// Say which kernels there are.
    #[arg(long)]
    list: bool,
    /// Run this by the shell inside, print what it prints, and end as it does.
    #[arg(short, long, value_name = "COMMAND", conflicts_with = "filter")]
    command: Option<String>,
    /// Only tests whose name contains this.
    #[arg(short, long, value_name = "NAME")]
    filter: Option<String>,
    /// Accept how many instructions the verifier goes through now.
    #[arg(long, conflicts_with_all = ["command", "filter"])]
    accept: bool,
    /// Measure what watching costs there instead.
    #[arg(long, conflicts_with_all = ["command", "filter", "accept"])]
    bench: bool,
}

impl Arguments {
    /// Every test on the kernels that a change must hold on.
    pub(crate) fn ci() -> Self {
        let kernels = KERNELS.iter().filter(|kernel| kernel.in_ci);
        let kernels = kernels.map(|kernel| kernel.name.to_owned()).collect();
        Self { kernels, list: false, command: None, filter: None, accept: false, bench: false }
    }
}

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let Arguments { kernels, list, command, filter, accept, bench } = arguments;
    if *list {
        return show_kernels();
    }
    let mut chosen: Vec<Kernel> = kernels.iter().map(|name| Kernel::named(name)).collect::<Result<_>>()?;
    if chosen.is_empty() {
        chosen = KERNELS.to_vec();
    }
    setup::ensure(&[Purpose::Build, Purpose::Vm])?;
    interrupt::watch()?;
    kernels::ensure(&chosen)?;
    let programs = image::build()?;
    if *bench {
        return bench::main(&chosen, &programs);
    }
    match command {
        Some(command) => {
            let image = Image::make(&programs, &[], command)?;
            commands(&chosen, &image)
        }
        None => {
            let image = Image::make(&programs, &[], &tests(filter.as_deref()))?;
            let done = run_tests(&chosen, &image);
            let counts = report::summarise(&done)?;
            let ran: Vec<&str> = chosen.iter().map(|kernel| kernel.name).collect();
            if *accept {
                step(&format!("accepted in {}", verifier::accept(&counts, &ran)?.display()));
                return Ok(());
            }
            verifier::compare(&verifier::accepted()?, &counts, &ran)
        }
    }
}

fn show_kernels() -> Result<()> {
    let mut rows = vec![["kernel", "in ci", "package"].map(str::to_owned)];
    for kernel in KERNELS {
        let origin = kernel.origin()?;
        let origin = if origin.is_empty() { "not fetched yet".to_owned() } else { origin };
        rows.push([kernel.name.to_owned(), if kernel.in_ci { "yes" } else { "no" }.to_owned(), origin]);
    }
    println!("{}", table::align(&rows));
    println!("kept in {}; one that is removed there is fetched anew", kernels::cache()?.display());
    Ok(())
}

/// Tests that stay behind: those that start programs of the machine or load a library, and the storm, which says what a real processor
/// can follow. A new module that belongs here shows by failing there.
const LEFT_OUT: &[&str] = &[
    "benign::",
    "canary::",
    "change::",
    "cli::",
    "cpu::",
    "daemon::",
    "delivery::",
    "digest::",
    "mining::",
    "gpu::",
    "new_code::",
    "operation::tampering_is_told_by_its_rules",
    "persistence::",
    "task::",
    "wire::",
    "loss::a_storm_of_execs",
];

/// The shell's command for the probes' tests: those that start no programs but ours, busybox and Python.
fn tests(filter: Option<&str>) -> String {
    let filter = filter.unwrap_or_default();
    let skips: String = LEFT_OUT.iter().map(|name| format!(" --skip {name}")).collect();
    // Two at once: some wait for the clock.
    format!(
        "{PROGRAMS}/detector doctor --json; echo '{}'\n{PROGRAMS}/live --test-threads 2{skips} {filter}",
        report::TESTS
    )
}

/// Runs the image's command on each kernel in turn; fails where it fails.
fn commands(kernels: &[Kernel], image: &Image) -> Result<()> {
    let mut failed = vec![];
    for kernel in kernels {
        step(&format!("on {}", kernel.name));
        let run = boot(*kernel, image, Pace::Real, LIMIT, |line| println!("{line}"))?;
        if run.status != Some(0) {
            failed.push(format!("{} {}", kernel.name, outcome(&run, LIMIT)));
        }
        if run.status.is_none() {
            println!("{}", machine::last_words(&run.console));
        }
    }
    if !failed.is_empty() {
        bail!("the command failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs the tests on all kernels, as many at once as there are processors and one more, since tests that wait for
/// the clock leave theirs to others. In the order of `kernels`.
fn run_tests(kernels: &[Kernel], image: &Image) -> Vec<(Kernel, Result<Run>)> {
    let workers = thread::available_parallelism().map_or(1, Into::into).saturating_add(1).min(kernels.len());
    let waiting = Mutex::new(kernels.iter());
    let place = place::target().map_or_else(|_| "target".to_owned(), |target| target.display().to_string());
    let done = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(kernel) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) {
                    step(&format!(
                        "{}: booting; what it says is in {place}/machines/{}.output",
                        kernel.name, kernel.name
                    ));
                    let result = boot(*kernel, image, Pace::Real, LIMIT, |_| {});
                    match &result {
                        Ok(run) => step(&format!("{}: {}", kernel.name, outcome(run, LIMIT))),
                        Err(error) => step(&format!("{}: {error:#}", kernel.name)),
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push((*kernel, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(kernel, _)| kernels.iter().position(|other| other == kernel));
    done
}

fn boot(kernel: Kernel, image: &Image, pace: Pace, limit: Duration, show: impl FnMut(&str)) -> Result<Run> {
    let cached = kernel.cached()?.context("the kernel is gone from the cache")?;
    let console = place::target()?.join("machines").join(format!("{}.console", kernel.name));
    machine::run(&cached, image.path(), console, pace, limit, show)
}

fn outcome(run: &Run, limit: Duration) -> String {
    let seconds = run.took.as_secs_f64();
    match run.status {
        _ if run.late => format!("not done within {} s", limit.as_secs()),
        None => format!("the machine stopped after {seconds:.0} s, before the command ended"),
        Some(0) => format!("done after {seconds:.0} s"),
        Some(status) => format!("status {status} after {seconds:.0} s"),
    }
}
