//! The engine: what is stored, queued, paced and folded, with sinks in this process.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use detector::alert::card::About;
use detector::alert::{Alert, Level};
use detector::config::quiet::Quiet;
use detector::config::sinks::Routing;
use detector::delivery::{self, Delivery, Outlet, Target};
use detector::sinks::{Body, Failure, Grain, Message, Receipt, Sink};
use detector::store::alerts::Filter;
use detector::store::mute::Mute;
use detector::store::outbox::Route;
use detector::store::queue::Letters;
use detector::store::room::Limits;
use detector::store::{Store, now_ms};
use detector_tests::hook::{Hook, Mood};
use jiff::Timestamp;

use crate::sample;

const LIMIT: Duration = Duration::from_secs(60);

/// What a sink was given.
#[derive(Clone, Debug)]
struct Said {
    key: String,
    about: Option<About>,
    id: String,
    level: Level,
    news: usize,
    sentence: String,
}

type Answer = Box<dyn FnMut(&Said) -> Result<Receipt, Failure> + Send>;

/// A sink in this process.
struct Ear {
    said: Sender<Said>,
    answer: Answer,
}

impl Sink for Ear {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let said = match message.body {
            Body::Alert(alert) => Said {
                key: message.key.to_owned(),
                about: None,
                id: alert.id.clone(),
                level: alert.level,
                news: 0,
                sentence: alert.summary.clone(),
            },
            Body::Card(card) => Said {
                key: message.key.to_owned(),
                about: Some(card.about),
                id: card.id.clone(),
                level: card.level,
                news: card.news.len(),
                sentence: card.sentence.clone(),
            },
        };
        let answer = (self.answer)(&said);
        // Only what was taken is heard.
        if answer.is_ok() {
            let _ = self.said.send(said);
        }
        answer
    }
}

fn ear(name: &str, grain: Grain, answer: Answer) -> (Target, Receiver<Said>) {
    let (said, heard) = channel();
    (Target::new(name, grain, Routing::default(), Box::new(Ear { said, answer })), heard)
}

fn fine() -> Answer {
    Box::new(|_| Ok(Receipt::default()))
}

fn start(store: &Arc<Store>, targets: Vec<Target>) -> (Outlet, Delivery) {
    delivery::start(Arc::clone(store), targets, Limits::default()).unwrap()
}

/// An alert of an incident; ids sort as their numbers.
fn alert(number: u64, incident: u64, level: Level) -> Alert {
    let mut alert = sample::alert();
    alert.id = format!("01KZALERT{number:017}");
    alert.incident = format!("01KZSTORY{incident:017}");
    alert.time = Timestamp::now().to_string();
    alert.level = level;
    alert
}

fn next(heard: &Receiver<Said>) -> Said {
    heard.recv_timeout(LIMIT).unwrap()
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < 4 * LIMIT, "{what}: not seen");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_sink_that_fails_delays_no_other_and_keeps_its_order() {
    let store = Arc::new(Store::in_memory().unwrap());
    let mut failures = 0;
    let (down, heard_late) = ear(
        "down",
        Grain::Alert,
        Box::new(move |_| {
            failures += 1;
            if failures <= 2 {
                let after = Some(Duration::from_millis(300));
                return Err(Failure::Later { reason: "busy".to_owned(), after });
            }
            Ok(Receipt::default())
        }),
    );
    let (up, heard) = ear("up", Grain::Alert, fine());
    let (mut outlet, delivery) = start(&store, vec![down, up]);
    let begun = Instant::now();
    for number in 0..20 {
        outlet.send(alert(number, number, Level::High));
    }
    for number in 0..20 {
        assert_eq!(next(&heard).id, alert(number, 0, Level::Low).id);
    }
    let keys: Vec<String> = (0..20).map(|_| next(&heard_late).key).collect();
    let wanted: Vec<String> =
        (0..20).map(|number| format!("{}-1", alert(number, 0, Level::Low).id)).collect();
    assert_eq!(keys, wanted);
    assert!(begun.elapsed() >= Duration::from_millis(600), "the sink was not left alone");
    drop(outlet);
    assert_eq!(delivery.finish().total(), 20);
    assert!(heard_late.try_recv().is_err());
    assert!(store.waiting(None, 9).unwrap().is_empty());
}

