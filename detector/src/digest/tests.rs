//! A digest says what the store holds, in bounded words.

use std::sync::Arc;

use super::*;
use crate::activity::Activity;
use crate::agent;
use crate::alert::Alert;
use crate::alert::card::About;
use crate::event::{AgentId, CgroupId, Event, EventKind, Exec, ProcessId, Ticks};
use crate::pipeline::{Input, Pipeline, Settings};
use crate::store::mute::Mute;
use crate::store::outbox::Route;

const NOW: i64 = 1_700_000_000_000;

fn did(agent: &str, items: Vec<Item>, usage: Usage) -> Activity {
    let (from_ms, to_ms) = (NOW - 120_000, NOW - 60_000);
    Activity { agent: agent.to_owned(), from_ms, to_ms, usage, items, others: Vec::new() }
}

fn item(doing: Doing, name: &str, more: &str, count: u64) -> Item {
    Item { count, ..Item::new(doing, name, more) }
}

/// Real alerts.
fn alerts() -> Vec<Alert> {
    let rules = crate::rules::RuleSet::builtin().unwrap();
    let mut pipeline = Pipeline::new(rules, Settings { host: "node-1".to_owned() });
    let agent = agent::Agent {
        id: AgentId(1),
        name: "coder".to_owned(),
        cgroup: CgroupId(4),
        path: "/agents/coder".to_owned(),
    };
    pipeline.step(Input::AgentAdded(agent));
    let mut out = Vec::new();
    for (pid, exe) in [(10, "/tmp/.x/a"), (11, "/dev/shm/b")] {
        let time = Nanos((NOW as u64 - 60_000) * 1_000_000);
        let exec = Exec { exe: exe.into(), argv: vec!["a".into()], nlink: 1, ..Exec::default() };
        let event = Event {
            time,
            received: time,
            agent: AgentId(1),
            process: ProcessId { pid, start: Ticks(1) },
            thread: pid,
            uid: 0,
            cgroup: CgroupId(4),
            kind: EventKind::Exec(Arc::new(exec)),
        };
        out.extend(pipeline.step(Input::Event(event)).alerts);
    }
    out
}

/// An alert like another, in its own right.
fn like(alert: &Alert, level: Level, title: &str, count: u64) -> Alert {
    let id = ulid::Ulid::new().to_string();
    Alert { id, level, title: title.to_owned(), count, ..alert.clone() }
}

fn record(store: &Store, alerts: &[Alert], sinks: &[&str]) {
    let route = |sink: &&str| Route { sink: (*sink).to_owned(), grain: crate::sinks::Grain::Alert };
    store.record("owner", alerts, &mut |_, _| sinks.iter().map(route).collect()).unwrap();
}

fn of(store: &Store) -> Digest {
    Digest::of(store, "node-1", None, (NOW - 24 * 3_600_000, NOW)).unwrap()
}

#[test]
fn a_store_that_knows_nothing_gives_an_empty_digest() {
    let store = Store::in_memory().unwrap();
    assert!(of(&store).is_empty());
    assert_eq!(card(&of(&store)).sentence, "0 agents in 24h: no alerts.");
}

