//! Names and arguments that are an attack on whoever prints them come through escaped, and break nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use detector_tests::needs_root;
use serde_json::Value;

use super::{alerts, detector, hidden, text};

/// Wraps a trigger that is given a hidden directory for `{}`; what came of it.
fn wrapped(program: &str, trigger: &[&str]) -> (tempfile::TempDir, Vec<Value>, String) {
    let place = tempfile::tempdir().unwrap();
    let copy = hidden(place.path());
    let program = program.replace("{}", text(copy.parent().unwrap()));
    let file = place.path().join("alerts.jsonl");
    let directory = place.path().join(".hidden");
    let mut command = detector(&["wrap", "--name", "a\u{1b}[31m\n\u{202e}b", "--alerts", text(&file), "--"]);
    command.arg(program).args(trigger.iter().map(|word| word.replace("{}", text(&directory))));
    let said = stderr(&mut command);
    let alerts = alerts(&file);
    (place, alerts, said)
}

/// Standard error of a command that ended well; free of anything that a terminal would obey.
fn stderr(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stderr).unwrap();
    let raw = said.chars().find(|&c| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)));
    assert_eq!(raw, None, "{said:?}");
    said
}

fn exe(alert: &Value) -> &str {
    alert["process"]["exe"].as_str().unwrap()
}

#[test]
fn a_name_of_control_characters_and_no_utf8_is_escaped() {
    needs_root!();
    let (_place, alerts, said) = wrapped(&super::trigger(), &["exec-hostile-name", "{}"]);
    let name = "bad \\xff\\xfe\"'\\ \u{1b}[31m\n\u{1}name";
    let alert =
        alerts.iter().find(|alert| exe(alert).ends_with(name)).unwrap_or_else(|| panic!("{alerts:#?}"));
    let argv = alert["process"]["argv"].as_array().unwrap();
    assert_eq!(argv[1..], ["nothing", "", "\\xc3(", "a\nb\u{7}", "{\"json\":\"}"]);
    assert_eq!(alert["agent"]["name"], "a\u{1b}[31m\n\u{202e}b");
    assert!(said.contains("\\u{1b}[31m\\u{a}\\u{1}name"), "{said}");
    assert!(said.contains("1 alert about a\\u{1b}[31m\\u{a}\\u{202e}b"), "{said}");
}

#[test]
fn a_path_of_4095_bytes_is_whole_or_says_that_it_is_not() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let (config, file) = (place.path().join("config.toml"), place.path().join("alerts.jsonl"));
    // The kernel half may leave the first directories out, and with them what our own rules look for.
    let rule = "title: A Long Path\nid: 0f0f0f0f-0000-4000-8000-000000000004\nstatus: test\n\
        logsource:\n    category: process_creation\n    product: linux\n\
        detection:\n    selection:\n        Image|contains: ffffffff\n    condition: selection\nlevel: high\n";
    fs::write(place.path().join("rule.yml"), rule).unwrap();
    fs::write(&config, format!("[rules]\npaths = [\"{}/rule.yml\"]\n", text(place.path()))).unwrap();
    let words = ["wrap", "--config", text(&config), "--alerts", text(&file), "--"];
    let said = stderr(detector(&words).arg(super::trigger()).arg("exec-long-path").arg(place.path()));
    let alerts = alerts(&file);
    let alert = alerts.iter().find(|alert| alert["title"] == "A Long Path").unwrap();
    assert!(exe(alert).len() == 4095 || exe(alert).starts_with('…'), "{}", exe(alert));
    assert_eq!(alert["process"]["argv"][0].as_str().unwrap().len(), 4095);
    assert!(said.lines().all(|line| line.chars().count() < 2_000), "cards are for people");
}

#[test]
fn an_argv_of_2_mib_is_cut_and_says_so() {
    needs_root!();
    let (_place, alerts, said) = wrapped("{}/program", &["exec-argv", "2097152"]);
    let long = alerts.iter().find(|alert| alert["process"]["argv"][1] == "nothing");
    // Repeats in one process tree are one alert: the second exec may be evidence only.
    let all = serde_json::to_string(&alerts).unwrap();
    assert!(long.is_some() || all.contains("aaaaaaaaaa"), "{all}");
    assert!(all.len() < 1 << 20, "{} bytes", all.len());
    assert!(said.lines().all(|line| line.chars().count() < 2_000), "cards are for people");
}

#[test]
fn hostile_file_names_are_escaped() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts.jsonl");
    let home = place.path().join(OsStr::from_bytes(b"ho\xffme\x1b]0;title\x07\n{\"}"));
    fs::create_dir_all(home.join(".ssh")).unwrap();
    let keys = home.join(".ssh/authorized_keys");
    let mut command = detector(&["wrap", "--alerts", text(&file), "--", &super::trigger(), "open-create"]);
    let said = stderr(command.arg(&keys));
    let alerts = alerts(&file);
    let alert = super::by_rule(&alerts, "persistence/authorized_keys.yml");
    let target = format!("{}/ho\\xffme\u{1b}]0;title\u{7}\n{{\"}}/.ssh/authorized_keys", text(place.path()));
    let all = alert.to_string();
    assert!(all.contains(serde_json::to_string(&target).unwrap().trim_matches('"')), "{target:?} in {all}");
    assert!(said.contains("ho\\xffme\\u{1b}]0;title"), "{said}");
}

#[test]
fn an_error_about_a_hostile_argument_is_escaped() {
    let output = detector(&["replay", "/nonexistent/\u{1b}[31m\u{7}"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("\\u{1b}[31m\\u{7}"), "{said:?}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
