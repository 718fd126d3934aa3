//! The command line: one file a command. Data goes to standard output, logs to standard error.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::ConfigError;
use crate::kernel::KernelError;
use crate::recording::RecordingError;
use crate::rules::RulesError;

mod docs;
mod doctor;
mod record;
mod replay;
mod rules;
mod run;
mod setup;
mod wrap;

/// Exit status for bad usage, configuration, rules, or a machine that cannot serve.
const USAGE: u8 = 2;

/// An eBPF runtime anomaly detector for machines that run autonomous AI agents.
///
/// It watches what agents execute, connect to and write, judges it by Sigma rules, and alerts. It does
/// not change what an agent does.
#[derive(Debug, Parser)]
#[command(name = "detector", version, max_term_width = 100)]
struct Cli {
    /// What is logged to standard error: error, warn, info, debug, or a filter such as detector=debug
    #[arg(long, global = true, env = "DETECTOR_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the agents of a configuration until told to stop
    Run(run::Args),
    /// Run a command as an agent: in a control group of its own, watched from its first instruction
    Wrap(wrap::Args),
    /// Judge recordings again, on any machine, without root or kernel
    Replay(replay::Args),
    /// Record what the sensors see
    Record(record::Args),
    /// Check, list, show, test and explain rules
    Rules(rules::RulesArgs),
    /// Say what this kernel and these privileges allow, and what is not covered
    Doctor(doctor::Args),
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
        Err(error) => {
            complain(&error);
            ExitCode::from(code_of(&error))
        }
    }
}

/// Prints an error with its causes.
fn complain(error: &anyhow::Error) {
    eprintln!("detector: {}", crate::alert::escape::escape_lines(&format!("{error:#}")));
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Wrap(args) => wrap::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Record(args) => record::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "detector", &mut std::io::stdout());
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
            || cause.is::<ConfigError>()
            || cause.is::<RulesError>()
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
        | Command::Rules(_)
        | Command::Doctor(_)
        | Command::Completions { .. }
        | Command::Docs { .. } => "warn",
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter.unwrap_or(default))
        .with_target(false)
        .init();
}
