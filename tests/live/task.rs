//! Tasks and tool calls, live: told by the command line, by files, by OTLP; named in alerts, and what they name is
//! informational.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::needs_root;
use detector_tests::trigger::program;
use detector_tests::wait::{LIMIT, wait_for};
use serde_json::Value;

use crate::cli::{Ended, alerts, detector, end};

/// A daemon that watches one agent and hears of tasks in every way.
struct Stage {
    // Dropped first: what runs inside still has its directory.
    agent: Cgroup,
    _group: Cgroup,
    place: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let place = tempfile::Builder::new().prefix("detector-task-").tempdir().unwrap();
        let group = Cgroup::create("task").unwrap();
        let stage = Self { agent: group.child("agent-1").unwrap(), _group: group, place };
        let config = format!(
            "[[agent]]\nname = \"coder\"\ncgroup = \"{}\"\n[sinks.file]\npath = \"{}\"\n\
             [tasks]\nsocket = \"{}\"\notlp = \"127.0.0.1:0\"\nfollow = [\"{}\"]\n",
            stage.agent.below_mount(),
            stage.path("alerts.jsonl").display(),
            stage.path("run/socket").display(),
            stage.path("calls.jsonl").display(),
        );
        fs::write(stage.path("config.toml"), config).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn start(&self) -> Detector {
        let mut detector = Detector::run(&self.path("config.toml")).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        detector
    }

    /// `detector task` with these words.
    fn task(&self, words: &[&str]) -> Ended {
        end(&mut self.task_command(words))
    }

    fn task_command(&self, words: &[&str]) -> Command {
        let mut command = detector(&["task"]);
        let (own, after) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
        command.args(own).arg("--socket").arg(self.path("run/socket")).args(after);
        command
    }

