//! Rules of one's own: a directory as SigmaHQ lays it out, and the commands that look at rules.

use std::fs;
use std::path::Path;

use detector_tests::needs_root;
use serde_json::Value;

use super::{alerts, detector, end, text};

/// Three rules as SigmaHQ writes them: its log sources, its field names, one file each, in its directories.
fn sigma(place: &Path) {
    let write = |directory: &str, name: &str, id: u32, logsource: &str, detection: &str, level: &str| {
        let directory = place.join("rules/linux").join(directory);
        fs::create_dir_all(&directory).unwrap();
        let text = format!(
            "title: {name}\nid: 5a5a5a5a-0000-4000-8000-{id:012}\nstatus: experimental\n\
             description: For a test.\nreferences:\n    - https://example.invalid/\nauthor: a test\n\
             date: 2026-01-02\nmodified: 2026-02-03\ntags:\n    - attack.discovery\n    - attack.t1033\n\
             logsource:\n    product: linux\n    category: {logsource}\n\
             detection:\n{detection}falsepositives:\n    - Unknown\nlevel: {level}\n"
        );
        fs::write(directory.join(format!("lnx_{id}.yml")), text).unwrap();
    };
    let detection = "    selection_img:\n        Image|endswith:\n            - /id\n            - /whoami\n\
                     \x20   selection_parent:\n        ParentImage|endswith:\n            - /dash\n            - /bash\n            - /sh\n\
                     \x20   filter_main_root:\n        User: nobody\n\
                     \x20   condition: all of selection_* and not 1 of filter_main_*\n";
    write("process_creation", "Who Am I", 1, "process_creation", detection, "informational");
    let detection = "    selection:\n        TargetFilename|startswith: /\n        TargetFilename|endswith: .sigma-test\n    condition: selection\n";
    write("file_event", "A File Was Made", 2, "file_event", detection, "medium");
    let detection = "    selection:\n        Initiated: 'true'\n        DestinationIp: 127.0.0.1\n        DestinationPort: 9\n    condition: selection\n";
    write("network_connection", "To the Discard Port", 3, "network_connection", detection, "high");
    let detection = "    selection:\n        type: SYSCALL\n        a0: '2'\n    condition: selection\n";
    write("auditd", "Of Another Source", 4, "process_access", detection, "high");
    fs::write(place.join("rules/README.md"), "# no rule\n").unwrap();
}

#[test]
fn a_directory_as_sigmahq_lays_it_out_loads_unchanged() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    sigma(place.path());
    let (config, file) = (place.path().join("config.toml"), place.path().join("alerts.jsonl"));
    let rules = place.path().join("rules");
    fs::write(&config, format!("[rules]\nbuiltin = false\npaths = [\"{}\"]\n", rules.display())).unwrap();
    let script = format!(
        "id > /dev/null; : > {}/a.sigma-test; {} connect-tcp 127.0.0.1:9",
        text(place.path()),
        super::trigger()
    );
    let words = ["wrap", "--config", text(&config), "--alerts", text(&file), "--", "sh", "-c", &script];
    let ended = end(&mut detector(&words));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut titles: Vec<(String, String)> = alerts(&file)
        .iter()
        .map(|alert| {
            (alert["level"].as_str().unwrap().to_owned(), alert["title"].as_str().unwrap().to_owned())
        })
        .collect();
    titles.sort();
    let expected =
        [("high", "To the Discard Port"), ("informational", "Who Am I"), ("medium", "A File Was Made")];
    assert_eq!(titles, expected.map(|(level, title)| (level.to_owned(), title.to_owned())));
    assert!(ended.stderr.contains("HIGH To the Discard Port"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("Who Am I"), "informational is for the file: {}", ended.stderr);

    let words = ["wrap", "--config", text(&config), "--show", "informational", "--", "sh", "-c", "id; true"];
    assert!(end(&mut detector(&words)).stderr.contains("INFORMATIONAL Who Am I"));
    let ended = end(&mut detector(&["rules", "check", text(&rules)]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("rules can be used"), "{}", ended.stdout);
}

#[test]
fn the_builtin_rules_pass_their_own_tests() {
    let ended = end(&mut detector(&["rules", "check"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.ends_with("rules can be used\n"), "{}", ended.stdout);
    let ended = end(&mut detector(&["rules", "test"]));
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains(" 0 failed, 0 rules without both kinds"), "{}", ended.stdout);
}

#[test]
fn rules_are_listed_and_shown() {
    let ended = end(&mut detector(&["rules", "list"]));
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.starts_with("LEVEL "), "{}", ended.stdout);
    let json: Value = serde_json::from_str(&end(&mut detector(&["rules", "list", "--json"])).stdout).unwrap();
    let rules = json.as_array().unwrap();
    assert_eq!(rules.len() + 1, ended.stdout.lines().count());
    for rule in rules {
        assert!(ended.stdout.contains(rule["title"].as_str().unwrap()), "{rule}");
        assert!(!rule["false_positives"].as_array().unwrap().is_empty(), "{rule}");
    }
    let cron = rules.iter().find(|rule| rule["file"] == "rules/persistence/cron.yml").unwrap();
    let (id, title) = (cron["id"].as_str().unwrap(), cron["title"].as_str().unwrap());
    for key in [id, &id[..8], title, "cron"] {
        let ended = end(&mut detector(&["rules", "show", key]));
        assert_eq!(ended.code, Some(0), "{key}: {}", ended.stderr);
        assert!(
            ended.stdout.starts_with("# rules/persistence/cron.yml:1\ntitle: "),
            "{key}: {}",
            ended.stdout
        );
    }
}

#[test]
fn a_rule_that_is_not_there_is_bad_usage() {
    for words in
        [&["rules", "show", "no-such-rule"][..], &["rules", "explain", "no-such-rule", "--event", "{}"]]
    {
        let ended = end(&mut detector(words));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(
            ended.stderr.contains("no rule is called `no-such-rule`; `detector rules list`"),
            "{}",
            ended.stderr
        );
    }
    for event in ["{bad", "[]", "/nonexistent/event.json"] {
        assert_eq!(
            end(&mut detector(&["rules", "explain", "cron", "--event", event])).code,
            Some(2),
            "{event}"
        );
    }
}

#[test]
fn an_explanation_says_why_and_why_not() {
    let explain = |event: &str| end(&mut detector(&["rules", "explain", "hidden_path", "--event", event]));
    let ended = explain("{\"Image\": \"/tmp/.x/a\"}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("(medium) matches\n"), "{}", ended.stdout);
    let ended = explain("{\"Image\": \"/root/.cargo/bin/cargo\"}");
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("(medium) does not match\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("/root/.cargo/bin/cargo"), "{}", ended.stdout);
}

#[test]
fn a_rule_whose_exemplar_fails_is_status_1() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("rule.yml");
    let rule = "title: A Rule\nid: 0f0f0f0f-0000-4000-8000-000000000003\nstatus: test\n\
        logsource:\n    category: process_creation\n    product: linux\n\
        detection:\n    selection:\n        Image|endswith: /a\n    condition: selection\nlevel: high\n\
        custom_attributes:\n    rsigma.exemplars:\n        - name: another\n          expect: match\n          event: { Image: /b }\n";
    fs::write(&file, rule).unwrap();
    let ended = end(&mut detector(&["rules", "test", text(&file)]));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("rule.yml:1 A Rule: exemplar `another` expects match"), "{}", ended.stdout);
}
