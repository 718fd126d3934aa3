//! A command of the operator's: what it is given, what its end means, and that it ends.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use detector::sinks::command::CommandConfig;
use detector::sinks::{Failure, Kind as _, Receipt, Sink};
use detector_tests::skip;
use detector_tests::wait::{LIMIT, wait_for};
use rustix::process::{Pid, test_kill_process};

use crate::plain::{open, script};
use crate::sample::{HOSTILE, alert, card, hostile_alert, long, of_alert, of_card};

/// A sink whose command is this script; `$1` is the directory.
fn sink(directory: &Path, text: &str, more: &str) -> Box<dyn Sink> {
    let path = directory.join("on-alert");
    script(&path, &format!("#!/bin/sh\n{text}\n"));
    let (path, directory) = (path.display(), directory.display());
    open::<CommandConfig>(&format!("command = [\"{path}\", \"{directory}\"]\n{more}"))
}

fn outcome(text: &str, more: &str) -> Result<Receipt, Failure> {
    let dir = tempfile::tempdir().unwrap();
    sink(dir.path(), text, more).deliver(&of_alert(&alert()))
}

#[test]
fn it_gets_the_alert_and_a_clean_environment() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path(), "cat > $1/input; env | sort > $1/environment; pwd > $1/where", "");
    sink.deliver(&of_alert(&alert())).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let input: serde_json::Value = serde_json::from_str(&read("input")).unwrap();
    assert_eq!(input, serde_json::to_value(alert()).unwrap());
    assert_eq!(read("where"), "/\n");
    let environment = read("environment");
    // PWD and _ are the shell's own.
    let ours: Vec<&str> = environment
        .lines()
        .filter(|line| !["PWD", "_", "OLDPWD", "SHLVL"].contains(&line.split('=').next().unwrap()))
        .collect();
    assert_eq!(
        ours,
        [
            "DETECTOR_AGENT=training",
            "DETECTOR_ALERT=01KZALERT00000000000000001",
            "DETECTOR_INCIDENT=01KZINCIDENT00000000000001",
            "DETECTOR_KEY=01KZ.slack.1",
            "DETECTOR_LEVEL=critical",
            "DETECTOR_RULE=0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    );
    sink.deliver(&of_card(&card(), None)).unwrap();
    assert!(read("input").starts_with("{\"schema\":\"detector.card/1\""));
}

#[test]
fn its_end_says_what_became_of_the_message() {
    assert_eq!(outcome("exit 0", ""), Ok(Receipt::default()));
    // Neither input that is not read nor output without end holds anybody up.
    assert_eq!(
        outcome("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2", ""),
        Ok(Receipt::default())
    );
    let later = outcome("echo one >&2; echo busy >&2; exit 75", "");
    assert_eq!(later, Err(Failure::later("on-alert asks to try again: busy")));
    let refused = outcome("printf 'no such\\033[2J channel' >&2; exit 3", "");
    assert_eq!(refused, Err(Failure::refused("on-alert ended with status 3: no such\\u{1b}[2J channel")));
    let killed = outcome("kill -9 $$", "");
    assert_eq!(killed, Err(Failure::later("on-alert was killed by signal 9")));
}

#[test]
fn what_takes_too_long_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let text = "sleep 600 & echo $! > $1/child; echo waiting >&2; wait";
    let began = Instant::now();
    let outcome = sink(dir.path(), text, "timeout = \"2s\"").deliver(&of_alert(&alert()));
    assert_eq!(outcome, Err(Failure::later("on-alert took longer than 2s and was killed: waiting")));
    assert!(began.elapsed() < Duration::from_secs(60));
    let child: i32 = fs::read_to_string(dir.path().join("child")).unwrap().trim().parse().unwrap();
    let child = Pid::from_raw(child).unwrap();
    wait_for("the end of the child", LIMIT, || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).unwrap_or_default();
        // Whoever inherits it may take a while to wait for it.
        Ok((test_kill_process(child).is_err() || stat.contains(") Z ")).then_some(()))
    })
    .unwrap();
}

#[test]
fn what_it_leaves_running_does_not_hold_up_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(dir.path(), "sleep 20 & exit 0", "");
    let began = Instant::now();
    sink.deliver(&of_alert(&alert())).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn it_runs_as_the_user_that_is_named() {
    if !skip::is_root() {
        skip!("needs root");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = dir.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
    let mut sink = sink(dir.path(), "cat > $1/place/input; id -G > $1/place/groups", "user = \"nobody\"");
    sink.deliver(&of_alert(&alert())).unwrap();
    let nobody = fs::metadata(place.join("input")).unwrap();
    assert_eq!((nobody.uid(), nobody.gid()), (65_534, 65_534));
    assert!(nobody.len() > 100);
    assert_eq!(fs::read_to_string(place.join("groups")).unwrap(), "65534\n");
}

#[test]
fn hostile_texts_stay_values() {
    let dir = tempfile::tempdir().unwrap();
    let text = "cat > $1/input; env > $1/environment; test $# = 1";
    let mut sink = sink(dir.path(), text, "");
    let long = long();
    for text in HOSTILE.iter().copied().chain([&*long]) {
        let hostile = hostile_alert(text);
        sink.deliver(&of_alert(&hostile)).unwrap();
        let input = fs::read_to_string(dir.path().join("input")).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&input).unwrap(),
            serde_json::to_value(&hostile).unwrap()
        );
        let environment = fs::read_to_string(dir.path().join("environment")).unwrap();
        let ours = environment.lines().filter(|line| line.starts_with("DETECTOR_")).count();
        assert_eq!(ours, 6, "{environment}");
        assert!(
            !environment.replace('\n', "").contains(detector::alert::escape::is_deceptive),
            "{environment}"
        );
    }
}

#[test]
fn a_command_that_others_can_change_is_refused_before_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("on-alert");
    let check = |words: &str, more: &str| {
        let config: CommandConfig = toml::from_str(&format!("command = [{words}]\n{more}")).unwrap();
        config.check().map_err(|problem| format!("{}: {}", problem.key, problem.message))
    };
    let quoted = format!("\"{}\"", path.display());
    let refused = |words: &str, more: &str, what: &str| {
        let message = check(words, more).unwrap_err();
        assert!(message.contains(what), "{message}");
    };
    refused("", "", "names no program");
    refused("\"on-alert\"", "", "whole path");
    refused(&quoted, "", "No such file");
    script(&path, "#!/bin/sh\n");
    assert_eq!(check(&quoted, ""), Ok(()));
    refused(&quoted, "timeout = \"1h\"", "timeout: ");
    for (mode, what) in [(0o644, "not executable"), (0o777, "can be changed by others")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        refused(&quoted, "", what);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    refused(&quoted, "", "can be replaced by others");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    refused(&format!("\"{}\"", dir.path().display()), "", "no file");
    if skip::is_root() {
        refused(&quoted, "user = \"no-such-user\"", "no user \"no-such-user\"");
    }
    // One that changes between two alerts is not run either.
    let mut sink = open::<CommandConfig>(&format!("command = [{quoted}]"));
    sink.deliver(&of_alert(&alert())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(sink.deliver(&of_alert(&alert())), Err(Failure::Later { .. })));
}
