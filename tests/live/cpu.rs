//! Processors, live: what a program that burns says of itself is what samples say, whatever else the machine does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use detector::agent::Agent;
use detector::event::{AgentId, CgroupId, CpuAgent, CpuProcess, Look, ProcessId};
use detector::kernel::proc;
use detector::pipeline::Input;
use detector::recording::Reader;
use detector::telemetry::Watched;
use detector::telemetry::cpu::Sampler;
use detector_tests::cgroup::{self, Cgroup};
use detector_tests::trigger::{self, number};
use detector_tests::{needs_root, skip};
use serde_json::Value;

use crate::cli::{detector, end};

/// Time between rounds.
const ROUND: Duration = Duration::from_millis(500);

/// Everything that rounds said about one process and its agent.
struct Sampled {
    said: Value,
    processes: Vec<(u64, CpuProcess)>,
    agents: Vec<CpuAgent>,
}

/// Starts `compute` in a group and samples it until it ends.
#[expect(clippy::disallowed_methods, reason = "samples are of stretches of time")]
fn sample(group: &Cgroup, words: &[&str], prepare: impl FnOnce(&Child)) -> Sampled {
    let mut command = trigger::command(words).unwrap();
    let mut child = group.hold(&mut command).unwrap().stdout(Stdio::piped()).spawn().unwrap();
    prepare(&child);
    let process = proc::identity(child.id()).unwrap();
    let (agent, cgroup) = (AgentId(1), CgroupId(group.id().unwrap()));
    let watched = [Watched { process, agent, cgroup }];
    let agents = [Agent { id: agent, name: "burn".to_owned(), cgroup, path: group.below_mount() }];
    let mut sampler = Sampler::new(Path::new("/proc"), &cgroup::mount().unwrap());
    let mut sampled = Sampled { said: Value::Null, processes: vec![], agents: vec![] };
    while child.try_wait().unwrap().is_none() {
        if let Some(sample) = sampler.round(Instant::now(), &watched, &agents).sample {
            assert!(sample.processors >= 1);
            sampled.processes.extend(sample.processes.into_iter().map(|it| (sample.interval, it)));
            sampled.agents.extend(sample.agents);
        }
        std::thread::sleep(ROUND);
    }
    let output = child.wait_with_output().unwrap();
    sampled.said = serde_json::from_slice(&output.stdout).unwrap();
    sampled
}

impl Sampled {
    fn sum(&self, of: impl Fn(&CpuProcess) -> u64) -> f64 {
        self.processes.iter().map(|(_, process)| of(process) as f64).sum()
    }

    fn known(&self) -> impl Iterator<Item = &(u64, CpuProcess)> {
        self.processes.iter().filter(|(_, process)| process.voluntary_switches.is_some())
    }
}

#[test]
fn what_burns_is_sampled_as_it_says_of_itself() {
    needs_root!();
    let group = Cgroup::create("burn").unwrap();
    let sampled = sample(&group, &["compute", "2", "100", "6"], |_| {});
    let (user, system) = (
        number(&sampled.said, "user_us").unwrap() as f64,
        number(&sampled.said, "system_us").unwrap() as f64,
    );
    let all = sampled.sum(|it| it.user + it.system) / 1_000.0;
    // The first reading is what is compared with, and nobody reads the last moments.
    assert!(all >= 0.6 * (user + system) && all <= 1.05 * (user + system), "{all} of {user} + {system} us");
    let share = sampled.sum(|it| it.user) / sampled.sum(|it| it.user + it.system);
    assert!(share >= 0.9, "{share} in user mode");
    let threads: Vec<u32> = sampled.known().filter_map(|(_, it)| it.busy_threads).collect();
    assert!(threads.iter().filter(|count| **count == 2).count() * 2 > threads.len(), "{threads:?}");
    let switches: u64 = sampled.known().filter_map(|(_, it)| it.voluntary_switches).sum();
    assert!(switches <= 20, "{switches} pauses");
    // Both threads always want a processor, however many there are for how many others.
    let wanted: f64 =
        sampled.known().map(|(_, it)| (it.user + it.system + it.waited.unwrap_or(0)) as f64).sum();
    let lasted: f64 = sampled.known().map(|(interval, _)| *interval as f64).sum();
    assert!(lasted > 0.0 && (1.5..2.5).contains(&(wanted / lasted)), "{}", wanted / lasted);
    let agent: u64 = sampled.agents.iter().map(|agent| agent.user + agent.system).sum();
    assert!(agent as f64 / 1_000.0 >= 0.5 * (user + system), "{agent} ns of the group");
}

