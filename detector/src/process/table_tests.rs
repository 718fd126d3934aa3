//! What the process table promises.

use std::sync::Arc;

use super::*;
use crate::event::{Exit, Ticks};

const SECOND: u64 = 1_000_000_000;

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: Ticks(u64::from(pid)) }
}

fn event(time: u64, process: ProcessId, kind: EventKind) -> Event {
    Event {
        time: Nanos(time),
        received: Nanos(time),
        agent: AgentId(1),
        process,
        thread: process.pid,
        uid: 1000,
        cgroup: CgroupId(7),
        kind,
    }
}

fn fork(time: u64, parent: ProcessId, child: ProcessId) -> Event {
    event(time, parent, EventKind::Fork(Fork { child }))
}

fn exec(time: u64, process: ProcessId, exe: &str, parent: ProcessId) -> Event {
    let exec = Exec { exe: exe.into(), parent, ..Exec::default() };
    event(time, process, EventKind::Exec(Arc::new(exec)))
}

fn exit(time: u64, process: ProcessId) -> Event {
    event(time, process, EventKind::Exit(Exit { user: 0, system: 0, code: 0, signal: None }))
}

fn table(events: impl IntoIterator<Item = Event>) -> ProcessTable {
    let mut table = ProcessTable::default();
    for event in events {
        table.apply(&event);
    }
    table
}

fn exe(table: &ProcessTable, process: ProcessId) -> &str {
    table.get(process).and_then(|process| process.exec.as_deref()).map_or("", |exec| &exec.exe)
}

fn above(table: &ProcessTable, process: ProcessId) -> Vec<u32> {
    table.ancestors(process).map(|process| process.id.pid).collect()
}

/// Every order of `events`.
fn orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.len() < 2 {
        return vec![events.to_vec()];
    }
    let mut all = Vec::new();
    for first in 0..events.len() {
        let mut rest = events.to_vec();
        let head = rest.remove(first);
        for mut order in orders(&rest) {
            order.insert(0, head.clone());
            all.push(order);
        }
    }
    all
}

#[test]
fn every_order_of_arrival_gives_the_same_table() {
    let flow = crate::event::Flow {
        cookie: 1,
        protocol: crate::event::Protocol::Tcp,
        remote: "10.0.0.1:443".parse().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: crate::event::NetnsId(0),
    };
    let events = [
        fork(10, id(1), id(2)),
        exec(20, id(2), "/bin/sh", id(1)),
        event(30, id(2), EventKind::Connect(flow)),
        exec(40, id(2), "/bin/curl", id(1)),
        exit(50, id(2)),
    ];
    for order in orders(&events) {
        let table = table(order);
        let process = table.get(id(2)).unwrap();
        assert_eq!(process.parent, Some(id(1)));
        assert_eq!(process.ended, Some(Nanos(50)));
        assert_eq!(process.agent, AgentId(1));
        assert_eq!(exe(&table, id(2)), "/bin/curl");
        assert_eq!(above(&table, id(2)), [1]);
        assert_eq!(table.len(), 2);
    }
}

#[test]
fn an_exec_repairs_a_missing_fork_and_the_fork_then_knows_better() {
    let mut table = table([exec(20, id(3), "/bin/daemon", id(1))]);
    assert_eq!(above(&table, id(3)), [1]);
    table.apply(&fork(10, id(2), id(3)));
    assert_eq!(above(&table, id(3)), [2]);
    assert_eq!(exe(&table, id(3)), "/bin/daemon");
    assert_eq!(table.get(id(3)).unwrap().since, Nanos(10));
}

