//! Noise handshakes, by the shape of their messages: Stratum V2 opens with 64 bytes and is answered with 234.
//!
//! Act one is an ElligatorSwift key, act two a key, an encrypted key and a signed certificate
//! (stratum-mining/stratum, noise-sv2: 64 + 80 + 90 bytes). Both are indistinguishable from random bytes, so
//! only sizes and randomness tell. BIP-324 begins with the same key, and follows it with up to 4,095 bytes
//! of garbage in both directions; one in some thousands of its handshakes has these sizes.
//! No mark: a regular expression sees neither size nor randomness. The kernel half hands over each first
//! segment of exactly 64 bytes.

use serde_json::Value;

use super::{Application, Found, Prefix, Protocol, Role, Sample, Transport, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Noise, marks: &[], recognise };

/// Both acts of one handshake: each is known only beside the other.
pub(super) const SAMPLES: &[Sample] = &[
    Sample {
        name: "stratum 2 act one",
        from: Role::Client,
        bytes: &random::<ACT_ONE>(7),
        decisive: ACT_ONE,
        application: Application::Noise,
    },
    Sample {
        name: "stratum 2 act two",
        from: Role::Server,
        bytes: &random::<ACT_TWO>(11),
        decisive: ACT_TWO,
        application: Application::Noise,
    },
];

/// Bytes of the first message.
const ACT_ONE: usize = 64;
/// Bytes of its answer.
const ACT_TWO: usize = 234;
/// Bits a byte that 64 random bytes all but never fall below (their mean is 5.8).
const ENTROPY_ONE: f64 = 5.2;
/// The same for 234 random bytes (mean 7.1).
const ENTROPY_TWO: f64 = 6.7;
/// Bytes after which text is told from random bytes: not one of them is beyond ASCII.
const TEXT: usize = 16;

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    let (mine, other) = (prefix.bytes, prefix.other);
    // Who asked for the connection speaks first; where that is unknown, whoever sent no more than act one.
    let asks = prefix
        .sender_initiated
        .unwrap_or(mine.len() <= ACT_ONE && !(mine.len() < other.len() && other.len() == ACT_ONE));
    if asks {
        return judge(mine, other, Role::Client);
    }
    if other.is_empty() {
        return Verdict::No;
    }
    judge(other, mine, Role::Server)
}

/// Judges act one and act two, as far as they are there.
fn judge(one: &[u8], two: &[u8], speaker: Role) -> Verdict {
    if one.len() > ACT_ONE || two.len() > ACT_TWO || named(one) || text(one) || text(two) {
        return Verdict::No;
    }
    if one.len() == ACT_ONE && !random_enough(one, ENTROPY_ONE) {
        return Verdict::No;
    }
    // The answer comes after the whole of act one.
    if one.len() < ACT_ONE {
        return if two.is_empty() { Verdict::More } else { Verdict::No };
    }
    if two.len() < ACT_TWO {
        return Verdict::More;
    }
    if !random_enough(two, ENTROPY_TWO) {
        return Verdict::No;
    }
    Verdict::Is(Found { speaker, fields: vec![("NoiseShape", Value::from("stratum2"))] })
}

/// The first byte of TLS, SSH, JSON, and HTTP: one key in forty begins so as well, and is let go.
fn named(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16 | b'S' | b'{' | b'G' | b'P' | b'H', ..])
}

fn text(bytes: &[u8]) -> bool {
    bytes.len() >= TEXT && bytes.is_ascii()
}

/// Bits of information a byte, and half of the bytes beyond ASCII, give or take a quarter.
fn random_enough(bytes: &[u8], least: f64) -> bool {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = bytes.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / all;
            -share * share.log2()
        })
        .sum();
    let high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    entropy >= least && (bytes.len() / 4..=bytes.len() - bytes.len() / 4).contains(&high)
}

/// Bytes that look random and are the same each time.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn random<const N: usize>(seed: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let mut state = seed;
    let mut at = 0;
    while at < N {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes[at] = (state >> 56) as u8;
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8], other: &[u8], sender_initiated: Option<bool>) -> Verdict {
        recognise(&Prefix { transport: Transport::Tcp, bytes, other, sender_initiated })
    }

    const ONE: [u8; ACT_ONE] = random(7);
    const TWO: [u8; ACT_TWO] = random(11);

    #[test]
    fn a_handshake_is_known_from_either_side_and_at_no_byte_before() {
        for (bytes, other, speaker, initiated) in
            [(&ONE[..], &TWO[..], Role::Client, true), (&TWO[..], &ONE[..], Role::Server, false)]
        {
            for known in [None, Some(initiated)] {
                let Verdict::Is(found) = verdict(bytes, other, known) else {
                    panic!("{speaker:?} {known:?}")
                };
                assert_eq!(found.speaker, speaker);
                assert_eq!(found.fields, [("NoiseShape", Value::from("stratum2"))]);
            }
        }
        for cut in 0..ACT_ONE {
            assert_eq!(verdict(&ONE[..cut], b"", None), Verdict::More, "{cut}");
        }
        for cut in 0..ACT_TWO {
            assert_eq!(verdict(&ONE, &TWO[..cut], None), Verdict::More, "{cut}");
            if cut > 0 {
                assert_eq!(verdict(&TWO[..cut], &ONE, Some(false)), Verdict::More, "{cut}");
            }
        }
    }

    #[test]
    fn other_sizes_are_no_handshake() {
        let longer: [u8; 300] = random(11);
        for len in [235, 240, 300] {
            assert_eq!(verdict(&ONE, &longer[..len], None), Verdict::No);
            assert_eq!(verdict(&longer[..len], &ONE, Some(false)), Verdict::No);
        }
        assert_eq!(verdict(&longer[..65], b"", None), Verdict::No);
        assert_eq!(verdict(&TWO, b"", Some(false)), Verdict::No);
    }

    #[test]
    fn text_and_known_openings_of_these_sizes_are_no_handshake() {
        let line = [b"EHLO mail.example.org\r\nAUTH PLAIN ".repeat(3), b"x".repeat(64)].concat();
        let base64 = b"QmFzZTY0IGlzIG5vIHJhbmRvbW5lc3MsIGhvd2V2ZXIgbXVjaCBpdCBsb29rcyBsaWtl";
        let mut hello = ONE;
        hello[0] = 0x16;
        for one in [&line[..64], &base64[..64], &hello[..], &[0; 64], &[0xff; 64]] {
            assert_eq!(verdict(one, &TWO, None), Verdict::No);
        }
        assert_eq!(verdict(&ONE, &[b'a'; ACT_TWO], None), Verdict::No);
        assert_eq!(verdict(&ONE, &[0x80; ACT_TWO], None), Verdict::No);
    }

    #[test]
    fn random_bytes_pass_whatever_the_seed() {
        for seed in 0..2_000 {
            assert!(random_enough(&random::<ACT_ONE>(seed * 7_919), ENTROPY_ONE), "{seed}");
            assert!(random_enough(&random::<ACT_TWO>(seed * 7_919), ENTROPY_TWO), "{seed}");
        }
    }
}
