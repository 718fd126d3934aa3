//! bore: JSON between zero bytes (ekzhang/bore src/shared.rs).

use super::super::reader::may_start_with;
use super::{Answer, Prefix, Role, either};

/// Longest message, its zero included.
const LONGEST: usize = 257;

/// Beginning of a message, and which side sends it; `None` where both do.
const BEGINNINGS: [(&[u8], Option<Role>); 5] = [
    (b"{\"Hello\":", None),
    (b"{\"Accept\":\"", Some(Role::Client)),
    (b"{\"Authenticate\":\"", Some(Role::Client)),
    (b"{\"Challenge\":\"", Some(Role::Server)),
    (b"{\"Connection\":\"", Some(Role::Server)),
];

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    let bytes = prefix.bytes;
    for (beginning, role) in BEGINNINGS {
        if !may_start_with(bytes, beginning) {
            continue;
        }
        let end = bytes.iter().take(LONGEST).position(|byte| *byte == 0);
        let Some(end) = end else {
            return if bytes.len() < LONGEST { Answer::More } else { Answer::No };
        };
        let value = bytes.get(beginning.len()..end).unwrap_or_default();
        let (body, is_value): (_, fn(&u8) -> bool) = match role {
            Some(_) => (value.strip_suffix(b"\"}"), |byte| byte.is_ascii_hexdigit() || *byte == b'-'),
            None => (value.strip_suffix(b"}"), u8::is_ascii_digit),
        };
        let fits = body.is_some_and(|body| !body.is_empty() && body.iter().all(is_value));
        return if fits { Answer::Yes("bore", role.unwrap_or_else(|| either(prefix))) } else { Answer::No };
    }
    Answer::No
}
