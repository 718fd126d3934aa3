//! `detector run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::setup;
use crate::config::Checked;
use crate::delivery::{self, Target};
use crate::digest::schedule;
use crate::intake::{Intake, Places};
use crate::runtime::{Command, Remote};

/// Where the configuration is looked for.
const CONFIG: &str = "/etc/detector/config.toml";

/// Watch the agents of a configuration until told to stop
///
/// SIGHUP reads configuration and rules again and keeps the old ones if the new ones are bad; SIGINT and
/// SIGTERM drain and end with status 0.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Record what the sensors see, too
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = setup::config(Some(&args.config))?;
    let rules = setup::rules(&checked.config)?;
    let mut targets = setup::targets(&checked)?;
    if targets.is_empty() {
        targets.push(Target::stdout());
    }
    let store = setup::store(&checked.config)?;
    if checked.patterns.is_empty() {
        tracing::warn!("the configuration names no [[agent]], so nothing is watched");
    }
    setup::runtime()?.block_on(async {
        // Before anything is watched: a stop in the middle of the start is one that drains, too.
        let signals = Signals::listen()?;
        let count = rules.rules().len();
        let (outlet, delivery) = delivery::start(Arc::clone(&store), targets)
            .context("starting the threads that deliver failed")?;
        let kept = Arc::clone(&store);
        let core = setup::judging(rules, outlet, store, args.record.as_ref())?;
        let (mut engine, remote) = setup::engine(&checked, checked.patterns.clone(), core)?;
        engine.watch_existing()?;
        let places = Places::of_daemon(&checked.config.tasks);
        let intake = Intake::start(places, checked.patterns.clone(), engine.feeder());
        tracing::info!(rules = count, agents = engine.agents(), "watching");
        let thread = setup::start(engine)?;
        let digests = checked
            .digest
            .clone()
            .map(|plan| schedule::start(kept, delivery.owner().to_owned(), crate::recording::host(), plan))
            .transpose()
            .context("starting the thread that sends digests failed")?;
        steer(signals, args, &remote, &intake).await;
        // Before the ring thread drains: what was told until now counts.
        drop(intake);
        drop(digests);
        remote.send(Command::Stop);
        tokio::task::spawn_blocking(|| setup::finish(thread)).await??;
        let delivered = tokio::task::spawn_blocking(|| delivery.finish()).await?;
        tracing::info!(alerts = delivered.total(), "stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// What the daemon is told from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Serves signals until one says stop.
async fn steer(signals: Signals, args: &Args, remote: &Remote, intake: &Intake) {
    let Signals { mut interrupt, mut terminate, mut hangup } = signals;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            _ = hangup.recv() => reload(args, remote, intake),
        }
    }
}

fn reload(args: &Args, remote: &Remote, intake: &Intake) {
    let fresh = setup::config(Some(&args.config)).and_then(|checked| {
        let rules = setup::rules(&checked.config)?;
        Ok((checked, rules))
    });
    match fresh {
        Ok((Checked { patterns, daemons, canaries, .. }, rules)) => {
            tracing::info!(
                rules = rules.rules().len(),
                "reloaded rules, agents, expected daemons and canaries; sinks and kernel settings count from the next start"
            );
            intake.set_agents(patterns.clone());
            remote.send(Command::Reload(Box::new(rules), patterns, daemons, canaries));
        }
        Err(error) => tracing::error!("reload failed, the old configuration stays: {error:#}"),
    }
}
