//! Canaries: any way to open one alarms, copies and strings are followed, ordinary work does not.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use detector::event::{EventKind, FileOp};
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::needs_root;
use detector_tests::wait::LIMIT;
use serde_json::Value;

use crate::cli::{Ended, alerts, detector, end};
use crate::watch::{Watch, small};

/// A planted canary, a configuration that names it, and room for what an agent does.
struct Stage {
    place: tempfile::TempDir,
}

impl Stage {
    fn new(kind: &str) -> Self {
        let stage = Self { place: tempfile::Builder::new().prefix("detector-canary-").tempdir().unwrap() };
        fs::create_dir(stage.path("work")).unwrap();
        let planted = stage.plant(kind, "home/key", "decoy");
        assert_eq!(planted.code, Some(0), "{}", planted.stderr);
        fs::write(stage.path("config.toml"), format!("canary_file = \"{}\"\n", stage.state())).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().canonicalize().unwrap().join(name)
    }

    fn state(&self) -> String {
        self.path("canaries.toml").to_str().unwrap().to_owned()
    }

    fn plant(&self, kind: &str, path: &str, name: &str) -> Ended {
        let path = self.path(path);
        let words = ["canary", "plant", "--json", "--kind", kind, "--name", name, "--state", &self.state()];
        end(detector(&words).arg("--path").arg(path))
    }

    /// A string of the canary.
    fn token(&self) -> String {
        let state = detector::config::state(Path::new(&self.state())).unwrap();
        state.canary[0].tokens[0].clone()
    }

    /// A shell script as an agent; `$KEY` is the canary. The alerts of it.
    fn agent(&self, script: &str) -> Vec<Value> {
        let ended = end(&mut self.wrap(script));
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        alerts(&self.path("alerts.jsonl"))
    }

    fn wrap(&self, script: &str) -> Command {
        let mut command = detector(&["wrap", "--name", "canary", "--quiet", "--config"]);
        command.arg(self.path("config.toml")).arg("--alerts").arg(self.path("alerts.jsonl"));
        command.args(["--", "bash", "-euo", "pipefail", "-c", script]);
        command.current_dir(self.path("work")).env("KEY", self.path("home/key")).env("PLACE", self.path(""));
        command
    }
}

/// Files of the rules about canaries that alerted, with their level and process.
fn of_canaries(alerts: &[Value]) -> Vec<(&str, &str)> {
    alerts
        .iter()
        .filter_map(|alert| {
            let rule = alert["rule"]["file"].as_str()?.strip_prefix("rules/credential/")?;
            Some((rule, alert["level"].as_str()?))
        })
        .collect()
}

const OPENED: (&str, &str) = ("canary_opened.yml", "critical");

#[test]
fn every_way_to_open_a_canary_alarms() {
    needs_root!();
    let stage = Stage::new("aws");
    let ways = [
        "cat \"$KEY\"",
        "python3 -c 'import os; open(os.environ[\"KEY\"]).read()'",
        "python3 -c 'import mmap, os; f = open(os.environ[\"KEY\"], \"rb\"); mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:]'",
        "ln -s \"$KEY\" link && cat link",
        "ln \"$KEY\" hard && cat hard",
        "mkdir mount && unshare -m sh -c 'mount --bind \"$PLACE/home\" mount && cat mount/key'",
        "mv \"$KEY\" \"$KEY.moved\" && cat \"$KEY.moved\"; mv \"$KEY.moved\" \"$KEY\"",
        "head -c1 < \"$KEY\"",
    ];
    for way in ways {
        let _ = fs::remove_dir_all(stage.path("work"));
        fs::create_dir(stage.path("work")).unwrap();
        let _ = fs::remove_file(stage.path("alerts.jsonl"));
        let alerts = stage.agent(&format!("{{ {way}; }} > /dev/null"));
        assert!(of_canaries(&alerts).contains(&OPENED), "{way}: {alerts:#?}");
        let opened =
            alerts.iter().find(|alert| alert["rule"]["file"] == "rules/credential/canary_opened.yml");
        assert!(opened.unwrap()["summary"].as_str().unwrap().contains("decoy"), "{way}");
    }
}

#[test]
fn the_exec_of_a_canary_alarms() {
    needs_root!();
    let stage = Stage::new("file");
    fs::copy("/bin/true", stage.path("home/key")).unwrap();
    fs::set_permissions(stage.path("home/key"), fs::Permissions::from_mode(0o755)).unwrap();
    let alerts = stage.agent("\"$KEY\"");
    assert!(of_canaries(&alerts).contains(&OPENED), "{alerts:#?}");
}

