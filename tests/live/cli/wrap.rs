//! `detector wrap`: the command runs as if it ran alone, and everything it does is seen.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use detector_tests::cgroup;
use detector_tests::detector::Detector;
use detector_tests::detector::STORE;
use detector_tests::needs_root;
use detector_tests::trigger::program;
use detector_tests::wait::{LIMIT, wait_for};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{alerts, by_rule, checked, detector, end, hidden, text, trigger};

#[test]
fn the_exit_status_is_the_commands() {
    needs_root!();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let ended = end(&mut detector(&["wrap", "--", "sh", "-c", script]));
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(code), "", ""),
            "{script}"
        );
    }
}

#[test]
fn a_command_that_cannot_be_started_ends_as_in_a_shell() {
    needs_root!();
    for (program, code) in [("no-such-program", 127), ("/etc/passwd", 126), ("/etc", 126)] {
        let ended = end(&mut detector(&["wrap", "--", program]));
        assert_eq!(ended.code, Some(code), "{program}");
        assert!(
            ended.stderr.starts_with(&format!("detector: running {program} failed: ")),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    let place = tempfile::tempdir().unwrap();
    let recording = place.path().join("a.detrec");
    assert_eq!(
        end(&mut detector(&["record", "-o", text(&recording), "--", "no-such-program"])).code,
        Some(127)
    );
}

#[test]
fn signals_reach_the_command() {
    needs_root!();
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];
    for signal in signals {
        let place = tempfile::tempdir().unwrap();
        let ready = place.path().join("ready");
        // A shell runs a trap between two commands, so that these must be short.
        let script = format!(
            "trap 'exit 42' {}; : > {}; while :; do sleep 0.02; done",
            signal.as_raw(),
            ready.display()
        );
        let mut wrap = Detector::start(detector(&["wrap", "--", "sh", "-c", &script])).unwrap();
        wait_for("the command's trap", LIMIT, || Ok(ready.exists().then_some(()))).unwrap();
        wrap.signal(signal).unwrap();
        assert_eq!(wrap.wait(LIMIT).unwrap().code(), Some(42), "{signal:?}: {}", wrap.log());
    }
}

#[test]
fn what_nohup_has_ignored_stays_ignored() {
    needs_root!();
    let script = r#"trap '' HUP; exec "$0" wrap -- sh -c 'kill -HUP $PPID; kill -HUP $$; echo still here'"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program("detector").unwrap()).env(STORE, ":memory:");
    let ended = end(&mut command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "still here\n"), "{}", ended.stderr);
}

#[test]
fn the_commands_streams_pass_through_untouched() {
    needs_root!();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
    let mut command = detector(&["wrap", "--", "sh", "-c", "cat; printf 'to stderr\\377\\n' >&2"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
    assert_eq!(output.stderr, b"to stderr\xff\n");
}

#[test]
fn alerts_name_agent_process_and_ancestors_within_a_moment() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts.jsonl");
    let memfd = format!("{} exec-memfd", trigger());
    let words = ["wrap", "--name", "coder", "--alerts", text(&file), "--", "sh", "-c", &memfd];
    let ended = end(&mut detector(&words));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("HIGH Program Executed From Memory"), "{}", ended.stderr);
    assert!(ended.stderr.contains("detector: 1 alert about coder: 1 high"), "{}", ended.stderr);

    let alerts = alerts(&file);
    let alert = by_rule(&alerts, "execution/memfd.yml");
    assert_eq!(alert["agent"]["name"], "coder");
    let cgroup = alert["agent"]["cgroup"].as_str().unwrap();
    assert!(cgroup.starts_with("/detector.wrap/coder."), "{cgroup}");
    assert_eq!(alert["process"]["exe"], "/memfd:trigger");
    let above = alert["process"]["ancestors"].as_array().unwrap();
    let exes: Vec<&str> = above.iter().map(|above| above["exe"].as_str().unwrap()).collect();
    let detector = program("detector").unwrap();
    assert!(exes.contains(&text(&detector)), "{exes:?}");
    let own = std::env::current_exe().unwrap();
    assert!(exes.contains(&text(&own)), "the ancestors from before the start are known: {exes:?}");
    let latency = alert["latency_us"].as_u64().unwrap();
    assert!((1..5_000_000).contains(&latency), "{latency}");

    let ended = end(&mut detector_to_stdout(&memfd));
    let (alerts, said): (Vec<&str>, Vec<&str>) =
        ended.stdout.lines().partition(|line| line.starts_with("{\"schema\""));
    assert_eq!(said.len(), 2, "{said:?}");
    let alerts = checked(&(alerts.join("\n") + "\n"));
    assert_eq!(by_rule(&alerts, "execution/memfd.yml")["agent"]["name"], "sh");
    assert_eq!(ended.stderr, "");
}

