//! What people look at: `doctor`, help, completions.

use detector_tests::needs_root;
use serde_json::Value;

use super::{as_nobody, detector, end};

#[test]
fn doctor_says_that_this_kernel_serves() {
    needs_root!();
    let ended = end(&mut detector(&["doctor"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("detector can run here.\n"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("REFUSED"), "{}", ended.stdout);
    let ended = end(&mut detector(&["doctor", "--json"]));
    assert_eq!(ended.code, Some(0));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["usable"], true);
    // An event is served by one tier or said to be missing; a hook without a tier is used.
    let rows = report["events"].as_array().unwrap();
    let missing: Vec<&Value> = report["missing"].as_array().unwrap().iter().map(|row| &row[0]).collect();
    for row in rows {
        let used = |row: &Value| row["state"]["is"] == "used";
        for event in row["events"].as_array().unwrap() {
            let served =
                rows.iter().any(|row| used(row) && row["events"].as_array().unwrap().contains(event));
            assert!(served || missing.contains(&event), "{event}: {report:#}");
        }
        assert!(used(row) || !row["tier"].is_null(), "{row:#}");
    }
}

#[test]
fn doctor_without_root_says_what_it_could_not_try() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let ended = end(&mut as_nobody(place.path(), &["doctor"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    for said in ["not root", "sudo", "not tried", "kernel BTF", "detector cannot run here"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let ended = end(&mut as_nobody(place.path(), &["doctor", "--json"]));
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["usable"], false);
    assert!(report["events"].as_array().unwrap().iter().all(|served| served["state"]["is"] == "not_tried"));
}

#[test]
fn every_option_is_in_its_commands_help() {
    let commands: [(&str, &[&str]); 11] = [
        ("", &["run", "wrap", "replay", "record", "rules", "doctor", "completions", "--log", "--version"]),
        ("run", &["--config", "--record", "SIGHUP", "/etc/detector/config.toml"]),
        ("wrap", &["--name", "--alerts", "--show", "--quiet", "--config", "--record", "COMMAND"]),
        ("replay", &["--rules", "--no-builtin", "--alerts", "--stats", "FILE"]),
        ("record", &["--output", "--config", "--name", "COMMAND"]),
        ("rules", &["check", "list", "show", "test", "explain"]),
        ("rules check", &["[PATHS]"]),
        ("rules list", &["--json"]),
        ("rules explain", &["--event", "--rules"]),
        ("doctor", &["--json"]),
        ("completions", &["bash", "zsh", "fish"]),
    ];
    for (command, words) in commands {
        let line: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ended = end(&mut detector(&line));
        assert_eq!(ended.code, Some(0), "{command}");
        for word in words {
            assert!(ended.stdout.contains(word), "{word} in {command} --help: {}", ended.stdout);
        }
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = end(&mut detector(&["completions", shell]));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for word in ["wrap", "doctor", "alerts"] {
            assert!(ended.stdout.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn a_closed_standard_output_is_no_panic() {
    for words in [&["rules", "list", "--json"][..], &["completions", "bash"], &["doctor"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = detector(words).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{words:?}: {said}");
    }
}
