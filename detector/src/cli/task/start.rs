//! `detector task start`: a task begins; with a command, it lasts as long as that.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use super::Daemon;
use crate::cli::{setup, wrap};
use crate::intake::request::Request;

/// Begin a task, and print its id; with a command, run it and end the task with it
///
/// The command runs where this program runs: start it inside the agent's control group if it shall be watched.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Agent, by its name or the path of its control group
    #[arg(long)]
    agent: String,
    /// What it is expected to do: gpu, cpu, listen:PORT, egress:HOST (and names below it), daemon:NAME
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    expect: Vec<String>,
    /// Only processes whose executable matches this glob; one without a slash is over file names
    #[arg(long, value_name = "PATTERN")]
    exe: Option<String>,
    /// When it expires by itself; after a day where not given
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// What alerts call it; its id where not given
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    daemon: Daemon,
    /// A command and its arguments; its exit status is passed on
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { agent, expect, exe, ttl, name, daemon, command } = args;
    let ttl_seconds = ttl.map(|ttl| ttl.as_secs().max(1));
    let name = name.or_else(|| (!command.is_empty()).then(|| wrap::agent_name(None, &command)));
    let started = daemon.ask(&Request::Start { agent, expects: expect, exe, name, ttl_seconds })?;
    let id = started.id.unwrap_or_default();
    if command.is_empty() {
        println!("{id}");
        return Ok(ExitCode::SUCCESS);
    }
    let status = setup::runtime()?.block_on(wrap::attend(&command));
    if let Err(error) = daemon.ask(&Request::End { id: id.clone() }) {
        // The command's status counts more; the task expires by itself.
        eprintln!(
            "detector: {}",
            crate::alert::escape::escape_lines(&format!("ending the task {id} failed: {error:#}"))
        );
    }
    Ok(wrap::exit_code(status?))
}
