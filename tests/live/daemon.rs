//! What an agent leaves behind, live: each way to detach, what is told of it and how loudly, who is expected,
//! and what an agent has others start. What stays is killed by its control group, which is the test's own.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use detector_tests::cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::wait::{LIMIT, wait_for};
use detector_tests::{needs_root, skip};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{alerts, detector};

mod request;

/// What a command under `detector wrap` left, and what was said about it; dropped, what it left is killed.
struct Left {
    place: TempDir,
    alerts: Vec<Value>,
    said: String,
}

/// A place for a test, where programs may be run from: neither hidden nor below `/tmp`.
fn place() -> TempDir {
    tempfile::Builder::new().prefix("detector-daemon-").tempdir_in("/var/lib").unwrap()
}

/// Runs a bash script under `detector wrap` to its end.
fn leaves(script: &str) -> Left {
    leaves_in(place(), &[], script)
}

fn leaves_in(place: TempDir, options: &[&str], script: &str) -> Left {
    let file = place.path().join("alerts.jsonl");
    let mut words = vec!["wrap", "--name", "daemon", "--alerts", file.to_str().unwrap()];
    words.extend(options);
    // What stays must not hold the pipes that this test reads to their end.
    let quiet = format!("exec > out 2>&1\n{script}");
    words.extend(["--", "bash", "-c", &quiet]);
    let mut command = detector(&words);
    command.current_dir(place.path()).env("HOME", place.path()).env("TRIGGER", crate::cli::trigger());
    command.env_remove("TMUX").env("TMUX_TMPDIR", place.path()).env("SHELL", "/bin/sh");
    let mut detector = Detector::start(command).unwrap();
    let status = detector.wait(3 * LIMIT);
    let status = status.unwrap_or_else(|error| panic!("{error:#}: {script}\n{}", detector.log()));
    let out = fs::read_to_string(place.path().join("out")).unwrap_or_default();
    assert!(status.success(), "{status}: {script}\n{}\n{out}", detector.log());
    let alerts = if file.exists() { alerts(&file) } else { vec![] };
    Left { place, alerts, said: detector.log() }
}

impl Left {
    /// The only alert about daemons, which has this level.
    #[track_caller]
    fn told(&self, rule: &str, level: &str) -> &Value {
        let about: Vec<&Value> = self
            .alerts
            .iter()
            .filter(|alert| alert["rule"]["file"].as_str().unwrap().starts_with("rules/persistence/daemon"))
            .collect();
        let [alert] = about.as_slice() else { panic!("{about:#?}\n{}", self.said) };
        assert_eq!(alert["rule"]["file"], format!("rules/persistence/{rule}.yml").as_str(), "{alert:#}");
        assert_eq!(alert["level"], level, "{alert:#}");
        alert
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // "…, no longer watched, in DIRECTORY: pid …": the group is this test's own.
        let group =
            self.said.split_once("no longer watched, in ").and_then(|(_, rest)| rest.split_once(": pid"));
        if let Some((group, _)) = group {
            let _ = fs::write(Path::new(group).join("cgroup.kill"), "1");
        }
    }
}

/// The text of the evidence.
fn text(alert: &Value) -> &str {
    alert["evidence"][0]["text"].as_str().unwrap()
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().unwrap().status.success()
}

/// Leaves `sleep 60` behind in some way; the story says which, who and what.
fn detaches(script: &str, how: &str) {
    let left = leaves(script);
    let alert = left.told("daemon_outlives_agent", "medium");
    assert!(text(alert).contains(&format!("detached by {how};")), "{script}: {}", text(alert));
    assert!(text(alert).contains("after the agent's first process, pid "), "{}", text(alert));
    let line = left.said.lines().find(|line| line.contains("no longer watched")).unwrap_or_default();
    assert!(line.starts_with("detector: 1 process is still running"), "{}", left.said);
    assert!(left.said.contains("MEDIUM Process Outlives Its Agent"), "{}", left.said);
}

#[test]
fn a_job_in_the_background_is_told() {
    needs_root!();
    detaches("sleep 60 &", "background");
}

