//! `detector canary check`: whether each canary is there, untouched, and really alarms.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::selftest::SelfTest;
use super::{Known, Source};
use crate::alert::escape::escape;
use crate::canary::state::{Planted, sha256};
use crate::canary::{Held, hold, read};

/// See whether each canary is in place, unchanged, unread as far as its time of access tells, and alarms
///
/// As root it opens each one from a watched control group of its own and waits for the kernel half to report
/// it; a running detector does not mistake that for an agent. Ends with status 1 where something is wrong, 2
/// where the configuration is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    /// Whether nothing is wrong.
    good: bool,
    /// Why no canary could be opened to see whether it alarms.
    not_tried: Option<String>,
    canaries: Vec<Examined>,
}

/// One canary.
#[derive(Debug, Serialize)]
struct Examined {
    name: String,
    path: PathBuf,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    result: Outcome,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Good,
    Bad,
    /// Cannot be said here.
    Unknown,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let known = args.source.known()?;
    let (mut test, not_tried) = match SelfTest::start() {
        Ok(test) => (Some(test), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let canaries: Vec<Examined> = known.iter().map(|known| examine(known, test.as_mut())).collect();
    let good = canaries.iter().flat_map(|one| &one.checks).all(|check| check.result != Outcome::Bad);
    let report = Report { good, not_tried, canaries };
    if args.json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        std::io::stdout().write_all(page(&report).as_bytes())?;
    }
    Ok(if report.good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn examine(known: &Known, test: Option<&mut SelfTest>) -> Examined {
    let Known { canary, planted } = known;
    let mut checks = Vec::new();
    match hold(&canary.path) {
        Err(error) => {
            checks.push(Check { name: "in place", result: Outcome::Bad, detail: error.to_string() });
        }
        Ok(held) => {
            let detail = format!("inode {}, device {:#x}", held.key.inode, held.key.dev);
            checks.push(Check { name: "in place", result: Outcome::Good, detail });
            checks.push(unread(&held, planted.as_ref()));
            checks.push(unchanged(&held, planted.as_ref()));
            checks.extend(test.map(|test| alarms(test, &held)));
        }
    }
    Examined { name: canary.name.clone(), path: canary.path.clone(), checks }
}

/// Whether the time of access is the one that it was planted with. With `relatime`, the default, the first
/// read after the planting changes it; with `noatime` none does.
fn unread(held: &Held, planted: Option<&Planted>) -> Check {
    let name = "unread";
    let Some(planted) = planted else {
        return Check { name, result: Outcome::Unknown, detail: "it was not planted by us".to_owned() };
    };
    let path = held.by_descriptor();
    let accessed = std::fs::metadata(&path).map(|metadata| metadata.atime());
    let noatime = rustix::fs::statvfs(&path)
        .is_ok_and(|place| place.f_flag.contains(rustix::fs::StatVfsMountFlags::NOATIME));
    match accessed {
        Ok(accessed) if accessed != planted.dated => {
            let time = u64::try_from(accessed).unwrap_or_default().saturating_mul(1_000_000_000);
            let detail = format!("it was read at {}", crate::event::Nanos(time).rfc3339());
            Check { name, result: Outcome::Bad, detail }
        }
        Ok(_) if noatime => {
            let detail = "its file system is mounted with noatime and does not tell".to_owned();
            Check { name, result: Outcome::Unknown, detail }
        }
        Ok(_) => Check { name, result: Outcome::Good, detail: "its time of access is as planted".to_owned() },
        Err(error) => Check { name, result: Outcome::Unknown, detail: error.to_string() },
    }
}

fn unchanged(held: &Held, planted: Option<&Planted>) -> Check {
    let name = "unchanged";
    let Some(planted) = planted else {
        return Check { name, result: Outcome::Unknown, detail: "it was not planted by us".to_owned() };
    };
    match read(&held.by_descriptor()) {
        Ok(bytes) if sha256(&bytes) == planted.sha256 => {
            Check { name, result: Outcome::Good, detail: "its content is as planted".to_owned() }
        }
        Ok(_) => Check { name, result: Outcome::Bad, detail: "its content is not as planted".to_owned() },
        Err(error) => Check { name, result: Outcome::Unknown, detail: error.to_string() },
    }
}

fn alarms(test: &mut SelfTest, held: &Held) -> Check {
    let name = "alarms";
    match test.alarms(held) {
        Ok(milliseconds) => {
            let detail = format!("an open was reported within {milliseconds} ms");
            Check { name, result: Outcome::Good, detail }
        }
        Err(error) => Check { name, result: Outcome::Bad, detail: format!("{error:#}") },
    }
}

fn page(report: &Report) -> String {
    let Report { good, not_tried, canaries } = report;
    let mut out = String::new();
    for Examined { name, path, checks } in canaries {
        let _ = writeln!(out, "{} ({})", escape(name), escape(&path.to_string_lossy()));
        for Check { name, result, detail } in checks {
            let mark = match result {
                Outcome::Good => "ok",
                Outcome::Bad => "WRONG",
                Outcome::Unknown => "?",
            };
            let _ = writeln!(out, "  {mark:<7}{name:<11}{detail}");
        }
    }
    if let Some(reason) = not_tried {
        let _ = writeln!(out, "whether they alarm was not tried: {reason}");
    }
    out.push_str(match (canaries.is_empty(), good) {
        (true, _) => "no canary is planted or configured; `detector canary plant` makes one\n",
        (false, true) => "nothing is wrong.\n",
        (false, false) => "something is wrong: see WRONG above.\n",
    });
    out
}
