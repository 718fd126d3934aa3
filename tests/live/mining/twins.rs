//! Work that looks like mining and is none stays quiet: hot, long, and with or without a task that says so.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use detector_tests::wait::wait_for;
use detector_tests::{needs_root, skip};

use super::{Agent, LEVELS, Stage, level, rule};
use crate::cli::{detector, end};

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benign/busy");
/// Those that are run, three side by side.
const TWINS: &[[&str; 3]] =
    &[["xz", "matrix", "cargo"], ["zstd", "train", "cracking"], ["ffmpeg", "sqlite", "compiled"]];
/// Seconds that each computes where no task says so.
const LONG: &str = "15";
/// Seconds for all side by side, where tasks do.
const DECLARED: &str = "8";
/// Longest until all that began together are done.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn work_that_looks_like_mining_is_quiet() {
    needs_root!();
    let stage = Stage::new("twins");
    let (mut table, mut lacking) = (String::new(), vec![]);
    let mut loud = 0;
    for names in TWINS {
        let agents = stage.agents(names);
        loud += work(names, agents, LONG, &mut table, &mut lacking);
    }
    let all: Vec<&'static str> = TWINS.as_flattened().to_vec();
    let named: Vec<String> = all.iter().map(|name| format!("{name}-declared")).collect();
    let agents = stage.agents(&named);
    for agent in &agents {
        let socket = stage.path("tasks.sock");
        let words =
            ["task", "start", "--agent", &agent.group.below_mount(), "--expect", "cpu", "--ttl", "10m"];
        let ended = end(detector(&words).arg("--socket").arg(socket));
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    }
    loud += work(&all, agents, DECLARED, &mut table, &mut lacking);
    println!("{table}");
    assert_eq!(loud, 0, "above low:\n{table}\n{}", stage.detector.log());
    if !lacking.is_empty() {
        skip!("{}", lacking.join(", "));
    }
}

/// Runs scripts side by side, each by an agent of its own; how many were told above low.
fn work(
    names: &[&'static str],
    agents: Vec<Agent>,
    seconds: &str,
    table: &mut String,
    lacking: &mut Vec<String>,
) -> usize {
    let start = |(name, agent): (&&'static str, Agent)| {
        let script = Path::new(SCRIPTS).join(format!("{name}.sh"));
        let own = std::env::var("HOME").unwrap_or_default();
        let place = |variable: &str, below: &str| {
            std::env::var(variable).unwrap_or_else(|_| format!("{own}/{below}"))
        };
        let (cargo, rustup) = (place("CARGO_HOME", ".cargo"), place("RUSTUP_HOME", ".rustup"));
        let environment = [("LONG", seconds), ("CARGO_HOME", &cargo), ("RUSTUP_HOME", &rustup)];
        let child = agent.start(&script, &environment);
        (*name, agent, child)
    };
    let running: Vec<(&'static str, Agent, Child)> = names.iter().zip(agents).map(start).collect();
    let mut loud = 0;
    for (name, mut agent, mut child) in running {
        let ended = wait_for(name, PATIENCE, || Ok(child.try_wait()?));
        let ended = ended.unwrap_or_else(|error| panic!("{error:#}: {}", agent.said()));
        let declared = if seconds == DECLARED { "declared" } else { "no task" };
        if ended.code() == Some(77) {
            lacking.push(agent.said().trim().to_owned());
            continue;
        }
        assert!(ended.success(), "{name}: {ended}\n{}", agent.said());
        let alerts = agent.alerts();
        let loudest = alerts.iter().max_by_key(|alert| level(alert));
        let told = loudest.map_or_else(
            || "nothing".to_owned(),
            |alert| format!("{}: {} ({})", LEVELS[level(alert)], alert["summary"], rule(alert)),
        );
        writeln!(table, "{name:10} {declared:8} {:5.1} s  {told}", agent.used().as_secs_f64()).unwrap();
        loud += usize::from(loudest.is_some_and(|alert| level(alert) > 1));
    }
    loud
}

#[test]
fn every_script_of_busy_work_is_run() {
    let mut scripts: Vec<String> = fs::read_dir(SCRIPTS)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    scripts.sort();
    let mut names = TWINS.as_flattened().to_vec();
    names.sort_unstable();
    assert_eq!(scripts, names);
}