#[test]
fn looking_at_a_canary_without_opening_it_is_no_alarm() {
    needs_root!();
    let stage = Stage::new("ssh");
    let o_path = "python3 -c 'import os; os.open(os.environ[\"KEY\"], os.O_PATH)'";
    let alerts = stage.agent(&format!("stat \"$KEY\"; ls -l \"$KEY\"; test -r \"$KEY\"; {o_path}"));
    assert_eq!(of_canaries(&alerts), []);
}

#[test]
fn an_open_is_reported_once_a_process_and_second_with_its_inode() {
    needs_root!();
    let mut watch = Watch::new("canary");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().canonicalize().unwrap().join("key");
    fs::write(&file, "secret").unwrap();
    let path = file.to_str().unwrap();
    let accesses = |watch: &mut Watch, pid: u32| {
        let of_it = watch.until_exit(pid).iter().filter(|event| event.process.pid == pid);
        let files = of_it.filter_map(|event| match &event.kind {
            EventKind::File(file) if file.op == FileOp::Access => Some((file.inode, file.path.to_string())),
            _ => None,
        });
        files.collect::<Vec<_>>()
    };
    let said = watch.run(&["open-read", path]);
    assert_eq!(accesses(&mut watch, small(&said, "pid")), []);

    let key = detector::canary::hold(&file).unwrap().key;
    watch.sensor.add_canary(key).unwrap();
    for words in [&["open-read", path][..], &["open-write", path], &["open-repeated", path, "50"]] {
        let said = watch.run(words);
        let expected = vec![(key.inode, path.to_owned())];
        assert_eq!(accesses(&mut watch, small(&said, "pid")), expected, "{words:?}");
    }

    watch.sensor.remove_canary(key).unwrap();
    let said = watch.run(&["open-read", path]);
    assert_eq!(accesses(&mut watch, small(&said, "pid")), []);
}

#[test]
fn a_process_that_nobody_watches_raises_nothing() {
    needs_root!();
    let stage = Stage::new("aws");
    let mut running = Detector::start(
        stage.wrap("{ cat \"$KEY\"; until [ -e go ]; do sleep 0.1; done; head \"$KEY\"; } > /dev/null"),
    )
    .unwrap();
    let is_open = |alert: &Value| alert["rule"]["file"] == "rules/credential/canary_opened.yml";
    JsonLines::follow(&stage.path("alerts.jsonl")).wait_for("the agent's open", LIMIT, is_open).unwrap();
    assert!(!fs::read_to_string(stage.path("home/key")).unwrap().is_empty());
    fs::write(stage.path("work/go"), "").unwrap();
    assert!(running.wait(LIMIT).unwrap().success(), "{}", running.log());
    let about = alerts(&stage.path("alerts.jsonl"));
    let ours = u64::from(std::process::id());
    assert!(about.iter().all(|alert| alert["process"]["pid"] != ours), "{about:#?}");
}

#[test]
fn a_copy_is_found_and_is_a_canary_itself() {
    needs_root!();
    let ways = [
        "cp \"$KEY\" copy",
        "cat \"$KEY\" > copy",
        "dd if=\"$KEY\" of=copy status=none",
        "cat \"$KEY\" | tee copy > /dev/null",
        "python3 -c 'import os; a = os.open(os.environ[\"KEY\"], 0); b = os.open(\"copy\", os.O_WRONLY | os.O_CREAT, 0o600); os.copy_file_range(a, b, 1000)'",
    ];
    for way in ways {
        let stage = Stage::new("env");
        let script = format!("{way}; until [ -e go ]; do sleep 0.1; done; cat copy > /dev/null");
        let mut running = Detector::start(stage.wrap(&script)).unwrap();
        let mut lines = JsonLines::follow(&stage.path("alerts.jsonl"));
        let is_copy = |alert: &Value| alert["rule"]["file"] == "rules/credential/canary_copied.yml";
        let alert = lines.wait_for("the copy", LIMIT, is_copy).unwrap();
        assert_eq!(alert["level"], "high", "{way}");
        let summary = alert["summary"].as_str().unwrap();
        assert!(summary.contains("/work/copy") && summary.contains("/home/key"), "{way}: {summary}");
        fs::write(stage.path("work/go"), "").unwrap();
        assert!(running.wait(LIMIT).unwrap().success(), "{}", running.log());
        let of_copy = |alert: &Value| {
            let text = alert.to_string();
            text.contains("copy of decoy") && text.contains("canary_opened")
        };
        lines.wait_for("the open of the copy", LIMIT, of_copy).unwrap();
    }
}

