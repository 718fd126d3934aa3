//! Tools by what they send first, and bytes that resemble it.

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

/// The first word of a sample's name is its tool, but where SSH is all that one sees.
#[test]
fn the_tool_is_named() {
    for (transport, samples) in [(Transport::Tcp, SAMPLES), (Transport::Udp, DATAGRAMS)] {
        for sample in samples {
            let word = sample.name.split([' ', '\'']).next().unwrap().to_lowercase();
            let tool = if word == "openssh" { "websocket" } else { &word };
            let found = check::fields(&PROTOCOL, transport, sample.bytes);
            assert_eq!(found, [("TunnelTool", json!(tool))], "{}", sample.name);
        }
    }
}

#[test]
fn whoever_accepted_the_connection_answers() {
    let prefix =
        Prefix { sender_initiated: Some(false), ..check::prefix(Transport::Tcp, b"{\"Hello\":9}\0") };
    let Verdict::Is(found) = (PROTOCOL.recognise)(&prefix) else { panic!("not known") };
    assert_eq!(found.speaker, Role::Server);
}

#[test]
fn other_bytes_are_no_tunnel() {
    let long = [&b"{\"Hello\":"[..], &[b'1'; 300], b"}\0"].concat();
    let zeros = [0; 37];
    let more = [SAMPLES[9].bytes, b"x"].concat();
    check::foreign(
        &PROTOCOL,
        Transport::Tcp,
        &[
            b"o\0\0\0\0\0\0\x00\x78{\"user\":\"x\"}",
            b"o\0\0\0\0\0\x01\x00\x78{\"version\":\"1\"}",
            b"o\0\0\0\0\0\0\xff\xff{\"version\":\"1\"}",
            b"\x17\x03\x03\x00\x20\x01abc",
            b"\x17\x16\x03\x01\x00\x20\x02",
            b"\0\x01\0\x01\0\0\0\x01\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0",
            b"{\"Hello\":\"world\"}\0",
            b"{\"Hello\":7}\n",
            b"{\"Accept\":\"text/html\"}\0",
            &long,
            &zeros,
            b"\x00\x00\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a",
            b"\x82\x05hello",
            b"\x82\x05SSH-2",
            b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            b"\x0c\0\0\0\0\0\0\0{\"Type\":\"Other\"}",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        ],
    );
    assert_eq!((PROTOCOL.recognise)(&check::prefix(Transport::Tcp, &more)), Verdict::No);
    let wireguard = DATAGRAMS[0].bytes;
    let longer = [wireguard, b"x"].concat();
    let dull = [&wireguard[..4], &[7; 144]].concat();
    for bytes in [&longer, &dull] {
        assert_eq!((PROTOCOL.recognise)(&check::prefix(Transport::Udp, bytes)), Verdict::No);
    }
    check::foreign(&PROTOCOL, Transport::Tcp, &[wireguard]);
}
