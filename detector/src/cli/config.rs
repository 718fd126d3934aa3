//! `detector config`: what the configuration comes to, and whether it is one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use toml::{Table, Value};

use super::{setup, sinks};
use crate::alert::escape::escape_lines;
use crate::config::Checked;

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";

/// Show or check the configuration
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the configuration as it counts, as TOML; secrets are hidden
    Show(Common),
    /// Check the configuration as a start does: rules, sinks and secrets included
    Check(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Configuration file; /etc/detector/config.toml where there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Show(common) => show(&common),
        Command::Check(common) => check(&common),
    }
}

fn show(common: &Common) -> anyhow::Result<ExitCode> {
    let checked = sinks::configuration(common.config.as_deref())?;
    let table = effective(&checked, common.store.as_deref())?;
    let mut out = std::io::stdout().lock();
    if common.json {
        writeln!(out, "{}", serde_json::to_string(&table)?)?;
    } else {
        writeln!(out, "{}", escape_lines(toml::to_string_pretty(&table)?.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is written, with what counts where nothing is.
fn effective(checked: &Checked, store: Option<&Path>) -> anyhow::Result<Table> {
    let text = if checked.path.is_file() {
        std::fs::read_to_string(&checked.path)
            .with_context(|| format!("reading {} failed", checked.path.display()))?
    } else {
        String::new()
    };
    let mut table: Table = text.parse().context("the configuration changed while it was read")?;
    let path = setup::store_path(&checked.config, store).display().to_string();
    let kept = humantime::format_duration(checked.limits.keep).to_string();
    table.insert(
        "store".to_owned(),
        Value::Table(Table::from_iter([
            ("path".to_owned(), Value::String(path)),
            ("max_size".to_owned(), Value::String(size(checked.limits.size))),
            ("keep".to_owned(), Value::String(kept)),
        ])),
    );
    let mut all = Table::new();
    for sink in &checked.sinks {
        let mut own = Table::from_iter([("type".to_owned(), Value::String(sink.kind.kind().to_owned()))]);
        own.extend(Table::try_from(&sink.routing.config).context("a sink cannot be shown")?);
        if let (None, Some(rate)) = (sink.routing.config.rate, sink.kind.rate()) {
            own.insert("rate".to_owned(), Value::Integer(rate.into()));
        }
        own.extend(sink.kind.shown());
        all.insert(sink.name.clone(), Value::Table(own));
    }
    table.remove("sinks");
    if !all.is_empty() {
        table.insert("sinks".to_owned(), Value::Table(all));
    }
    hide(&mut table);
    Ok(table)
}

/// Hides what is secret outside of the sinks: passwords of a proxy, strings of canaries.
fn hide(table: &mut Table) {
    if let Some(Value::String(proxy)) =
        table.get_mut("http").and_then(|http| http.as_table_mut()?.get_mut("proxy"))
        && let Ok(mut url) = url::Url::parse(proxy)
        && url.password().is_some()
    {
        *proxy = match url.set_password(Some("hidden")) {
            Ok(()) => url.to_string(),
            Err(()) => HIDDEN.to_owned(),
        };
    }
    let canaries = table.get_mut("canary").and_then(Value::as_array_mut);
    for canary in canaries.into_iter().flatten() {
        let tokens = canary.as_table_mut().and_then(|canary| canary.get_mut("tokens")?.as_array_mut());
        for token in tokens.into_iter().flatten() {
            *token = Value::String(HIDDEN.to_owned());
        }
    }
}

fn size(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}MiB", bytes >> 20) } else { bytes.to_string() }
}

fn check(common: &Common) -> anyhow::Result<ExitCode> {
    let checked = sinks::configuration(common.config.as_deref())?;
    let rules = setup::rules(&checked.config)?.rules().len();
    let names: Vec<&str> = checked.sinks.iter().map(|sink| &*sink.name).collect();
    let store = setup::store_path(&checked.config, common.store.as_deref());
    let mut out = std::io::stdout().lock();
    if common.json {
        let value = json!({
            "ok": true, "path": checked.path, "agents": checked.patterns.len(), "rules": rules,
            "canaries": checked.canaries.len(), "sinks": names, "store": store,
        });
        writeln!(out, "{value}")?;
    } else {
        let sinks = if names.is_empty() { "standard output".to_owned() } else { names.join(", ") };
        writeln!(
            out,
            "{}: ok: {} agents, {rules} rules, {} canaries, alerts go to {sinks} and are kept in {}",
            checked.path.display(),
            checked.patterns.len(),
            checked.canaries.len(),
            store.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