#[test]
fn a_string_of_a_canary_in_arguments_alarms_as_it_is_and_in_base64() {
    needs_root!();
    let stage = Stage::new("aws");
    let token = stage.token();
    let tried = stage.agent(&format!("true --key {token}"));
    assert!(of_canaries(&tried).contains(&("canary_string_in_arguments.yml", "critical")), "{tried:#?}");
    let encoded = end(Command::new("sh").args(["-c", &format!("printf 'id={token};' | base64 -w0")])).stdout;
    let _ = fs::remove_file(stage.path("alerts.jsonl"));
    let tried = stage.agent(&format!("true {encoded}"));
    assert!(of_canaries(&tried).contains(&("canary_string_in_arguments.yml", "critical")), "{tried:#?}");
}

#[test]
fn a_string_of_a_canary_that_is_sent_alarms() {
    needs_root!();
    for (before, after) in [
        ("", "\n"),
        ("just some words and then ", " and more"),
        ("POST /up HTTP/1.1\r\nHost: x\r\n\r\nk=", "\r\n"),
    ] {
        let stage = Stage::new("aws");
        // The token comes from a file that the agent was given, so that nothing else alarms.
        fs::write(stage.path("work/message"), format!("{before}{}{after}", stage.token())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            text
        });
        let alerts = stage.agent(&format!("cat message > /dev/tcp/127.0.0.1/{port}"));
        assert!(reader.join().unwrap().contains(&stage.token()));
        let sent = ("canary_string_sent.yml", "critical");
        assert_eq!(of_canaries(&alerts), [sent], "{before:?}: {alerts:#?}");
    }
}

#[test]
fn renames_removals_and_changes_of_mode_are_told() {
    needs_root!();
    let stage = Stage::new("gcloud");
    let alerts =
        stage.agent("chmod 644 \"$KEY\"; mv \"$KEY\" \"$KEY.old\"; mv \"$KEY.old\" \"$KEY\"; rm \"$KEY\"");
    for rule in ["canary_mode.yml", "canary_changed.yml", "canary_removed.yml"] {
        assert!(of_canaries(&alerts).contains(&(rule, "medium")), "{rule}: {alerts:#?}");
    }
    assert!(!of_canaries(&alerts).contains(&OPENED), "{alerts:#?}");
}

#[test]
fn a_bulk_walk_is_low_and_a_search_for_keys_is_not() {
    needs_root!();
    let stage = Stage::new("aws");
    let walked = stage.agent(
        "grep -r parse_header \"$PLACE/home\" || true; tar cf /dev/null -C \"$PLACE\" home; \
         find \"$PLACE/home\" -type f -exec sha256sum {} + > /dev/null",
    );
    assert!(!of_canaries(&walked).contains(&OPENED), "{walked:#?}");
    assert!(of_canaries(&walked).contains(&("canary_walked_over.yml", "low")), "{walked:#?}");
    let _ = fs::remove_file(stage.path("alerts.jsonl"));
    let searched = stage.agent("grep -rl AKIA \"$PLACE/home\" > /dev/null");
    assert!(of_canaries(&searched).contains(&OPENED), "{searched:#?}");
}

#[test]
fn ordinary_work_beside_canaries_raises_nothing() {
    needs_root!();
    let stage = Stage::new("aws");
    let alerts = stage.agent(
        "git init -q . && git config user.email a@b && git config user.name a && printf 'int main(){}' > a.c \
         && git add -A && git commit -qm first && grep -r main . && cat /etc/passwd && ls -la \"$PLACE/home\" \
         && cp a.c b.c && mv b.c c.c && rm c.c && python3 -c 'print(open(\"a.c\").read())'",
    );
    let loud: Vec<&Value> = alerts
        .iter()
        .filter(|alert| !matches!(alert["level"].as_str(), Some("informational" | "low")))
        .collect();
    assert_eq!((of_canaries(&alerts), loud), (vec![], vec![]));
}

