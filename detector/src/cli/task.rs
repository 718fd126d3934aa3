//! `detector task`: tells the daemon what agents are meant to do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;

use super::BadArgument;
use crate::intake::SOCKET;
use crate::intake::request::{Reply, Request};

mod call;
mod end;
mod list;
mod start;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const ANSWER: u64 = 16 << 20;

/// Tell the daemon what agents are meant to do
///
/// Every alert then names the task, or says that there was none. What a task expects is informational while it
/// runs: this and nothing else. Ask from outside of the agents' control groups: an agent may tell of its tool calls
/// but not declare its own tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Start(start::Args),
    List(list::Args),
    End(end::Args),
    Call(call::Args),
}

/// Where the daemon listens.
#[derive(Debug, clap::Args)]
struct Daemon {
    /// Socket of the daemon; otherwise that of the configuration, otherwise /run/detector/detector.sock
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Configuration file of the daemon, for its `[tasks] socket`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
#[error(
    "no detector listens at {path}; start `detector run`, or name the socket of the one that runs with --socket"
)]
pub(super) struct Unheard {
    path: String,
    #[source]
    source: std::io::Error,
}

impl Daemon {
    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let configured = match &self.config {
            Some(config) => crate::config::load(config)?.config.tasks.socket,
            None => None,
        };
        Ok(configured.unwrap_or_else(|| SOCKET.into()))
    }

    /// Asks; a refusal is an error.
    fn ask(&self, request: &Request) -> anyhow::Result<Reply> {
        let path = self.path()?;
        let mut stream = UnixStream::connect(&path)
            .map_err(|source| Unheard { path: path.display().to_string(), source })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut answer = Vec::new();
        // A daemon that does not like who asks answers without reading.
        let written = stream.write_all(&line);
        BufReader::new(&stream)
            .take(ANSWER)
            .read_until(b'\n', &mut answer)
            .and(written)
            .with_context(|| format!("asking the detector at {} failed", path.display()))?;
        let reply: Reply = serde_json::from_slice(&answer)
            .with_context(|| format!("what answers at {} is no detector", path.display()))?;
        match reply.error {
            Some(error) => Err(BadArgument(error).into()),
            None => Ok(reply),
        }
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Start(args) => start::run(args),
        Command::List(args) => list::run(&args),
        Command::End(args) => end::run(args),
        Command::Call(args) => call::run(args),
    }
}