    /// The ids of the tasks that run.
    fn running(&self) -> Vec<String> {
        let listed = self.task(&["list", "--json"]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        let parse =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        listed.stdout.lines().map(parse).collect()
    }

    /// A program in the agent's group.
    fn runs(&self, command: &mut Command) -> Child {
        self.agent.hold(command).unwrap().spawn().unwrap()
    }

    /// Runs a program from memory, in a process tree of its own.
    fn memfd(&self) {
        let mut command = Command::new(program("detector-trigger").unwrap());
        command.arg("exec-memfd").stdin(Stdio::null()).stdout(Stdio::null());
        self.runs(&mut command).wait().unwrap();
    }

    /// Acts until an alert says that it was in this call: a line that is written is read a moment later.
    fn until_in_call(&self, id: &str) -> Value {
        let mut lines = JsonLines::follow(&self.path("alerts.jsonl"));
        wait_for(&format!("an alert in the call {id}"), LIMIT, || {
            self.memfd();
            let is_it = |alert: &&Value| alert["tool_call"]["id"] == id;
            Ok(lines.all()?.iter().find(is_it).cloned())
        })
        .unwrap()
    }

    fn says(&self, line: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path("calls.jsonl")).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn call(&self, id: &str, phase: &str) {
        self.says(&format!(r#"{{"agent":"coder","tool":"bash","id":"{id}","phase":"{phase}"}}"#));
    }

    fn alert(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        JsonLines::follow(&self.path("alerts.jsonl")).wait_for(what, LIMIT, is_it).unwrap()
    }
}

fn is_listener(alert: &Value, port: u16) -> bool {
    let is_port = alert["summary"].as_str().is_some_and(|text| text.contains(&format!(":{port},")));
    is_port && alert["rule"]["file"] == "rules/network/listener.yml"
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn tasks_are_begun_listed_and_ended_and_nonsense_names_the_remedy() {
    needs_root!();
    let stage = Stage::new();
    let early = stage.task(&["list"]);
    assert_eq!(early.code, Some(2));
    assert!(
        early.stderr.contains("/run/socket") && early.stderr.contains("detector run"),
        "{}",
        early.stderr
    );

    let running = stage.start();
    let mode = fs::metadata(stage.path("run/socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let words =
        ["start", "--agent", "coder", "--expect", "gpu,listen:8000", "--exe", "python3*", "--ttl", "2h"];
    let started = stage.task(&words);
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    let id = started.stdout.trim().to_owned();
    assert_eq!(stage.running(), std::slice::from_ref(&id));
    let listed = stage.task(&["list"]).stdout;
    assert!(listed.contains("expects gpu,listen:8000") && listed.contains("exe python3*"), "{listed}");
    assert_eq!(stage.task(&["end", &id]).code, Some(0));
    assert_eq!(stage.task(&["list"]).stdout, "no task runs\n");

    for (words, remedy) in [
        (vec!["end", &id], "task list"),
        (vec!["start", "--agent", "codr"], "coder"),
        (vec!["start", "--agent", "coder", "--expect", "listen:http"], "listen:8000"),
        (vec!["start", "--agent", "coder", "--exe", "[x"], "/usr/bin/python3*"),
        (vec!["call", "end", "--agent", "coder", "--tool", "bash"], "--id"),
    ] {
        let refused = stage.task(&words);
        assert_eq!(refused.code, Some(2), "{words:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(remedy), "{words:?}: {}", refused.stderr);
    }
    assert!(running.stop().unwrap().success());
    assert!(!stage.path("run/socket").exists(), "the socket goes with the daemon");
}

#[test]
fn a_task_lasts_as_long_as_its_command_and_its_status_is_passed_on() {
    needs_root!();
    let stage = Stage::new();
    let _running = stage.start();
    let go = stage.path("go");
    let script = format!("until [ -e {} ]; do sleep 0.05; done; exit 7", go.display());
    let words = ["start", "--agent", "coder", "--name", "work", "--", "sh", "-c", &script];
    let mut child = stage.task_command(&words).spawn().unwrap();
    wait_for("the task", LIMIT, || Ok((stage.running().len() == 1).then_some(()))).unwrap();
    fs::write(go, "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert!(stage.running().is_empty());
    let none = stage.task(&["start", "--agent", "coder", "--", "/no/such/program"]);
    assert_eq!(none.code, Some(127), "{}", none.stderr);
    assert!(stage.running().is_empty());
}

#[test]
fn an_agent_may_tell_its_calls_but_not_declare_its_tasks() {
    needs_root!();
    let stage = Stage::new();
    let _running = stage.start();
    let mut inside = stage.task_command(&["start", "--agent", "coder", "--expect", "gpu"]);
    let refused = end(stage.agent.hold(&mut inside).unwrap());
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("cannot declare"), "{}", refused.stderr);
    assert!(stage.running().is_empty());
    let mut inside = stage.task_command(&["call", "start", "--tool", "bash", "--id", "own"]);
    assert_eq!(end(stage.agent.hold(&mut inside).unwrap()).stdout, "own\n");
    assert_eq!(stage.until_in_call("own")["tool_call"]["name"], "bash");
}

#[test]
fn a_declared_listener_is_informational_and_names_the_task_and_another_is_as_before() {
    needs_root!();
    let stage = Stage::new();
    let running = stage.start();
    let (declared, other) = (free_port(), free_port());
    let expect = format!("listen:{declared}");
    let started = stage.task(&["start", "--agent", "coder", "--expect", &expect, "--name", "serve"]);
    let id = started.stdout.trim();
    let call = stage.task(&["call", "start", "--agent", "coder", "--tool", "bash"]);
    let code = "import socket, sys\nheld = []\nfor port in sys.argv[1:]:\n    s = socket.socket()\n    \
                s.bind(('0.0.0.0', int(port)))\n    s.listen()\n    held.append(s)\nsys.stdin.read()\n";
    let mut command = Command::new("python3");
    command.args(["-c", code, &declared.to_string(), &other.to_string()]).stdin(Stdio::piped());
    let mut server = stage.runs(&mut command);

    let alert = stage.alert("the declared listener", |alert| is_listener(alert, declared));
    assert_eq!(alert["level"], "informational", "{alert:#}");
    let task = &alert["task"];
    assert_eq!((&task["id"], &task["name"]), (&id.into(), &"serve".into()));
    assert_eq!((&task["declares"], &task["lowered_from"]), (&expect.into(), &"low".into()));
    assert_eq!(alert["tool_call"]["id"], call.stdout.trim(), "{alert:#}");
    let alert = stage.alert("the other listener", |alert| is_listener(alert, other));
    assert_eq!(alert["level"], "low", "{alert:#}");
    assert_eq!((&alert["task"]["id"], &alert["task"]["declares"]), (&id.into(), &Value::Null));
    drop(server.stdin.take());
    server.wait().unwrap();

    assert_eq!(stage.task(&["end", id]).code, Some(0));
    assert_eq!(stage.task(&["call", "end", "--agent", "coder", "--tool", "bash"]).code, Some(0));
    let mut lines = JsonLines::follow(&stage.path("alerts.jsonl"));
    wait_for("an alert without task and call", LIMIT, || {
        stage.memfd();
        let lacks = |alert: &&Value| {
            let text = alert["evidence"][0]["text"].as_str().unwrap_or_default();
            text.ends_with("; no task of this agent; no tool call in flight")
        };
        Ok(lines.all()?.iter().find(lacks).cloned())
    })
    .unwrap();
    assert!(running.stop().unwrap().success());
    alerts(&stage.path("alerts.jsonl"));
}

#[test]
fn a_file_of_calls_is_followed_through_truncation_rotation_and_nonsense() {
    needs_root!();
    let stage = Stage::new();
    stage.call("past", "started");
    let mut running = stage.start();
    stage.call("one", "started");
    let alert = stage.until_in_call("one");
    assert_eq!(
        (&alert["tool_call"]["name"], &alert["tool_call"]["in_flight"]),
        (&"bash".into(), &Value::Null)
    );
    stage.call("one", "ended");
    stage.says("this is no JSON");
    stage.says("{\"tool\":7}");
    stage.says(&"x".repeat(200_000));
    // What is cut away before it was read is lost.
    running.wait_for_log("a line of more than").unwrap();
    fs::write(stage.path("calls.jsonl"), "").unwrap();
    stage.call("two", "started");
    stage.until_in_call("two");
    stage.call("two", "ended");
    fs::rename(stage.path("calls.jsonl"), stage.path("calls.1")).unwrap();
    stage.call("three", "started");
    stage.until_in_call("three");
    fs::remove_file(stage.path("calls.jsonl")).unwrap();
    stage.call("four", "started");
    let alert = stage.until_in_call("four");
    assert_eq!(alert["tool_call"]["in_flight"], 2, "three has not ended: {alert:#}");
    let log = running.log();
    assert_eq!(log.matches("a line that is no tool call").count(), 1, "{log}");
    assert_eq!(log.matches("was cut").count(), 1, "{log}");
    assert!(running.stop().unwrap().success());
    assert!(alerts(&stage.path("alerts.jsonl")).iter().all(|alert| alert["tool_call"]["id"] != "past"));
}

/// Posts a body; the status and the answer.
fn post(address: SocketAddr, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A body that is too long is refused before it was read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0), answer)
}

#[test]
fn a_span_that_comes_after_the_alert_names_its_call_and_malformed_ones_are_refused() {
    needs_root!();
    let stage = Stage::new();
    let mut running = stage.start();
    running.wait_for_log("heard by OTLP").unwrap();
    let log = running.log();
    let line = log.lines().find(|line| line.contains("heard by OTLP")).unwrap();
    let address = line.split("address=").nth(1).unwrap();
    let address: String = address.chars().filter(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    let address: SocketAddr = address.parse().unwrap();

    let json = "application/json";
    for (kind, path, body, status) in [
        (json, "/v1/traces", &b"{\"resourceSpans\":"[..], 400),
        (json, "/v1/traces", b"\xff\xfe", 400),
        (json, "/v1/logs", b"{\"resourceLogs\":3}", 400),
        ("application/x-protobuf", "/v1/traces", b"", 415),
        (json, "/v1/other", b"{}", 404),
        (json, "/v1/traces", &[b' '; (4 << 20) + 1], 413),
        (json, "/v1/traces", b"{}", 200),
    ] {
        let (answered, text) = post(address, path, kind, body);
        assert_eq!(answered, status, "{path} {kind}: {text}");
    }

    let nanos = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let start = nanos();
    stage.memfd();
    let is_memfd = |alert: &Value| alert["rule"]["file"] == "rules/execution/memfd.yml";
    let first = stage.alert("the alert", is_memfd);
    assert_eq!(first["tool_call"], Value::Null);
    let text = first["evidence"][0]["text"].as_str().unwrap();
    assert!(!text.contains("tool call"), "nobody told of calls: {text}");
    let span = serde_json::json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "spanId": "eee19b7ec3c1b174", "name": "execute_tool bash",
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": nanos().to_string(),
        "attributes": [
            { "key": "gen_ai.operation.name", "value": { "stringValue": "execute_tool" } },
            { "key": "gen_ai.tool.name", "value": { "stringValue": "bash" } },
            { "key": "gen_ai.tool.call.id", "value": { "stringValue": "call_9" } },
            { "key": "gen_ai.agent.name", "value": { "stringValue": "Some Planner" } },
        ],
    }] }] }] });
    let (status, text) = post(address, "/v1/traces", json, span.to_string().as_bytes());
    assert_eq!(status, 200, "{text}");
    assert!(running.log().matches("malformed was refused").count() == 1, "{}", running.log());
    assert!(running.stop().unwrap().success());
    let all = alerts(&stage.path("alerts.jsonl"));
    let last = all.iter().rfind(|alert| alert["id"] == first["id"]).unwrap();
    assert_eq!(last["tool_call"]["id"], "call_9", "{last:#}");
}