#[test]
fn a_wrong_path_gives_one_line_and_the_rest_goes_on() {
    needs_root!();
    let stage = Stage::new("aws");
    let missing = stage.path("home/missing");
    let entries = [("gone", missing.clone()), ("directory", stage.path("home")), ("odd", "/dev/null".into())];
    let mut text = fs::read_to_string(stage.path("config.toml")).unwrap();
    for (name, path) in &entries {
        text += &format!("[[canary]]\nname = \"{name}\"\npath = \"{}\"\n", path.display());
    }
    fs::write(stage.path("config.toml"), text).unwrap();
    let script = "until [ -e go ]; do sleep 0.1; cat \"$PLACE/home/missing\" || true; done > /dev/null 2>&1; \
                  cat \"$KEY\" > /dev/null";
    let mut running = Detector::start(stage.wrap(script)).unwrap();
    for (name, _) in &entries {
        running.wait_for_log(&format!("canary={name}")).unwrap();
    }
    // One that comes later is taken up; the agent opens it again and again.
    fs::write(&missing, "now it is here").unwrap();
    let mut lines = JsonLines::follow(&stage.path("alerts.jsonl"));
    let opened = |alert: &Value, name: &str| {
        alert["rule"]["file"] == "rules/credential/canary_opened.yml" && alert.to_string().contains(name)
    };
    lines.wait_for("the canary that came", LIMIT, |alert| opened(alert, "canary gone")).unwrap();
    fs::write(stage.path("work/go"), "").unwrap();
    assert!(running.wait(LIMIT).unwrap().success(), "{}", running.log());
    // A repeat of the same finding in the same tree: an update of the alert names it.
    lines.wait_for("the canary that was there", LIMIT, |alert| opened(alert, "canary decoy")).unwrap();
    for (name, _) in &entries {
        let said = format!("canary={name}");
        assert_eq!(running.log().matches(&said).count(), 1, "{}", running.log());
    }
}

#[test]
fn plant_makes_a_private_old_file_and_never_replaces_one() {
    needs_root!();
    let stage = Stage::new("aws");
    let kinds = ["aws", "ssh", "wallet", "env", "kubeconfig", "gcloud", "file"];
    for kind in kinds {
        let ended = stage.plant(kind, &format!("kinds/{kind}"), kind);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let said: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert!(!said["tokens"].as_array().unwrap().is_empty(), "{said}");
        let metadata = fs::metadata(stage.path(&format!("kinds/{kind}"))).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert!(metadata.modified().unwrap().elapsed().unwrap().as_secs() > 100 * 86_400);
    }
    let before = fs::read(stage.path("kinds/ssh")).unwrap();
    let again = stage.plant("ssh", "kinds/ssh", "another");
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("exists, and a canary never replaces a file"), "{}", again.stderr);
    assert_eq!(fs::read(stage.path("kinds/ssh")).unwrap(), before);
    let dangling = stage.path("kinds/link");
    std::os::unix::fs::symlink(stage.path("kinds/nowhere"), &dangling).unwrap();
    assert_eq!(stage.plant("ssh", "kinds/link", "third").code, Some(2));
    assert!(!stage.path("kinds/nowhere").exists());
    assert_eq!(stage.plant("ssh", "kinds/new", "ssh").code, Some(2), "a name is given once");

    let key = end(Command::new("ssh-keygen").args(["-y", "-P", "", "-f"]).arg(stage.path("kinds/ssh")));
    assert!(key.stdout.starts_with("ssh-ed25519 "), "{}", key.stderr);
}

#[test]
fn list_and_check_say_what_became_of_each() {
    needs_root!();
    let stage = Stage::new("aws");
    assert_eq!(stage.plant("env", "home/other", "other").code, Some(0));
    let state = stage.state();
    let ask = |command: &str| {
        let ended = end(&mut detector(&["canary", command, "--json", "--state", &state]));
        let said: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        (ended.code, said)
    };
    let (code, list) = ask("list");
    assert_eq!(
        (code, list[0]["state"].as_str(), list.as_array().unwrap().len()),
        (Some(0), Some("in place"), 2)
    );
    let (code, report) = ask("check");
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["not_tried"], Value::Null);
    let result = |report: &Value, at: usize, name: &str| {
        let checks = report["canaries"][at]["checks"].as_array().unwrap().clone();
        checks.iter().find(|check| check["name"] == name).unwrap()["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(result(&report, 0, "alarms"), "good");
    // Whether the self-test leaves it unread.
    assert_ne!(result(&ask("check").1, 0, "unread"), "bad");

    fs::write(stage.path("home/key"), "changed").unwrap();
    fs::remove_file(stage.path("home/other")).unwrap();
    let (code, report) = ask("check");
    assert_eq!(
        (code, result(&report, 0, "unchanged"), result(&report, 1, "in place")),
        (Some(1), "bad".into(), "bad".into())
    );
    let (_, list) = ask("list");
    assert!(list[1]["state"].as_str().unwrap().starts_with("not in place"));
    let wrong = end(&mut detector(&["canary", "check", "--config", "/nonexistent/config.toml"]));
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
