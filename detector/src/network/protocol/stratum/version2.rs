//! Stratum V2 without encryption: SetupConnection and its success (sv2-spec, 3.2 and 3.6).

use super::{Message, Role, Verdict};

/// A byte of the opening: one that must be, one of the first so many, or any.
#[derive(Clone, Copy)]
enum Byte {
    Is(u8),
    Below(u8),
    Any,
}

use Byte::{Any, Below, Is};

/// Extension 0, message 0, three bytes of length (below 65,536), protocol, versions 2 to 2.
const SETUP: [Byte; 11] = [Is(0), Is(0), Is(0), Any, Any, Is(0), Below(3), Is(2), Is(0), Is(2), Is(0)];
/// Extension 0, message 1, six bytes, version 2, and flags of which the upper half is not used.
const SUCCESS: [Byte; 12] =
    [Is(0), Is(0), Is(1), Is(6), Is(0), Is(0), Is(2), Is(0), Below(8), Is(0), Is(0), Is(0)];
/// Shortest SetupConnection: with every text empty.
const SHORTEST: u16 = 16;
/// Longest: with every text of 255 bytes.
const LONGEST: u16 = 12 + 5 * 256;

/// What the first bytes are.
pub(super) fn recognise(bytes: &[u8]) -> Verdict {
    if fits(bytes, &SUCCESS) {
        return said(bytes, SUCCESS.len(), Role::Server, "SetupConnection.Success");
    }
    if !fits(bytes, &SETUP) {
        return Verdict::No;
    }
    // What follows, where it is there: flags of which only the first byte is used.
    if bytes.iter().skip(12).take(3).any(|byte| *byte != 0) {
        return Verdict::No;
    }
    if let [_, _, _, low, high, ..] = bytes
        && !(SHORTEST..=LONGEST).contains(&u16::from_le_bytes([*low, *high]))
    {
        return Verdict::No;
    }
    said(bytes, SETUP.len(), Role::Client, "SetupConnection")
}

fn fits(bytes: &[u8], shape: &[Byte]) -> bool {
    bytes.iter().zip(shape).all(|(byte, wanted)| match wanted {
        Is(value) => byte == value,
        Below(bound) => byte < bound,
        Any => true,
    })
}

fn said(bytes: &[u8], decisive: usize, speaker: Role, method: &str) -> Verdict {
    if bytes.len() < decisive {
        return Verdict::More;
    }
    let message = Message {
        speaker,
        dialect: "stratum2",
        method: method.to_owned(),
        certain: true,
        agent: None,
        login: None,
        algo: Vec::new(),
    };
    Verdict::Is(message.found())
}
