//! Sums and samples are kept, joined and let go.

use super::*;
use crate::activity::GpuUse;

fn sample(agent: &str, at_ms: i64, cpu_cores: f32) -> Sample {
    Sample { at_ms, agent: agent.to_owned(), cpu_cores, gpus: Vec::new(), processes: 3 }
}

#[test]
fn samples_are_read_as_they_were_written_by_agent_and_time() {
    let store = Store::in_memory().unwrap();
    let busy = Sample {
        gpus: vec![GpuUse {
            index: 1,
            instance: Some((2, 0)),
            uuid: "GPU-1".to_owned(),
            name: "H100".to_owned(),
            utilization: Some(0.5),
            memory: 1 << 40,
            power: Some(312.5),
        }],
        ..sample("a", 20_000, 1.5)
    };
    store.add_samples(&[sample("a", 10_000, 0.25), busy.clone(), sample("b", 20_000, 7.0)]).unwrap();
    assert_eq!(store.samples("a", 0, 20_000).unwrap(), [sample("a", 10_000, 0.25), busy.clone()]);
    assert_eq!(store.samples("a", 10_001, 20_000).unwrap(), [busy]);
    assert_eq!(store.samples("c", 0, i64::MAX).unwrap(), []);
}

#[test]
fn samples_of_more_than_seven_days_ago_are_gone() {
    let store = Store::in_memory().unwrap();
    store.add_samples(&[sample("a", 1_000, 1.0), sample("a", 2_000, 1.0)]).unwrap();
    store.add_samples(&[sample("b", KEPT_MS + 2_000, 1.0)]).unwrap();
    assert_eq!(store.samples("a", 0, i64::MAX).unwrap(), [sample("a", 2_000, 1.0)]);
}

fn did(agent: &str, to_ms: i64, items: Vec<Item>) -> Activity {
    let usage = Usage { born: 2, ended: 1, cpu_s: 1.5, cpu_unexplained_s: 0.5, ..Usage::default() };
    Activity { agent: agent.to_owned(), from_ms: to_ms - 60_000, to_ms, usage, items, others: Vec::new() }
}

fn item(doing: Doing, name: &str, count: u64) -> Item {
    Item { count, ..Item::new(doing, name, "") }
}

#[test]
fn what_is_done_again_adds_up_and_points_do_not() {
    let store = Store::in_memory().unwrap();
    let note = |count, note: &str| Item { note: note.to_owned(), ..item(Doing::Mining, "/a", count) };
    for (minute, points) in [(1, 20), (2, 26), (9, 24)] {
        let items = vec![item(Doing::Program, "/bin/ls", 5), note(points, &format!("{points} points"))];
        store.add_activity(&[did("a", minute * 60_000, items)]).unwrap();
    }
    let found = store.activity(None, 0, 600_000).unwrap().remove("a").unwrap();
    assert_eq!((found.usage.born, found.usage.ended, found.usage.cpu_s), (6, 3, 4.5));
    assert_eq!(found.items, [note(26, "26 points"), item(Doing::Program, "/bin/ls", 15)]);
    assert!(found.others.is_empty());
    // The first five minutes alone, and nobody else.
    let found = store.activity(Some("a"), 0, SPAN_MS - 1).unwrap().remove("a").unwrap();
    assert_eq!(found.usage.born, 4);
    assert!(store.activity(Some("b"), 0, 600_000).unwrap().is_empty());
}

#[test]
fn a_flood_of_names_takes_bounded_room_and_none_of_the_sum_is_lost() {
    let store = Store::in_memory().unwrap();
    for minute in 1..=20_i64 {
        let mut items: Vec<Item> = (0..64)
            .map(|number| item(Doing::Destination, &format!("{minute}.{number}.example"), 1))
            .collect();
        items.push(item(Doing::Destination, "often.example", 50));
        let mut one = did("a", minute * 60_000, items);
        one.others = vec![(Doing::Destination, Others { names: 1_000, count: 2_000, ..Others::default() })];
        store.add_activity(&[one]).unwrap();
    }
    let rows: i64 = store.db().query_row("SELECT count(*) FROM doing", [], |row| row.get(0)).unwrap();
    assert!(rows <= 4 * (2 * Doing::Destination.most() as i64 + 1), "{rows}");
    let found = store.activity(None, 0, i64::MAX).unwrap().remove("a").unwrap();
    assert_eq!(found.items.len(), Doing::Destination.most());
    assert_eq!((found.items[0].name.as_str(), found.items[0].count), ("often.example", 1_000));
    let others = found.others[&Doing::Destination];
    let told: u64 = found.items.iter().map(|item| item.count).sum();
    assert_eq!(told + others.count, 20 * (64 + 50 + 2_000));
    assert_eq!(others.names, 20 * (64 + 1_000) - 63);
}

#[test]
fn sums_of_more_than_seven_days_ago_are_gone() {
    let store = Store::in_memory().unwrap();
    store.add_activity(&[did("a", SPAN_MS, vec![item(Doing::Program, "/a", 1)])]).unwrap();
    store.add_activity(&[did("b", KEPT_MS + 2 * SPAN_MS, vec![])]).unwrap();
    let found = store.activity(None, 0, i64::MAX).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["b"]);
}
