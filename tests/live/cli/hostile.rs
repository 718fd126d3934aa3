//! Names and arguments that are an attack on whoever prints them come through escaped, and break nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use detector_tests::needs_root;
use serde_json::Value;

use super::{alerts, detector, text};

/// Wraps a trigger that is given a hidden directory for `{}`; what came of it.
fn wrapped(trigger: &[&str]) -> (tempfile::TempDir, Vec<Value>, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts.jsonl");
    let directory = place.path().join(".hidden");
    fs::create_dir(&directory).unwrap();
    let mut command = detector(&["wrap", "--name", "a\u{1b}[31m\n\u{202e}b", "--alerts", text(&file), "--"]);
    command.arg(super::trigger()).args(trigger.iter().map(|word| word.replace("{}", text(&directory))));
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
    let (_place, alerts, said) = wrapped(&["exec-hostile-name", "{}"]);
    let name = "bad \\xff\\xfe\"'\\ \u{1b}[31m\n\u{1}name";
    let alert =
        alerts.iter().find(|alert| exe(alert).ends_with(name)).unwrap_or_else(|| panic!("{alerts:#?}"));
    let argv = alert["process"]["argv"].as_array().unwrap();
    assert_eq!(argv[1..], ["nothing", "", "\\xc3(", "a\nb\u{7}", "{\"json\":\"}"]);
    assert_eq!(alert["agent"]["name"], "a\u{1b}[31m\n\u{202e}b");
    assert!(said.contains("\\u{1b}[31m\\u{a}\\u{1}name"), "{said}");
    assert!(said.contains(" about a\\u{1b}[31m\\u{a}\\u{202e}b"), "{said}");
}

/// What a rule of our own, over all executions that this line of it selects, said of a trigger.
fn selected(selection: &str, trigger: &[&str]) -> (Value, String) {
    let place = tempfile::tempdir().unwrap();
    let (config, file) = (place.path().join("config.toml"), place.path().join("alerts.jsonl"));
    let rule = format!(
        "title: Selected\nid: 0f0f0f0f-0000-4000-8000-000000000004\nstatus: test\n\
         logsource:\n    category: process_creation\n    product: linux\n\
         detection:\n    selection:\n        {selection}\n    condition: selection\nlevel: high\n"
    );
    fs::write(place.path().join("rule.yml"), rule).unwrap();
    fs::write(&config, format!("[rules]\npaths = [\"{}/rule.yml\"]\n", text(place.path()))).unwrap();
    let words = ["wrap", "--config", text(&config), "--alerts", text(&file), "--"];
    let mut command = detector(&words);
    command.arg(super::trigger()).args(trigger.iter().map(|word| word.replace("{}", text(place.path()))));
    let said = stderr(&mut command);
    assert!(said.lines().all(|line| line.chars().count() < 2_000), "cards are for people");
    let alerts = alerts(&file);
    let alert = alerts.iter().find(|alert| alert["title"] == "Selected");
    (alert.unwrap_or_else(|| panic!("no alert: {said}")).clone(), said)
}

#[test]
fn a_path_of_4095_bytes_is_whole_or_says_that_it_is_not() {
    needs_root!();
    // The kernel half may leave the first directories out, and with them what our own rules look for.
    let (alert, _) = selected("Image|contains: ffffffff", &["exec-long-path", "{}"]);
    assert!(exe(&alert).len() == 4095 || exe(&alert).starts_with('…'), "{}", exe(&alert));
    assert_eq!(alert["process"]["argv"][0].as_str().unwrap().len(), 4095);
}

#[test]
fn an_argv_of_2_mib_is_cut_and_says_so() {
    needs_root!();
    let (alert, _) = selected("CommandLine|contains: aaaaaaaaaaaaaaaa", &["exec-argv", "2097152"]);
    let argv = alert["process"]["argv"].as_array().unwrap();
    let bytes: usize = argv.iter().map(|word| word.as_str().unwrap().len()).sum();
    assert!((30_000..100_000).contains(&bytes), "{bytes} bytes");
    let last = argv.last().unwrap().as_str().unwrap();
    let end: String = last.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(end.contains('…'), "{end}");
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