#[test]
fn a_digest_says_what_ran_what_alarmed_what_nearly_did_and_what_wants_a_hand() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state.db");
    let store = Store::open(&path).unwrap();
    let first = alerts().remove(0);
    let other = crate::store::now_ms() + 3_600_000;
    let mute = Mute {
        id: "01M".to_owned(),
        rule: Some("0-0".to_owned()),
        agent: None,
        exe: None,
        until_ms: other,
        reason: "known test".to_owned(),
        who: "ada".to_owned(),
        made_ms: 0,
        hits: 0,
    };
    store.mute(&mute).unwrap();
    let mut muted = like(&first, Level::High, "Muted Thing", 1);
    muted.rule.id = "0-0".to_owned();
    let mut lowered = like(&first, Level::Informational, "Busy GPU", 4);
    lowered.task = Some(crate::alert::TaskRef {
        id: "t".to_owned(),
        name: "train".to_owned(),
        started: String::new(),
        expects: Vec::new(),
        declares: Some("gpu".to_owned()),
        lowered_from: Some(Level::High),
    });
    let mut early = like(&first, Level::Critical, "Long Ago", 1);
    early.time = "2020-01-01T00:00:00.000000000Z".to_owned();
    let low = like(&first, Level::Low, "Odd Port", 7);
    let high = like(&first, Level::High, "Reverse Shell", 2);
    record(&store, &[muted, lowered, early, low, high], &["slack", "(stdout)"]);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE delivery SET made_ms = ?1, state = CASE id WHEN 1 THEN 'dead' ELSE state END",
            [NOW - 3_600_000],
        )
        .unwrap();

    let usage = Usage { born: 3, cpu_s: 7_200.0, cpu_unexplained_s: 600.0, gpu_s: 50.0, ..Usage::default() };
    let mining =
        Item { note: "24 of 30 points: name +24".to_owned(), ..item(Doing::Mining, "/work/a", "", 24) };
    let items = vec![
        item(Doing::Program, "/usr/bin/python3", "train.py", 5),
        Item { sent: 4_096, received: 10, ..item(Doing::Destination, "pypi.org", "443/tcp", 2) },
        item(Doing::Named, "/work/my_wallet.dat", "", 1),
        item(Doing::Workspace, "/srv/agents/one", "", 1),
        mining,
    ];
    store.add_activity(&[did("coder", items, usage), did("idle", vec![], usage)]).unwrap();

    let digest = Digest::of(&store, "node-1", None, (NOW - 24 * 3_600_000, NOW)).unwrap();
    let agent = &digest.agents[0];
    assert_eq!(agent.name.as_deref(), Some("coder"));
    let levels: Vec<(Level, u64)> = agent.alerts.iter().map(|(level, count)| (*level, *count)).collect();
    assert_eq!(levels, [(Level::Informational, 1), (Level::Low, 1), (Level::High, 2)]);
    assert_eq!(agent.findings, 14);
    let misses: Vec<(&str, &str, u64)> =
        agent.near_misses.iter().map(|miss| (&*miss.what, &*miss.why, miss.count)).collect();
    let expected = [
        ("/work/a may have been mining", "24 of 30 points: name +24", 1),
        ("Odd Port", "low", 7),
        ("Busy GPU", "high without the task train, which declares it", 4),
        ("Muted Thing", "muted: known test", 1),
    ];
    assert_eq!(misses, expected);
    assert_eq!(digest.workspaces().collect::<Vec<_>>(), ["/srv/agents/one"]);
    let [Behind { sink, waiting, dead, .. }] = &*digest.sinks else { panic!("{:?}", digest.sinks) };
    assert_eq!((&**sink, *waiting, *dead), ("slack", 4, 1));
    assert!(digest.mutes.is_empty(), "it ends in years, as the digest sees it");
    let now = crate::store::now_ms();
    let soon = Digest::of(&store, "node-1", Some("idle"), (now - 1_000, now)).unwrap().mutes;
    assert_eq!((&*soon[0].what, &*soon[0].reason, soon[0].hits), ("rule 0-0", "known test", 1));

    let words: Vec<String> = sections(&digest, 9, 9)
        .into_iter()
        .flat_map(|section| section.lines)
        .map(|line| format!("{}: {}", line.label, line.text))
        .collect();
    for expected in [
        "alerts: 4 alerts: 2 high, 1 low, 1 informational (14 findings)",
        "used: 2.0 h of processors, 10 min of it in no task that declares it; 50 s of GPUs; 3 processes",
        "programs: 5 × /usr/bin/python3 train.py",
        "destinations: 2 × pypi.org 443/tcp, sent 4.0 KiB, received 10 B",
        "new names: /work/my_wallet.dat",
        "near misses: 1 × /work/a may have been mining (24 of 30 points: name +24)",
        "sink: slack: 4 wait, 1 were given up since 2023-11-14T21:13:20Z",
    ] {
        assert!(words.iter().any(|line| line == expected), "{expected}: {words:#?}");
    }
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
}

#[test]
fn a_card_of_very_many_agents_is_bounded_and_says_what_is_left_out() {
    let store = Store::in_memory().unwrap();
    let evil = "\u{202e}@everyone <!channel> \u{1b}[31m".repeat(40);
    for number in 0..200 {
        let items = (0..60)
            .map(|item| Item {
                note: evil.clone(),
                ..self::item(Doing::Program, &format!("/{item}{evil}"), &evil, 1)
            })
            .collect();
        let usage = Usage { born: 1, ..Usage::default() };
        store.add_activity(&[did(&format!("agent-{number}{evil}"), items, usage)]).unwrap();
    }
    let digest = of(&store);
    let card = card(&digest);
    assert_eq!((card.about, card.level), (About::Digest, Level::Informational));
    let text = serde_json::to_string(&card).unwrap();
    assert!(text.len() < 40_000, "{} bytes", text.len());
    let shown = format!("{:?}", card.sections);
    assert!(!text.contains('\u{202e}') && !text.contains("\\u001b"), "{shown}");
    assert!(card.sections.iter().any(|section| section.name == "195 more agents"), "{shown}");
    assert!(text.contains("and 57 more, 57 times"), "{shown}");
    assert_eq!(card.id, super::card(&digest).id, "the same digest is the same message");
}

#[test]
fn a_span_is_written_as_since_reads_it() {
    for (to, span) in [
        ("2026-11-22T00:00:00Z", "24h"),
        ("2026-11-21T00:30:00Z", "30m"),
        ("2026-11-28T00:00:00Z", "7d"),
        ("2026-11-21T00:00:07Z", "7s"),
        ("2026-11-21T01:01:00Z", "61m"),
    ] {
        assert_eq!(card::span("2026-11-21T00:00:00Z", to), span);
        humantime::parse_duration(span).unwrap();
    }
}
