//! Each form of the miner is caught: at once where its memory or its pool gives it away, else by what it does.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detector_tests::needs_root;
use serde_json::Value;

use super::{Agent, LEVELS, Stage, hasher, level, pool, rule};

/// Longest from the first hash to the alert.
const SOON: f64 = 30.0;
/// The same where bytes in the clear say it.
const AT_ONCE: f64 = 1.0;
/// Longest that we wait: on a crowded machine the miner gets less of the processors, and time counts by what it got.
const PATIENCE: Duration = Duration::from_secs(90);

/// One form.
struct Form {
    /// For the table.
    name: &'static str,
    /// What the agent calls its copy.
    program: &'static str,
    settings: &'static str,
    network: Network,
    /// Processors that it keeps busy.
    wants: f64,
    /// Seconds from the first hash to the alert, at most.
    within: f64,
}

/// How it speaks to its pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    None,
    Clear,
    Tls,
}

const fn form(name: &'static str, program: &'static str, settings: &'static str, wants: f64) -> Form {
    Form { name, program, settings, network: Network::None, wants, within: SOON }
}

/// Told by what they ask for or say, some before their first hash: the full dataset takes minutes to compute.
const TOLD: &[Form] = &[
    form("xmrig's memory, huge pages", "kworker-helper", "memory xmrig\nhuge yes\n", 1.0),
    form("xmrig's memory, small pages", "python3", "memory xmrig\n", 1.0),
    form("full dataset, huge pages", "node", "memory full\nhuge yes\n", 1.0),
    form("full dataset, small pages", "language-server", "memory full\n", 1.0),
    Form { network: Network::Clear, within: AT_ONCE, ..form("pool in the clear", "indexer", "", 1.0) },
];
/// Light memory, no pool: what is left is what it does to the processors.
const ALL_THREADS: &[Form] = &[form("all threads", "pytest-worker", "threads all\n", 2.0)];
const ONE_THREAD: &[Form] = &[
    form("one thread", "rg", "threads 1\n", 1.0),
    form("one thread, huge pages, 30 %", "esbuild", "threads 1\nhuge yes\nshare 30\n", 0.3),
    form("one thread, 30 %", "tsserver", "threads 1\nshare 30\n", 0.3),
];
const MIXED: &[Form] = &[
    form("all threads, 30 %", "uv", "threads all\nshare 30\n", 0.6),
    Form { network: Network::Tls, ..form("one thread, pool under TLS", "gopls", "threads 1\n", 1.0) },
];

/// How a form was caught.
struct Caught {
    alert: Value,
    /// From its first hash on; less than nothing where it had not come to it.
    seconds: f64,
    /// The same, had it got all the processors it wanted.
    worked: f64,
}

#[test]
fn a_miner_is_caught_in_each_form() {
    needs_root!();
    let stage = Stage::new("forms");
    let clear = pool::start();
    let (_server, tls) = pool::behind_tls(clear, stage.place.path());
    let mut table = String::new();
    let mut missed = vec![];
    for group in [TOLD, ALL_THREADS, ONE_THREAD, MIXED] {
        let names: Vec<&str> = group.iter().map(|form| form.program).collect();
        let agents = stage.agents(&names);
        let caught: Vec<_> = thread::scope(|scope| {
            let watch = |(form, agent)| scope.spawn(move || run(form, agent, clear, tls));
            let threads: Vec<_> = group.iter().zip(agents).map(watch).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (form, caught) in group.iter().zip(caught) {
            let line = match &caught {
                Ok(Caught { alert, seconds, worked }) => {
                    let level = LEVELS[level(alert)];
                    let when = if seconds.is_finite() {
                        format!("{seconds:.1} s after its first hash ({worked:.1} s of work)")
                    } else {
                        "before its first hash".to_owned()
                    };
                    format!("{when}, {level}: {} ({})", alert["summary"], rule(alert))
                }
                Err(seen) => format!("missed: {seen}"),
            };
            println!("{:30} {line}", form.name);
            writeln!(table, "{:30} {line}", form.name).unwrap();
            let is_in_time = |caught: &Caught| caught.worked.min(caught.seconds) <= form.within;
            if !caught.is_ok_and(|caught| is_in_time(&caught)) {
                missed.push(form.name);
            }
        }
    }
    assert!(missed.is_empty(), "missed or late: {missed:?}\n{table}\n{}", stage.detector.log());
}

/// The agent copies the miner and runs it, until it is caught; else what was said about it.
fn run(form: &Form, mut agent: Agent, clear: SocketAddr, tls: SocketAddr) -> Result<Caught, String> {
    let network = match form.network {
        Network::None => String::new(),
        Network::Clear => format!("pool {clear}\n"),
        Network::Tls => format!("pool {tls}\ntls yes\n"),
    };
    fs::write(agent.place.join("settings"), format!("{}{network}seconds 600\n", form.settings)).unwrap();
    let script = agent.place.join("agent.sh");
    let program = form.program;
    fs::write(&script, format!("cp \"$HASHER\" {program}\nexec ./{program} settings\n")).unwrap();
    let mut child = agent.start(&script, &[("HASHER", hasher().to_str().unwrap())]);
    let caught = catch(form, &mut agent, &mut child);
    // It may have failed by itself, which `catch` has said.
    let _ = child.kill();
    child.wait().unwrap();
    caught
}

fn catch(form: &Form, agent: &mut Agent, child: &mut Child) -> Result<Caught, String> {
    let began = Instant::now();
    let mut first = None;
    loop {
        if first.is_none() {
            first = first_hash(&agent.said()).map(|at| (at, agent.used()));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let (seconds, worked) = first.map_or((f64::NEG_INFINITY, f64::NEG_INFINITY), |(at, before)| {
            (now - at, agent.used().saturating_sub(before).as_secs_f64() / form.wants)
        });
        let alerts = agent.alerts();
        if let Some(alert) =
            alerts.iter().find(|alert| level(alert) >= 2 && rule(alert).starts_with("mining/"))
        {
            return Ok(Caught { alert: alert.clone(), seconds, worked });
        }
        let ended = child.try_wait().unwrap();
        if worked > form.within.max(SOON) || began.elapsed() > PATIENCE || ended.is_some() {
            let seen: Vec<String> = alerts
                .iter()
                .map(|alert| format!("{}: {} ({})", alert["level"], alert["summary"], rule(alert)))
                .collect();
            let said = agent.said();
            return Err(format!(
                "after {seconds:.1} s ({worked:.1} s of work), {ended:?}: {seen:#?}\n{said}"
            ));
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// When the miner says that it had its first hash, since the epoch.
fn first_hash(said: &str) -> Option<f64> {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["at"] == "first").find_map(|line| line["seconds"].as_f64())
}
