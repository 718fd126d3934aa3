//! `detector canary`: decoys that nobody may open.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::canary::state::{self, State};
use crate::canary::{Canary, Kind};
use crate::config::{self, Checked};

mod check;
mod list;
mod plant;
mod selftest;

/// Plant decoys that nobody is asked to open, list them, and see whether they alarm
///
/// Any open of a canary by an agent is an alert, also for reading, through links, bind mounts and other names,
/// and of its copies; so is any of its strings in arguments or in what is sent. Looking at its name, size or
/// times (stat) is none.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plant(plant::Args),
    List(list::Args),
    Check(check::Args),
}

/// Where canaries are named.
#[derive(Debug, clap::Args)]
struct Source {
    /// Configuration file, for its [[canary]] entries and its `canary_file`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where planted canaries are written down; otherwise `canary_file` of the configuration, otherwise
    /// /var/lib/detector/canaries.toml
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// A canary, and what was written down of it where it was planted.
#[derive(Debug)]
struct Known {
    canary: Canary,
    planted: Option<state::Planted>,
}

impl Source {
    /// Where planted canaries are written down.
    fn state_path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.state {
            return Ok(path.clone());
        }
        let path = match &self.config {
            Some(config) => config::load(config)?.config.canary_file().to_owned(),
            None => Path::new(state::DEFAULT).to_owned(),
        };
        Ok(path)
    }

    /// Every canary that is configured or planted.
    fn known(&self) -> anyhow::Result<Vec<Known>> {
        let State { canary: planted } = config::state(&self.state_path()?)?;
        let configured = match &self.config {
            Some(path) => {
                let Checked { canaries, .. } = config::load(path)?;
                canaries
            }
            None => Vec::new(),
        };
        let mut known: Vec<Known> =
            configured.into_iter().map(|canary| Known { canary, planted: None }).collect();
        for planted in planted {
            match known.iter_mut().find(|known| known.canary.path == planted.path) {
                Some(known) => known.planted = Some(planted),
                None => known.push(Known { canary: Canary::from(&planted), planted: Some(planted) }),
            }
        }
        Ok(known)
    }
}

/// One line for people: what a kind is called, and where it is planted when nobody says.
fn proposals() -> String {
    let kinds = [Kind::Aws, Kind::Ssh, Kind::Wallet, Kind::Env, Kind::Kubeconfig, Kind::Gcloud, Kind::File];
    kinds.map(|kind| format!("  {:<11}~/{}", kind.name(), kind.proposal())).join("\n")
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Plant(args) => plant::run(&args),
        Command::List(args) => list::run(&args),
        Command::Check(args) => check::run(&args),
    }
}
