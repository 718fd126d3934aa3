//! Shells by their samples.

use super::samples::{NEGATIVE, POSITIVE};
use super::*;

fn verdict(bytes: &[u8]) -> Verdict {
    recognise(&Prefix { transport: Transport::Tcp, bytes, other: b"", sender_initiated: None })
}

#[test]
fn every_sample_is_known_from_its_decisive_byte_on_and_possible_before() {
    for sample in POSITIVE {
        for cut in 0..=sample.bytes.len() {
            match verdict(&sample.bytes[..cut]) {
                Verdict::Is(found) => assert_eq!(found.speaker, Role::Server),
                Verdict::More => {
                    assert!(cut < sample.decisive, "{} at {cut} of {}", sample.name, sample.decisive);
                }
                Verdict::No => panic!("{} at {cut}: {:?}", sample.name, &sample.bytes[..cut]),
            }
        }
    }
}

#[test]
fn what_is_no_shell_is_none() {
    for (name, bytes) in NEGATIVE {
        assert!(!matches!(verdict(bytes), Verdict::Is(_)), "{name}: {:?}", verdict(bytes));
    }
}

#[test]
fn what_cannot_be_a_shell_is_let_go_at_once() {
    for bytes in
        [&b"# T"[..], b"220 ", b"GET /", b"bash: f", b"\x16\x03\x01", b"SSH-", b"{\"a\"", b"*1\r\n", b"\0\0"]
    {
        assert_eq!(verdict(bytes), Verdict::No, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn the_text_comes_without_its_escape_sequences() {
    let Verdict::Is(found) = verdict(b"\x1b[?2004h\x1b]0;root@host: /\x07root@host:/# ") else { panic!() };
    assert_eq!(found.fields, [("ShellText", Value::from("root@host:/# "))]);
}

#[test]
fn hostile_bytes_do_no_harm() {
    for sample in POSITIVE {
        for at in 0..sample.bytes.len() {
            for flip in [0x1b, 0x80, 0xff, 0x20] {
                let mut bytes = sample.bytes.to_vec();
                bytes[at] ^= flip;
                let _verdict = verdict(&bytes);
            }
        }
    }
    assert_eq!(verdict(&b"\x1b]".repeat(4_000)), Verdict::No);
    assert_eq!(verdict(&b"/".repeat(4_000)), Verdict::No);
}