fn detector_to_stdout(script: &str) -> Command {
    detector(&["wrap", "--quiet", "--alerts", "-", "--", "sh", "-c", script])
}

#[test]
fn the_commands_own_exec_is_seen() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts.jsonl");
    let program = hidden(place.path());
    // It ends at once: only who watches before its first instruction sees it.
    for _ in 0..20 {
        let ended = end(&mut detector(&["wrap", "--alerts", text(&file), "--", text(&program), "nothing"]));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let alerts = alerts(&file);
        let alert = by_rule(&alerts, "execution/hidden_path.yml");
        assert_eq!(alert["process"]["exe"], text(&program));
        assert!(alert["process"]["ancestors"][0]["exe"].as_str().unwrap().ends_with("/detector"));
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn the_control_group_is_gone_afterwards() {
    needs_root!();
    let script = "cat /proc/self/cgroup; mkdir \"$0$(sed -n s/0:://p /proc/self/cgroup)/inner\"";
    let mount = cgroup::mount().unwrap();
    let ended = end(&mut detector(&["wrap", "--", "sh", "-c", script, text(&mount)]));
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    assert!(line.starts_with("/detector.wrap/sh."), "{line}");
    let place = mount.join(line.trim_start_matches('/'));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(!place.exists(), "{}", place.display());
}

#[test]
fn a_daemon_left_behind_is_named_and_lives_and_its_group_goes_with_the_next_wrap() {
    needs_root!();
    let said = Stdio::piped();
    let mut command =
        detector(&["wrap", "--name", "daemon", "--", &trigger(), "daemon", "127.0.0.1:0", "60"]);
    let ended = end(command.stdout(said));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said: serde_json::Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    let daemon = said["daemon"].as_i64().unwrap();
    let (before, after) = ended.stderr.split_once(" is still running, no longer watched, in ").unwrap();
    assert!(before.ends_with("detector: 1 process"), "{before}");
    let (group, pids) = after.trim_end().split_once(": pid ").unwrap();
    assert!(pids.starts_with(&format!("{daemon} (")), "{pids}");
    assert!(pids.contains("detector-trigger daemon 127.0.0.1:0 60)"), "{pids}");

    let pid = Pid::from_raw(i32::try_from(daemon).unwrap()).unwrap();
    test_kill_process(pid).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let group = std::path::Path::new(group);
    let empty = || Ok(fs::read_to_string(group.join("cgroup.events"))?.contains("populated 0").then_some(()));
    wait_for("the daemon's end", LIMIT, empty).unwrap();
    assert_eq!(end(&mut detector(&["wrap", "--", "true"])).code, Some(0));
    assert!(!group.exists(), "an empty group of a wrap that is over is swept");
}

#[test]
fn a_command_that_is_killed_with_the_detector_is_no_hang() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let out = File::create(place.path().join("out")).unwrap();
    let mut command = detector(&["wrap", "--", "sleep", "60"]);
    command.stdout(out).process_group(0);
    let mut wrap = Detector::start(command).unwrap();
    let group = cgroup::mount().unwrap().join(format!("detector.wrap/sleep.{}", wrap.pid()));
    let running = || {
        Ok(fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty()).then_some(()))
    };
    wait_for("the command", LIMIT, running).unwrap();
    // As a terminal's Ctrl-C does it: the whole process group.
    let leader = Pid::from_raw(i32::try_from(wrap.pid()).unwrap()).unwrap();
    rustix::process::kill_process_group(leader, Signal::INT).unwrap();
    assert_eq!(wrap.wait(LIMIT).unwrap().code(), Some(130), "{}", wrap.log());
    assert!(!group.exists());
}