#[test]
fn a_fork_shares_what_its_parent_executes() {
    let table = table([exec(1, id(1), "/bin/sh", id(0)), fork(2, id(1), id(2))]);
    let (parent, child) = (table.get(id(1)).unwrap(), table.get(id(2)).unwrap());
    assert!(Arc::ptr_eq(parent.exec.as_ref().unwrap(), child.exec.as_ref().unwrap()));
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let (old, new) = (id(5), ProcessId { pid: 5, start: Ticks(900) });
    let mut table = table([fork(1, id(1), old), exec(2, old, "/bin/old", id(1))]);
    // The end of the old one was lost.
    table.apply(&fork(100, id(1), new));
    table.apply(&exec(101, new, "/bin/new", id(1)));
    assert_eq!(table.latest(5), Some(new));
    assert_eq!((exe(&table, old), exe(&table, new)), ("/bin/old", "/bin/new"));
    assert_eq!(table.get(old).unwrap().ended, Some(Nanos(100)));
    assert_eq!(table.get(new).unwrap().ended, None);
    // A late event of the old one does not bring it back.
    table.apply(&exec(3, old, "/bin/late", id(1)));
    assert_eq!(table.latest(5), Some(new));
    assert!(table.get(old).unwrap().ended.is_some());
    table.tick(Nanos(200 * SECOND));
    assert_eq!((table.get(old), table.latest(5)), (None, Some(new)));
}

#[test]
fn ancestors_stay_while_a_descendant_lives() {
    let mut table = table([fork(1, id(1), id(2)), fork(2, id(2), id(3)), exit(3, id(2)), exit(4, id(1))]);
    table.tick(Nanos(1_000 * SECOND));
    assert_eq!(above(&table, id(3)), [2, 1]);
    assert_eq!(table.root(id(3)), id(1));
    table.apply(&exit(1_000 * SECOND, id(3)));
    assert_eq!(table.len(), 3);
    table.tick(Nanos(1_061 * SECOND));
    assert_eq!((table.len(), table.evicted()), (0, 0));
}

#[test]
fn the_ended_are_remembered_for_a_while() {
    let mut table = table([fork(SECOND, id(1), id(2)), exit(2 * SECOND, id(2))]);
    table.tick(Nanos(61 * SECOND));
    assert!(table.get(id(2)).is_some());
    table.tick(Nanos(63 * SECOND));
    assert_eq!((table.get(id(2)), table.latest(2)), (None, None));
    assert!(table.get(id(1)).is_some());
}

#[test]
fn a_process_of_no_agent_stays_while_it_has_children() {
    let mut table = ProcessTable::default();
    let outside = Process {
        id: id(1),
        parent: None,
        exec: None,
        agent: AgentId::NONE,
        cgroup: CgroupId(1),
        uid: 0,
        since: Nanos(0),
        ended: None,
        setsid: None,
    };
    table.seed(outside);
    table.apply(&exec(SECOND, id(2), "/bin/a", id(1)));
    table.tick(Nanos(1_000 * SECOND));
    assert_eq!(above(&table, id(2)), [1]);
    // Its agent ends where the agent's processes end.
    assert_eq!(table.root(id(2)), id(2));
    table.apply(&exit(1_001 * SECOND, id(2)));
    table.tick(Nanos(2_000 * SECOND));
    assert_eq!((table.get(id(2)), table.len()), (None, 1));
    table.tick(Nanos(2_061 * SECOND));
    assert!(table.is_empty());
}

#[test]
fn a_full_table_gives_up_the_ended_first_and_counts() {
    let mut table = ProcessTable::new(Limits { entries: 5, ..Limits::default() });
    for event in [fork(1, id(1), id(2)), fork(2, id(1), id(3)), exit(3, id(3)), fork(4, id(1), id(4))] {
        table.apply(&event);
    }
    assert_eq!((table.len(), table.evicted()), (4, 0));
    table.apply(&fork(5, id(1), id(5)));
    assert_eq!((table.get(id(3)), table.evicted()), (None, 1));
    // Then the oldest living one without children.
    table.apply(&fork(6, id(1), id(6)));
    assert_eq!((table.get(id(2)), table.evicted()), (None, 2));
    assert_eq!(above(&table, id(6)), [1]);
}