#[test]
fn a_throttle_shows_in_its_share_and_in_its_pauses() {
    needs_root!();
    let group = Cgroup::create("throttle").unwrap();
    let sampled = sample(&group, &["compute", "1", "30", "6"], |_| {});
    let all = sampled.sum(|it| it.user + it.system) / 1_000.0;
    let said =
        (number(&sampled.said, "user_us").unwrap() + number(&sampled.said, "system_us").unwrap()) as f64;
    assert!(all >= 0.5 * said && all <= 1.1 * said, "{all} of {said} us");
    let used: f64 = sampled.known().map(|(_, it)| (it.user + it.system) as f64).sum();
    let lasted: f64 = sampled.known().map(|(interval, _)| *interval as f64).sum();
    assert!((0.05..0.45).contains(&(used / lasted)), "{}", used / lasted);
    let switches: u64 = sampled.known().filter_map(|(_, it)| it.voluntary_switches).sum();
    let pauses = number(&sampled.said, "voluntary_switches").unwrap();
    assert!(switches > 0 && switches <= 2 * pauses + 20, "{switches} of {pauses} pauses");
}

#[test]
fn a_quota_shows_as_waiting_and_in_the_group() {
    needs_root!();
    let group = Cgroup::create("quota").unwrap();
    let quota = group.path().join("cpu.max");
    let of_v2 = quota.exists() && fs::write(&quota, "20000 100000").is_ok();
    // On a hybrid host quotas are of the old hierarchy, which counts apart from the agent's group.
    let old = if of_v2 { None } else { OldQuota::create() };
    if !of_v2 && old.is_none() {
        skip!("no hierarchy here has a controller for processors");
    }
    let sampled = sample(&group, &["compute", "1", "100", "8"], |child| {
        if let Some(old) = &old {
            fs::write(old.0.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
    });
    drop(old);
    let lasted: f64 = sampled.known().map(|(interval, _)| *interval as f64).sum();
    let used: f64 = sampled.known().map(|(_, it)| (it.user + it.system) as f64).sum();
    let waited: f64 = sampled.known().map(|(_, it)| it.waited.unwrap_or(0) as f64).sum();
    assert!(used / lasted <= 0.5, "{}", used / lasted);
    assert!((used + waited) / lasted >= 0.7, "{used} + {waited} of {lasted}");
    if of_v2 {
        let throttled: u64 = sampled.agents.iter().map(|agent| agent.throttled).sum();
        assert!(throttled > 0, "{:?}", sampled.agents);
    }
}

/// A group of the old hierarchy with a fifth of a processor; dropped, it is removed.
struct OldQuota(PathBuf);

impl OldQuota {
    fn create() -> Option<Self> {
        let path = PathBuf::from(format!("/sys/fs/cgroup/cpu/detector-test-quota-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let made = Self(path);
        let write =
            |file: &str, text: &str| made.0.join(file).exists() && fs::write(made.0.join(file), text).is_ok();
        let done = write("cpu.cfs_period_us", "100000") && write("cpu.cfs_quota_us", "20000");
        done.then_some(made)
    }
}

impl Drop for OldQuota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Inputs of a command under `detector wrap` with samples twice a second.
fn inputs(command: &[&str]) -> Vec<Input> {
    let place = tempfile::tempdir().unwrap();
    let (config, recording) = (place.path().join("detector.toml"), place.path().join("a.detrec"));
    fs::write(&config, "[telemetry.cpu]\ninterval = \"500ms\"\n").unwrap();
    let alerts = place.path().join("alerts");
    let mut words = vec!["wrap", "-q", "--config", config.to_str().unwrap(), "--record"];
    words.extend([recording.to_str().unwrap(), "--alerts", alerts.to_str().unwrap(), "--"]);
    words.extend(command);
    let ended = end(&mut detector(&words));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Reader::open(&recording).unwrap().map(|input| input.unwrap()).collect()
}

#[test]
fn samples_and_looks_reach_the_core() {
    needs_root!();
    let inputs = inputs(&[&crate::cli::trigger(), "compute", "1", "100", "8"]);
    let mut used: Vec<(ProcessId, u64)> = vec![];
    let mut looks: Vec<Look> = vec![];
    for input in inputs {
        match input {
            Input::Cpu(sample) => used.extend(sample.processes.iter().map(|it| (it.process, it.user))),
            Input::Look(look) => looks.push(*look),
            _ => {}
        }
    }
    let sum: u64 = used.iter().map(|(_, user)| user).sum();
    assert!(sum > 100_000_000, "{used:?}");
    let busiest = used.iter().max_by_key(|(_, user)| *user).unwrap().0;
    // On a machine that is too crowded for half of a processor, nobody looks.
    let hot = used.windows(2).filter(|pair| pair.iter().all(|(_, user)| *user >= 280_000_000)).count();
    let look = looks.iter().find(|look| look.process == busiest);
    assert!(look.is_some() || hot == 0, "{hot} hot rounds and no look: {used:?}");
    if let Some(look) = look {
        assert!(!look.anonymous.is_empty() && look.libraries.is_empty() && look.data_files == 0, "{look:?}");
    }
}