#[test]
fn setsid_is_told() {
    needs_root!();
    detaches("setsid sleep 60 &", "setsid");
}

#[test]
fn nohup_is_told() {
    needs_root!();
    detaches("nohup sleep 60 &", "nohup");
}

#[test]
fn a_disowned_job_is_told() {
    needs_root!();
    detaches("sleep 60 & disown", "disown");
}

#[test]
fn a_double_fork_is_told() {
    needs_root!();
    detaches(
        "/usr/bin/python3 -c 'import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(60)'
sleep 0.2",
        "double_fork",
    );
}

#[test]
fn a_tmux_server_is_told_with_what_it_runs() {
    needs_root!();
    if !has("tmux") {
        skip!("no tmux");
    }
    let left = leaves("tmux -L left -f /dev/null new-session -d 'exec sleep 60'");
    let alert = left.told("daemon_outlives_agent", "medium");
    assert!(text(alert).contains("detached by tmux"), "{}", text(alert));
    assert!(text(alert).contains("sleep 60"), "{}", text(alert));
}

#[test]
fn a_screen_session_is_told() {
    needs_root!();
    if !has("screen") {
        skip!("no screen");
    }
    let left = leaves("SCREENDIR=$PWD/screen screen -dmS left sleep 60");
    assert!(text(left.told("daemon_outlives_agent", "medium")).contains("detached by screen"));
}

#[test]
fn what_outlives_its_command_is_low_until_it_outlives_its_agent() {
    needs_root!();
    let place = place();
    let (file, done) = (place.path().join("alerts.jsonl"), place.path().join("done"));
    let script = format!(
        "exec > /dev/null 2>&1; bash -c 'setsid sleep 60 &'; until [ -e {} ]; do sleep 0.05; done",
        done.display()
    );
    let mut wrap = Detector::wrap("daemon", &file, &["bash", "-c", &script]).unwrap();
    let mut lines = JsonLines::follow(&file);
    let is = |rule: &'static str| move |alert: &Value| alert["rule"]["file"] == rule;
    let low = lines.wait_for("the first word", LIMIT, is("rules/persistence/daemon.yml")).unwrap();
    assert_eq!((low["level"].as_str(), low["process"]["argv"][0].as_str()), (Some("low"), Some("sleep")));
    assert!(text(&low).contains("started by bash -c setsid sleep 60 &"), "{}", text(&low));
    fs::write(done, "").unwrap();
    assert!(wrap.wait(LIMIT).unwrap().success(), "{}", wrap.log());
    let left = Left { place, alerts: alerts(&file), said: wrap.log() };
    let medium = left.alerts.iter().find(|alert| alert["level"] == "medium").unwrap();
    assert_eq!(medium["rule"]["file"], "rules/persistence/daemon_outlives_agent.yml");
    assert_eq!(medium["process"]["pid"], low["process"]["pid"]);
}

#[test]
fn a_listener_that_stays_is_one_story() {
    needs_root!();
    let left = leaves("\"$TRIGGER\" daemon 0.0.0.0:0 60");
    let alert = left.told("daemon_reachable", "medium");
    let out = fs::read_to_string(left.place.path().join("out")).unwrap();
    let said: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(alert["process"]["pid"], said["daemon"]);
    let address = said["address"].as_str().unwrap();
    assert!(text(alert).contains(&format!("listens on {address}/tcp")), "{}", text(alert));
    assert!(text(alert).contains("double_fork"), "{}", text(alert));
    let louder =
        left.alerts.iter().filter(|alert| !matches!(alert["level"].as_str(), Some("informational" | "low")));
    assert_eq!(louder.count(), 1);
}

#[test]
fn a_program_from_a_temporary_directory_that_stays_is_high() {
    needs_root!();
    let temporary = tempfile::tempdir().unwrap();
    let copy = temporary.path().join("served");
    // By another process, so that no child of this one holds it open for writing when it is run.
    assert!(Command::new("cp").arg(crate::cli::trigger()).arg(&copy).status().unwrap().success());
    let left = leaves(&format!("{} daemon 127.0.0.1:0 60", copy.display()));
    left.told("daemon_odd_place", "high");
}

