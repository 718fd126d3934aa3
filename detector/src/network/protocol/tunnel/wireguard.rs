//! WireGuard, by the message that opens a session: 148 bytes, of which the first four and the lengths are fixed
//! (wireguard.com/protocol). Tailscale and others speak it too.

use super::super::reader::may_start_with;
use super::{Answer, Prefix, Role, is_mixed};

const LENGTH: usize = 148;

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    let bytes = prefix.bytes;
    // A public key stands behind the sender's index.
    let key = bytes.get(8..40).unwrap_or_default();
    match bytes.len() {
        _ if !may_start_with(bytes, b"\x01\x00\x00\x00") => Answer::No,
        ..LENGTH => Answer::More,
        LENGTH if is_mixed(key, 20) => Answer::Yes("wireguard", Role::Client),
        LENGTH.. => Answer::No,
    }
}
