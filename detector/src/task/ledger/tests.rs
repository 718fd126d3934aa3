//! Tasks and tool calls of agents with good clocks and bad ones.

use super::*;
use crate::event::CgroupId;
use crate::task::Phase;

const SECOND: u64 = 1_000_000_000;
const ONE: AgentId = AgentId(1);

fn agent(id: u32, name: &str) -> Agent {
    Agent {
        id: AgentId(id),
        name: name.to_owned(),
        cgroup: CgroupId(id.into()),
        path: format!("/agents/{id}"),
    }
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.agent_added(&agent(1, "coder"));
    ledger
}

fn at(seconds: u64) -> Nanos {
    Nanos((1_000_000 + seconds) * SECOND)
}

fn task(id: &str, agent: &str, expects: Vec<Expect>) -> Task {
    Task {
        id: id.into(),
        agent: agent.into(),
        name: id.into(),
        expects,
        exe: None,
        started: at(0),
        expires: None,
    }
}

fn call(id: &str, phase: Phase, time: Nanos, received: Nanos) -> ToolCall {
    let (agent, name) = ("coder".into(), "bash".into());
    ToolCall { agent, id: id.into(), name, conversation: None, phase, time, received }
}

fn live(ledger: &mut Ledger, id: &str, from: u64, to: Option<u64>) {
    ledger.tool_call(&call(id, Phase::Started, at(from), at(from)));
    if let Some(to) = to {
        ledger.tool_call(&call(id, Phase::Ended, at(to), at(to)));
    }
}

fn found(ledger: &Ledger, time: Nanos) -> Option<(String, usize)> {
    ledger.in_flight(ONE, time).map(|call| (call.id.to_string(), call.parallel))
}

#[test]
fn a_task_is_of_an_agent_by_its_name_or_its_path() {
    let mut ledger = ledger();
    ledger.agent_added(&agent(2, "other"));
    ledger.change(TaskChange::Started(task("a", "coder", vec![Expect::Gpu])));
    ledger.change(TaskChange::Started(task("b", "/agents/2", vec![])));
    assert_eq!(ledger.task(ONE, "/bin/x").map(|task| &*task.id), Some("a"));
    assert_eq!(ledger.task(AgentId(2), "/bin/x").map(|task| &*task.id), Some("b"));
    assert_eq!(ledger.task(AgentId(3), "/bin/x"), None);
    assert!(ledger.declared(ONE, "/bin/x", |expect| *expect == Expect::Gpu).is_some());
    assert!(ledger.declared(ONE, "/bin/x", |expect| *expect == Expect::Cpu).is_none());
}

#[test]
fn a_task_that_names_executables_speaks_of_no_other() {
    let mut ledger = ledger();
    let named = |id, exe: &str| Task { exe: Some(exe.into()), ..task(id, "coder", vec![Expect::Gpu]) };
    ledger.change(TaskChange::Started(named("train", "python3*")));
    ledger.change(TaskChange::Started(named("all", "/opt/**")));
    assert_eq!(ledger.task(ONE, "/usr/bin/python3.11").map(|task| &*task.id), Some("train"));
    assert_eq!(ledger.task(ONE, "/opt/a/b").map(|task| &*task.id), Some("all"));
    assert_eq!(ledger.task(ONE, "/tmp/xmrig"), None);
    ledger.change(TaskChange::Started(task("rest", "coder", vec![])));
    assert_eq!(ledger.task(ONE, "/tmp/xmrig").map(|task| &*task.id), Some("rest"));
    assert_eq!(ledger.task(ONE, "/usr/bin/python3").map(|task| &*task.id), Some("train"));
    ledger.change(TaskChange::Started(named("broken", "[x")));
    assert_eq!(ledger.task(ONE, "[x").map(|task| &*task.id), Some("rest"));
}

#[test]
fn a_task_expires_is_remembered_and_then_forgotten_and_the_ledger_stays_used() {
    let mut ledger = ledger();
    assert!(!ledger.is_used());
    ledger.change(TaskChange::Started(Task { expires: Some(at(60)), ..task("a", "coder", vec![]) }));
    ledger.tick(at(59));
    assert!(ledger.task(ONE, "/bin/x").is_some());
    ledger.tick(at(60));
    assert!(ledger.task(ONE, "/bin/x").is_none());
    assert_eq!(ledger.ended().map(|ended| ended.when).collect::<Vec<_>>(), [at(60)]);
    ledger.change(TaskChange::Ended("a".into(), at(70)));
    assert_eq!(ledger.ended().map(|ended| ended.when).collect::<Vec<_>>(), [at(60)], "it ends once");
    ledger.tick(at(60 + 600));
    assert_eq!(ledger.ended().count(), 0);
    assert!(ledger.is_used());
}

