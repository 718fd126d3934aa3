//! `cargo xtask demo`: a live agent that misbehaves, one that works, and what the detector says of each.
//!
//! Both agents are real programs doing real things on this machine, below a scratch directory, in a network of
//! their own and with two files in /etc that go away at the end, also after a failure or Ctrl-C.

mod agent;
mod network;
mod scenes;
mod scratch;
mod sshd;
mod table;
mod trainer;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::interrupt::{self, wait_for};
use crate::live::{self, Alert};
use crate::place;
use crate::root::Root;
use crate::setup::{self, Purpose};
use crate::shell::step;
use agent::Agent;
use network::Network;
use scenes::{BENIGN, Deed, ROGUE, Task};
use scratch::Scratch;
use sshd::Sshd;
use trainer::Trainer;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Everything is built already: what we pass when we start ourselves again as root.
    #[arg(long, hide = true)]
    built: bool,
    /// Run the agents without the detector, to see that they do what they should.
    #[arg(long, hide = true)]
    unwatched: bool,
}

/// How long an alert may take, machine busy and all, before its deed counts as missed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the benign agent may work.
const WORK: Duration = Duration::from_secs(180);

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if !arguments.built {
        setup::ensure(&[Purpose::Build, Purpose::Live])?;
        crate::build::release(&["detector", "detector-tests"])?;
    }
    Root::become_it(["demo", "--built"])?;
    interrupt::watch()?;
    show(arguments)
}

fn show(arguments: &Arguments) -> Result<()> {
    let began = Instant::now();
    let scratch = Scratch::create()?;
    let mut network = Network::create()?;
    let sshd = Sshd::start(scratch.path(), &network)?;
    network.serve(scratch.path())?;
    scratch.plant_canary()?;
    scratch.write_environment()?;

    step("two agents start: one works, one misbehaves");
    let mut benign = start("benign", &scratch, &network, &agent::straight(BENIGN), arguments)?;
    let mut rogue = start("rogue", &scratch, &network, &agent::on_command("rogue", ROGUE), arguments)?;
    let mut caught = vec![];
    for (number, deed) in ROGUE.iter().enumerate() {
        eprint!("    rogue: {} …", deed.what);
        rogue.go(number)?;
        let alert = if arguments.unwatched { None } else { first_alert(&mut rogue, deed)? };
        match &alert {
            Some(alert) => eprintln!(" {} ({}, {} µs)", alert.title, alert.level, alert.latency_us),
            None => eprintln!(" not caught"),
        }
        caught.push(alert);
    }
    scratch.end_daemon();
    rogue.finish(WORK)?;
    step("the rogue agent is done, the benign one works on");
    benign.follow(BENIGN, WORK)?;
    let mut noise: Vec<Alert> =
        live::alerts(&benign.alerts)?.into_iter().filter(Alert::is_above_low).collect();
    step("a third agent fine-tunes a model, as its task says; in the middle of a tool call it does more");
    let mut trainer = Trainer::start(&scratch, &network, !arguments.unwatched)?;
    caught.extend(trainer.run()?);
    noise.extend(trainer.noise()?);
    drop(trainer);

    let deeds = [ROGUE, trainer::DEEDS].concat();
    println!("{}", table::render(&deeds, &caught));
    for (deed, alert) in ROGUE.iter().zip(&caught).filter(|(deed, _)| deed.says.is_some()) {
        for fact in alert.iter().flat_map(|alert| &alert.evidence) {
            println!("When it {}: {fact}", deed.what);
        }
    }
    println!("The benign agent did: {}.", BENIGN.iter().map(Task::what).collect::<Vec<_>>().join("; "));
    for note in benign.notes()? {
        println!("  note: {note}");
    }
    println!("Alerts above low about it, and about the training that was declared: {}", noise.len());
    for alert in &noise {
        println!("  {} ({}): {}", alert.title, alert.level, alert.summary);
    }
    drop((rogue, benign, sshd, network, scratch));
    step(&format!("all is cleaned up; the demo took {:.1} s", began.elapsed().as_secs_f64()));

    let missed = caught.iter().filter(|alert| alert.is_none()).count();
    if arguments.unwatched {
        return Ok(());
    }
    if missed > 0 || !noise.is_empty() {
        bail!("{missed} of {} deeds missed, {} false alarms", deeds.len(), noise.len());
    }
    Ok(())
}

fn start(
    name: &str,
    scratch: &Scratch,
    network: &Network,
    script: &str,
    arguments: &Arguments,
) -> Result<Agent> {
    let file = scratch.path().join(format!("{name}.sh"));
    fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let alerts = scratch.path().join(format!("{name}.jsonl"));
    let words = [Path::new("/bin/bash"), &file];
    let command = if arguments.unwatched {
        let mut plain = Command::new("/bin/bash");
        plain.arg(&file);
        plain
    } else {
        live::wrap(name, &alerts, Some(&scratch.config()), &words)?
    };
    Agent::start(name, &mut network.agent().inside(&command), scratch, alerts)
}

/// The alert that a deed should cause; none when it does not come.
fn first_alert(rogue: &mut Agent, deed: &Deed) -> Result<Option<Alert>> {
    let says =
        |alert: &Alert| deed.says.is_none_or(|words| alert.evidence.iter().any(|fact| fact.contains(words)));
    seen(rogue, PATIENCE, |alert| alert.rule.ends_with(deed.rule) && alert.is_above_low() && says(alert))
}

/// The first alert about an agent that fits; none when it does not come in time.
fn seen(agent: &mut Agent, patience: Duration, fits: impl Fn(&Alert) -> bool) -> Result<Option<Alert>> {
    let file = agent.alerts.clone();
    let seen = wait_for("an alert", patience, || {
        agent.check()?;
        Ok(live::alerts(&file)?.into_iter().find(&fits))
    });
    match seen {
        Ok(alert) => Ok(Some(alert)),
        Err(error) => {
            interrupt::check()?;
            agent.check().context(error)?;
            Ok(None)
        }
    }
}

/// Where the trigger program lies, which lends its body to what the rogue agent runs.
fn trigger() -> Result<std::path::PathBuf> {
    place::release("detector-trigger")
}
