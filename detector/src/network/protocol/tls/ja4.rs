//! JA4, the fingerprint of a TLS client, after FoxIO's description (BSD-3-Clause, technical_details/JA4.md).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::hello::Hello;

/// What stands for an empty list.
const NOTHING: &str = "000000000000";
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// Fingerprint of a whole ClientHello over TCP, such as `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(super) fn fingerprint(hello: &Hello<'_>) -> String {
    let version = match hello.highest() {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        Some(0x0002) => "s2",
        Some(_) | None => "00",
    };
    let target = if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let ciphers = hello.ciphers.len().min(99);
    let extensions = hello.extensions.len().min(99);
    let alpn = ends(hello.alpn.first().copied().unwrap_or_default());

    let mut sorted = hello.ciphers.clone();
    sorted.sort_unstable();
    let offered = hash(&sorted, &[]);
    let mut sorted = hello.extensions.clone();
    sorted.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    sorted.sort_unstable();
    let extended = hash(&sorted, &hello.signatures);
    format!("t{version}{target}{ciphers:02}{extensions:02}{alpn}_{offered}_{extended}")
}

/// First and last character of a protocol's name, or of its hex form where they are no letters or digits.
fn ends(protocol: &[u8]) -> String {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

/// Twelve hex digits of the SHA-256 of the numbers, and of those that follow an underscore.
fn hash(numbers: &[u16], more: &[u16]) -> String {
    if numbers.is_empty() {
        return NOTHING.to_owned();
    }
    let mut listed = list(numbers);
    if !more.is_empty() {
        listed.push('_');
        listed.push_str(&list(more));
    }
    let mut digits = String::with_capacity(12);
    for byte in Sha256::digest(listed).iter().take(6) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn list(numbers: &[u16]) -> String {
    let words: Vec<String> = numbers.iter().map(|number| format!("{number:04x}")).collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_protocol_names_are_those_of_the_description() {
        for (protocol, expected) in [
            (&b"h2"[..], "h2"),
            (b"http/1.1", "h1"),
            (b"", "00"),
            (b"x", "xx"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"0\xab", "3b"),
            (b"01\xab\xcd", "3d"),
            (b"0\xab\xcd1", "01"),
        ] {
            assert_eq!(ends(protocol), expected, "{protocol:?}");
        }
    }

    #[test]
    fn nothing_is_not_hashed() {
        assert_eq!(hash(&[], &[0x0403]), NOTHING);
    }
}
