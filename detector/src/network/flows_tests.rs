//! Segments are put together, said once, joined with their answers, and kept within bounds.

use super::*;
use crate::event::{AgentId, Carried, CgroupId, FlowStats, NetnsId, ProcessId, Ticks};

const LOGIN: &[u8] =
    br#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"x","pass":"x","agent":"XMRig/6.26.0"}}"#;

fn flow(cookie: u64, protocol: Protocol) -> crate::event::Flow {
    crate::event::Flow {
        cookie,
        protocol,
        remote: "192.0.2.9:53".parse().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: NetnsId(7),
    }
}

fn event(second: u64, kind: EventKind) -> Event {
    let time = Nanos(second * 1_000_000_000);
    let process = ProcessId { pid: 10, start: Ticks(1) };
    Event { time, received: time, agent: AgentId(1), process, thread: 10, uid: 0, cgroup: CgroupId(1), kind }
}

fn segment(cookie: u64, direction: Direction, begins: bool, bytes: &[u8]) -> EventKind {
    EventKind::Payload(Box::new(Payload {
        flow: flow(cookie, Protocol::Tcp),
        direction,
        begins,
        segment: 0,
        total: u32::try_from(bytes.len()).unwrap(),
        bytes: bytes.to_vec(),
    }))
}

fn datagram(direction: Direction, bytes: &[u8]) -> EventKind {
    let EventKind::Payload(mut payload) = segment(1, direction, true, bytes) else { unreachable!() };
    payload.flow = flow(1, Protocol::Udp);
    EventKind::Payload(payload)
}

#[derive(Default)]
struct World {
    network: Network,
    out: Vec<Recognised>,
}

impl World {
    fn see(&mut self, kind: EventKind) -> Vec<Recognised> {
        self.network.event(&event(1, kind), &mut self.out);
        std::mem::take(&mut self.out)
    }
}

fn field<'a>(recognised: &'a Recognised, name: &str) -> Option<&'a serde_json::Value> {
    recognised.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
}

#[test]
fn a_message_is_put_together_from_its_segments_and_said_once() {
    let mut world = World::default();
    let (first, second) = LOGIN.split_at(20);
    assert_eq!(world.see(segment(1, Direction::Out, true, first)), []);
    let found = world.see(segment(1, Direction::Out, false, second));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].application, found[0].role), (Application::Stratum, Role::Client));
    assert_eq!(field(&found[0], "StratumAgent").and_then(|agent| agent.as_str()), Some("XMRig/6.26.0"));
    assert_eq!(world.see(segment(1, Direction::Out, true, LOGIN)), []);
}

