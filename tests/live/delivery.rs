//! Delivery by the real daemon, live: killed again and again, with sinks that fail, on a disk that is full. Needs root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use detector::alert::Alert;
use detector::sinks::Grain;
use detector::store::Store;
use detector::store::alerts::Filter;
use detector::store::outbox::Route;
use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines, STORE};
use detector_tests::trigger::program;
use detector_tests::wait::{LIMIT, wait_for};
use detector_tests::{needs_root, skip};
use rustix::process::Signal;
use serde_json::{Value, json};

/// How the receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Takes everything.
    Well,
    /// One request in five fails, each in another way; some of those were taken all the same.
    Moody,
    /// Answers after a while.
    Slow,
    /// Refuses connections, by resetting each.
    Dead,
}

/// A receiver of webhooks that remembers each key, and how often it came.
struct Receiver {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<BTreeMap<String, (u32, Value)>>>,
    failures: Arc<AtomicU32>,
}

impl Receiver {
    fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mutex::new(mood));
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let failures = Arc::new(AtomicU32::new(0));
        let this = Self { port, mood, taken, failures };
        let (mood, taken, failures) =
            (Arc::clone(&this.mood), Arc::clone(&this.taken), Arc::clone(&this.failures));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, taken, failures) = (Arc::clone(&mood), Arc::clone(&taken), Arc::clone(&failures));
                std::thread::spawn(move || {
                    // A daemon that is killed leaves half a request.
                    let _ = serve(stream.unwrap(), &mood, &taken, &failures);
                });
            }
        });
        this
    }

    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn keys(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().keys().cloned().collect()
    }

    /// The part of a configuration that sends to it.
    fn sink(&self, name: &str) -> String {
        format!("[sinks.{name}]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/hook\"\n\n", self.port)
    }
}

