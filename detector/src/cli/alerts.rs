//! `detector alerts`: what was found, from the store; acknowledged, muted.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::{Args as Arguments, Subcommand};

use super::kept::Which;
use crate::alert::Level;

mod ack;
mod follow;
mod list;
mod mute;
mod show;

/// List alerts and incidents, show one, acknowledge, mute
///
/// Without a subcommand, the newest alerts are listed, the last one at the end. An alert or incident is named by its
/// id, or by the beginning or the end of it, four characters or more. Times are those of the local zone; `--json`
/// gives UTC.
#[derive(Debug, Arguments)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Arguments)]
struct List {
    /// Of this level and above
    #[arg(long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Of this agent, by name
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Of rules with this id, or with this in their title
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Of this incident
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// Since so long ago (30m, 24h, 7d), or since a time (2026-11-21, 2026-11-21T20:00, 2026-11-21T20:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on: show alerts as they come, and those that repeat
    #[arg(long, short, conflicts_with = "incidents")]
    follow: bool,
    /// JSON, one a line
    #[arg(long)]
    json: bool,
    /// One line an incident
    #[arg(long, conflicts_with_all = ["rule", "incident"])]
    incidents: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Args),
    Ack(ack::Args),
    Mute(mute::Mute),
    Mutes(mute::Mutes),
    Unmute(mute::Unmute),
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        None if args.list.incidents => list::incidents(&args.list),
        None if args.list.follow => follow::run(&args.list),
        None => list::alerts(&args.list),
        Some(Command::Show(args)) => show::run(&args),
        Some(Command::Ack(args)) => ack::run(&args),
        Some(Command::Mute(args)) => mute::run(args),
        Some(Command::Mutes(args)) => mute::list(&args),
        Some(Command::Unmute(args)) => mute::unmute(&args),
    }
}

/// Who does this, where nobody is named: the user behind sudo, or the user.
fn who() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let uid = rustix::process::getuid().as_raw();
    named("SUDO_USER").or_else(|| named("USER")).unwrap_or_else(|| format!("uid {uid}"))
}

fn say(text: &str) -> anyhow::Result<ExitCode> {
    writeln!(stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
