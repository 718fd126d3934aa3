//! `detector task call`: a tool call begins or ends, as a hook tells it.

use std::process::ExitCode;

use clap::Subcommand;

use super::Daemon;
use crate::intake::request::Request;
use crate::task::Phase;

/// Tell that an agent's tool call begins or ends
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A call begins; prints its id
    Start(Call),
    /// A call came back
    End(Call),
}

#[derive(Debug, clap::Args)]
struct Call {
    /// Agent, by its name or the path of its control group; not needed inside of that
    #[arg(long)]
    agent: Option<String>,
    /// The tool
    #[arg(long)]
    tool: String,
    /// Id of the call; without one, an end is that of the last call of this tool
    #[arg(long)]
    id: Option<String>,
    /// Conversation
    #[arg(long)]
    conversation: Option<String>,
    #[command(flatten)]
    daemon: Daemon,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (phase, call) = match args.command {
        Command::Start(call) => (Phase::Started, call),
        Command::End(call) => (Phase::Ended, call),
    };
    let Call { agent, tool, id, conversation, daemon } = call;
    let reply = daemon.ask(&Request::Call { agent, tool, id, phase, time: None, conversation })?;
    if phase == Phase::Started {
        println!("{}", reply.id.unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