#[test]
fn a_refused_message_is_a_dead_letter_and_may_come_back() {
    let store = Arc::new(Store::in_memory().unwrap());
    let taken = Arc::new(Mutex::new(false));
    let takes = Arc::clone(&taken);
    let first = alert(1, 1, Level::High).id;
    let (target, heard) = ear(
        "strict",
        Grain::Alert,
        Box::new(move |said| {
            if said.id == first && !*takes.lock().unwrap() {
                return Err(Failure::refused("no such channel"));
            }
            Ok(Receipt::default())
        }),
    );
    let (mut outlet, delivery) = start(&store, vec![target]);
    outlet.send(alert(1, 1, Level::High));
    outlet.send(alert(2, 2, Level::High));
    assert_eq!(next(&heard).id, alert(2, 2, Level::High).id);
    wait_for("the dead letter", || store.waiting(Some("strict"), 9).unwrap().iter().any(|row| row.dead));
    let dead = store.waiting(Some("strict"), 9).unwrap();
    assert_eq!(dead[0].error.as_deref(), Some("no such channel"));
    *taken.lock().unwrap() = true;
    assert_eq!(store.retry(&Letters::Row(dead[0].row)).unwrap(), 1);
    assert_eq!(next(&heard).id, alert(1, 1, Level::High).id);
    drop(outlet);
    delivery.finish();
}

#[test]
fn a_sink_that_panics_goes_on_and_a_message_that_always_makes_it_panic_goes() {
    let store = Arc::new(Store::in_memory().unwrap());
    let first = alert(1, 1, Level::High).id;
    let (target, heard) = ear(
        "fragile",
        Grain::Alert,
        Box::new(move |said| {
            assert!(said.id != first, "a bug");
            Ok(Receipt::default())
        }),
    );
    let (mut outlet, delivery) = start(&store, vec![target]);
    outlet.send(alert(1, 1, Level::High));
    outlet.send(alert(2, 2, Level::High));
    assert_eq!(next(&heard).id, alert(2, 2, Level::High).id);
    wait_for("the other one", || store.waiting(Some("fragile"), 9).unwrap().len() == 1);
    let dead = store.waiting(Some("fragile"), 9).unwrap();
    assert!(dead[0].dead && dead[0].attempts == 3, "{dead:?}");
    drop(outlet);
    delivery.finish();
}

#[test]
fn what_is_too_old_is_given_up_and_people_are_told() {
    let store = Arc::new(Store::in_memory().unwrap());
    let (mut down, _) = ear("down", Grain::Alert, Box::new(|_| Err(Failure::later("no route"))));
    down.routing.config.give_up = Some(Duration::from_millis(500));
    let (people, heard) = ear("people", Grain::Incident, fine());
    let (mut outlet, delivery) = start(&store, vec![down, people]);
    outlet.send(alert(1, 1, Level::High));
    assert_eq!(next(&heard).about, Some(About::Incident));
    let notice = next(&heard);
    assert_eq!(notice.about, Some(About::Notice));
    assert!(notice.sentence.contains("no route"), "{notice:?}");
    assert!(store.waiting(Some("down"), 9).unwrap()[0].dead);
    drop(outlet);
    delivery.finish();
}

#[test]
fn updates_wait_for_each_other_and_a_rise_in_level_does_not() {
    let store = Arc::new(Store::in_memory().unwrap());
    let (target, heard) = ear("people", Grain::Incident, fine());
    let (mut outlet, delivery) = start(&store, vec![target]);
    outlet.send(alert(1, 1, Level::Medium));
    let first = next(&heard);
    assert_eq!((first.news, first.level), (0, Level::Medium));
    let told = Instant::now();
    for number in 2..6 {
        outlet.send(alert(number, 1, Level::Medium));
    }
    wait_for("all alerts", || store.total().unwrap() == 5);
    let update = next(&heard);
    assert!(told.elapsed() >= Duration::from_millis(4_500), "updates do not wait for each other");
    assert_eq!((update.news, update.key), (4, format!("{}-5", first.id)));
    let told = Instant::now();
    outlet.send(alert(6, 1, Level::Critical));
    assert_eq!(next(&heard).level, Level::Critical);
    // An update would wait for thirty seconds.
    assert!(told.elapsed() < Duration::from_secs(20), "a rise waits");
    drop(outlet);
    delivery.finish();
}

