//! `cargo xtask test`: sets up, builds, runs every test, and sums up in one line.
//!
//! Live tests load probes into the running kernel and so need root: cargo runs their binary through sudo
//! when we are not root. One that cannot run prints `skipped: reason`, and is counted as skipped.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::root::Root;
use crate::setup::{self, Purpose};
use crate::shell::{cargo, output, run, step};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this.
    filter: Option<String>,
}

impl Arguments {
    /// Every test.
    pub(crate) fn all() -> Self {
        Self { filter: None }
    }
}

/// A test binary and its arguments, as cargo hands them to a runner.
#[derive(Debug, clap::Args)]
pub(crate) struct Binary {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// How the tests went, summed over binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// What libtest calls passed, less what skipped; below 0 only between a skip and its binary's result.
    pub(crate) passed: i64,
    /// As libtest counts.
    pub(crate) failed: i64,
    /// Ignored, or said that they could not run.
    pub(crate) skipped: i64,
}

/// One selection for building and testing, so that cargo resolves features once. The kernel half is built
/// by detector/build.rs for its own target.
pub(crate) const WORKSPACE: [&str; 3] = ["--workspace", "--exclude", "detector-ebpf"];

/// The member whose tests run as root.
const LIVE: &str = "detector-tests";

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Live])?;
    // First with cargo's progress bar, then with its output read.
    crate::build::debug()?;
    crate::build::miner()?;
    run(cargo(&["test", "--no-run"])?.args(WORKSPACE))?;
    let mut tally = Tally::default();
    let ended_well = tests(arguments.filter.as_deref(), &mut tally)?;

    let Tally { passed, failed, skipped } = tally;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 || !ended_well {
        bail!("not every test passed");
    }
    if passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs `cargo test`, shows its output, and counts; whether cargo ended well.
fn tests(filter: Option<&str>, tally: &mut Tally) -> Result<bool> {
    let mut command = cargo(&["test", "--no-fail-fast"])?;
    command.args(WORKSPACE).args(filter).stdout(Stdio::piped());
    if Root::find().ok() != Some(Root::Already) {
        // cargo runs each test binary through us: see `run_one`.
        command.env(runner_variable()?, format!("{} run-test", env::current_exe()?.display()));
    }
    step("cargo test");
    let mut child = command.spawn().context("cannot run cargo test")?;
    let stdout = child.stdout.take().context("cargo test has no output")?;
    let mut ours = std::io::stdout().lock();
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context("cannot read what cargo test prints")? > 0 {
        ours.write_all(&line).context("cannot print")?;
        tally.count(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(child.wait().context("cannot wait for cargo test")?.success())
}

/// Becomes one test binary, as root where it belongs to the live tests. One cargo command for all packages
/// keeps their dependencies built once; which package a binary is of, cargo says in its environment.
pub(crate) fn run_one(arguments: &Binary) -> Result<()> {
    let (program, rest) = arguments.command.split_first().context("no test binary named")?;
    let is_live = env::var("CARGO_PKG_NAME").is_ok_and(|package| package == LIVE);
    let root = if is_live { Root::find() } else { Ok(Root::Already) };
    let mut command = match root {
        Ok(root) => root.command(program),
        Err(reason) => {
            step(&format!("live tests run without root and will skip: {reason}"));
            Command::new(program)
        }
    };
    Err(command.args(rest).exec()).with_context(|| format!("cannot run {program}"))
}

/// The environment variable that names cargo's runner for this machine's target.
fn runner_variable() -> Result<String> {
    let said = output(Command::new("rustc").arg("-vV"))?;
    let host =
        said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_")))
}

impl Tally {
    /// Takes one line of libtest's output into account.
    pub(crate) fn count(&mut self, line: &str) {
        // A skipped test returns early, so libtest counts it as passed.
        if line.contains("skipped: ") {
            self.skipped += 1;
            self.passed -= 1;
        }
        let Some(numbers) = line.trim().strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            let before = numbers.split_once(word)?.0.trim_end();
            before.rsplit(' ').next()?.parse::<i64>().ok()
        };
        self.passed += number(" passed").unwrap_or(0);
        self.failed += number(" failed").unwrap_or(0);
        self.skipped += number(" ignored").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_over_binaries() {
        let mut tally = Tally::default();
        tally.count("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n");
        tally.count("test a ... ok\n");
        tally.count("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n");
        assert_eq!(tally, Tally { passed: 15, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_test_that_could_not_run_is_no_pass() {
        let mut tally = Tally::default();
        tally.count("skipped: exec: not root\n");
        tally.count("test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
        assert_eq!(tally, Tally { passed: 3, failed: 0, skipped: 1 });
    }
}
