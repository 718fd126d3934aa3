//! ngrok 1, of which there are servers of one's own: eight bytes of length, lowest first, and JSON with a type
//! (inconshreveable/ngrok src/ngrok/msg/conn.go). Usually in TLS.

use super::super::reader::may_start_with;
use super::{Answer, Prefix, Role};

const TYPES: [(&[u8], Role); 6] = [
    (b"{\"Type\":\"AuthResp\"", Role::Server),
    (b"{\"Type\":\"Auth\"", Role::Client),
    (b"{\"Type\":\"ReqTunnel\"", Role::Client),
    (b"{\"Type\":\"RegProxy\"", Role::Client),
    (b"{\"Type\":\"NewTunnel\"", Role::Server),
    (b"{\"Type\":\"ReqProxy\"", Role::Server),
];

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    let Some((length, json)) = prefix.bytes.split_at_checked(8) else {
        let is_length = may_start_with(prefix.bytes.get(2..).unwrap_or_default(), &[0; 6]);
        return if is_length { Answer::More } else { Answer::No };
    };
    if !matches!(length, [_, _, 0, 0, 0, 0, 0, 0]) {
        return Answer::No;
    }
    if let Some((_, role)) = TYPES.iter().find(|(start, _)| json.starts_with(start)) {
        return Answer::Yes("ngrok", *role);
    }
    if TYPES.iter().any(|(start, _)| may_start_with(json, start)) { Answer::More } else { Answer::No }
}