#[test]
fn acknowledged_and_muted_stories_are_stored_and_given_to_machines_alone() {
    let store = Arc::new(Store::in_memory().unwrap());
    let (people, heard) = ear("people", Grain::Incident, fine());
    let (machine, all) = ear("machine", Grain::Alert, fine());
    let (mut outlet, delivery) = start(&store, vec![people, machine]);
    outlet.send(alert(1, 1, Level::Medium));
    let story = next(&heard).id;
    assert!(store.acknowledge(&story, "ada", "2026-11-21T00:00:00Z").unwrap());
    outlet.send(alert(2, 1, Level::Medium));
    let mute = Mute {
        id: "01KZMUTE000000000000000001".to_owned(),
        rule: None,
        agent: None,
        exe: Some("/quiet".to_owned()),
        until_ms: now_ms() + 3_600_000,
        reason: "known".to_owned(),
        who: "ada".to_owned(),
        made_ms: now_ms(),
        hits: 0,
    };
    store.mute(&mute).unwrap();
    let mut muted = alert(3, 3, Level::Critical);
    muted.process.as_mut().unwrap().exe = "/quiet".to_owned();
    outlet.send(muted);
    for _ in 0..3 {
        next(&all);
    }
    assert_eq!(store.mutes(now_ms()).unwrap()[0].hits, 1);
    // Worse than what was acknowledged: the only thing that people are told.
    outlet.send(alert(4, 1, Level::Critical));
    let worse = next(&heard);
    assert_eq!((worse.id, worse.level), (story, Level::Critical));
    drop(outlet);
    delivery.finish();
    assert!(heard.try_recv().is_err());
}

#[test]
fn quiet_hours_let_the_gravest_through_and_end_with_one_digest() {
    let store = Arc::new(Store::in_memory().unwrap());
    let hour = |offset: i64| {
        let at = Timestamp::from_millisecond(now_ms() + offset * 3_600_000).unwrap();
        at.strftime("%H:%M").to_string()
    };
    let quiet =
        |from: i64, to: i64| Some(Quiet::parse(&format!("{}-{}", hour(from), hour(to)), None).unwrap());
    let (mut target, heard) = ear("people", Grain::Incident, fine());
    target.routing.quiet = quiet(-1, 2);
    let (mut outlet, delivery) = start(&store, vec![target]);
    for number in 0..3 {
        outlet.send(alert(number, number, Level::High));
    }
    outlet.send(alert(9, 9, Level::Critical));
    assert_eq!(next(&heard).level, Level::Critical);
    drop(outlet);
    delivery.finish();
    assert!(heard.try_recv().is_err());
    // The same store, after the quiet hours.
    let (mut target, heard) = ear("people", Grain::Incident, fine());
    target.routing.quiet = quiet(3, 4);
    let (outlet, delivery) = start(&store, vec![target]);
    let digest = next(&heard);
    assert_eq!(digest.about, Some(About::Notice));
    assert!(digest.sentence.contains("3 incidents"), "{digest:?}");
    drop(outlet);
    delivery.finish();
    assert!(heard.try_recv().is_err());
}

#[test]
fn sinks_are_replaced_while_alerts_flow() {
    let store = Arc::new(Store::in_memory().unwrap());
    let (before, heard_before) = ear("hook", Grain::Alert, fine());
    let (mut outlet, mut delivery) = start(&store, vec![before]);
    outlet.send(alert(1, 1, Level::High));
    next(&heard_before);
    let (after, heard) = ear("hook", Grain::Alert, fine());
    delivery.replace(vec![after]).unwrap();
    outlet.send(alert(2, 2, Level::High));
    assert_eq!(next(&heard).id, alert(2, 2, Level::High).id);
    drop(outlet);
    delivery.finish();
    assert!(heard_before.try_recv().is_err());
}

