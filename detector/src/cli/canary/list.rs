//! `detector canary list`: what is planted or configured, and whether it still stands there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::{Known, Source};
use crate::alert::escape::escape;
use crate::canary::{Held, hold};

/// List the canaries, with inode and age, and whether each still stands in its place
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// One canary.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    path: PathBuf,
    /// Inode as the kernel half knows it; absent where the file is not there.
    inode: Option<u64>,
    /// Device as the kernel numbers it.
    device: Option<u32>,
    /// When it was planted; absent where it is configured only.
    planted: Option<String>,
    /// `in place`, or why not.
    state: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row> = args.source.known()?.into_iter().map(row).collect();
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        eprintln!("detector: no canary is planted or configured; `detector canary plant` makes one");
    }
    out.write_all(table(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn row(known: Known) -> Row {
    let Known { canary, planted } = known;
    let (key, state) = match hold(&canary.path) {
        Ok(Held { key, .. }) => (Some(key), "in place".to_owned()),
        Err(error) => (None, format!("not in place: {error}")),
    };
    Row {
        name: canary.name,
        kind: canary.kind.name(),
        path: canary.path,
        inode: key.map(|key| key.inode),
        device: key.map(|key| key.dev),
        planted: planted.map(|planted| planted.planted),
        state,
    }
}

fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    for Row { name, kind, path, inode, device: _, planted, state } in rows {
        let inode = inode.map_or_else(|| "-".to_owned(), |inode| inode.to_string());
        // A day is as much as a person wants to know.
        let planted = planted.as_deref().and_then(|time| time.get(..10)).unwrap_or("configured");
        let path = path.to_string_lossy();
        let (name, path) = (escape(name), escape(&path));
        let _ = writeln!(out, "{name:<16}{kind:<11}{planted:<12}inode {inode:<11}{state:<10}  {path}");
    }
    out
}
