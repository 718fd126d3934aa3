//! The command line: one file a command. Data goes to standard output, logs to standard error.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::ConfigError;
use crate::kernel::KernelError;
use crate::recording::RecordingError;
use crate::rules::RulesError;
use crate::sinks::SinkError;
use crate::sinks::human::Colour;

mod alerts;
mod canary;
mod digest;
mod docs;
mod doctor;
mod explain;
mod gpu;
mod kept;
mod record;
mod replay;
mod rules;
mod run;
mod setup;
mod task;
mod wrap;

/// Exit status for bad usage, configuration, rules, or a machine that cannot serve.
const USAGE: u8 = 2;

/// An eBPF runtime anomaly detector for machines that run autonomous AI agents.
///
/// It watches what agents execute, connect to and write, judges it by Sigma rules, and alerts. It does
/// not change what an agent does.
#[derive(Debug, Parser)]
#[command(name = "detector", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug
    #[arg(long, global = true, env = "DETECTOR_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Wrap(wrap::Args),
    Replay(replay::Args),
    Record(record::Args),
    Alerts(alerts::Args),
    Explain(explain::Args),
    Rules(rules::RulesArgs),
    Doctor(doctor::Args),
    Gpu(gpu::Args),
    Canary(canary::Args),
    Task(task::Args),
    Digest(digest::Args),
    /// Print shell completions
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Write the generated documents: references, completions, man pages
    #[command(hide = true)]
    Docs {
        /// Directory
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
}

/// Parses the arguments and runs the command; prints a failure once, with its causes.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.log.as_deref(), &cli.command);
    match dispatch(cli.command) {
        Ok(code) => code,
        // Whoever read our output has seen enough: `detector rules list | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(code_of(&error))
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let of = |cause: &(dyn std::error::Error + 'static)| Some(cause.downcast_ref::<std::io::Error>()?.kind());
    error.chain().any(|cause| of(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

/// Prints an error with its causes.
fn complain(error: &anyhow::Error) {
    eprintln!("detector: {}", crate::alert::escape::escape_lines(&format!("{error:#}")));
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Wrap(args) => wrap::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Alerts(args) => alerts::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Rules(args) => rules::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Gpu(args) => gpu::run(&args),
        Command::Canary(args) => canary::run(args),
        Command::Task(args) => task::run(args),
        Command::Digest(args) => digest::run(&args),
        Command::Completions { shell } => {
            // Into memory first: clap panics where its output is closed.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "detector", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs { out } => docs::write(&out, Cli::command()),
    }
}

/// An argument that means nothing here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadArgument(String);

/// 2 where the operator has to change something before it can work, 1 where an operation failed; what
/// shells give where a command cannot be started.
fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<wrap::StartError>() {
        return error.code();
    }
    let is_usage = error.chain().any(|cause| {
        cause.is::<BadArgument>()
            || cause.is::<task::Unheard>()
            || cause.is::<ConfigError>()
            || cause.is::<RulesError>()
            || matches!(cause.downcast_ref(), Some(SinkError::Open { .. }))
            || cause.downcast_ref::<RecordingError>().is_some_and(RecordingError::is_usage)
            || cause.downcast_ref::<KernelError>().is_some_and(KernelError::is_usage)
    });
    if is_usage { USAGE } else { 1 }
}

fn start_log(filter: Option<&str>, command: &Command) {
    let default = match command {
        Command::Run(_) => "info",
        Command::Wrap(_)
        | Command::Replay(_)
        | Command::Record(_)
        | Command::Alerts(_)
        | Command::Explain(_)
        | Command::Rules(_)
        | Command::Doctor(_)
        | Command::Gpu(_)
        | Command::Canary(_)
        | Command::Task(_)
        | Command::Digest(_)
        | Command::Completions { .. }
        | Command::Docs { .. } => "warn",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(Colour::of(&std::io::stderr()) == Colour::On)
        .with_env_filter(filter.unwrap_or(default))
        .with_target(false)
        .init();
}
