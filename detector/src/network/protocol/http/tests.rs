//! Requests as clients send them, long ones, broken ones.

use serde_json::json;

use super::super::check;
use super::*;

fn field(bytes: &[u8], name: &str) -> Option<Value> {
    let fields = check::fields(&PROTOCOL, Transport::Tcp, bytes);
    fields.into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
}

fn named(name: &str) -> &'static [u8] {
    SAMPLES.iter().find(|sample| sample.name == name).unwrap().bytes
}

#[test]
fn samples_are_known_wherever_they_are_split() {
    check::known(&PROTOCOL, Transport::Tcp, SAMPLES);
    check::marked(&PROTOCOL, Transport::Tcp, SAMPLES);
}

#[test]
fn a_request_tells_what_is_asked_of_whom() {
    let fields = check::fields(&PROTOCOL, Transport::Tcp, named("a request of curl"));
    let expected = [
        ("HttpMethod", json!("GET")),
        ("HttpHost", json!("example.org")),
        ("HttpPath", json!("/a?b=c")),
        ("HttpVersion", json!("1.1")),
        ("UserAgent", json!("curl/7.88.1")),
    ];
    assert_eq!(fields, expected);
    assert_eq!(field(named("bare line feeds"), "HttpHost"), Some(json!("2001:db8::1")));
    assert_eq!(field(named("a request to a proxy"), "HttpHost"), Some(json!("pool.example")));
    assert_eq!(field(named("a request to a proxy"), "HttpPath"), Some(json!("pool.example:3333")));
    assert_eq!(field(named("a header that is none"), "HttpHost"), Some(json!("h.example")));
}

#[test]
fn an_upgrade_names_its_protocol() {
    assert_eq!(field(named("chisel's client"), "HttpUpgrade"), Some(json!("websocket")));
    assert_eq!(field(named("chisel's client"), "HttpProtocol"), Some(json!("chisel-v3")));
    assert_eq!(field(named("an upgrade that is granted"), "HttpStatus"), Some(json!(101)));
    assert_eq!(field(named("an upgrade that is granted"), "HttpProtocol"), Some(json!("chisel-v3")));
}

#[test]
fn no_field_has_a_credential() {
    for sample in SAMPLES {
        let fields = check::fields(&PROTOCOL, Transport::Tcp, sample.bytes);
        for secret in ["secret", "c2VjcmV0", "eyJ0eXAi"] {
            assert!(!format!("{fields:?}").contains(secret), "{}: {fields:?}", sample.name);
        }
    }
}

#[test]
fn a_long_request_is_known_by_what_is_handed_over() {
    let long =
        format!("GET /p HTTP/1.1\r\nHost: h.example\r\nX: {}\r\nUser-Agent: u\r\n\r\n", "a".repeat(2000));
    let budget = usize::from(BYTES);
    assert_eq!(
        (PROTOCOL.recognise)(&check::prefix(Transport::Tcp, &long.as_bytes()[..budget - 1])),
        Verdict::More
    );
    for length in [budget, budget + 1, long.len()] {
        assert_eq!(field(&long.as_bytes()[..length], "HttpHost"), Some(json!("h.example")));
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2000));
    let path = field(&long.as_bytes()[..budget], "HttpPath").unwrap();
    assert!(path.as_str().unwrap().starts_with("/aaa"));
    let many = format!("GET / HTTP/1.1\r\n{}Host: h\r\n\r\n", "a:\n".repeat(334));
    assert_eq!(field(many.as_bytes(), "HttpMethod"), Some(json!("GET")));
}

#[test]
fn a_proxy_that_says_ok_is_known_by_what_was_asked() {
    let ok = b"HTTP/1.1 200 OK\r\n\r\n";
    let asked = Prefix { other: b"CONNECT a:1 HTTP/1.1\r\n\r\n", ..check::prefix(Transport::Tcp, ok) };
    assert!(matches!((PROTOCOL.recognise)(&asked), Verdict::Is(_)));
    check::foreign(&PROTOCOL, Transport::Tcp, &[ok]);
}

#[test]
fn other_bytes_are_no_http() {
    check::foreign(
        &PROTOCOL,
        Transport::Tcp,
        &[
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            b"GETTING / HTTP/1.1\r\n\r\n",
            b"GET /\r\n\r\n",
            b"EHLO example.org\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2p1\r\n",
            b"\x16\x03\x01\x02\x00\x01",
        ],
    );
    check::foreign(&PROTOCOL, Transport::Udp, &[SAMPLES[0].bytes]);
}
