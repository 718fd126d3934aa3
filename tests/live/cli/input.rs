//! Bad input: one clear error with its place and the remedy, status 2, nothing half-started.

use std::fs;
use std::path::Path;
use std::process::Command;

use detector_tests::detector::STORE;
use detector_tests::trigger::program;
use detector_tests::{needs_root, skip};

use super::{Ended, as_nobody, detector, end, text};

/// It ended with 2, in one line that says all this.
fn refused(ended: &Ended, said: &[&str]) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for said in said {
        assert!(ended.stderr.contains(said), "`{said}` is not in: {}", ended.stderr);
    }
}

/// The configuration is refused, by `run` and by `wrap`, and the wrapped command never runs.
fn bad_config(text: &str, said: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let (config, ran) = (place.path().join("config.toml"), place.path().join("ran"));
    fs::write(&config, text).unwrap();
    let config = super::text(&config);
    refused(&end(&mut detector(&["run", "--config", config])), said);
    refused(&end(&mut detector(&["wrap", "--config", config, "--", "touch", super::text(&ran)])), said);
    assert!(!ran.exists());
}

const AGENT: &str = "[[agent]]\nname = \"a\"\ncgroup = \"/detector-test-none\"\n";

#[test]
fn a_bad_configuration_names_file_line_and_remedy() {
    bad_config(
        "mode = \"observe\"\n[rulez]\n",
        &["config.toml:2:2: unknown field `rulez`", "expected", "`rules`"],
    );
    bad_config("[[agent]]\nname = \"a\"\ncgruop = \"/a\"\n", &["config.toml:3:1:", "`cgruop`", "`cgroup`"]);
    bad_config(
        "[[agent]]\nname = \"a\"\ncgroup = \"/a/[x\"\n",
        &["config.toml:3:10:", "no valid glob", "write e.g."],
    );
    bad_config(
        "[[agent]]\nname = \"a\"\ncgroup = \"/\"\n",
        &["config.toml:3:10:", "name the control groups"],
    );
    bad_config(
        "[[agent]]\nname = \"a\"\n",
        &["config.toml:2:8:", "exactly one of `cgroup` and `systemd_unit`"],
    );
    bad_config("mode = \"enforce\"\n", &["config.toml:1:8:", "`enforce`", "`observe`"]);
    bad_config("mode = observe\n", &["config.toml:1:8:"]);
    for (size, what) in [("100", "no power of two"), ("1KiB", "less than 64 KiB"), ("much", "no size")] {
        let said = [&*format!("config.toml:5:13: ring_size is {what}"), "write e.g. \"4MiB\""];
        bad_config(&format!("{AGENT}[kernel]\nring_size = \"{size}\"\n"), &said);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    for (path, why) in [("/nonexistent/config.toml", "No such file"), ("/etc", "Is a directory")] {
        let said = [&*format!("cannot read the configuration {path}"), "--config FILE", why];
        refused(&end(&mut detector(&["run", "--config", path])), &said);
    }
    if !Path::new("/etc/detector/config.toml").exists() {
        refused(&end(&mut detector(&["run"])), &["/etc/detector/config.toml", "--config FILE"]);
    }
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config.toml");
    fs::write(&config, b"mode = \"\xff\"\n").unwrap();
    refused(&end(&mut detector(&["run", "--config", text(&config)])), &["config.toml", "UTF-8"]);
}

#[test]
fn a_configuration_of_somebody_else_is_named() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config.toml");
    fs::write(&config, AGENT).unwrap();
    rustix::fs::chmod(&config, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let ended = end(&mut as_nobody(place.path(), &["run", "--config", text(&config)]));
    refused(&ended, &["cannot read the configuration", "Permission denied"]);
}

const RULE: &str = "title: A Rule\nid: 0f0f0f0f-0000-4000-8000-000000000002\nstatus: test\n\
    logsource:\n    category: process_creation\n    product: linux\n\
    detection:\n    selection:\n        Image|endswith: /a\n    condition: selection\nlevel: high\n";

/// A rule file is refused by `rules check`, by `replay` and by `wrap`.
fn bad_rule(rule: &str, said: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let (file, config) = (place.path().join("rule.yml"), place.path().join("config.toml"));
    fs::write(&file, rule).unwrap();
    fs::write(&config, format!("[rules]\npaths = [\"{}\"]\n", file.display())).unwrap();
    refused(&end(&mut detector(&["wrap", "--config", text(&config), "--", "true"])), said);
    refused(&end(&mut detector(&["replay", "--rules", text(&file), "none"])), said);
    let ended = end(&mut detector(&["rules", "check", text(&file)]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("1 error\n"), "{}", ended.stderr);
    assert!(said.iter().all(|said| ended.stderr.contains(said)), "{}", ended.stderr);
}

#[test]
fn a_bad_rule_names_file_and_line() {
    bad_rule(&RULE.replace("Image|endswith", "Image|endwith"), &["rule.yml:9", "endwith", "endswith"]);
    bad_rule(&RULE.replace("condition: selection", "condition: selektion"), &["rule.yml:10", "selektion"]);
    bad_rule(&RULE.replace("condition: selection", "condition: selection and"), &["rule.yml:10"]);
    bad_rule(&RULE.replace("level: high", "level: hihg"), &["rule.yml:11", "hihg"]);
    bad_rule(&RULE.replace("detection:", "detecton:"), &["rule.yml", "detect"]);
    bad_rule(&RULE.replace("    condition", "   condition"), &["rule.yml:"]);
    bad_rule("title: [\n", &["rule.yml:"]);
}

#[test]
fn rules_that_cannot_be_read_are_named() {
    let said = ["/nonexistent/rules", "No such file", "name a readable rule file"];
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config.toml");
    fs::write(&config, "[rules]\npaths = [\"/nonexistent/rules\"]\n").unwrap();
    refused(&end(&mut detector(&["run", "--config", text(&config)])), &said);
    refused(&end(&mut detector(&["replay", "--rules", "/nonexistent/rules", "none"])), &said);
    for command in ["check", "list", "test"] {
        assert_eq!(end(&mut detector(&["rules", command, "/nonexistent/rules"])).code, Some(2));
    }
    if skip::is_root() {
        let rule = place.path().join("rule.yml");
        fs::write(&rule, RULE).unwrap();
        rustix::fs::chmod(&rule, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let ended = end(&mut as_nobody(place.path(), &["rules", "check", text(&rule)]));
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains("rule.yml") && ended.stderr.contains("Permission denied"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn without_root_nothing_starts_and_the_remedy_is_named() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config.toml");
    fs::write(&config, AGENT).unwrap();
    rustix::fs::chmod(&config, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    let ran = std::env::temp_dir().join(format!("detector-test-ran-{}", std::process::id()));
    for words in [&["wrap", "--", "touch", text(&ran)][..], &["run", "--config", text(&config)]] {
        refused(&end(&mut as_nobody(place.path(), words)), &["needs root", "CAP_BPF", "sudo"]);
    }
    assert!(!ran.exists());
}

/// Runs a shell script in a mount namespace of its own; `$0` is the detector. `None` where that is not allowed.
fn in_mounts(script: &str) -> Option<Ended> {
    let script = format!("{script} || exit 77\nexec \"$0\" wrap -- touch ran");
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]).arg(program("detector").unwrap());
    let ended = end(command.current_dir(place.path()).env(STORE, ":memory:"));
    assert!(!place.path().join("ran").exists());
    (ended.code != Some(77)).then_some(ended)
}

#[test]
fn a_kernel_without_btf_is_named() {
    needs_root!();
    match in_mounts("mkdir empty && mount --bind empty /sys/kernel/btf") {
        Some(ended) => refused(&ended, &["/sys/kernel/btf/vmlinux", "no BTF", "CONFIG_DEBUG_INFO_BTF=y"]),
        None => skip!("cannot hide /sys/kernel/btf"),
    }
}

#[test]
fn a_host_without_cgroup2_is_named() {
    needs_root!();
    let place = detector_tests::cgroup::mount().unwrap();
    let place = text(&place);
    let said = ["no cgroup2 file system is mounted", "mount -t cgroup2"];
    match in_mounts(&format!("umount -l {place}")) {
        Some(ended) => refused(&ended, &said),
        None => skip!("cannot unmount {place}"),
    }
    // mountinfo still lists one that another mount hides.
    match in_mounts(&format!("mount -t tmpfs none {place}")) {
        Some(ended) => refused(&ended, &said),
        None => skip!("cannot mount over {place}"),
    }
}

#[test]
fn an_alert_file_that_cannot_be_written_stops_the_start() {
    let ended = end(&mut detector(&["wrap", "--alerts", "/nonexistent/alerts.jsonl", "--", "echo", "ran"]));
    refused(&ended, &["open alert file /nonexistent/alerts.jsonl", "No such file"]);
}

#[test]
fn bad_usage_is_status_2() {
    for words in [&["wrap"][..], &["run", "--no-such-option"], &["replay"], &["record"], &["nonsense"], &[]] {
        assert_eq!(end(&mut detector(words)).code, Some(2), "{words:?}");
    }
}
