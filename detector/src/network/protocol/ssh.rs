//! SSH, by the identification string that both sides send first (RFC 4253 section 4.2).

use serde_json::Value;

use super::reader::may_start_with;
use super::{Application, Found, Mark, Prefix, Protocol, Sample, Transport, Verdict, Want};
use crate::event::text;
use crate::network::Role;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Ssh, marks: MARKS, recognise };

const MARKS: &[Mark] = &[Mark {
    transport: Transport::Tcp,
    regex: r"SSH-(?:2\.0|1\.)",
    want: Want { bytes: 256, again: 0, urgent: true, length_at: None },
}];

/// Longest identification string, its line end included.
const LONGEST: usize = 255;
/// Most bytes of text lines that a server may send before it.
const BEFORE: usize = 1024;

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    if may_start_with(prefix.bytes, b"SSH-") {
        let speaker = if prefix.sender_initiated == Some(false) { Role::Server } else { Role::Client };
        return identification(prefix.bytes, speaker);
    }
    if prefix.sender_initiated == Some(true) {
        return Verdict::No;
    }
    behind_text(prefix.bytes)
}

/// Only a server sends lines of text first.
fn behind_text(bytes: &[u8]) -> Verdict {
    // A head of HTTP is such lines too, and what it carries may be anything.
    if bytes.starts_with(b"HTTP/") {
        return Verdict::No;
    }
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = rest.split_at(end + 1);
        if !is_text(line) {
            return Verdict::No;
        }
        rest = behind;
        if !rest.is_empty() && may_start_with(rest, b"SSH-") {
            return identification(rest, Role::Server);
        }
    }
    if bytes.len() < BEFORE && is_text(rest) { Verdict::More } else { Verdict::No }
}

fn is_text(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..))
}

fn identification(bytes: &[u8], speaker: Role) -> Verdict {
    if !["SSH-2.0-", "SSH-1."].iter().any(|start| may_start_with(bytes, start.as_bytes())) {
        return Verdict::No;
    }
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    let line = match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) => bytes.get(..end).unwrap_or(bytes),
        None if bytes.len() < LONGEST => return Verdict::More,
        None => bytes,
    };
    let mut parts = line.splitn(3, |byte| *byte == b'-');
    let (Some(_), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Verdict::No;
    };
    let software = rest.split(|byte| *byte == b' ').next().unwrap_or(rest);
    Verdict::Is(Found {
        speaker,
        fields: vec![
            ("SshBanner", Value::from(text(line).into_string())),
            ("SshSoftware", Value::from(text(software).into_string())),
        ],
    })
}

const fn sample(name: &'static str, from: Role, bytes: &'static [u8], decisive: usize) -> Sample {
    Sample { name, from, bytes, decisive, application: Application::Ssh }
}

pub(super) const SAMPLES: &[Sample] = &[
    sample("OpenSSH of Debian 12", Role::Client, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n", 39),
    sample(
        "dropbear, with its first packet",
        Role::Client,
        b"SSH-2.0-dropbear_2022.83\r\n\x00\x00\x01\xf4",
        25,
    ),
    sample("a Go program", Role::Client, b"SSH-2.0-Go\r\n", 11),
    sample("version 1 beside 2, a bare line feed", Role::Client, b"SSH-1.99-Cisco-1.25\n", 20),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check;
    use super::*;

    #[test]
    fn samples_are_known_wherever_they_are_split() {
        check::known(&PROTOCOL, Transport::Tcp, SAMPLES);
        check::marked(&PROTOCOL, Transport::Tcp, SAMPLES);
    }

    #[test]
    fn software_is_told_from_its_comment() {
        let fields = check::fields(&PROTOCOL, Transport::Tcp, SAMPLES[0].bytes);
        let expected = [
            ("SshBanner", json!("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7")),
            ("SshSoftware", json!("OpenSSH_9.2p1")),
        ];
        assert_eq!(fields, expected);
        let fields = check::fields(&PROTOCOL, Transport::Tcp, SAMPLES[3].bytes);
        assert_eq!(fields[1], ("SshSoftware", json!("Cisco-1.25")));
    }

    #[test]
    fn a_server_may_greet_first() {
        let sample =
            sample("a greeting", Role::Server, b"Welcome to\r\nthe machine\nSSH-2.0-libssh_0.9.6\r\n", 45);
        check::known(&PROTOCOL, Transport::Tcp, &[sample]);
        let asked = Prefix { sender_initiated: Some(true), ..check::prefix(Transport::Tcp, sample.bytes) };
        assert_eq!((PROTOCOL.recognise)(&asked), Verdict::No);
    }

    #[test]
    fn whoever_accepted_the_connection_is_the_server() {
        let prefix =
            Prefix { sender_initiated: Some(false), ..check::prefix(Transport::Tcp, SAMPLES[0].bytes) };
        let Verdict::Is(found) = (PROTOCOL.recognise)(&prefix) else { panic!("not known") };
        assert_eq!(found.speaker, Role::Server);
    }

    #[test]
    fn a_line_without_end_is_known_at_its_longest() {
        let long = [b"SSH-2.0-".to_vec(), vec![b'x'; 400]].concat();
        let verdict = |length: usize| (PROTOCOL.recognise)(&check::prefix(Transport::Tcp, &long[..length]));
        assert_eq!(verdict(LONGEST - 1), Verdict::More);
        assert!(matches!(verdict(LONGEST), Verdict::Is(_)));
        assert_eq!(verdict(LONGEST), verdict(400));
    }

    #[test]
    fn other_bytes_are_no_ssh() {
        check::foreign(
            &PROTOCOL,
            Transport::Tcp,
            &[
                b"SSH-3.0-x\r\n",
                b"SSH-1.99\r\n",
                b"SSH-chisel-v3-client\r\n",
                b"SSL-2.0-x\r\n",
                b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x\r\n",
                b"\x16\x03\x01\nSSH-2.0-x\r\n",
                b"220 smtp ESMTP\r\n250 ok\r\n",
            ],
        );
        check::foreign(&PROTOCOL, Transport::Udp, &[SAMPLES[0].bytes]);
    }
}
