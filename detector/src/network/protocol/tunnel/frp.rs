//! frp: one byte of type, eight of length, JSON (fatedier/frp pkg/msg, fatedier/golib msg/json), bare, behind
//! yamux (hashicorp/yamux spec.md), or after the byte 0x17 in TLS (pkg/util/net/tls.go).

use super::super::reader::{Reader, may_start_with};
use super::{Answer, Prefix, Role};

/// Longest message that frp takes.
const LONGEST: u32 = 10_240;
/// What messages that are not encrypted begin with: login, its answer, a work connection, a visitor.
const BEGINNINGS: [(u8, Role, &[&[u8]]); 4] = [
    (b'o', Role::Client, &[b"{\"version\":"]),
    (b'1', Role::Server, &[b"{\"version\":"]),
    (b'w', Role::Client, &[b"{\"run_id\":"]),
    (b'v', Role::Client, &[b"{\"run_id\":", b"{\"proxy_name\":"]),
];
/// Frames of yamux that are looked at.
const FRAMES: usize = 4;

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    match prefix.bytes {
        [0x17, rest @ ..] => before_tls(rest),
        [0, ..] => behind_yamux(prefix.bytes),
        bytes => message(bytes),
    }
}

/// A whole record header and the type of a ClientHello.
fn before_tls(rest: &[u8]) -> Answer {
    match rest {
        [0x16, 3, 0..=4, _, _, 1, ..] => Answer::Yes("frp", Role::Client),
        [] | [0x16] | [0x16, 3] | [0x16, 3, 0..=4] | [0x16, 3, 0..=4, _] | [0x16, 3, 0..=4, _, _] => {
            Answer::More
        }
        _ => Answer::No,
    }
}

fn message(bytes: &[u8]) -> Answer {
    let Some((kind, rest)) = bytes.split_first() else { return Answer::More };
    let Some((_, role, beginnings)) = BEGINNINGS.iter().find(|(known, _, _)| known == kind) else {
        return Answer::No;
    };
    if !may_start_with(rest, &[0; 6]) {
        return Answer::No;
    }
    let mut rest = Reader(rest);
    let (Some(_), Some(length)) = (rest.u32(), rest.u32()) else { return Answer::More };
    if !(2..=LONGEST).contains(&length) {
        return Answer::No;
    }
    if beginnings.iter().any(|beginning| rest.0.starts_with(beginning)) {
        return Answer::Yes("frp", *role);
    }
    let may_be = beginnings.iter().any(|beginning| may_start_with(rest.0, beginning));
    if may_be { Answer::More } else { Answer::No }
}

/// The first stream that a client opens carries its login.
fn behind_yamux(bytes: &[u8]) -> Answer {
    if !may_start_with(bytes, b"\x00\x01\x00\x01\x00\x00\x00\x01")
        && !may_start_with(bytes, b"\x00\x00\x00\x01\x00\x00\x00\x01")
    {
        return Answer::No;
    }
    let mut rest = Reader(bytes);
    for _ in 0..FRAMES {
        let Some([version, kind, ..]) = rest.array::<8>() else { return Answer::More };
        let Some(length) = rest.u32() else { return Answer::More };
        match (version, kind) {
            // Golang's frp writes a message in parts, but one frame may hold several.
            (0, 0) if length > 0 => return message(rest.0),
            // Window updates, pings and empty data have no body.
            (0, 0..=2) => {}
            _ => return Answer::No,
        }
    }
    Answer::No
}
