//! `cargo xtask fuzz`: hostile bytes, guided by coverage, for every parser of bytes from kernel and network.
//!
//! libFuzzer on stable Rust: the compiler's own coverage pass, as cargo-fuzz sets it, without sanitizers. What
//! was found worth keeping lies in `target/fuzz/corpus` and is where the next run begins.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Purpose};
use crate::shell::{cargo, output, run, step};
use crate::{place, table};

/// Options of `fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this target.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
}

impl Arguments {
    /// Every target, as long as a change waits for.
    pub(crate) fn all() -> Self {
        Self { target: None, seconds: SECONDS }
    }
}

const SECONDS: u32 = 10;
const MANIFEST: &str = "tests/fuzz/Cargo.toml";
/// What cargo-fuzz passes, less the sanitizers, which need a nightly compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// A parser that needs more for 4 KiB has a mistake.
const LIMITS: [&str; 3] = ["-rss_limit_mb=512", "-timeout=5", "-max_len=4096"];
/// Names the target, and where seeds are to be written; tests/fuzz/src/main.rs reads them.
const TARGET: &str = "DETECTOR_FUZZ_TARGET";
const SEEDS: &str = "DETECTOR_FUZZ_SEEDS";

/// The built fuzzer, and where it keeps what it found.
struct Fuzzer {
    program: PathBuf,
    directory: PathBuf,
}

/// How one target went.
#[derive(Debug)]
struct Outcome {
    target: String,
    executions: Option<u64>,
    coverage: Option<u64>,
    corpus: Option<u64>,
    /// What libFuzzer said, where it did not end well.
    failure: Option<String>,
}

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    setup::ensure(&[Purpose::Fuzz])?;
    let began = Instant::now();
    let fuzzer = build()?;
    step(&format!("built in {:.0} s", began.elapsed().as_secs_f64()));
    let mut targets = fuzzer.targets()?;
    if let Some(wanted) = &arguments.target {
        if !targets.contains(wanted) {
            bail!("no target {wanted}; there are {}", targets.join(", "));
        }
        targets.retain(|target| target == wanted);
    }
    step(&format!("fuzzing for {} s each: {}", arguments.seconds, targets.join(", ")));
    let outcomes = fuzzer.run_all(targets, arguments.seconds)?;
    println!("{}", summary(&outcomes));
    let mut failed = 0;
    for Outcome { target, failure, .. } in &outcomes {
        if let Some(failure) = failure {
            failed += 1;
            eprintln!("{target}:\n{failure}\n{}", fuzzer.remedy(target, failure));
        }
    }
    if failed > 0 {
        bail!("{failed} of {} targets failed", outcomes.len());
    }
    Ok(())
}

/// Builds for this machine's target by name, so that build scripts and macros stay without instrumentation.
fn build() -> Result<Fuzzer> {
    let said = output(Command::new("rustc").arg("-vV"))?;
    let host =
        said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    let directory = place::target()?.join("fuzz");
    let mut command = cargo(&["build", "--locked", "--manifest-path", MANIFEST, "--target", host])?;
    command.arg("--target-dir").arg(&directory);
    // Cargo prefers the encoded form over RUSTFLAGS.
    run(command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", FLAGS))?;
    Ok(Fuzzer { program: directory.join(host).join("debug/detector-fuzz"), directory })
}

impl Fuzzer {
    /// Writes the seeds anew; the names of their directories are those of the targets.
    fn targets(&self) -> Result<Vec<String>> {
        let seeds = self.directory.join("seeds");
        if seeds.exists() {
            fs::remove_dir_all(&seeds).with_context(|| format!("cannot remove {}", seeds.display()))?;
        }
        fs::create_dir_all(&seeds).with_context(|| format!("cannot make {}", seeds.display()))?;
        output(Command::new(&self.program).arg("-runs=0").env(SEEDS, &seeds))?;
        let mut targets = Vec::new();
        for entry in fs::read_dir(&seeds).with_context(|| format!("cannot list {}", seeds.display()))? {
            targets.push(entry.context("cannot list seeds")?.file_name().to_string_lossy().into_owned());
        }
        if targets.is_empty() {
            bail!("{} names no target", self.program.display());
        }
        targets.sort();
        Ok(targets)
    }

    /// One target a processor at a time.
    fn run_all(&self, targets: Vec<String>, seconds: u32) -> Result<Vec<Outcome>> {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(targets.len());
        let waiting = Mutex::new(VecDeque::from(targets));
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            let mut outcomes = Vec::new();
            while let Some(target) = next() {
                outcomes.push(self.run_one(target, seconds)?);
            }
            Ok(outcomes)
        };
        let results: Vec<Result<Vec<Outcome>>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread that fuzzes panicked")))
                .collect()
        });
        let mut outcomes = Vec::new();
        for result in results {
            outcomes.extend(result?);
        }
        outcomes.sort_by(|one, other| one.target.cmp(&other.target));
        Ok(outcomes)
    }

    fn run_one(&self, target: String, seconds: u32) -> Result<Outcome> {
        let [corpus, crashes] = ["corpus", "crashes"].map(|kind| self.directory.join(kind).join(&target));
        for directory in [&corpus, &crashes] {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let mut command = Command::new(&self.program);
        command.args(LIMITS).arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", crashes.display()));
        command.arg(&corpus).arg(self.directory.join("seeds").join(&target)).env(TARGET, &target);
        let ended = command.stdin(Stdio::null()).output().context("cannot run the fuzzer")?;
        let said = String::from_utf8_lossy(&ended.stderr);
        Ok(Outcome::read(target, &said, ended.status.success()))
    }

    /// How to see the failure again.
    fn remedy(&self, target: &str, failure: &str) -> String {
        let Some(input) = failure.lines().find_map(|line| line.split_once("Test unit written to ")) else {
            return "no input was written".to_owned();
        };
        let program = self.program.display();
        format!("again: {TARGET}={target} {program} {}", input.1.trim())
    }
}

