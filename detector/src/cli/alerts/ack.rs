//! `detector alerts ack`: somebody looks after an incident.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::alert::escape::escape;
use crate::cli::kept::{Found, Which, find};
use crate::event::Nanos;

/// Acknowledge an incident: people are told no more of it unless it becomes graver
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of an incident, or of an alert of it; or the beginning or end of one
    id: String,
    /// Who acknowledges; the user where not given
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let incident = match find(&store, &args.id)? {
        Found::Alert(stored) => stored.alert.incident,
        Found::Incident(incident) => incident.id,
    };
    let who = args.by.clone().unwrap_or_else(super::who);
    let now = u64::try_from(crate::store::now_ms()).unwrap_or(0);
    let known = store
        .acknowledge(&incident, &who, &Nanos(now.saturating_mul(1_000_000)).rfc3339())
        .context("cannot acknowledge; only who may write to the store can")?;
    anyhow::ensure!(known, "incident {incident} had to make room meanwhile");
    super::say(&format!("incident {} is acknowledged by {}", escape(&incident), escape(&who)))
}