#[test]
fn a_flood_of_100_000_findings_makes_few_messages_and_loses_none() {
    const FINDINGS: u64 = 100_000;
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&place.path().join("state.db")).unwrap());
    let (people, heard) = ear("people", Grain::Incident, fine());
    let (mut outlet, delivery) = start(&store, vec![people]);
    let begun = Instant::now();
    for number in 0..FINDINGS {
        if number % 4_096 == 0 {
            wait_for("room", || store.total().unwrap() + 8_192 > number);
        }
        let level = if number % 10_000 == 0 { Level::Critical } else { Level::Medium };
        outlet.send(alert(number, number / 20, level));
    }
    wait_for("every finding in the store", || store.total().unwrap() == FINDINGS);
    let took = begun.elapsed();
    drop(outlet);
    delivery.finish();
    let said: Vec<Said> = heard.try_iter().collect();
    println!(
        "{FINDINGS} findings in {} incidents: {} messages, {:.0} alerts/s",
        FINDINGS / 20,
        said.len(),
        FINDINGS as f64 / took.as_secs_f64()
    );
    // A burst of 20, then one a second, overviews among them.
    let most = 20 + took.as_secs() + 30;
    assert!(u64::try_from(said.len()).unwrap() <= most, "{} messages, {most} at most", said.len());
    let overviews = said.iter().filter(|said| said.about == Some(About::Notice)).count();
    assert!(overviews >= 1, "nothing tells how many there were");
    let critical = |said: &&Said| said.about == Some(About::Incident) && said.level == Level::Critical;
    // One that grew after it was told may be told of again.
    let told: BTreeSet<&str> = said.iter().filter(critical).map(|said| &*said.id).collect();
    assert_eq!(told.len(), 10, "a critical incident is told by itself");
}

#[test]
fn the_alerts_thread_takes_thousands_a_second_for_three_sinks() {
    const ALERTS: u64 = 10_000;
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&place.path().join("state.db")).unwrap());
    let (targets, heard): (Vec<Target>, Vec<Receiver<Said>>) =
        ["a", "b", "c"].into_iter().map(|name| ear(name, Grain::Alert, fine())).unzip();
    let (mut outlet, delivery) = start(&store, targets);
    let begun = Instant::now();
    for number in 0..ALERTS {
        outlet.send(alert(number, number / 10, Level::Medium));
    }
    wait_for("every alert in the store", || store.total().unwrap() == ALERTS);
    let stored = begun.elapsed();
    for heard in &heard {
        for _ in 0..ALERTS {
            next(heard);
        }
    }
    println!(
        "{:.0} alerts/s into the store for 3 sinks, {:.0}/s delivered to each",
        ALERTS as f64 / stored.as_secs_f64(),
        ALERTS as f64 / begun.elapsed().as_secs_f64()
    );
    // A debug build on a busy machine; `cargo test --release` says what it can.
    assert!(ALERTS as f64 / stored.as_secs_f64() > 500.0, "{stored:?}");
    drop(outlet);
    assert_eq!(delivery.finish().total(), ALERTS);
}

#[test]
fn a_store_that_is_full_lets_the_oldest_low_alerts_go_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&place.path().join("state.db")).unwrap());
    let (mut people, heard) = ear("people", Grain::Incident, fine());
    let limits = Limits { size: 2 << 20, ..Limits::default() };
    people.routing = Routing::at_least(Level::High);
    let (mut outlet, delivery) = delivery::start(Arc::clone(&store), vec![people], limits).unwrap();
    for number in 0..2_000 {
        if number % 100 == 0 {
            wait_for("room", || store.used().unwrap() < 3 << 20);
        }
        outlet.send(alert(number, number, if number == 0 { Level::High } else { Level::Low }));
    }
    drop(outlet);
    delivery.finish();
    assert!(store.used().unwrap() <= 3 << 20, "{}", store.used().unwrap());
    assert!(store.alert(&alert(0, 0, Level::High).id).unwrap().is_some(), "the grave one went");
    assert!(store.alert(&alert(1, 1, Level::Low).id).unwrap().is_none(), "the oldest low one stayed");
    assert!(store.alert(&alert(1_999, 0, Level::Low).id).unwrap().is_some(), "the newest went");
    let said: Vec<Said> = heard.try_iter().collect();
    assert!(said.iter().any(|said| said.sentence.contains("max_size")), "{said:?}");
    assert!(store.counter("removed").unwrap().is_some_and(|(removed, _)| removed > 0));
}

