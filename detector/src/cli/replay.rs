//! `detector replay`: alerts from recordings, on any machine, without root, kernel or GPU.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::alert::Alert;
use crate::pipeline::{Input, Outputs, Pipeline, Settings};
use crate::recording::{Reader, RecordingError};
use crate::rules::{Builtin, RuleSet};
use crate::sinks::stdout::line;
use crate::store::Store;

/// Who a store says recorded alerts that were replayed.
const OWNER: &str = "replay";

/// Judge recordings again, on any machine, without root or kernel
///
/// Alerts go to standard output as JSON lines. A recording that is cut short is judged as far as it is
/// whole; then the status is 1.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Recordings, each replayed on its own
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Rules from this file or directory, beside the built-in ones; may be given again
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Leave the built-in rules out
    #[arg(long)]
    no_builtin: bool,
    /// Where alerts go; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    alerts: PathBuf,
    /// Put alerts down in this store, too: `detector alerts` and `detector explain` read it
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Print events, seconds and events a second to standard error
    #[arg(long)]
    stats: bool,
}

/// Runs the command. A recording that is cut short or corrupt is replayed as far as it is whole, and
/// gives exit code 1; rules that cannot be used, or a file that is no recording of this format, give 2.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let out: Box<dyn Write> = match args.alerts.as_os_str().as_encoded_bytes() {
        b"-" => Box::new(BufWriter::new(io::stdout().lock())),
        _ => Box::new(BufWriter::new(create(&args.alerts)?)),
    };
    let store = args.store.as_deref().map(Store::open).transpose()?;
    let mut out = Sinks { out, store };
    let mut stats = Stats::default();
    let mut code = 0;
    for file in &args.files {
        // Correlations remember; each recording gets rules that have seen nothing.
        let rules = rules(args)?;
        match replay(file, rules, &mut out, &mut stats)? {
            Ok(()) => {}
            Err(error) => {
                out.out.flush().context("write alerts")?;
                let error = anyhow::Error::new(error);
                super::complain(&error);
                code = super::code_of(&error).max(code);
            }
        }
    }
    out.out.flush().context("write alerts")?;
    if args.stats {
        eprintln!("{stats}");
    }
    Ok(ExitCode::from(code))
}

fn rules(args: &Args) -> anyhow::Result<RuleSet> {
    let builtin = if args.no_builtin { Builtin::Without } else { Builtin::With };
    Ok(RuleSet::load(&args.rules, builtin)?)
}

fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    options.with_context(|| format!("create alert file {}", path.display()))
}

/// Replays one recording. The outer error is about the output, the inner one about the recording.
fn replay(
    file: &Path,
    rules: RuleSet,
    out: &mut Sinks<impl Write>,
    stats: &mut Stats,
) -> anyhow::Result<Result<(), RecordingError>> {
    let reader = match Reader::open(file) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error)),
    };
    let mut pipeline = Pipeline::new(rules, Settings { host: reader.header().host.clone() });
    let mut outputs = Outputs::default();
    let mut end = Ok(());
    let begin = Instant::now();
    for input in reader {
        match input {
            Ok(input) => {
                stats.inputs += 1;
                stats.events += u64::from(matches!(input, Input::Event(_)));
                pipeline.step_into(input, &mut outputs);
            }
            Err(error) => {
                end = Err(error);
                break;
            }
        }
        stats.alerts += write(&mut outputs, out)?;
        outputs.clear();
    }
    outputs.alerts.extend(pipeline.finish().alerts);
    stats.alerts += write(&mut outputs, out)?;
    stats.elapsed += begin.elapsed();
    Ok(end)
}

/// Where alerts go.
struct Sinks<W> {
    out: W,
    store: Option<Store>,
}

fn write(outputs: &mut Outputs, sinks: &mut Sinks<impl Write>) -> anyhow::Result<u64> {
    let alerts: Vec<Alert> = outputs.alerts.drain(..).collect();
    for alert in &alerts {
        sinks.out.write_all(line(alert)?.as_bytes()).context("write alerts")?;
    }
    if let Some(store) = sinks.store.as_ref().filter(|_| !alerts.is_empty()) {
        // What is judged again is told to nobody: no sink has a queue for it.
        store.record(OWNER, &alerts, &mut |_, _| Vec::new())?;
    }
    Ok(u64::try_from(alerts.len()).unwrap_or(u64::MAX))
}

#[derive(Debug, Default)]
struct Stats {
    inputs: u64,
    events: u64,
    alerts: u64,
    elapsed: Duration,
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inputs, events, alerts, elapsed } = self;
        let nanos = elapsed.as_nanos().max(1);
        let rate = u128::from(*events) * 1_000_000_000 / nanos;
        let seconds = elapsed.as_secs_f64();
        write!(
            f,
            "{events} events ({inputs} inputs) in {seconds:.3} s: {rate} events/s, {alerts} alert lines"
        )
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