#[test]
fn a_program_that_the_agent_wrote_and_left_is_medium() {
    needs_root!();
    let left = leaves("cp /usr/bin/sleep served; ./served 60 &");
    left.told("daemon_own_program", "medium");
}

#[test]
fn a_daemon_of_many_processes_is_one() {
    needs_root!();
    let left = leaves(
        "/usr/bin/python3 -c 'import os, socket, time
s = socket.create_server((\"0.0.0.0\", 0))
if os.fork(): os._exit(0)
os.setsid()
workers = [os.fork() for _ in range(4)]
time.sleep(60)'
sleep 0.2",
    );
    let alert = left.told("daemon_reachable", "medium");
    assert_eq!(alert["count"], 1);
}

#[test]
fn known_helpers_are_expected() {
    needs_root!();
    if !has("ssh-agent") {
        skip!("no ssh-agent");
    }
    let left = leaves("ssh-agent -s -a \"$PWD/agent\"");
    left.told("daemon_expected", "informational");
    let copied = tempfile::tempdir().unwrap();
    let copy = copied.path().join("ssh-agent");
    let agent = fs::canonicalize("/usr/bin/ssh-agent").unwrap();
    assert!(Command::new("cp").arg(agent).arg(&copy).status().unwrap().success());
    let left = leaves(&format!("{} -s -a \"$PWD/agent\"", copy.display()));
    left.told("daemon_odd_place", "high");
}

#[test]
fn a_declared_server_is_expected_and_another_is_not() {
    needs_root!();
    let place = place();
    let config = place.path().join("detector.toml");
    fs::write(&config, "[daemons]\nexpected = [\"/usr/bin/python3* http.server\"]\n").unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let server = "/usr/bin/python3 -m http.server --bind 127.0.0.1 0 & sleep 0.3";
    leaves_in(place, &options, server).told("daemon_expected", "informational");
    leaves(server).told("daemon_outlives_agent", "medium");
}

#[test]
fn a_declaration_that_is_no_path_names_its_place() {
    needs_root!();
    let place = place();
    let config = place.path().join("detector.toml");
    fs::write(&config, "[daemons]\nexpected = [\"http.server\"]\n").unwrap();
    let ended = crate::cli::end(&mut detector(&["wrap", "--config", config.to_str().unwrap(), "--", "true"]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("detector.toml:2:13: http.server is no path"), "{}", ended.stderr);
}

#[test]
fn background_work_that_ends_is_not_told() {
    needs_root!();
    let left = leaves(
        "set -e
/usr/bin/python3 -m http.server --bind 127.0.0.1 0 & server=$!
nohup sleep 0.2 & setsid sleep 0.3 &
printf 'all: a b c d\\na b c d:\\n\\tsleep 0.2\\n' > Makefile
make -s -j4
sh -c '(sleep 0.5; true) & sleep 0.7; wait'
kill $server
wait",
    );
    let told: Vec<&Value> =
        left.alerts.iter().filter(|alert| alert["evidence"][0]["kind"] == "daemonised").collect();
    assert!(told.is_empty(), "{told:#?}");
    assert!(!left.said.contains("no longer watched"), "{}", left.said);
}

/// A server's socket below `/run` and its directory, removed with it.
struct Service {
    directory: std::path::PathBuf,
    // Open as long as somebody may connect.
    _listener: UnixListener,
}

impl Service {
    fn at(name: &str) -> Self {
        let directory = Path::new("/run").join(format!("detector-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("docker.sock")).unwrap();
        Self { directory, _listener: listener }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A control group that plays what a service manager makes for a unit.
struct Unit(std::path::PathBuf);

impl Unit {
    fn name(number: u32) -> String {
        format!("detector-test-{}-{number}.service", std::process::id())
    }

    fn make(name: &str) -> Self {
        let path = cgroup::mount().unwrap().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = wait_for("an empty group", LIMIT, || Ok(fs::remove_dir(&self.0).ok()));
    }
}