impl Outcome {
    /// Reads what libFuzzer printed. A run that tried nothing did not go well either.
    fn read(target: String, said: &str, ended_well: bool) -> Self {
        let executions = said
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .and_then(|number| number.trim().parse().ok());
        // "#1234  DONE   cov: 10 ft: 20 corp: 3/12b …": the last line that has it counts.
        let last = |word: &str| {
            let line = said.lines().rev().find(|line| line.starts_with('#') && line.contains(word))?;
            let rest = line.split_once(word)?.1.trim_start();
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        let (coverage, corpus) = (last(" cov:"), last(" corp:"));
        let is_well = ended_well && executions.is_some_and(|count: u64| count > 0) && coverage.is_some();
        let failure = (!is_well).then(|| {
            let lines: Vec<&str> =
                said.lines().filter(|line| !line.starts_with('#') && !line.starts_with("stat::")).collect();
            // From the panic on, if that is what it was.
            let panic = lines.iter().position(|line| line.contains(" panicked at "));
            let from = panic.unwrap_or_else(|| lines.len().saturating_sub(40));
            lines.get(from..).unwrap_or_default().join("\n")
        });
        Self { target, executions, coverage, corpus, failure }
    }
}

fn summary(outcomes: &[Outcome]) -> String {
    let mut rows =
        vec![["target", "executions", "coverage (edges)", "inputs kept", "verdict"].map(str::to_owned)];
    let number = |number: &Option<u64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    for Outcome { target, executions, coverage, corpus, failure } in outcomes {
        let verdict = if failure.is_some() { "FAILED" } else { "ok" };
        rows.push([target.clone(), number(executions), number(coverage), number(corpus), verdict.to_owned()]);
    }
    table::align(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "INFO: seed corpus: files: 4\n\
        #5\tINITED cov: 90 ft: 91 corp: 4/60b exec/s: 0 rss: 28Mb\n\
        #900\tDONE   cov: 120 ft: 200 corp: 33/2Kb lim: 40 exec/s: 450 rss: 28Mb\n\
        stat::number_of_executed_units: 900\n";

    #[test]
    fn what_was_tried_and_reached_is_read() {
        let Outcome { executions, coverage, corpus, failure, .. } = Outcome::read("x".into(), SAID, true);
        assert_eq!((executions, coverage, corpus, failure), (Some(900), Some(120), Some(33), None));
    }

    #[test]
    fn a_crash_names_its_input_and_the_command_to_repeat_it() {
        let said = format!(
            "{SAID}thread panicked at x.rs:1\nartifact_prefix='/t/'; Test unit written to /t/crash-1\n"
        );
        let failure = Outcome::read("x".into(), &said, false).failure.unwrap();
        assert!(failure.contains("panicked at x.rs:1"), "{failure}");
        let fuzzer = Fuzzer { program: "/t/fuzz".into(), directory: "/t".into() };
        assert_eq!(fuzzer.remedy("x", &failure), "again: DETECTOR_FUZZ_TARGET=x /t/fuzz /t/crash-1");
    }

    #[test]
    fn a_run_that_tried_nothing_did_not_go_well() {
        assert!(Outcome::read("x".into(), "", true).failure.is_some());
    }
}
