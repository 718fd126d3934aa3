//! What goes over the wire, live: real clients and servers in a network of their own, the real detector
//! around the agent's side, and the alerts that come of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use detector_tests::detector::{Detector, JsonLines};
use detector_tests::netns::{PEER, World};
use detector_tests::server::Server;
use detector_tests::sshd::Sshd;
use detector_tests::trigger::program;
use detector_tests::wait::LIMIT;
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::alerts;

mod daemon;
mod dns;
mod miner;
mod proxy;
mod scan;
mod shell;
mod silent;
mod ssh;
mod ssh_kin;
mod tls;
mod tunnel;

/// An agent's side, a peer's side, and a directory for both.
pub(crate) struct Stage {
    // Dropped first: what runs inside still has its directory.
    world: World,
    place: TempDir,
}

/// What every agent's script begins with: nothing that it starts outlives it.
const PRELUDE: &str = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
until_done() { until [ -e \"$PLACE/done\" ]; do sleep 0.02; done; }
until_listens() { until grep -qi \":$(printf %04x \"$1\") 0*:0000 0A\" /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done; }
cd \"$PLACE\"
";

impl Stage {
    pub(crate) fn new() -> Self {
        // Not hidden, as tempfile's own names are: programs that are copied here run from here.
        let place = tempfile::Builder::new().prefix("detector-wire-").tempdir().unwrap();
        fs::write(place.path().join("resolv.conf"), format!("nameserver {PEER}\n")).unwrap();
        Self { world: World::create().unwrap(), place }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program on the peer's side.
    pub(crate) fn peer(&self, program: &str, words: &[&str]) -> Server {
        let mut command = self.world.peer.command(program);
        Server::start(command.args(words).current_dir(self.place.path())).unwrap()
    }

    /// A program on the peer's side that listens on a port, waited for.
    pub(crate) fn peer_at(&self, port: u16, program: &str, words: &[&str]) -> Server {
        let server = self.peer(program, words);
        self.world.peer.until_listening(port).unwrap_or_else(|error| panic!("{error:#}: {}", server.said()));
        server
    }

    /// A trigger on the peer's side, which has said that it serves.
    pub(crate) fn peer_trigger(&self, words: &[&str]) -> Server {
        let mut server = self.peer(trigger_path().to_str().unwrap(), words);
        server.first_line().unwrap();
        server
    }

    /// A program on the agent's side that is not the agent.
    pub(crate) fn bystander_at(&self, port: u16, program: &str, words: &[&str]) -> Server {
        let mut command = self.world.agent.command(program);
        let server = Server::start(command.args(words).current_dir(self.place.path())).unwrap();
        self.world.agent.until_listening(port).unwrap_or_else(|error| panic!("{error:#}: {}", server.said()));
        server
    }

    /// A resolver on the peer's side that gives the peer's address for every name.
    fn dns(&self) -> Server {
        let every = format!("--address=/#/{PEER}");
        let listen = format!("--listen-address={PEER}");
        let fixed = ["--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root"];
        let mut words = vec!["--pid-file=", "--bind-interfaces", "--log-queries", &every, &listen];
        words.extend(fixed);
        self.peer_at(53, "/usr/sbin/dnsmasq", &words)
    }

    /// A web server with TLS on the peer's side: port 443, a certificate of its own making, `/` answers.
    fn https(&self) -> Server {
        self.certificate();
        let words = ["s_server", "-quiet", "-accept", "443", "-www", "-cert", "cert.pem", "-key", "key.pem"];
        self.peer_at(443, "openssl", &words)
    }

    /// Makes `cert.pem` and `key.pem`.
    fn certificate(&self) {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", "/CN=peer", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"]);
        let made = openssl.current_dir(self.place.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn sshd(&self, ports: &[u16]) -> Sshd {
        Sshd::start(self.place.path(), &self.world.peer, ports).unwrap()
    }

    /// A copy of a program under another name, where the agent finds it as `$PLACE/NAME`.
    fn renamed(&self, program: &str, name: &str) -> PathBuf {
        let copy = self.path(name);
        // By another process: one that forks beside us while we hold it open for writing makes it busy.
        let script = "cp \"$(readlink -f \"$(command -v \"$0\")\")\" \"$1\"";
        let copied = Command::new("sh").args(["-c", script, program]).arg(&copy).status().unwrap();
        assert!(copied.success());
        copy
    }

    /// A command that will run on the agent's side, with the peer as its resolver.
    fn on_the_agents_side(&self) -> Command {
        let mut command = self.world.agent.command("unshare");
        let bind = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        command.args(["--mount", "sh", "-c", bind]).arg(self.path("resolv.conf"));
        command.env("PLACE", self.place.path()).env("PEER", PEER).env("TRIGGER", trigger_path());
        command
    }

    /// The agent does what a bash script says, from its first instruction on watched.
    pub(crate) fn start(&self, script: &str) -> Run {
        for left in ["done", "alerts.jsonl"] {
            let _ = fs::remove_file(self.path(left));
        }
        fs::write(self.path("agent.sh"), format!("{PRELUDE}{script}\n")).unwrap();
        let said = self.path("agent.out");
        let mut command = self.on_the_agents_side();
        command.arg(program("detector").unwrap());
        command.args(["wrap", "--name", "agent", "--alerts"]).arg(self.path("alerts.jsonl"));
        command.args(["--", "bash", "-euo", "pipefail"]).arg(self.path("agent.sh"));
        command.env("HOME", self.place.path()).stdout(File::create(&said).unwrap());
        let detector = Detector::start(command).unwrap();
        Run { detector, alerts: self.path("alerts.jsonl"), done: self.path("done"), said }
    }

    /// The agent does what a bash script says, to its end; the alerts about it.
    pub(crate) fn run(&self, script: &str) -> Alerts {
        self.start(script).end()
    }
}

/// A watched agent at work.
pub(crate) struct Run {
    detector: Detector,
    alerts: PathBuf,
    done: PathBuf,
    said: PathBuf,
}

impl Run {
    /// Waits for an alert of a rule file, from below `rules/`.
    pub(crate) fn alert(&self, rule: &str) -> Value {
        let wanted = format!("rules/{rule}");
        let is_it = |alert: &Value| alert["rule"]["file"] == wanted.as_str();
        JsonLines::follow(&self.alerts).wait_for(rule, LIMIT, is_it).unwrap_or_else(|error| {
            panic!("{error:#}\n{:#?}\n{}", Alerts(alerts_so_far(&self.alerts)).lines(), self.log())
        })
    }

    /// Tells the script that `until_done` is over, waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Alerts {
        File::create(&self.done).unwrap();
        let status = self.detector.wait(LIMIT).unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
        assert!(status.success(), "{status}\n{}", self.log());
        Alerts(if self.alerts.exists() { alerts(&self.alerts) } else { vec![] })
    }

    fn log(&self) -> String {
        format!("{}\n{}", fs::read_to_string(&self.said).unwrap_or_default(), self.detector.log())
    }
}

/// Lines that are there, whatever state the last one is in.
fn alerts_so_far(file: &Path) -> Vec<Value> {
    JsonLines::follow(file).all().map(<[Value]>::to_vec).unwrap_or_default()
}

/// What the detector said about an agent that is done.
pub(crate) struct Alerts(Vec<Value>);

impl Alerts {
    /// The alert of a rule file from below `rules/`, which has this level.
    #[track_caller]
    pub(crate) fn of(&self, rule: &str, level: &str) -> &Value {
        let wanted = format!("rules/{rule}");
        let found = self.0.iter().find(|alert| alert["rule"]["file"] == wanted.as_str());
        let found = found.unwrap_or_else(|| panic!("no alert of {rule}; there were {:#?}", self.lines()));
        assert_eq!(found["level"], level, "{found:#}");
        found
    }

    /// An alert of any of these rule files, above low: one behaviour that can be seen in several ways.
    #[track_caller]
    pub(crate) fn of_any(&self, rules: &[&str]) -> &Value {
        let is_it = |alert: &&Value| {
            is_loud(alert)
                && rules.iter().any(|rule| alert["rule"]["file"] == format!("rules/{rule}").as_str())
        };
        let found = self.0.iter().find(is_it);
        found.unwrap_or_else(|| panic!("no alert of {rules:?}; there were {:#?}", self.lines()))
    }

    /// Nothing above low, save of these rule files.
    #[track_caller]
    pub(crate) fn are_quiet_but_for(&self, rules: &[&str]) {
        let known = |alert: &Value| {
            rules.iter().any(|rule| alert["rule"]["file"] == format!("rules/{rule}").as_str())
        };
        let loud = self.0.iter().filter(|alert| is_loud(alert) && !known(alert)).cloned().collect();
        let loud = Self(loud).lines();
        assert!(loud.is_empty(), "{loud:#?}");
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let line =
            |alert: &Value| format!("{}: {} ({})", alert["level"], alert["summary"], alert["rule"]["file"]);
        self.0.iter().map(line).collect()
    }
}

fn is_loud(alert: &Value) -> bool {
    !matches!(alert["level"].as_str(), Some("informational" | "low"))
}

/// Whether a field of this name and value stands anywhere in an alert.
pub(crate) fn says(alert: &Value, field: &str, value: &str) -> bool {
    match alert {
        Value::Object(fields) => fields.iter().any(|(name, inner)| {
            let fits = match inner {
                Value::String(text) => text == value,
                Value::Array(items) => items.iter().any(|item| item == value),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
            };
            (name == field && fits) || says(inner, field, value)
        }),
        Value::Array(items) => items.iter().any(|item| says(item, field, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The name that the process of an alert was executed by, without its directory.
fn program_of(alert: &Value) -> &str {
    alert["process"]["exe"].as_str().unwrap().rsplit('/').next().unwrap()
}

fn trigger_path() -> PathBuf {
    program("detector-trigger").unwrap()
}