#[test]
fn what_a_process_left_behind_is_adopted_and_what_a_living_one_has_is_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state.db");
    let store = Store::open(&path).unwrap();
    let route = |sink: &str| vec![Route { sink: sink.to_owned(), grain: Grain::Alert }];
    // Nobody has entered the name of the first; the second is this process.
    store.record("gone", &[alert(1, 1, Level::High)], &mut |_, _| route("hook")).unwrap();
    store.record("gone", &[alert(2, 2, Level::High)], &mut |_, _| route("(stdout)")).unwrap();
    let living = store.enter().unwrap();
    store.record(&living, &[alert(3, 3, Level::High)], &mut |_, _| route("hook")).unwrap();
    let (target, heard) = ear("hook", Grain::Alert, fine());
    let store = Arc::new(Store::open(&path).unwrap());
    let (outlet, delivery) = start(&store, vec![target]);
    assert_eq!(next(&heard).id, alert(1, 1, Level::High).id);
    drop(outlet);
    delivery.finish();
    let left = store.waiting(None, 9).unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((&*left[0].subject, heard.try_recv().is_err()), (&*alert(3, 3, Level::High).id, true));
}

#[test]
fn the_write_ahead_log_does_not_grow_without_bound() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state.db");
    let store = Store::open(&path).unwrap();
    for batch in 0..60 {
        let alerts: Vec<Alert> =
            (0..200).map(|number| alert(batch * 200 + number, batch, Level::Low)).collect();
        store.record("x", &alerts, &mut |_, _| Vec::new()).unwrap();
    }
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    assert!(size(&path) > 16 << 20, "{}", size(&path));
    let log = size(&place.path().join("state.db-wal"));
    assert!(log <= 24 << 20, "{log}");
}

/// The store and the port of a child that is to be killed.
const CHILD: &str = "DETECTOR_TEST_CHILD";

/// Finds alerts and delivers them until it is killed; does nothing where no parent asks for it.
#[test]
fn a_child_that_is_killed() {
    let Ok(named) = std::env::var(CHILD) else { return };
    let (store, sink) = named.split_once('\n').unwrap();
    let checked = detector::config::parse(sink, Path::new("child.toml")).unwrap();
    let sink = &checked.sinks[0];
    let open = sink.kind.open(&sink.name, &checked.http).unwrap();
    let target = Target::new(&*sink.name, Grain::Alert, sink.routing.clone(), open);
    let store = Arc::new(Store::open(Path::new(store)).unwrap());
    let (mut outlet, _delivery) = start(&store, vec![target]);
    // Nobody lives as long.
    for number in 0..100_000 {
        let mut found = alert(number, number, Level::High);
        found.id = ulid();
        found.incident = ulid();
        outlet.send(found);
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// An id that no other process has.
fn ulid() -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    random.trim().replace('-', "").to_uppercase()
}

#[test]
fn nothing_is_lost_and_nothing_doubled_by_a_hundred_kills() {
    const KILLS: u32 = 100;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state.db");
    let hook = Hook::start(Mood::Moody).unwrap();
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "engine::a_child_that_is_killed"]).stdin(Stdio::null());
        command.env(CHILD, format!("{}\n{}", path.display(), hook.sink("hook")));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let begun = Instant::now();
    for round in 0..KILLS {
        let mut child = child();
        std::thread::park_timeout(Duration::from_millis(u64::from((round * 37) % KILLS) * 4 + 50));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let took = begun.elapsed();
    hook.be(Mood::Well);
    // The last one is let live until all has arrived that the others left.
    let store = Arc::new(Store::open(&path).unwrap());
    let checked = detector::config::parse(&hook.sink("hook"), Path::new("last.toml")).unwrap();
    let sink = &checked.sinks[0];
    let open = sink.kind.open(&sink.name, &checked.http).unwrap();
    let (outlet, delivery) =
        start(&store, vec![Target::new(&*sink.name, Grain::Alert, sink.routing.clone(), open)]);
    wait_for("everything that is stored to arrive", || store.waiting(None, 1).unwrap().is_empty());
    drop(outlet);
    delivery.finish();
    let stored = store.alerts(&Filter::default()).unwrap();
    let wanted: BTreeSet<String> =
        stored.iter().map(|stored| format!("{}-{}", stored.alert.id, stored.revision)).collect();
    println!("{KILLS} kills in {took:.1?}: {} alerts, {} requests taken", wanted.len(), hook.taken());
    assert_eq!(wanted, hook.keys(), "what is stored and what arrived");
    assert!(wanted.len() > 200, "too little happened: {}", wanted.len());
}