#[test]
fn wallets_in_clear_text_are_said_with_the_message() {
    let mut world = World::default();
    let wallet = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9";
    let said = |found: &[Recognised]| {
        let [found] = found else { panic!("{found:?}") };
        let text = |name| field(found, name).map(serde_json::Value::to_string).unwrap_or_default();
        (found.application, text("Wallets"), text("WalletCoins"))
    };
    let login = format!(r#"{{"method":"login","params":{{"login":"{wallet}.rig","pass":"x"}}}}"#);
    let listed = (format!("[\"{wallet}\"]"), r#"["LTC"]"#.to_owned());
    let found = world.see(segment(1, Direction::Out, true, login.as_bytes()));
    assert_eq!(said(&found), (Application::Stratum, listed.0.clone(), listed.1.clone()));
    assert_eq!(field(&found[0], "StratumCertainty").and_then(|word| word.as_str()), Some("certain"));
    let post = format!("POST /work HTTP/1.1\r\nHost: p.example\r\n\r\naddress={wallet}&x=1");
    let found = world.see(segment(2, Direction::Out, true, post.as_bytes()));
    assert_eq!(said(&found), (Application::Http, listed.0, listed.1));
    let known = post.replace(wallet, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    let found = world.see(segment(3, Direction::Out, true, known.as_bytes()));
    assert_eq!(said(&found), (Application::Http, String::new(), String::new()));
}

#[test]
fn whoever_receives_what_a_client_sends_is_the_server() {
    let mut world = World::default();
    let found = world.see(segment(1, Direction::In, true, LOGIN));
    assert_eq!(found[0].role, Role::Server);
}

#[test]
fn what_follows_a_proxys_handshake_is_a_message_of_its_own() {
    let mut world = World::default();
    world.see(segment(1, Direction::Out, true, b"\x05\x01\x00"));
    world.see(segment(1, Direction::Out, false, b"\x05\x01\x00\x03\x06a.test\x0d\x05"));
    let found = world.see(segment(1, Direction::Out, false, LOGIN));
    assert_eq!(found.iter().map(|found| found.application).collect::<Vec<_>>(), [Application::Stratum]);
}

#[test]
fn a_closed_flow_is_forgotten() {
    let mut world = World::default();
    world.see(segment(1, Direction::Out, true, LOGIN));
    assert_eq!(world.network.len(), 1);
    world.see(EventKind::FlowStats(Box::new(FlowStats {
        flow: flow(1, Protocol::Tcp),
        closed: true,
        age: 1,
        sent: Carried::default(),
        received: Carried::default(),
    })));
    assert!(world.network.is_empty());
}

#[test]
fn a_million_flows_take_bounded_room_and_are_counted() {
    let mut world = World::default();
    for cookie in 0..1_000_000 {
        world.see(segment(cookie, Direction::Out, true, b"{\"method\":"));
    }
    assert_eq!(world.network.len(), MOST_FLOWS.get());
    assert_eq!(world.network.evicted(), 1_000_000 - 8_192);
}

#[test]
fn one_flow_takes_bounded_room() {
    let mut world = World::default();
    for _ in 0..10_000 {
        world.see(segment(1, Direction::Out, false, &[b'{'; 256]));
    }
    assert_eq!(world.network.flows.peek(&1).unwrap().sent.len(), MOST_BYTES);
}

/// A question for A of pool.example, and its answer with an alias and the address 192.0.2.7.
fn question(id: u8) -> Vec<u8> {
    let mut bytes = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(b"\x04pool\x07example\0\0\x01\0\x01");
    bytes
}

fn answer(id: u8) -> Vec<u8> {
    let mut bytes = question(id);
    bytes[2..4].copy_from_slice(&[0x81, 0x80]);
    bytes[7] = 2;
    bytes.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x07\x04edge\xc0\x11");
    bytes.extend(b"\x04edge\xc0\x11\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
    bytes
}

#[test]
fn a_question_is_judged_with_its_answer_and_names_the_address() {
    let mut world = World::default();
    assert_eq!(world.see(datagram(Direction::Out, &question(1))), []);
    let found = world.see(datagram(Direction::In, &answer(1)));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].application, found[0].role), (Application::Dns, Role::Client));
    assert_eq!(field(&found[0], "QueryName").and_then(|name| name.as_str()), Some("pool.example"));
    let results = field(&found[0], "QueryResults").unwrap();
    assert_eq!(results, &serde_json::json!(["edge.example", "192.0.2.7"]));
    let name = world.network.names().get(NetnsId(7), "192.0.2.7".parse().unwrap(), Nanos(1_000_000_000));
    assert_eq!(name.map(|name| &**name), Some("pool.example"));
    world.network.tick(Nanos(10_000_000_000), &mut world.out);
    assert_eq!(world.out, []);
}

#[test]
fn a_question_without_an_answer_is_judged_after_two_seconds() {
    let mut world = World::default();
    world.see(datagram(Direction::Out, &question(1)));
    world.network.tick(Nanos(2_999_999_999), &mut world.out);
    assert_eq!(world.out, []);
    world.network.tick(Nanos(3_000_000_000), &mut world.out);
    assert_eq!(world.out.len(), 1);
    assert_eq!(field(&world.out[0], "QueryStatus"), None);
}

#[test]
fn a_question_that_waits_at_the_end_is_judged() {
    let mut world = World::default();
    world.see(datagram(Direction::Out, &question(1)));
    world.see(datagram(Direction::Out, &question(2)));
    world.see(datagram(Direction::In, &answer(1)));
    world.network.finish(&mut world.out);
    assert_eq!(world.out.len(), 1);
    assert_eq!(field(&world.out[0], "QueryStatus"), None);
}

#[test]
fn a_storm_of_questions_takes_bounded_room() {
    let mut world = World::default();
    let mut seen = 0;
    for round in 0..10_000_u32 {
        let mut bytes = question(1);
        bytes[13..17].copy_from_slice(format!("{round:04x}").as_bytes());
        seen += world.see(datagram(Direction::Out, &bytes)).len();
    }
    assert_eq!(seen, 10_000 - 4_096);
    assert_eq!(world.network.evicted(), 10_000 - 4_096);
}
