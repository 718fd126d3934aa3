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
pub(super) const CONFIG: &str = "/etc/detector/config.toml";

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
    /// Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = setup::config(Some(&args.config))?;
    let rules = setup::rules(&checked.config)?;
    let targets = targets(&checked)?;
    let store = setup::store(&checked.config, args.store.as_deref())?;
    if checked.patterns.is_empty() {
        tracing::warn!("the configuration names no [[agent]], so nothing is watched");
    }
    setup::runtime()?.block_on(async {
        // Before anything is watched: a stop in the middle of the start is one that drains, too.
        let signals = Signals::listen()?;
        let count = rules.rules().len();
        let (outlet, mut delivery) = delivery::start(Arc::clone(&store), targets, checked.limits)
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
        steer(signals, args, &remote, &intake, &mut delivery).await;
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

/// The sinks of a configuration; standard output where it names none.
fn targets(checked: &Checked) -> anyhow::Result<Vec<Target>> {
    let targets = setup::targets(checked)?;
    Ok(if targets.is_empty() { vec![Target::stdout()] } else { targets })
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
async fn steer(
    signals: Signals,
    args: &Args,
    remote: &Remote,
    intake: &Intake,
    delivery: &mut delivery::Delivery,
) {
    let Signals { mut interrupt, mut terminate, mut hangup } = signals;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            _ = hangup.recv() => reload(args, remote, intake, delivery),
        }
    }
}

fn reload(args: &Args, remote: &Remote, intake: &Intake, delivery: &mut delivery::Delivery) {
    let fresh = setup::config(Some(&args.config)).and_then(|checked| {
        let rules = setup::rules(&checked.config)?;
        let targets = targets(&checked)?;
        Ok((checked, rules, targets))
    });
    match fresh {
        Ok((Checked { patterns, daemons, canaries, .. }, rules, targets)) => {
            let (count, sinks) = (rules.rules().len(), targets.len());
            if let Err(error) = delivery.replace(targets) {
                tracing::error!(%error, "a sink is not served: its thread does not start");
            }
            tracing::info!(
                rules = count,
                sinks,
                "reloaded rules, agents, expected daemons, canaries and sinks; kernel settings, [store] and [digest] count from the next start"
            );
            intake.set_agents(patterns.clone());
            remote.send(Command::Reload(Box::new(rules), patterns, daemons, canaries));
        }
        Err(error) => tracing::error!("reload failed, the old configuration stays: {error:#}"),
    }
}
