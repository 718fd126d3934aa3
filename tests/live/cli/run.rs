//! `detector run`: agents by their control groups, reload, end, the alert file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::needs_root;
use detector_tests::trigger;
use detector_tests::wait::{LIMIT, wait_for};
use rustix::process::Signal;
use serde_json::Value;

use super::{alerts, by_rule};

/// A configuration, its alert file, and a control group whose children `agent-*` it watches.
struct Stage {
    place: tempfile::TempDir,
    group: Cgroup,
}

impl Stage {
    fn new(name: &str) -> Self {
        let stage = Self { place: tempfile::tempdir().unwrap(), group: Cgroup::create(name).unwrap() };
        stage.configure("");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Writes the configuration, with more lines at its end.
    fn configure(&self, more: &str) {
        let group = self.group.below_mount();
        let file = self.path("alerts.jsonl");
        let text = format!(
            "[[agent]]\nname = \"coder\"\ncgroup = \"{group}/agent-*\"\n\n[sinks.file]\npath = \"{}\"\n\n{more}",
            file.display()
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    fn start(&self) -> Detector {
        let mut detector = Detector::run(&self.path("config.toml")).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        detector
    }

    /// Makes an agent's group and waits until it is watched: a group that a pattern finds is known to the
    /// kernel half a moment after it was made.
    fn agent(&self, detector: &Detector, name: &str) -> Cgroup {
        let watched = || detector.log().matches("agent is watched").count();
        let before = watched();
        let agent = self.group.child(name).unwrap();
        wait_for("the agent's watch", LIMIT, || Ok((watched() > before).then_some(()))).unwrap();
        agent
    }

    fn alert(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        JsonLines::follow(&self.path("alerts.jsonl")).wait_for(what, LIMIT, is_it).unwrap()
    }
}

fn is_memfd(alert: &Value) -> bool {
    alert["rule"]["file"] == "rules/execution/memfd.yml"
}

/// A shell in a group that waits for a line, then runs a program from memory.
fn waiting_shell(group: &Cgroup) -> Child {
    let mut command = Command::new("sh");
    let script = format!("read -r go; {} exec-memfd > /dev/null; true", super::trigger());
    command.args(["-c", &script]).stdin(Stdio::piped());
    group.hold(&mut command).unwrap().spawn().unwrap()
}

#[test]
fn agents_from_before_and_after_the_start_are_watched_with_all_below() {
    needs_root!();
    let stage = Stage::new("run");
    let early = stage.group.child("agent-early").unwrap();
    let early_inner = early.child("inner").unwrap();
    let other = stage.group.child("other").unwrap();
    let mut shell = waiting_shell(&early_inner);
    let detector = stage.start();

    writeln!(shell.stdin.take().unwrap(), "go").unwrap();
    let alert = stage.alert("an alert about the early agent", is_memfd);
    assert_eq!(alert["agent"]["name"], "coder");
    assert_eq!(alert["agent"]["cgroup"], format!("{}/agent-early/inner", stage.group.below_mount()));
    let above = alert["process"]["ancestors"].as_array().unwrap();
    let pids: Vec<u64> = above.iter().map(|above| above["pid"].as_u64().unwrap()).collect();
    assert!(pids.contains(&u64::from(shell.id())), "{above:#?}");
    assert!(pids.contains(&u64::from(std::process::id())), "{above:#?}");
    assert!(shell.wait().unwrap().success());

    trigger::run(&other, &["exec-memfd"]).unwrap();
    let late = stage.agent(&detector, "agent-late");
    let inner = late.child("inner").unwrap();
    trigger::run(&inner, &["exec-memfd"]).unwrap();
    let place = format!("{}/agent-late/inner", stage.group.below_mount());
    stage
        .alert("an alert about the late agent", |alert| is_memfd(alert) && alert["agent"]["cgroup"] == place);
    assert!(!detector.log().contains('\u{1b}'), "a log that goes to no terminal has no colours");
    assert!(detector.stop().unwrap().success());
    assert_eq!(alerts(&stage.path("alerts.jsonl")).iter().filter(|alert| is_memfd(alert)).count(), 2);
    drop(early_inner);
}

#[test]
fn a_bad_reload_keeps_the_old_and_a_good_one_takes_effect() {
    needs_root!();
    let stage = Stage::new("reload");
    let agent = stage.group.child("agent-1").unwrap();
    let mut detector = stage.start();

    stage.configure("[rulez]\n");
    detector.signal(Signal::HUP).unwrap();
    let place = format!("{}:8:", stage.path("config.toml").display());
    detector.wait_for_log(&place).unwrap();
    assert!(detector.log().contains("the old configuration stays"), "{}", detector.log());
    trigger::run(&agent, &["exec-memfd"]).unwrap();
    stage.alert("an alert by the old rules", is_memfd);

    let rules = stage.path("rules");
    fs::create_dir(&rules).unwrap();
    rule(&rules, "Trigger Ran", "detector-trigger");
    stage.configure(&format!("[rules]\nbuiltin = false\npaths = [\"{}\"]\n", rules.display()));
    detector.signal(Signal::HUP).unwrap();
    detector.wait_for_log("reloaded").unwrap();
    wait_until_ours(&stage, &agent);

    // A rule that is broken later changes nothing either.
    fs::write(rules.join("broken.yml"), "title: a rule\ndetection: [\n").unwrap();
    detector.signal(Signal::HUP).unwrap();
    detector.wait_for_log("broken.yml").unwrap();
    let late = stage.group.child("agent-late").unwrap();
    wait_until_ours(&stage, &late);
    assert!(detector.stop().unwrap().success());
}

/// The ring thread takes new rules a moment after they are announced: what runs meanwhile is judged by the
/// old ones.
fn wait_until_ours(stage: &Stage, group: &Cgroup) {
    let place = group.below_mount();
    let mut lines = JsonLines::follow(&stage.path("alerts.jsonl"));
    wait_for("an alert by the new rules", LIMIT, || {
        trigger::run(group, &["nothing"])?;
        let is_ours = |alert: &&Value| alert["title"] == "Trigger Ran" && alert["agent"]["cgroup"] == place;
        Ok(lines.all()?.iter().find(is_ours).map(drop))
    })
    .unwrap();
}

fn rule(directory: &Path, title: &str, program: &str) {
    let text = format!(
        "title: {title}\nid: 0f0f0f0f-0000-4000-8000-000000000001\nstatus: test\n\
         logsource:\n    category: process_creation\n    product: linux\n\
         detection:\n    selection:\n        Image|endswith: /{program}\n    condition: selection\nlevel: high\n"
    );
    fs::write(directory.join("rule.yml"), text).unwrap();
}

#[test]
fn the_end_by_signal_is_clean_and_what_was_seen_is_written() {
    needs_root!();
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new("end");
        let agent = stage.group.child("agent-1").unwrap();
        let mut detector = stage.start();
        trigger::run(&agent, &["exec-memfd"]).unwrap();
        detector.signal(signal).unwrap();
        let status = detector.wait(LIMIT).unwrap();
        assert!(status.success(), "{status}: {}", detector.log());
        // Its log is read by a thread of ours, which may be behind.
        wait_for("the last word", LIMIT, || Ok(detector.log().contains("stopped").then_some(()))).unwrap();
        by_rule(&alerts(&stage.path("alerts.jsonl")), "execution/memfd.yml");
    }
}

#[test]
fn the_alert_file_is_private_and_follows_a_rotation() {
    needs_root!();
    let stage = Stage::new("rotate");
    let agent = stage.group.child("agent-1").unwrap();
    let detector = stage.start();
    trigger::run(&agent, &["exec-memfd"]).unwrap();
    stage.alert("the first alert", is_memfd);
    let file = stage.path("alerts.jsonl");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::rename(&file, stage.path("alerts.jsonl.1")).unwrap();
    let place = stage.path("deleted");
    fs::create_dir(&place).unwrap();
    trigger::run(&agent, &["exec-deleted", place.to_str().unwrap()]).unwrap();
    stage.alert("an alert in a new file", |alert| alert["rule"]["file"] != "rules/execution/memfd.yml");
    assert!(detector.stop().unwrap().success());
    by_rule(&alerts(&stage.path("alerts.jsonl.1")), "execution/memfd.yml");
}

#[test]
fn an_agent_that_is_gone_is_forgotten_and_its_name_may_come_back() {
    needs_root!();
    let stage = Stage::new("again");
    let mut detector = stage.start();
    for round in 1..=3 {
        let agent = stage.agent(&detector, "agent-1");
        trigger::run(&agent, &["exec-memfd"]).unwrap();
        drop(agent);
        let mut lines = JsonLines::follow(&stage.path("alerts.jsonl"));
        wait_for("one more alert", LIMIT, || {
            Ok((lines.all()?.iter().filter(|alert| is_memfd(alert)).count() == round).then_some(()))
        })
        .unwrap();
    }
    detector.wait_for_log("agent is gone").unwrap();
    assert!(detector.stop().unwrap().success());
}

#[test]
fn an_agent_that_lives_for_a_moment_is_watched_from_its_first_instruction() {
    needs_root!();
    let stage = Stage::new("moment");
    let detector = stage.start();
    // Whatever the daemon does about a new group, it does too late.
    detector.signal(Signal::STOP).unwrap();
    let mut pids = Vec::new();
    for number in 0..5 {
        let other = stage.group.child(&format!("other-{number}")).unwrap();
        trigger::run(&other, &["exec-memfd"]).unwrap();
        let agent = stage.group.child(&format!("agent-{number}")).unwrap();
        let said = trigger::run(&agent, &["exec-memfd"]).unwrap();
        pids.push(trigger::number(&said, "pid").unwrap());
    }
    detector.signal(Signal::CONT).unwrap();
    for pid in &pids {
        let alert = stage.alert("an alert about each agent", |alert| {
            is_memfd(alert) && alert["process"]["pid"].as_u64() == Some(*pid)
        });
        assert_eq!(alert["agent"]["name"], "coder");
    }
    let about = alerts(&stage.path("alerts.jsonl"));
    let strangers = about.iter().filter(|alert| {
        is_memfd(alert) && !alert["process"]["pid"].as_u64().is_some_and(|pid| pids.contains(&pid))
    });
    assert_eq!(strangers.count(), 0, "{about:#?}");
}
