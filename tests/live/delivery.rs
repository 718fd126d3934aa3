//! Delivery by the real daemon, live: killed again and again, with sinks that fail, on a disk that is full. Needs root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use detector::alert::Alert;
use detector::sinks::Grain;
use detector::store::Store;
use detector::store::alerts::Filter;
use detector::store::outbox::Route;
use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines, STORE};
use detector_tests::hook::{Hook, Mood};
use detector_tests::trigger::program;
use detector_tests::wait::{LIMIT, wait_for};
use detector_tests::{needs_root, skip};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A daemon's configuration, its store, and the group of the agent that it watches.
struct Stage {
    place: tempfile::TempDir,
    group: Cgroup,
}

impl Stage {
    fn new(name: &str, sinks: &str) -> Self {
        let place = tempfile::Builder::new().prefix("detector-delivery-").tempdir_in("/var/lib").unwrap();
        let group = Cgroup::create(name).unwrap();
        let text = format!(
            "[[agent]]\nname = \"coder\"\ncgroup = \"{}\"\n\n[tasks]\nsocket = \"{}\"\n\n{sinks}",
            group.below_mount(),
            place.path().join("d.sock").display()
        );
        fs::write(place.path().join("config.toml"), text).unwrap();
        Self { place, group }
    }

    fn store(&self) -> std::path::PathBuf {
        self.place.path().join("state.db")
    }

    fn command(&self) -> Command {
        let mut run = Command::new(program("detector").unwrap());
        run.args(["run", "--config"]).arg(self.place.path().join("config.toml")).env(STORE, self.store());
        run
    }

    fn start(&self) -> Detector {
        let mut detector = Detector::start(self.command()).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        detector
    }

