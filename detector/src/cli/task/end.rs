//! `detector task end`: a task is over.

use std::process::ExitCode;

use super::Daemon;
use crate::intake::request::Request;

/// End a task
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id
    id: String,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { id, daemon } = args;
    daemon.ask(&Request::End { id })?;
    Ok(ExitCode::SUCCESS)
}
