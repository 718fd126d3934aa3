//! `detector digest`, live: what an agent did stands in the store by name and number; the daemon sends it by itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use detector_tests::detector::{Detector, JsonLines, STORE};
use detector_tests::needs_root;
use detector_tests::trigger::program;
use detector_tests::wait::LIMIT;
use serde_json::Value;

use crate::cli::{detector, end};

/// An agent at work. Prints the port that it listened on.
const WORK: &str = r#"
import os, socket, subprocess, sys
for _ in range(3):
    subprocess.run(["/bin/true"], check=True)
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.sendall(b"x" * 5000)
left = 5000
while left:
    left -= len(peer.recv(left))
client.close()
peer.close()
open(os.path.join(sys.argv[1], "my_wallet.dat"), "w").write("x")
total = 0
for number in range(2000000):
    total += number
print(server.getsockname()[1])
"#;

fn named<'a>(agent: &'a Value, list: &str, name: &str) -> &'a Value {
    let all = agent[list].as_array().unwrap();
    all.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {agent:#}"))
}

fn real(path: &str) -> String {
    fs::canonicalize(path).unwrap().into_os_string().into_string().unwrap()
}

#[test]
fn a_digest_names_what_an_agent_did_with_right_counts() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let (store, script) = (place.path().join("state.db"), place.path().join("work.py"));
    fs::write(&script, WORK).unwrap();
    let words = ["wrap", "--name", "coder", "--quiet", "--", "/usr/bin/python3"];
    let ended =
        end(detector(&words).arg(&script).arg(place.path()).current_dir(place.path()).env(STORE, &store));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let port = ended.stdout.trim();

    let digest = |words: &[&str]| {
        let ended = end(detector(&[&["digest", "--store"], words].concat()).env(STORE, &store));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout
    };
    let path = store.to_str().unwrap();
    let json: Value = serde_json::from_str(&digest(&[path, "--json"])).unwrap();
    assert_eq!(json["schema"], "detector.digest/1");
    let agent = &json["agents"][0];
    assert_eq!((agent["name"].as_str(), json["agents"].as_array().unwrap().len()), (Some("coder"), 1));
    assert_eq!(named(agent, "programs", &real("/bin/true"))["count"], 3);
    let python = named(agent, "programs", &real("/usr/bin/python3"));
    assert_eq!((&python["count"], &python["more"]), (&1.into(), &script.to_str().unwrap().into()));
    let to = named(agent, "destinations", "127.0.0.1");
    assert_eq!(
        (&to["more"], &to["count"], &to["sent"]),
        (&format!("{port}/tcp").into(), &1.into(), &5000.into())
    );
    let listens = named(agent, "listeners", &format!("127.0.0.1:{port}/tcp"));
    assert_eq!((&listens["count"], &listens["more"]), (&1.into(), &python["name"]));
    let wallet = place.path().join("my_wallet.dat");
    assert_eq!(named(agent, "named", wallet.to_str().unwrap())["count"], 1);
    assert_eq!(
        named(agent, "workspaces", place.path().to_str().unwrap())["name"],
        place.path().to_str().unwrap()
    );
    let usage = &agent["usage"];
    assert_eq!((usage["born"].as_u64() >= Some(3), &usage["gpu_s"]), (true, &0.0.into()), "{usage}");
    assert!(usage["cpu_s"].as_f64() > Some(0.01), "{usage}");
    assert_eq!(usage["cpu_s"], usage["cpu_unexplained_s"], "no task declares it");

    let text = digest(&[path]);
    assert!(text.contains("my_wallet.dat") && text.contains(&format!("127.0.0.1 {port}/tcp")), "{text}");
    assert!(digest(&[path, "--agent", "nobody"]).contains("nothing is known"), "of another agent");
}

/// Starts the daemon with a store of its own.
fn daemon(config: &Path, store: &Path) -> Detector {
    let mut command = Command::new(program("detector").unwrap());
    command.args(["run", "--config"]).arg(config).env(STORE, store);
    let mut detector = Detector::start(command).unwrap();
    detector.wait_for_log(" watching ").unwrap();
    detector
}

/// The digests of a file, once there are more than so many: from, to, id.
fn digests(file: &Path, more_than: usize) -> Vec<[String; 3]> {
    let mut lines = JsonLines::follow(file);
    let of = |line: &Value| ["time", "updated", "id"].map(|key| line[key].as_str().unwrap().to_owned());
    let mut seen = Vec::new();
    detector_tests::wait::wait_for("digests", LIMIT, || {
        seen = lines.all()?.iter().filter(|line| line["about"] == "digest").map(of).collect();
        Ok((seen.len() > more_than).then_some(()))
    })
    .unwrap();
    seen
}

#[test]
fn digests_are_sent_by_the_clock_and_a_restart_leaves_no_gap_and_no_double() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let (config, store, file) =
        (place.path().join("c.toml"), place.path().join("state.db"), place.path().join("digests.jsonl"));
    let text = format!(
        "[sinks.digests]\ntype = \"file\"\npath = \"{}\"\n\n[digest]\nevery = \"1s\"\nsinks = [\"digests\"]\n\
         skip_empty = false\n",
        file.display()
    );
    fs::write(&config, text).unwrap();
    let first = daemon(&config, &store);
    digests(&file, 1);
    assert!(first.stop().unwrap().success());
    let before = digests(&file, 1).len();
    let second = daemon(&config, &store);
    digests(&file, before + 1);
    assert!(second.stop().unwrap().success());
    let all = digests(&file, before + 1);
    let mut ids: Vec<&str> = all.iter().map(|[_, _, id]| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0][1] == pair[1][0]), "each begins where one ended: {all:?}");

    // By hand, without the daemon.
    let words = ["digest", "--since", "1h", "--send", "digests", "--config"];
    let ended = end(detector(&words).arg(&config).env(STORE, &store));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    assert_eq!(digests(&file, all.len()).len(), all.len() + 1);
    let words = ["digest", "--send", "digest", "--config"];
    let ended = end(detector(&words).arg(&config).env(STORE, &store));
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("no sink is called \"digest\""), "{}", ended.stderr);
}