    /// Executes a program with the name of a miner in the agent's group so many times, each in a tree of its own, so
    /// that each is a story of its own.
    fn act(&self, times: usize) {
        let miner = self.place.path().join("xmrig");
        if !miner.exists() {
            // By another process: a test beside this one may fork while we hold the copy open for writing.
            assert!(Command::new("cp").arg("/bin/true").arg(&miner).status().unwrap().success());
        }
        for _ in 0..times {
            let mut run = Command::new(&miner);
            run.args(["-o", "pool.example:3333"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            assert!(self.group.hold(&mut run).unwrap().status().unwrap().success());
        }
    }
}

/// An alert that nobody has found.
fn alert(number: usize) -> Alert {
    let long = "an argument that goes on for a while ".repeat(20);
    serde_json::from_value(json!({
        "schema": "detector.alert/1", "id": format!("01KZALERT{number:017}"),
        "incident": format!("01KZSTORY{:017}", number / 10), "time": "2026-11-21T03:00:01.250000000Z", "host": "h",
        "level": "low", "title": "t", "summary": long,
        "rule": { "id": "r", "title": "t", "tags": [], "file": "f" }, "evidence": [], "response": [],
        "coverage": { "events_lost": 0, "gaps": [] }, "count": 1, "latency_us": 1,
    }))
    .unwrap()
}

/// The keys under which what is stored has to have arrived.
fn wanted(store: &Path) -> BTreeSet<String> {
    let store = Store::open(store).unwrap();
    let stored = store.alerts(&Filter::default()).unwrap();
    stored.iter().map(|stored| format!("{}-{}", stored.alert.id, stored.revision)).collect()
}

#[test]
fn nothing_is_lost_and_nothing_doubled_when_the_daemon_is_killed() {
    needs_root!();
    // A hundred kills of the delivery alone are in `tests/sinks/engine.rs`: starting the sensor takes a second.
    const KILLS: u32 = 8;
    let hook = Hook::start(Mood::Moody).unwrap();
    let stage = Stage::new("kills", &hook.sink("hook"));
    let begun = Instant::now();
    let mut sizes = BTreeSet::new();
    for round in 0..KILLS {
        let mut detector = stage.start();
        stage.act(10);
        std::thread::park_timeout(Duration::from_millis(u64::from((round * 5) % KILLS) * 40));
        detector.signal(Signal::KILL).unwrap();
        detector.wait(LIMIT).unwrap();
        sizes.insert(wanted(&stage.store()).len());
    }
    let took = begun.elapsed();
    hook.be(Mood::Well);
    let detector = stage.start();
    wait_for("everything that is stored to arrive", 2 * LIMIT, || {
        Ok(Store::open(&stage.store())?.waiting(None, 9)?.is_empty().then_some(()))
    })
    .unwrap();
    assert!(detector.stop().unwrap().success());
    let (wanted, taken) = (wanted(&stage.store()), hook.keys());
    println!(
        "{KILLS} kills in {took:.1?}: {} alerts, {} requests taken, the store grew in {} lives",
        wanted.len(),
        hook.taken(),
        sizes.len()
    );
    let lost: Vec<&String> = wanted.difference(&taken).collect();
    assert!(lost.is_empty(), "stored and not arrived: {lost:?}");
    // An earlier revision of an alert that has grown since is no second alert.
    let ids: BTreeSet<&str> = wanted.iter().filter_map(|key| key.split('-').next()).collect();
    let unknown: Vec<&String> =
        taken.iter().filter(|key| !key.split('-').next().is_some_and(|id| ids.contains(id))).collect();
    assert!(unknown.is_empty(), "arrived and not stored: {unknown:?}");
    assert!(wanted.len() >= 20 && sizes.len() >= 3, "too little happened: {} {sizes:?}", wanted.len());
}

#[test]
fn a_dead_sink_and_a_slow_one_delay_no_other_and_take_no_memory() {
    needs_root!();
    let (dead, slow, well) = (
        Hook::start(Mood::Dead).unwrap(),
        Hook::start(Mood::Slow).unwrap(),
        Hook::start(Mood::Well).unwrap(),
    );
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts.jsonl");
    let sinks = format!(
        "{}{}{}[sinks.file]\npath = \"{}\"\n",
        dead.sink("dead"),
        slow.sink("slow"),
        well.sink("well"),
        file.display()
    );
    let stage = Stage::new("pace", &sinks);
    // What a process that is gone has left for each of them.
    const LEFT: usize = 10_000;
    let names = ["dead", "slow", "well", "file"];
    let routes: Vec<Route> =
        names.iter().map(|name| Route { sink: (*name).to_owned(), grain: Grain::Alert }).collect();
    let store = Store::open(&stage.store()).unwrap();
    for batch in (0..LEFT).collect::<Vec<_>>().chunks(1_000) {
        let alerts: Vec<Alert> = batch.iter().map(|number| alert(*number)).collect();
        store.record("gone", &alerts, &mut |_, _| routes.clone()).unwrap();
    }
    let begun = Instant::now();
    let detector = stage.start();
    stage.act(300);
    let waits = |name: &str| {
        let queues = store.queues().unwrap();
        queues.iter().find(|(known, ..)| known == name).map_or(0, |(_, waiting, _)| *waiting)
    };
    wait_for("everything at those who are well", 3 * LIMIT, || {
        let stored = usize::try_from(store.total()?)?;
        Ok((stored >= LEFT + 300 && waits("well") == 0 && waits("file") == 0).then_some(()))
    })
    .unwrap();
    let took = begun.elapsed();
    let keys = wanted(&stage.store());
    assert!(keys.is_subset(&well.keys()));
    assert!(JsonLines::follow(&file).all().unwrap().len() >= keys.len());
    let status = fs::read_to_string(format!("/proc/{}/status", detector.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().to_owned();
    let stored = keys.len();
    println!(
        "{stored} alerts in {took:.1?}; slow has {}, dead has {}; peak of memory {peak}",
        slow.keys().len(),
        dead.keys().len()
    );
    let most: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
    // An unoptimised build needs twice as much for itself: 97 MiB at rest.
    let limit = if cfg!(debug_assertions) { 140 } else { 100 };
    assert!(most < limit << 10, "{peak}");
    assert!(slow.keys().len() < stored && dead.keys().is_empty());
    assert!(!detector.log().contains("events were lost"), "{}", detector.log());
    let mut list = crate::cli::detector(&["sinks", "list", "--config"]);
    list.arg(stage.place.path().join("config.toml")).env(STORE, stage.store());
    let list = crate::cli::end(&mut list);
    assert!(
        list.stdout.lines().any(|line| line.starts_with("dead") && line.contains("failing")),
        "{}",
        list.stdout
    );
    assert!(detector.stop().unwrap().success());
}

#[test]
fn a_full_disk_costs_the_oldest_low_alerts_or_none() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&disk).status().unwrap();
    if !mounted.success() {
        skip!("no tmpfs can be mounted here");
    }
    let file = place.path().join("alerts.jsonl");
    let stage = Stage::new("full", &format!("[sinks.file]\npath = \"{}\"\n", file.display()));
    let mut run = stage.command();
    run.env(STORE, disk.join("state.db"));
    let mut detector = Detector::start(run).unwrap();
    detector.wait_for_log(" watching ").unwrap();
    stage.act(40);
    wait_for("the first alerts", LIMIT, || Ok((JsonLines::follow(&file).all()?.len() >= 40).then_some(())))
        .unwrap();
    // Somebody takes what is left.
    let _ = fs::write(disk.join("filler"), vec![0_u8; 32 << 20]);
    let before = JsonLines::follow(&file).all().unwrap().len();
    stage.act(60);
    let arrived = wait_for("alerts on a full disk", LIMIT, || {
        Ok((JsonLines::follow(&file).all()?.len() >= before + 60).then_some(()))
    });
    let log = detector.log();
    assert!(arrived.is_ok(), "{log}");
    assert!(
        log.contains("alerts cannot be stored and are kept in memory")
            || log.contains("removed from the store"),
        "{log}"
    );
    // There is room again: what was kept in memory is stored.
    fs::remove_file(disk.join("filler")).unwrap();
    if log.contains("kept in memory") {
        detector.wait_for_log("the store can be written again").unwrap();
    }
    assert!(detector.stop().unwrap().success());
    let store = Store::open(&disk.join("state.db")).unwrap();
    println!("{} alerts in the store after the disk was full", store.total().unwrap());
    // The oldest made room for the newest.
    let mut lines = JsonLines::follow(&file);
    let newest = lines.all().unwrap().iter().rfind(|line| line["rule"].is_object()).unwrap();
    assert!(store.alert(newest["id"].as_str().unwrap()).unwrap().is_some(), "{newest}");
    drop(store);
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
}

#[test]
fn a_bad_sink_names_file_line_and_remedy_before_anything_starts() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("d.toml");
    for (text, says) in [
        ("[sinks.webhook]\nurl = \"nowhere\"\n", ":2:"),
        ("[sinks.webhook]\nurl = { file = \"/nowhere/url\" }\n", "/nowhere/url"),
        ("[sinks.a]\ntype = \"webhok\"\n", "did you mean \"webhook\"?"),
        ("[sinks.stdout]\ncolour = 1\n", "unknown field `colour`"),
    ] {
        fs::write(&config, text).unwrap();
        for words in [["run", "--config"], ["config", "check"]] {
            let mut command = crate::cli::detector(&words);
            if words[0] == "config" {
                command.arg("--config");
            }
            let ended = crate::cli::end(command.arg(&config));
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains("d.toml:2:") && ended.stderr.contains(says), "{ended:?}");
        }
    }
}

