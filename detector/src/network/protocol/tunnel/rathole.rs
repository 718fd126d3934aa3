//! rathole without TLS or Noise: `Hello` as bincode writes it (rapiz1/rathole src/protocol.rs): which channel in
//! four bytes, version 1, a SHA-256 digest or nonce. Nothing else is sent before the other side answers. Version 0
//! was spoken by its first releases only, and looks like a method frame of AMQP.

use super::super::reader::may_start_with;
use super::{Answer, Prefix, either, is_mixed};

const LENGTH: usize = 4 + 1 + 32;
/// 32 random bytes have about 30 different ones; fewer than 20 does not happen.
const DIFFERENT: usize = 20;

pub(super) fn recognise(prefix: &Prefix<'_>) -> Answer {
    let bytes = prefix.bytes;
    let fits = [b"\0\0\0\0\x01", b"\x01\0\0\0\x01"].iter().any(|start| may_start_with(bytes, *start));
    match bytes.len() {
        _ if !fits => Answer::No,
        ..LENGTH => Answer::More,
        LENGTH if is_mixed(bytes.get(5..).unwrap_or_default(), DIFFERENT) => {
            Answer::Yes("rathole", either(prefix))
        }
        LENGTH.. => Answer::No,
    }
}
