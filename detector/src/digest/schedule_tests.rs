//! A digest is due once, after a restart too.

use super::*;
use crate::activity::{Activity, Doing, Item, Usage};
use crate::store::outbox::Owned;

const HOUR: i64 = 3_600_000;

fn ms(at: &str) -> i64 {
    at.parse::<Timestamp>().unwrap().as_millisecond()
}

fn at(days: i32, time: &str, zone: &str) -> Every {
    Every::At { days, time: Time::strptime("%H:%M", time).unwrap(), zone: TimeZone::get(zone).unwrap() }
}

#[test]
fn a_time_of_day_is_that_of_its_zone_in_summer_and_in_winter() {
    let daily = at(1, "08:00", "Europe/Berlin");
    for (last, next) in [
        ("2026-11-21T06:59:59Z", "2026-11-21T07:00:00Z"),
        ("2026-11-21T07:00:00Z", "2026-11-22T07:00:00Z"),
        ("2026-07-01T07:00:00Z", "2026-07-02T06:00:00Z"),
        // The night in which the clocks go back is an hour longer.
        ("2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z"),
    ] {
        assert_eq!(daily.next(ms(last)), ms(next), "{last}");
    }
    // 02:30 is left out in the night in which the clocks go forward.
    assert_eq!(at(1, "02:30", "Europe/Berlin").next(ms("2026-03-28T12:00:00Z")), ms("2026-03-29T01:30:00Z"));
    // Weekly; one that came late does not shift the others.
    let weekly = at(7, "08:00", "UTC");
    assert_eq!(weekly.next(ms("2026-11-02T08:00:00Z")), ms("2026-11-09T08:00:00Z"));
    assert_eq!(weekly.next(ms("2026-11-09T10:30:00Z")), ms("2026-11-16T08:00:00Z"));
    assert_eq!(Every::After(HOUR).next(5), HOUR + 5);
}

fn plan(skip_empty: bool) -> Schedule {
    Schedule {
        every: Every::After(HOUR),
        sinks: vec!["slack".to_owned(), "mail".to_owned()],
        skip_empty,
        workspaces: Vec::new(),
    }
}

/// A store in a file, and where that is.
fn store() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(&place.path().join("state.db")).unwrap();
    (place, store)
}

/// The digests that wait for a sink: what each covers.
fn queued(store: &Store) -> Vec<(String, String)> {
    let db = rusqlite::Connection::open(store.path().unwrap()).unwrap();
    let mut statement = db.prepare("SELECT body FROM delivery WHERE sink = 'mail' ORDER BY id").unwrap();
    let bodies = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let card = |body: String| serde_json::from_str::<crate::alert::card::Card>(&body).unwrap();
    bodies.map(|body| card(body.unwrap())).map(|card| (card.time, card.updated)).collect()
}

#[test]
fn restarts_neither_forget_nor_double_and_what_was_missed_is_one() {
    let (_place, store) = store();
    let start = ms("2026-11-21T10:00:00Z");
    let turn =
        |minutes: i64| turn(&store, "owner", "node-1", &plan(false), start + minutes * 60_000).unwrap();
    // The plan begins with the first start, and a restart does not put it off.
    assert_eq!(turn(0), start + HOUR);
    assert_eq!(turn(59), start + HOUR);
    assert!(queued(&store).is_empty());
    assert_eq!(turn(61), start + 61 * 60_000 + HOUR);
    turn(61);
    turn(90);
    // Down for five hours.
    turn(420);
    turn(421);
    let time = |minutes: i64| super::super::time(start + minutes * 60_000);
    assert_eq!(queued(&store), [(time(0), time(61)), (time(61), time(420))]);
    // Somebody sets the clock back by a day: the next is an hour after that, not a day.
    assert_eq!(turn(420 - 24 * 60), start + (420 - 24 * 60 + 60) * 60_000);
}

#[test]
fn of_two_processes_one_sends() {
    let (_place, store) = store();
    assert_eq!(store.last_digest(5).unwrap(), 5);
    let card = card(&Digest::of(&store, "node-1", None, (5, 9)).unwrap());
    let sinks = ["mail".to_owned()];
    assert!(store.send_digest("a", &sinks, Some(&card), (5, 9)).unwrap());
    assert!(!store.send_digest("b", &sinks, Some(&card), (5, 10)).unwrap());
    assert_eq!((queued(&store).len(), store.last_digest(99).unwrap()), (1, 9));
}

#[test]
fn nothing_is_sent_where_there_is_nothing_to_say() {
    let (_place, store) = store();
    let plan = plan(true);
    turn(&store, "owner", "node-1", &plan, 0).unwrap();
    turn(&store, "owner", "node-1", &plan, HOUR).unwrap();
    assert!(queued(&store).is_empty());
    assert_eq!(store.last_digest(1).unwrap(), HOUR);
    let did = Activity {
        agent: "coder".to_owned(),
        from_ms: HOUR,
        to_ms: HOUR + 60_000,
        usage: Usage { born: 1, ..Usage::default() },
        items: vec![Item::new(Doing::Program, "/bin/ls", "")],
        others: Vec::new(),
    };
    store.add_activity(&[did]).unwrap();
    turn(&store, "owner", "node-1", &plan, 2 * HOUR).unwrap();
    assert_eq!(queued(&store).len(), 1);
}

#[test]
fn the_thread_sends_and_ends_at_once() {
    let (_place, store) = store();
    let store = Arc::new(store);
    let every = Every::After(20);
    let plan = Schedule { every, ..plan(false) };
    let running = start(Arc::clone(&store), "owner".to_owned(), "node-1".to_owned(), plan).unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while queued(&store).len() < 3 {
        assert!(std::time::Instant::now() < until, "{:?}", queued(&store));
        std::thread::yield_now();
    }
    drop(running);
    let sent = queued(&store);
    // Each begins where the one before ended, to the second.
    assert!(sent.windows(2).all(|pair| pair[0].1 == pair[1].0), "{sent:?}");
    let claim = crate::store::outbox::Claim {
        grain: crate::sinks::Grain::Incident,
        most: 1,
        incidents: crate::alert::Level::Informational,
        cards: crate::alert::Level::Informational,
        at_ms: i64::MAX,
    };
    let due = store.claim("owner", "slack", &claim).unwrap();
    assert!(matches!(&due[0].body, Owned::Card(card) if card.about == crate::alert::card::About::Digest));
}