#[test]
fn sinks_are_listed_tested_and_their_dead_letters_sent_again() {
    let receiver = Hook::start(Mood::Well).unwrap();
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("d.toml");
    let text = format!(
        "{}secret = \"hush-hush-hush\"\n\n[sinks.gone]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/hook\"\n",
        receiver.sink("hook").trim_end().to_owned() + "\n"
    );
    fs::write(&config, text).unwrap();
    let run = |words: &[&str]| {
        let mut command = crate::cli::detector(words);
        crate::cli::end(command.arg("--config").arg(&config).env(STORE, place.path().join("state.db")))
    };
    let tested = run(&["sinks", "test", "hook"]);
    assert!(tested.code == Some(0) && tested.stdout.starts_with("hook: ok, "), "{tested:?}");
    assert_eq!(receiver.keys().len(), 2);
    let tested = run(&["sinks", "test", "gone"]);
    assert!(tested.code == Some(1) && tested.stdout.starts_with("gone: "), "{tested:?}");
    let unknown = run(&["sinks", "test", "hok"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("known: gone, hook"), "{unknown:?}");
    let shown = run(&["config", "show"]);
    assert!(shown.stdout.contains("(hidden)") && !shown.stdout.contains("hush-hush"), "{shown:?}");
    assert_eq!(run(&["sinks", "pending"]).stdout, "everything has arrived\n");
    let store = Store::open(&place.path().join("state.db")).unwrap();
    let card = detector::delivery::notice::test("h", "hook");
    store.post("nobody", "hook", &card).unwrap();
    let row = store.waiting(None, 9).unwrap()[0].row;
    store.failed(row, "gone away", detector::store::outbox::Fate::Never).unwrap();
    let pending = run(&["sinks", "pending", "hook", "--json"]);
    let line: Value = serde_json::from_str(&pending.stdout).unwrap();
    assert_eq!((&line["dead"], &line["error"]), (&Value::Bool(true), &Value::from("gone away")));
    let listed = run(&["sinks", "list"]);
    assert!(listed.stdout.contains("1 given up (detector sinks retry hook)"), "{listed:?}");
    let back = run(&["sinks", "retry", "hook"]);
    assert_eq!(back.stdout, "1 message goes out again\n");
    assert!(run(&["sinks", "pending"]).stdout.contains("due now"));
}

#[test]
fn sinks_change_with_a_reload_and_a_bad_one_changes_nothing() {
    needs_root!();
    let (first, second) = (Hook::start(Mood::Well).unwrap(), Hook::start(Mood::Well).unwrap());
    let stage = Stage::new("reload", &first.sink("hook"));
    let mut detector = stage.start();
    stage.act(1);
    wait_for("an alert at the first", LIMIT, || Ok((!first.keys().is_empty()).then_some(()))).unwrap();
    let config = stage.place.path().join("config.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("type = \"webhook\"", "type = \"webhok\"")).unwrap();
    detector.signal(Signal::HUP).unwrap();
    detector.wait_for_log("the old configuration stays").unwrap();
    fs::write(&config, good.replace(&first.port.to_string(), &second.port.to_string())).unwrap();
    detector.signal(Signal::HUP).unwrap();
    detector.wait_for_log("reloaded rules").unwrap();
    let before = first.keys();
    stage.act(1);
    wait_for("an alert at the second", LIMIT, || Ok((!second.keys().is_empty()).then_some(()))).unwrap();
    assert_eq!(first.keys(), before);
    assert!(detector.stop().unwrap().success());
}
