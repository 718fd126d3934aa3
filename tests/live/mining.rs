//! Mining, live: a miner that really hashes, in each form that it can take, and work that looks like it.
//!
//! One detector watches many agents, each in a control group of its own. What a form was caught by and when, and how
//! loud each kind of work was, is printed as a table (`--nocapture`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::trigger::program;
use detector_tests::wait::{LIMIT, wait_for};
use serde_json::Value;
use tempfile::TempDir;

mod forms;
mod pool;
mod twins;

/// These tests want the processors to themselves, as far as they can have them.
static PROCESSORS: Mutex<()> = Mutex::new(());

/// Sigma's levels, quietest first.
const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// A detector that watches every control group `agent-*` of ours.
struct Stage {
    // Dropped in this order: the detector, then who is watched, then the directory of both.
    detector: Detector,
    group: Cgroup,
    place: TempDir,
    _processors: MutexGuard<'static, ()>,
}

impl Stage {
    fn new(name: &str) -> Self {
        let processors = PROCESSORS.lock().unwrap_or_else(PoisonError::into_inner);
        // Not hidden, as tempfile's own names are: programs that are copied here run from here.
        let place = tempfile::Builder::new().prefix("detector-mining-").tempdir().unwrap();
        let group = Cgroup::create(name).unwrap();
        let path = |name: &str| place.path().join(name);
        let config = format!(
            "[[agent]]\nname = \"worker\"\ncgroup = \"{}/agent-*\"\n\n[sinks.file]\npath = \"{}\"\n\n[tasks]\nsocket = \"{}\"\n",
            group.below_mount(),
            path("alerts.jsonl").display(),
            path("tasks.sock").display(),
        );
        fs::write(path("config.toml"), config).unwrap();
        let mut detector = Detector::run(&path("config.toml")).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        Self { detector, group, place, _processors: processors }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Makes agents' groups, and waits until each is watched.
    fn agents(&self, names: &[impl AsRef<str>]) -> Vec<Agent> {
        let watched = || self.detector.log().matches("agent is watched").count();
        let before = watched();
        let agents: Vec<Agent> = names.iter().map(|name| self.agent(name.as_ref())).collect();
        let all = before + agents.len();
        wait_for("the agents' watch", LIMIT, || Ok((watched() >= all).then_some(()))).unwrap();
        agents
    }

    fn agent(&self, name: &str) -> Agent {
        let place = self.path(name);
        fs::create_dir(&place).unwrap();
        let group = self.group.child(&format!("agent-{name}")).unwrap();
        Agent { group, place, alerts: JsonLines::follow(&self.path("alerts.jsonl")) }
    }
}

/// An agent: its control group, a directory of its own.
struct Agent {
    group: Cgroup,
    place: PathBuf,
    alerts: JsonLines,
}

impl Agent {
    /// Starts a bash script in its directory. What it says goes to `said`.
    fn start(&self, script: &Path, environment: &[(&str, &str)]) -> Child {
        let said = File::create(self.place.join("said")).unwrap();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail"]).arg(script).current_dir(&self.place);
        command.env("HOME", &self.place).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stderr(said.try_clone().unwrap()).stdout(said);
        self.group.hold(&mut command).unwrap().spawn().unwrap()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.place.join("said")).unwrap_or_default()
    }

    /// Time of processors that it has used.
    fn used(&self) -> Duration {
        let text = fs::read_to_string(self.group.path().join("cpu.stat")).unwrap();
        let used = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
        Duration::from_micros(used.parse().unwrap())
    }

    /// All alerts about it so far.
    fn alerts(&mut self) -> Vec<Value> {
        let place = self.group.below_mount();
        let is_own = |alert: &&Value| {
            let own = alert["agent"]["cgroup"].as_str().and_then(|path| path.strip_prefix(&place));
            own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.alerts.all().unwrap().iter().filter(is_own).cloned().collect()
    }
}

/// The miner's program, under the name that nobody sees.
fn hasher() -> PathBuf {
    program("miner/debug/detector-hasher").unwrap_or_else(|_| {
        panic!(
            "the miner is not built; run `cargo build --manifest-path tests/miner/Cargo.toml --target-dir target/miner`"
        )
    })
}

/// Place of an alert's level in [`LEVELS`].
fn level(alert: &Value) -> usize {
    LEVELS.iter().position(|level| alert["level"] == *level).unwrap()
}

/// File of an alert's rule, below `rules/`.
fn rule(alert: &Value) -> &str {
    let file = alert["rule"]["file"].as_str().unwrap();
    file.strip_prefix("rules/").unwrap_or(file)
}