#[test]
fn a_million_forks_stay_bounded() {
    let mut table = ProcessTable::default();
    for child in 2..1_000_002 {
        table.apply(&fork(u64::from(child), id(1), id(child)));
    }
    assert!(table.len() <= 131_072);
    assert_eq!(table.evicted() + table.len() as u64, 1_000_001);
    assert_eq!(above(&table, id(1_000_001)), [1]);
    let mut table = ProcessTable::default();
    for child in 2..1_000_002 {
        table.apply(&fork(u64::from(child), id(1), id(child)));
        table.apply(&exit(u64::from(child), id(child)));
    }
    assert_eq!((table.len(), table.evicted()), (16_385, 0));
}

#[test]
fn a_process_that_forks_away_from_itself_keeps_its_root() {
    let mut table = ProcessTable::new(Limits { entries: 1_000, ..Limits::default() });
    for child in 2..100_000 {
        table.apply(&fork(u64::from(child), id(child - 1), id(child)));
        if child > 2 {
            table.apply(&exit(u64::from(child), id(child - 1)));
        }
    }
    assert!(table.len() <= 1_000);
    assert_eq!(table.ancestors(id(99_999)).count(), MAX_ANCESTORS);
    let first = table.get(id(1)).unwrap();
    assert_eq!(first.ended, None);
}

#[test]
fn loops_end() {
    let table =
        table([fork(1, id(1), id(2)), fork(2, id(2), id(1)), fork(3, id(2), id(3)), fork(4, id(4), id(4))]);
    assert_eq!(above(&table, id(1)), [2]);
    assert_eq!(above(&table, id(3)).len(), MAX_ANCESTORS);
    assert_eq!(above(&table, id(4)), Vec::<u32>::new());
    let mut table = table;
    for process in [1, 2, 3] {
        table.apply(&exit(5, id(process)));
    }
    let mut small = ProcessTable::new(Limits { entries: 2, ..Limits::default() });
    for pid in 1..50 {
        small.apply(&fork(1, id(pid), id(pid + 1)));
        small.apply(&fork(1, id(pid + 1), id(pid)));
    }
    assert!(small.len() <= 2);
}

#[test]
fn a_move_between_control_groups_changes_the_agent_only_on_joining() {
    let moved = |time, agent: u32, to, change| {
        let change = CgroupMove { moved: id(2), to: CgroupId(to), path: "/x".into(), change };
        let mut event = event(time, id(1), EventKind::CgroupMove(change));
        event.agent = AgentId(agent);
        event
    };
    let mut table = table([moved(1, 1, 30, Membership::Joined)]);
    let state = |table: &ProcessTable| table.get(id(2)).map(|process| (process.agent.0, process.cgroup.0));
    assert_eq!(state(&table), Some((1, 30)));
    table.apply(&moved(2, 5, 31, Membership::Left));
    assert_eq!(state(&table), Some((1, 31)));
    table.apply(&moved(3, 2, 32, Membership::Joined));
    assert_eq!(state(&table), Some((2, 32)));
}

#[test]
fn what_was_there_before_the_first_event_is_known_when_it_comes() {
    let mut table = ProcessTable::default();
    let now = 1_700_000_000 * SECOND;
    let wrapper = Process {
        id: id(10),
        parent: None,
        exec: Some(Arc::new(Exec { exe: "/usr/bin/detector".into(), ..Exec::default() })),
        agent: AgentId::NONE,
        cgroup: CgroupId(0),
        uid: 0,
        since: Nanos(now),
        ended: None,
        setsid: None,
    };
    table.seed(wrapper);
    // An event that does not name the wrapper, as the command's entry into its control group.
    table.apply(&exit(now, id(12)));
    table.apply(&exec(now + SECOND, id(11), "/bin/true", id(10)));
    assert_eq!(
        table.ancestors(id(11)).map(|above| exe(&table, above.id)).collect::<Vec<_>>(),
        ["/usr/bin/detector"]
    );
}
