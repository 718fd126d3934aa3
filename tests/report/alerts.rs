//! `detector alerts` on a store of replayed alerts: list, follow, acknowledge, mute, and what is said where it cannot.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use detector_tests::skip;
use detector_tests::trigger::program;
use detector_tests::wait::LIMIT;
use serde_json::Value;

use crate::story::{Story, rome};
use crate::{detector, judge};

/// Exit status and standard error of a command that is refused.
fn refused(store: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program("detector").unwrap());
    let output = command.args(words).env("DETECTOR_STORE", store).output().unwrap();
    assert!(output.stdout.is_empty(), "{words:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn json(store: &Path, words: &[&str]) -> Vec<Value> {
    detector(store, words).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A miner by its name, and nothing else.
fn miner(agent: &str) -> Story {
    Story::new(agent).runs(1, 100, "/opt/bin/xmrig", &["xmrig", "--version"])
}

fn replay(story: Story, place: &Path, store: &Path) {
    let recording = place.join("more.detrec");
    story.record(&recording);
    let (store_word, recording) = (store.to_str().unwrap(), recording.to_str().unwrap());
    detector(store, &["replay", "--alerts", "/dev/null", "--store", store_word, recording]);
}

#[test]
fn alerts_are_listed_by_what_is_asked_for_newest_last() {
    let place = tempfile::tempdir().unwrap();
    let (store, incident) = judge(rome(), place.path());
    let all = json(&store, &["alerts", "--json"]);
    let times: Vec<&str> = all.iter().map(|alert| alert["time"].as_str().unwrap()).collect();
    assert!(all.len() > 4 && times.first() <= times.last(), "{times:?}");
    let critical = json(&store, &["alerts", "--level", "critical", "--json"]);
    assert!(!critical.is_empty() && critical.iter().all(|alert| alert["level"] == "critical"));
    let last = json(&store, &["alerts", "--limit", "1", "--json"]);
    assert_eq!(last, all[all.len() - 1..]);
    assert_eq!(json(&store, &["alerts", "--agent", "nobody", "--json"]).len(), 0);
    assert_eq!(detector(&store, &["alerts", "--agent", "nobody"]), "no alert is like this\n");
    let tunnels = json(&store, &["alerts", "--rule", "tunnel", "--json"]);
    assert!(!tunnels.is_empty() && tunnels.len() < all.len());
    assert_eq!(json(&store, &["alerts", "--since", "2100-01-01", "--json"]).len(), 0);
    assert_eq!(json(&store, &["alerts", "--since", "2026-11-20", "--json"]).len(), all.len());
    let of = json(&store, &["alerts", "--incident", &incident[18..], "--json"]);
    assert!(!of.is_empty() && of.iter().all(|alert| alert["incident"] == incident));
    let table = detector(&store, &["alerts"]);
    assert_eq!(table.lines().count(), all.len() + 1);
    assert!(table.contains("2026-11-21") && table.contains("coder"), "{table}");
}

#[test]
fn an_id_is_known_by_either_end_and_a_wrong_one_is_explained() {
    let place = tempfile::tempdir().unwrap();
    let (store, incident) = judge(rome(), place.path());
    let id = json(&store, &["alerts", "--limit", "1", "--json"])[0]["id"].as_str().unwrap().to_owned();
    for part in [&id[..], &id[20..], &id[18..].to_lowercase()] {
        let shown = json(&store, &["alerts", "show", part, "--json"]);
        assert_eq!(shown[0]["id"], *id, "{part}");
    }
    let shown = detector(&store, &["alerts", "show", &incident]);
    assert!(shown.contains(&incident) && shown.contains("detector explain"), "{shown}");
    let (code, said) = refused(&store, &["alerts", "show", &id[..6]]);
    assert!(code == Some(2) && said.contains("may mean"), "{said}");
    let mut wrong = id.clone();
    wrong.replace_range(22..23, if &id[22..23] == "0" { "1" } else { "0" });
    let (code, said) = refused(&store, &["explain", &wrong]);
    assert!(code == Some(2) && said.contains(&format!("did you mean {id}?")), "{said}");
    let (code, said) = refused(&store, &["explain", "abc"]);
    assert!(code == Some(2) && said.contains("too short"), "{said}");
    let missing = place.path().join("none.db");
    let (code, said) = refused(&missing, &["alerts"]);
    assert!(code == Some(2) && said.contains("--store") && said.contains("detector run"), "{said}");
    assert!(!missing.exists(), "whoever looks makes nothing");
}

#[test]
fn what_is_acknowledged_or_muted_is_marked() {
    let place = tempfile::tempdir().unwrap();
    let (store, id) = judge(miner("coder"), place.path());
    detector(&store, &["alerts", "ack", &id, "--by", "ada"]);
    let table = detector(&store, &["alerts", "--incidents"]);
    assert!(table.contains("[ack]"), "{table}");
    assert!(detector(&store, &["alerts", "show", &id]).contains("acknowledged by ada"));
    for (words, lacks) in [
        (vec!["alerts", "mute", "--for", "2h", "--reason", "r"], "--rule"),
        (vec!["alerts", "mute", "--agent", "coder", "--for", "400d", "--reason", "r"], "90 days"),
        (vec!["alerts", "mute", "--agent", "coder", "--for", "2h", "--reason", " "], "reason"),
        (vec!["alerts", "mute", "--rule", "no such rule", "--for", "2h", "--reason", "r"], "rules list"),
        (vec!["alerts", "mute", "--agent", "coder", "--reason", "r"], "--for"),
    ] {
        let (code, said) = refused(&store, &words);
        assert!(code == Some(2) && said.contains(lacks), "{words:?}: {said}");
    }
    let alert = json(&store, &["alerts", "--json"])[0].clone();
    let words = [
        "alerts",
        "mute",
        "--rule",
        "miner_name",
        "--for",
        "2h",
        "--reason",
        "a test of miners",
        "--by",
        "ada",
    ];
    let said = detector(&store, &words);
    assert!(said.contains("is muted until"), "{said}");
    replay(miner("another"), place.path(), &store);
    let table = detector(&store, &["alerts", "--agent", "another"]);
    assert!(table.contains("[muted]"), "{table}");
    let mutes = json(&store, &["alerts", "mutes", "--json"]);
    assert_eq!((&mutes[0]["rule"], &mutes[0]["who"]), (&alert["rule"]["id"], &Value::from("ada")));
    assert!(detector(&store, &["alerts", "mutes"]).contains("a test of miners"));
    detector(&store, &["alerts", "unmute", mutes[0]["id"].as_str().unwrap()]);
    assert_eq!(detector(&store, &["alerts", "mutes"]), "nothing is muted\n");
    let id = alert["id"].as_str().unwrap();
    detector(&store, &["alerts", "mute", id, "--for", "1d", "--reason", "all three of it"]);
    let mutes = json(&store, &["alerts", "mutes", "--json"]);
    assert_eq!(
        (&mutes[0]["agent"], &mutes[0]["exe"]),
        (&Value::from("coder"), &Value::from("/opt/bin/xmrig"))
    );
}

#[test]
fn whoever_follows_sees_alerts_as_they_come() {
    let place = tempfile::tempdir().unwrap();
    let (store, _) = judge(miner("coder"), place.path());
    let mut follow = Command::new(program("detector").unwrap());
    follow.args(["alerts", "--follow", "--json"]).env("DETECTOR_STORE", &store).stdout(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let (sender, agents) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let alert: Value = serde_json::from_str(&line).unwrap();
            if sender.send(alert["agent"]["name"].clone()).is_err() {
                return;
            }
        }
    });
    assert_eq!(agents.recv_timeout(LIMIT).unwrap(), "coder", "what was there");
    replay(miner("another"), place.path(), &store);
    while agents.recv_timeout(LIMIT).unwrap() != "another" {}
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn who_may_read_the_store_needs_no_more() {
    if !skip::is_root() {
        skip!("only root can be somebody else");
    }
    let place = tempfile::tempdir().unwrap();
    let (store, id) = judge(miner("coder"), place.path());
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new(program("detector").unwrap());
        command.args(words).env("DETECTOR_STORE", &store).current_dir("/").uid(65534).gid(65534).output()
    };
    let Ok(listed) = as_nobody(&["alerts", "--json"]) else {
        skip!("nobody may not run what was built here")
    };
    let said = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(listed.status.success() && listed.stdout.starts_with(b"{"), "{said}");
    let refused = as_nobody(&["alerts", "ack", &id]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("write"), "{said}");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = as_nobody(&["alerts"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("cannot be read"), "{said}");
}