#[test]
fn ten_thousand_tasks_and_calls_leave_a_bounded_ledger_that_counts() {
    let mut ledger = ledger();
    for number in 0..10_000_u64 {
        ledger.change(TaskChange::Started(task(&number.to_string(), "coder", vec![])));
        ledger.tool_call(&call(&number.to_string(), Phase::Started, at(number), at(number)));
        let agent = format!("agent-{number}").into();
        ledger.tool_call(&ToolCall { agent, ..call("x", Phase::Started, at(number), at(number)) });
    }
    assert_eq!(ledger.task(ONE, "").map(|task| &*task.id), Some("9999"));
    assert!(ledger.dropped() > 20_000, "{}", ledger.dropped());
    assert_eq!(ledger.in_flight(ONE, at(9_999)).map(|call| call.parallel), Some(256));
}

#[test]
fn the_call_in_flight_is_the_one_that_began_last_and_how_many_are_is_told() {
    let mut ledger = ledger();
    live(&mut ledger, "outer", 10, None);
    live(&mut ledger, "inner", 20, Some(30));
    live(&mut ledger, "beside", 15, None);
    assert_eq!(found(&ledger, at(5)), None);
    assert_eq!(found(&ledger, at(12)), Some(("outer".to_owned(), 1)));
    assert_eq!(found(&ledger, at(25)), Some(("inner".to_owned(), 3)));
    assert_eq!(found(&ledger, at(40)), Some(("beside".to_owned(), 2)));
}

#[test]
fn a_call_whose_end_is_never_told_is_over_after_an_hour() {
    let mut ledger = ledger();
    live(&mut ledger, "a", 0, None);
    assert!(found(&ledger, at(3_600)).is_some());
    assert_eq!(found(&ledger, at(3_602)), None);
    ledger.tick(at(3_600 + 601));
    assert_eq!(found(&ledger, at(3_600)), None);
    assert!(ledger.tells_calls(ONE));
}

#[test]
fn an_event_at_the_very_edge_of_a_call_is_in_it_unless_another_holds_it() {
    let mut ledger = ledger();
    live(&mut ledger, "a", 10, Some(20));
    live(&mut ledger, "b", 21, Some(30));
    let just_after = Nanos(at(20).0 + SECOND / 10);
    assert_eq!(found(&ledger, just_after), Some(("a".to_owned(), 1)));
    assert_eq!(found(&ledger, Nanos(at(21).0 + SECOND / 10)), Some(("b".to_owned(), 1)));
    assert_eq!(found(&ledger, at(40)), None);
}

#[test]
fn a_live_agent_whose_clock_is_an_hour_off_is_corrected() {
    let mut ledger = ledger();
    for number in 0..4 {
        let (told, real) = (at(number * 100), at(3_600 + number * 100));
        ledger.tool_call(&call(&number.to_string(), Phase::Started, told, real));
        ledger.tool_call(&call(
            &number.to_string(),
            Phase::Ended,
            Nanos(told.0 + 10 * SECOND),
            Nanos(real.0 + 10 * SECOND),
        ));
    }
    let in_the_last = at(3_600 + 305);
    let call = ledger.in_flight(ONE, in_the_last).unwrap();
    assert_eq!((&*call.id, call.started), ("3", at(3_900)));
    assert_eq!(found(&ledger, at(3_600 + 350)), None);
    assert_eq!(found(&ledger, at(305)), None);
}

#[test]
fn spans_that_arrive_after_their_end_are_found_and_are_not_live() {
    let mut ledger = ledger();
    for (id, from, to) in [("a", 0, 2), ("b", 3, 9)] {
        ledger.tool_call(&call(id, Phase::Started, at(from), at(12)));
        ledger.tool_call(&call(id, Phase::Ended, at(to), at(12)));
    }
    assert_eq!(found(&ledger, at(5)), Some(("b".to_owned(), 1)));
    assert_eq!(found(&ledger, at(1)), Some(("a".to_owned(), 1)));
    assert!(ledger.tells_calls(ONE) && ledger.told_live(ONE).is_none());
}

#[test]
fn who_tells_its_calls_live_is_known() {
    let mut ledger = ledger();
    assert!(!ledger.tells_calls(ONE) && ledger.told_live(ONE).is_none());
    live(&mut ledger, "a", 10, Some(12));
    live(&mut ledger, "b", 20, None);
    assert_eq!(ledger.told_live(ONE), Some((at(10), 2)));
    assert!(ledger.any_between(ONE, at(8), at(11)) && !ledger.any_between(ONE, at(14), at(18)));
}

#[test]
fn a_call_that_names_no_agent_is_of_the_only_one() {
    let mut ledger = ledger();
    let nameless = ToolCall { agent: "".into(), ..call("a", Phase::Started, at(0), at(0)) };
    ledger.tool_call(&nameless);
    assert!(ledger.in_flight(ONE, at(1)).is_some());
    ledger.agent_added(&agent(2, "other"));
    assert!(ledger.in_flight(ONE, at(1)).is_none());
    assert!(ledger.in_flight(AgentId(2), at(1)).is_none());
}

#[test]
fn the_same_beginning_told_twice_is_one_call() {
    let mut ledger = ledger();
    live(&mut ledger, "a", 10, None);
    live(&mut ledger, "a", 10, None);
    assert_eq!(found(&ledger, at(11)), Some(("a".to_owned(), 1)));
}
