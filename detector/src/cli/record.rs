//! `detector record`: what the sensors see, to a file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{setup, wrap};
use crate::intake::Places;
use crate::runtime::Command;

/// Record what the sensors see of a command, or of the agents of a configuration until Ctrl-C
///
/// `detector replay` judges it again on any machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recording to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Configuration file that names the agents
    #[arg(long, value_name = "FILE", required_unless_present = "command")]
    config: Option<PathBuf>,
    /// What the agent is called, with a command
    #[arg(long)]
    name: Option<String>,
    /// A command to run and record
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = setup::config(args.config.as_deref())?;
    setup::runtime()?.block_on(async {
        let core = wrap::recording(&args.output)?;
        if !args.command.is_empty() {
            let engine = setup::engine(&checked, Vec::new(), core)?;
            let name = wrap::agent_name(args.name.as_deref(), &args.command);
            return wrap::session(&name, &args.command, engine, Places::default()).await.map(wrap::exit_code);
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (mut engine, remote) = setup::engine(&checked, checked.patterns.clone(), core)?;
        engine.watch_existing()?;
        eprintln!("detector: recording {} agents to {}; Ctrl-C ends", engine.agents(), args.output.display());
        let thread = setup::start(engine)?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        remote.send(Command::Stop);
        tokio::task::spawn_blocking(|| setup::finish(thread)).await??;
        Ok(ExitCode::SUCCESS)
    })
}
