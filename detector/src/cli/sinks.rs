//! `detector sinks`: where alerts go, whether they get there, and what waits.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;

use super::{BadArgument, run, setup};
use crate::alert::escape::{clip, json_line};
use crate::config::{Checked, SinkConfig};
use crate::delivery::notice;
use crate::sinks::{Body, Grain, Message};
use crate::store::queue::{Letters, Waiting};
use crate::store::room::REMOVED;
use crate::store::{Store, now_ms};

/// Most characters of a reason.
const REASON: usize = 200;
/// Most rows of a queue that are shown.
const ROWS: u32 = 1_000;

/// Look after the sinks: where alerts go, whether they get there, and what waits
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sinks of the configuration, what they take and how they fare
    List(Common),
    /// Send a test message and say what becomes of it; exit status 1 where one does not arrive
    Test {
        /// Sink; all where none is named
        name: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the messages that have not arrived, those that were given up too
    Pending {
        /// Sink; all where none is named
        name: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Put messages that were given up back into their queues; a daemon that runs sends them
    Retry {
        /// Sink, or number of a message as `pending` shows it; all where none is named
        letter: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// Which configuration and which store.
#[derive(Debug, clap::Args)]
struct Common {
    /// Configuration file; /etc/detector/config.toml where there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Common {
    fn config(&self) -> anyhow::Result<Checked> {
        configuration(self.config.as_deref())
    }

    /// The store, which need not be there yet.
    fn store(&self, checked: &Checked) -> anyhow::Result<Option<Store>> {
        Ok(Store::existing(&setup::store_path(&checked.config, self.store.as_deref()))?)
    }

    /// Writes one thing as JSON or as people read it.
    fn say(&self, value: &serde_json::Value, line: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json_line(value.to_string()))?;
        } else {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// The configuration of a file; of the daemon's where none is named and that is there.
pub(super) fn configuration(path: Option<&Path>) -> anyhow::Result<Checked> {
    let usual = Path::new(run::CONFIG);
    setup::config(path.or_else(|| usual.exists().then_some(usual)))
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(common) => list(&common),
        Command::Test { name, common } => test(name.as_deref(), &common),
        Command::Pending { name, common } => pending(name.as_deref(), &common),
        Command::Retry { letter, common } => retry(letter.as_deref(), &common),
    }
}

/// The sinks that are meant; an error that names all where there is none of that name.
fn chosen<'a>(checked: &'a Checked, name: Option<&str>) -> anyhow::Result<Vec<&'a SinkConfig>> {
    let sinks: Vec<&SinkConfig> =
        checked.sinks.iter().filter(|sink| name.is_none_or(|name| sink.name == name)).collect();
    match name {
        Some(name) if sinks.is_empty() => {
            let known: Vec<&str> = checked.sinks.iter().map(|sink| &*sink.name).collect();
            let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
            Err(BadArgument(format!("no sink is called \"{name}\"; known: {known}")).into())
        }
        _ => Ok(sinks),
    }
}

fn list(common: &Common) -> anyhow::Result<ExitCode> {
    let checked = common.config()?;
    let store = common.store(&checked)?;
    let queues = store.as_ref().map(Store::queues).transpose()?.unwrap_or_default();
    if checked.sinks.is_empty() && !common.json {
        common.say(&json!({}), "no sink is configured: `detector run` writes alerts to standard output")?;
    }
    let mut unknown: Vec<&str> = queues.iter().map(|(name, ..)| &**name).collect();
    for sink in &checked.sinks {
        unknown.retain(|name| *name != sink.name);
        let (waiting, dead) = queues
            .iter()
            .find(|(name, ..)| *name == sink.name)
            .map_or((0, 0), |(_, waiting, dead)| (*waiting, *dead));
        let state = store.as_ref().map(|store| store.sink_state(&sink.name)).transpose()?.unwrap_or_default();
        let routing = routing(sink);
        let mut line = format!("{:<16} {:<12} {routing}", sink.name, sink.kind.kind());
        line.push_str(&match (&state.error, waiting) {
            (None, 0) => "  idle".to_owned(),
            (None, waiting) => format!("  {waiting} waiting"),
            (Some(error), waiting) => {
                let since = state.since_ms.map(|since| format!(" for {}", age(since))).unwrap_or_default();
                format!("  failing{since}, {waiting} waiting: {}", clip(error, REASON))
            }
        });
        if dead > 0 {
            line.push_str(&format!("  {dead} given up (detector sinks retry {})", sink.name));
        }
        let value = json!({
            "name": sink.name, "kind": sink.kind.kind(), "routing": sink.routing.config, "waiting": waiting,
            "dead": dead, "failures": state.failures, "error": state.error, "since_ms": state.since_ms,
            "hold_ms": state.hold_ms,
        });
        common.say(&value, &line)?;
    }
    for (name, waiting, dead) in queues.iter().filter(|(name, ..)| unknown.contains(&&**name)) {
        if name.starts_with('(') {
            continue;
        }
        let line =
            format!("{:<16} {:<12} {waiting} waiting, {dead} given up", clip(name, 64), "(not configured)");
        let value = json!({ "name": name, "kind": null, "waiting": waiting, "dead": dead });
        common.say(&value, &line)?;
    }
    if let Some((removed, at)) = store.as_ref().map(|store| store.counter(REMOVED)).transpose()?.flatten() {
        let line = format!("{removed} old alerts had to make room so far, the last {} ago", age(at));
        common.say(&json!({ "removed": removed, "at_ms": at }), &line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a sink takes, in a few words.
fn routing(sink: &SinkConfig) -> String {
    let config = &sink.routing.config;
    let mut parts = vec![match config.min_level {
        Some(level) => format!("{} and above", level.name()),
        None => "all".to_owned(),
    }];
    for (what, globs) in [("agents", &config.agents), ("rules", &config.rules), ("tags", &config.tags)] {
        if !globs.is_empty() {
            parts.push(format!("{what} {}", clip(&globs.join(" "), REASON)));
        }
    }
    if let Some(quiet) = &config.quiet {
        parts.push(format!("quiet {quiet} {}", config.timezone.as_deref().unwrap_or("UTC")));
    }
    parts.join(", ")
}

fn test(name: Option<&str>, common: &Common) -> anyhow::Result<ExitCode> {
    let checked = common.config()?;
    let sinks = chosen(&checked, name)?;
    if sinks.is_empty() && !common.json {
        common.say(&json!({}), "no sink is configured: add a [sinks.NAME] to the configuration")?;
    }
    let host = crate::recording::host();
    let mut all_arrived = true;
    for sink in sinks {
        let begun = Instant::now();
        let outcome = try_out(sink, &checked, &host);
        let took = begun.elapsed().as_millis();
        let line = match &outcome {
            Ok(_) => format!("{}: ok, {took} ms", sink.name),
            Err(reason) => format!("{}: {}", sink.name, clip(reason, 2 * REASON)),
        };
        all_arrived &= outcome.is_ok();
        let value = json!({
            "name": sink.name, "kind": sink.kind.kind(), "ok": outcome.is_ok(), "ms": took, "error": outcome.err(),
        });
        common.say(&value, &line)?;
    }
    Ok(if all_arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends a card, and to a machine an alert too: it may take the one and not the other.
fn try_out(sink: &SinkConfig, checked: &Checked, host: &str) -> Result<(), String> {
    let open = sink.kind.open(&sink.name, &checked.http);
    let mut open = open.map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let mut say = |id: &str, body: Body<'_>| {
        let key = format!("{id}-1");
        let message = Message { key: &key, body, reference: None };
        open.deliver(&message).map(drop).map_err(|failure| failure.to_string())
    };
    let card = notice::test(host, &sink.name);
    say(&card.id, Body::Card(&card))?;
    match sink.kind.grain() {
        Grain::Incident => Ok(()),
        Grain::Alert => {
            let alert = notice::test_alert(host, &sink.name);
            say(&alert.id, Body::Alert(&alert))
        }
    }
}

fn pending(name: Option<&str>, common: &Common) -> anyhow::Result<ExitCode> {
    let checked = common.config()?;
    let rows = match common.store(&checked)? {
        Some(store) => store.waiting(name, ROWS)?,
        None => Vec::new(),
    };
    for row in &rows {
        let Waiting { row, sink, what, subject, dead, attempts, due_ms, made_ms, error } = row;
        let next = match (dead, due_ms.saturating_sub(now_ms())) {
            (true, _) => "given up".to_owned(),
            (false, ..=0) => "due now".to_owned(),
            (false, left) => format!("next in {}", span(left)),
        };
        let mut line = format!(
            "{row:<6} {:<16} {what} {}  waits for {}, {attempts} tries, {next}",
            clip(sink, 64),
            clip(subject, 64),
            age(*made_ms)
        );
        if let Some(error) = error {
            line.push_str(&format!(": {}", clip(error, REASON)));
        }
        let value = json!({
            "row": row, "sink": sink, "what": what, "subject": subject, "dead": dead, "attempts": attempts,
            "due_ms": due_ms, "made_ms": made_ms, "error": error,
        });
        common.say(&value, &line)?;
    }
    if rows.is_empty() && !common.json {
        common.say(&json!({}), "everything has arrived")?;
    }
    if rows.len() >= usize::try_from(ROWS)? && !common.json {
        common.say(&json!({}), &format!("the first {ROWS}; `detector sinks list` counts all"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn retry(letter: Option<&str>, common: &Common) -> anyhow::Result<ExitCode> {
    let checked = common.config()?;
    let letters = match letter {
        None => Letters::All,
        Some(word) => word.parse().map_or_else(|_| Letters::Of(word.to_owned()), Letters::Row),
    };
    let back = match common.store(&checked)? {
        Some(store) => store.retry(&letters)?,
        None => 0,
    };
    if back == 0 && letter.is_some() {
        let why = "nothing of that name or number was given up; `detector sinks pending` shows what was";
        return Err(BadArgument(why.to_owned()).into());
    }
    let line = match back {
        0 => "nothing was given up".to_owned(),
        1 => "1 message goes out again".to_owned(),
        back => format!("{back} messages go out again"),
    };
    common.say(&json!({ "back": back }), &line)?;
    Ok(ExitCode::SUCCESS)
}

/// How long ago that was.
fn age(at_ms: i64) -> String {
    span(now_ms().saturating_sub(at_ms))
}

fn span(ms: i64) -> String {
    let seconds = u64::try_from(ms).unwrap_or(0) / 1_000;
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
