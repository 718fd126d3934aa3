//! `detector digest`: what agents did, from the store.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::{BadArgument, setup};
use crate::alert::card::{Card, Line, Section};
use crate::alert::escape::{escape, json_line};
use crate::config::Checked;
use crate::digest::{self, Digest, schedule};
use crate::sinks::{Body, Grain, Message};
use crate::store::{Store, now_ms};

/// Where the daemon's configuration is.
const CONFIG: &str = "/etc/detector/config.toml";
/// Most things of each kind on a terminal.
const EACH: usize = 10;

/// Tell what agents did: programs, destinations, files of note, near misses
///
/// It reads the store, whether the daemon runs or not; what a running one saw in the last minute may still be missing.
/// With --send it opens the sinks of the configuration itself and posts the digest there at once; nothing is queued, and
/// the status is 1 where one refuses.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Since when: 30m, 24h, 7d
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = humantime::parse_duration)]
    since: Duration,
    /// Of this agent alone
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// Send it to this sink, or to those of `[digest]`; all that people read where none is named
    #[arg(long, value_name = "SINK", num_args = 0..=1)]
    send: Option<Option<String>>,
    /// Configuration file, for the store, workspaces and sinks; /etc/detector/config.toml where there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let usual = PathBuf::from(CONFIG);
    let config = args.config.clone().or_else(|| usual.is_file().then_some(usual));
    let checked = setup::config(config.as_deref())?;
    let path = setup::store_path(&checked.config, args.store.as_deref());
    let Some(store) = Store::existing(&path)? else {
        return Err(BadArgument(format!(
            "there is no store {}; `detector run` makes it, or name another with --store FILE",
            path.display()
        ))
        .into());
    };
    let now = now_ms();
    let span = i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX);
    let workspaces: Vec<String> =
        checked.config.digest.workspaces.iter().map(|pattern| pattern.get_ref().clone()).collect();
    let host = crate::recording::host();
    let digest = schedule::made(
        &store,
        &host,
        args.agent.as_deref(),
        (now.saturating_sub(span).max(0), now),
        &workspaces,
    )?;
    if let Some(sink) = &args.send {
        return send(&checked, sink.as_deref(), &digest::card(&digest));
    }
    let text = if args.json {
        json_line(serde_json::to_string(&digest).context("writing the digest as JSON failed")?) + "\n"
    } else {
        text(&digest)
    };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The digest for a terminal.
fn text(digest: &Digest) -> String {
    let Digest { host, from, to, .. } = digest;
    let mut out = format!("{}, {from} to {to}\n", escape(host));
    if digest.is_empty() {
        out.push_str("nothing is known of any agent in this time\n");
    }
    for Section { name, lines } in digest::sections(digest, usize::MAX, EACH) {
        out.push_str(&format!("\n{}\n", escape(&name)));
        for Line { label, text, code: _ } in lines {
            out.push_str(&format!("  {label:<14} {}\n", escape(&text)));
        }
    }
    out
}

/// Opens sinks and posts a card to each.
fn send(checked: &Checked, named: Option<&str>, card: &Card) -> anyhow::Result<ExitCode> {
    let scheduled = checked.digest.as_ref().map(|schedule| schedule.sinks.as_slice()).unwrap_or_default();
    let is_told = |sink: &&crate::config::SinkConfig| match named {
        Some(name) => sink.name == name,
        None if scheduled.is_empty() => sink.kind.grain() == Grain::Incident,
        None => scheduled.contains(&sink.name),
    };
    let told: Vec<_> = checked.sinks.iter().filter(is_told).collect();
    if told.is_empty() {
        let known: Vec<&str> = checked.sinks.iter().map(|sink| &*sink.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let what = named.map_or_else(
            || "no sink is one that people read; name one with --send SINK".to_owned(),
            |name| format!("no sink is called \"{name}\""),
        );
        return Err(BadArgument(format!("{what}; {} has: {known}", checked.path.display())).into());
    }
    let key = format!("{}-{}", card.id, card.revision);
    let mut code = ExitCode::SUCCESS;
    for sink in told {
        let opened = sink.kind.open(&sink.name, &checked.http)?;
        let message = Message { key: &key, body: Body::Card(card), reference: None };
        let said = { opened }.deliver(&message);
        match said {
            Ok(_) => eprintln!("detector: the digest is sent to {}", escape(&sink.name)),
            Err(failure) => {
                eprintln!(
                    "detector: {} did not take the digest: {}",
                    escape(&sink.name),
                    escape(&failure.to_string())
                );
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