fn serve(
    stream: TcpStream,
    mood: &Mutex<Mood>,
    taken: &Mutex<BTreeMap<String, (u32, Value)>>,
    failures: &AtomicU32,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim().split_once(':') else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match &*name.to_ascii_lowercase() {
                "content-length" => length = value.trim().parse().unwrap(),
                "idempotency-key" => key = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mood = *mood.lock().unwrap();
        let turn = match mood {
            Mood::Moody => failures.fetch_add(1, Ordering::Relaxed) % 20,
            Mood::Dead => 3,
            Mood::Well | Mood::Slow => 0,
        };
        if mood == Mood::Slow {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let take = || {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let mut taken = taken.lock().unwrap();
            let known = taken.entry(key.clone()).or_insert((0, body));
            known.0 += 1;
        };
        let answer = match turn {
            // Reset before and after it was taken: the sender cannot know.
            3 => return reset(reader.get_ref()),
            7 => {
                take();
                return reset(reader.get_ref());
            }
            11 => "HTTP/1.1 429 Slow Down\r\nRetry-After: 0.1\r\nContent-Length: 0\r\n\r\n",
            15 => "HTTP/1.1 503 No\r\nRetry-After: 0.2\r\nContent-Length: 0\r\n\r\n",
            _ => {
                take();
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            }
        };
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}

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

    /// An agent that goes on executing a program with the name of a miner, each time another copy in another tree.
    fn agent(&self, count: u32, pause: &str) -> std::process::Child {
        let script = format!(
            "i=0; while [ $i -lt {count} ]; do cp /bin/true {0}/xmrig-$i; setsid -w {0}/xmrig-$i -o pool.example:3333; \
             rm {0}/xmrig-$i; i=$((i+1)); {pause}; done",
            self.place.path().display()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.group.hold(&mut shell).unwrap().spawn().unwrap()
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
fn nothing_is_lost_and_nothing_doubled_by_a_hundred_kills() {
    needs_root!();
    const KILLS: u32 = 100;
    let receiver = Receiver::start(Mood::Moody);
    let stage = Stage::new("kills", &receiver.sink("hook"));
    drop(stage.start());
    let mut agent = stage.agent(1_000_000, "sleep 0.02");
    let begun = Instant::now();
    let mut deaths = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = stage.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // From before it watches to well after: not by chance alone, so that each span is met.
        let patience = Duration::from_millis(u64::from((round * 37) % 100) * 9);
        std::thread::park_timeout(patience);
        child.kill().unwrap();
        child.wait().unwrap();
        *deaths.entry(wanted(&stage.store()).len()).or_insert(0) += 1;
    }
    let took = begun.elapsed();
    agent.kill().unwrap();
    agent.wait().unwrap();
    receiver.be(Mood::Well);
    let detector = stage.start();
    wait_for("everything that is stored to arrive", 2 * LIMIT, || {
        Ok(Store::open(&stage.store())?.waiting(None, 9)?.is_empty().then_some(()))
    })
    .unwrap();
    assert!(detector.stop().unwrap().success());
    let (wanted, taken) = (wanted(&stage.store()), receiver.keys());
    println!(
        "{KILLS} kills in {:.1} s, {} alerts, the store grew in {} of the lives, {} requests",
        took.as_secs_f64(),
        wanted.len(),
        deaths.len(),
        receiver.taken.lock().unwrap().values().map(|(count, _)| count).sum::<u32>()
    );
    let lost: Vec<&String> = wanted.difference(&taken).collect();
    assert!(lost.is_empty(), "stored and not arrived: {lost:?}");
    let unknown: Vec<&String> = taken.difference(&wanted).collect();
    // An earlier revision of an alert that has grown since is no second alert.
    let earlier = |key: &&&String| {
        let id = key.split('-').next().unwrap();
        wanted.iter().any(|wanted| wanted.starts_with(id))
    };
    assert!(unknown.iter().all(|key| earlier(&key)), "arrived and not stored: {unknown:?}");
    assert!(wanted.len() >= 50, "too little happened: {}", wanted.len());
}

#[test]
fn a_dead_sink_and_a_slow_one_delay_no_other_and_take_no_memory() {
    needs_root!();
    let (dead, slow, well) =
        (Receiver::start(Mood::Dead), Receiver::start(Mood::Slow), Receiver::start(Mood::Well));
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
    let mut agent = stage.agent(300, ":");
    assert!(agent.wait().unwrap().success());
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
    println!("{stored} alerts in {took:.1?}; slow has {}, dead has {}; peak of memory {peak}", slow.keys().len(), dead.keys().len());
    let most: u64 = peak.trim_end_matches("kB").trim().parse().unwrap();
    assert!(most < 100 << 10, "{peak}");
    assert!(slow.keys().len() < stored && dead.keys().is_empty());
    assert!(!detector.log().contains("events were lost"), "{}", detector.log());
    let mut list = crate::cli::detector(&["sinks", "list", "--config"]);
    list.arg(stage.place.path().join("config.toml")).env(STORE, stage.store());
    let list = crate::cli::end(&mut list);
    assert!(list.stdout.lines().any(|line| line.starts_with("dead") && line.contains("failing")), "{}", list.stdout);
    assert!(detector.stop().unwrap().success());
}

#[test]
fn a_full_disk_costs_the_oldest_low_alerts_or_none() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&disk).status().unwrap();
    if !mounted.success() {
        skip!("no tmpfs can be mounted here");
    }
    let file = place.path().join("alerts.jsonl");
    let stage = Stage::new("full", &format!("[sinks.file]\npath = \"{}\"\n", file.display()));
    let mut run = stage.command();
    run.env(STORE, disk.join("state.db"));
    let mut detector = Detector::start(run).unwrap();
    detector.wait_for_log(" watching ").unwrap();
    let mut agent = stage.agent(40, ":");
    assert!(agent.wait().unwrap().success());
    wait_for("the first alerts", LIMIT, || Ok((JsonLines::follow(&file).all()?.len() >= 40).then_some(()))).unwrap();
    // Somebody takes what is left.
    let _ = fs::write(disk.join("filler"), vec![0_u8; 4 << 20]);
    let before = JsonLines::follow(&file).all().unwrap().len();
    let mut agent = stage.agent(60, ":");
    assert!(agent.wait().unwrap().success());
    let arrived = wait_for("alerts on a full disk", LIMIT, || {
        Ok((JsonLines::follow(&file).all()?.len() >= before + 60).then_some(()))
    });
    let log = detector.log();
    assert!(arrived.is_ok(), "{log}");
    assert!(
        log.contains("alerts cannot be stored and are kept in memory") || log.contains("removed from the store"),
        "{log}"
    );
    // There is room again: what was kept in memory is stored.
    fs::remove_file(disk.join("filler")).unwrap();
    if log.contains("kept in memory") {
        detector.wait_for_log("the store can be written again").unwrap();
    }
    assert!(detector.stop().unwrap().success());
    let total = Store::open(&disk.join("state.db")).unwrap().total().unwrap();
    println!("{total} alerts in the store after the disk was full");
    assert!(total >= 60);
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
    let receiver = Receiver::start(Mood::Well);
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
    assert_eq!(receiver.keys().len(), 1);
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
    let (first, second) = (Receiver::start(Mood::Well), Receiver::start(Mood::Well));
    let stage = Stage::new("reload", &first.sink("hook"));
    let mut detector = stage.start();
    stage.agent(1, ":").wait().unwrap();
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
    stage.agent(1, ":").wait().unwrap();
    wait_for("an alert at the second", LIMIT, || Ok((!second.keys().is_empty()).then_some(()))).unwrap();
    assert_eq!(first.keys(), before);
    assert!(detector.stop().unwrap().success());
}
