//! SSH inside a WebSocket, as chisel speaks it (jpillora/chisel share/version.go): one binary message (RFC 6455
//! section 5.2) that begins with an identification string. What a client sends is masked.

use super::super::reader::{Reader, may_start_with};
use super::{Answer, Prefix, Role};

const CHISEL: &[u8] = b"SSH-chisel-";
const SSH: [&[u8]; 2] = [b"SSH-2.0-", b"SSH-1."];

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    let mut rest = Reader(prefix.bytes);
    let (first, second) = (rest.u8(), rest.u8());
    if first.is_some_and(|first| first != 0x82) {
        return Answer::No;
    }
    let Some(second) = second else { return Answer::More };
    let length = usize::from(second & 0x7f);
    // A string that is too short to be one, or a message that is too long.
    if !(4..=125).contains(&length) {
        return Answer::No;
    }
    let (mask, role) = if second & 0x80 == 0 {
        ([0; 4], Role::Server)
    } else {
        let Some(mask) = rest.array::<4>() else { return Answer::More };
        (mask, Role::Client)
    };
    let payload: Vec<u8> =
        rest.0.iter().zip(mask.iter().cycle()).take(length.min(CHISEL.len())).map(|(a, b)| a ^ b).collect();
    if payload.starts_with(CHISEL) {
        return Answer::Yes("chisel", role);
    }
    if SSH.iter().any(|start| payload.starts_with(start)) {
        return Answer::Yes("websocket", role);
    }
    let may_be = payload.len() < length
        && (may_start_with(&payload, CHISEL) || SSH.iter().any(|start| may_start_with(&payload, start)));
    if may_be { Answer::More } else { Answer::No }
}
