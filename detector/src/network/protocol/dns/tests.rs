//! Messages whole, cut, hostile, and of other protocols.

use serde_json::json;

use super::super::check;
use super::*;

#[test]
fn samples_are_known_wherever_they_are_split() {
    check::known(&PROTOCOL, Transport::Tcp, SAMPLES);
    check::known(&PROTOCOL, Transport::Udp, DATAGRAMS);
    check::marked(&PROTOCOL, Transport::Tcp, SAMPLES);
    check::marked(&PROTOCOL, Transport::Udp, DATAGRAMS);
}

#[test]
fn a_question_has_a_name_and_a_type() {
    let asked = |at: usize| check::fields(&PROTOCOL, Transport::Udp, DATAGRAMS[at].bytes);
    assert_eq!(asked(0), [("QueryName", json!("example.org")), ("QueryType", json!("AAAA"))]);
    assert_eq!(asked(1), [("QueryName", json!("example.org")), ("QueryType", json!("ANY"))]);
    assert_eq!(asked(2), [("QueryName", json!(r"y\189\.\\z.t.ex")), ("QueryType", json!("NULL"))]);
    assert_eq!(asked(3), [("QueryName", json!(".")), ("QueryType", json!("NS"))]);
    let expected = [
        ("QueryName", json!("no.org")),
        ("QueryType", json!("A")),
        ("QueryStatus", json!("NXDOMAIN")),
        ("QueryResults", json!([])),
    ];
    assert_eq!(asked(4), expected);
}

/// The last answer of the samples, without its length.
fn answer() -> &'static [u8] {
    &SAMPLES.last().unwrap().bytes[2..]
}

#[test]
fn answers_come_in_order() {
    let message = message(Transport::Udp, answer()).unwrap();
    assert_eq!((message.id, message.response, message.status), (0xabcd, true, 0));
    let answers: Vec<(&str, u32, &str)> = message
        .answers
        .iter()
        .map(|answer| (answer.name.as_str(), answer.ttl, answer.data.as_str()))
        .collect();
    let expected = [
        ("www.ex", 60, "cdn.ex"),
        ("cdn.ex", 60, "n.cdn.ex"),
        ("n.cdn.ex", 300, "192.0.2.7"),
        ("n.cdn.ex", 300, "2001:db8::5"),
        ("www.ex", 0, r#"v=a b"\001\\"#),
        ("www.ex", 0, "HTTPS"),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_cut_answer_still_has_its_question() {
    let whole = message(Transport::Udp, answer()).unwrap();
    let question = 12 + 8 + 4;
    for cut in 0..=answer().len() {
        let seen = message(Transport::Udp, &answer()[..cut]);
        assert_eq!(seen.is_some(), cut >= question, "{cut}");
        if let Some(seen) = seen {
            assert_eq!((&seen.name, &seen.kind, seen.id), (&whole.name, &whole.kind, whole.id));
            assert!(whole.answers.starts_with(&seen.answers), "{cut}: {seen:?}");
        }
    }
}

#[test]
fn a_stream_is_judged_once_its_message_is_whole() {
    let long = [&[0x0e, 0x00][..], answer(), &[0; 0x0e00]].concat();
    let verdict = |length: usize| (PROTOCOL.recognise)(&check::prefix(Transport::Tcp, &long[..length]));
    assert_eq!(verdict(usize::from(BYTES) - 1), Verdict::More);
    assert!(matches!(verdict(BYTES.into()), Verdict::Is(_)));
    assert_eq!(message(Transport::Tcp, &long[..100]).unwrap().name, "www.ex");
}

/// Two bytes each point at a long name: what comes out must stay small.
#[test]
fn compression_does_not_make_memory_grow() {
    let mut bytes = b"\x00\x00\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00".to_vec();
    for _ in 0..3 {
        bytes.push(63);
        bytes.extend([0xff; 63]);
    }
    bytes.extend(b"\x00\x00\x01\x00\x01");
    for _ in 0..5000 {
        bytes.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c");
    }
    let message = message(Transport::Udp, &bytes).unwrap();
    assert_eq!(message.answers.len(), 64);
    let text: usize = message.answers.iter().map(|answer| answer.name.len() + answer.data.len()).sum();
    assert!(text < 128 * 1024, "{text}");
}

#[test]
fn other_datagrams_are_no_dns() {
    let ntp = [&b"\x23\x00\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00"[..], &[0; 36]].concat();
    let stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
    let quic = [&b"\xc3\x00\x00\x00\x01\x08abcdefgh\x00\x00\x44\xd0"[..], &[0x5a; 400]].concat();
    let wireguard = [&b"\x01\x00\x00\x00"[..], &[0xa7; 144]].concat();
    let syslog = b"<13>Jan  1 00:00:00 host program: text";
    let update = b"\x12\x34\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ex\x00\x00\x06\x00\x01";
    let class = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ex\x00\x00\x01\x33\x33";
    let label = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x80ex\x00\x00\x01\x00\x01";
    let others: [&[u8]; 8] = [&ntp, stun, &quic, &wireguard, syslog, update, class, label];
    check::foreign(&PROTOCOL, Transport::Udp, &others);
    check::foreign(
        &PROTOCOL,
        Transport::Tcp,
        &[b"\x00\x05\x12\x34\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"],
    );
}
