//! Words that look like chance and like nothing that is evidence: neither hash nor address, neither path nor text.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::{Rank, Span};
use crate::wallet;

/// Least and most characters of a key that stands alone: what is longer is data.
const ALONE: std::ops::RangeInclusive<usize> = 32..=128;

/// Adds words that look like keys.
pub(super) fn find(text: &str, found: &mut Vec<Span<'static>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let Some(rest) = bytes.get(at..) else { break };
        let length = rest.iter().take_while(|byte| belongs(byte)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let padding = rest.iter().skip(length).take(2).take_while(|byte| **byte == b'=').count();
        if ALONE.contains(&length)
            && let Some(word) = text.get(at..at + length)
            && is_chance(word)
            && !is_evidence(text, at, word)
        {
            let end = at + length + padding;
            found.push(Span { start: at, end, kind: "high-entropy", rank: Rank::Chance, whole: false });
        }
        at += length;
    }
}

fn belongs(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-')
}

/// Whether a value beside a name that may mean a secret is one.
pub(super) fn is_random(value: &str) -> bool {
    let (mut upper, mut lower, mut digit) = (0, 0, 0);
    for byte in value.bytes() {
        upper += usize::from(byte.is_ascii_uppercase());
        lower += usize::from(byte.is_ascii_lowercase());
        digit += usize::from(byte.is_ascii_digit());
    }
    value.len() >= 16
        && digit >= 2
        && upper + lower >= 4
        && entropy(value) >= 3.3
        && switches(value) * 10 >= value.len() * 3
        && !is_dashed(value)
}

/// Letters of both cases and digits, as mixed as chance mixes them.
fn is_chance(word: &str) -> bool {
    let count = |is: fn(&u8) -> bool| word.as_bytes().iter().filter(|byte| is(byte)).count();
    let symbols = word.len() - count(u8::is_ascii_alphanumeric);
    count(u8::is_ascii_uppercase) >= 4
        && count(u8::is_ascii_lowercase) >= 4
        && count(u8::is_ascii_digit) >= 2
        && symbols * 8 <= word.len()
        && switches(word) * 100 >= word.len() * 45
        && entropy(word) >= 4.2
}

/// What looks like chance and has to stay: what is known by its form, and what a person has to read.
fn is_evidence(text: &str, at: usize, word: &str) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let after = |end: &str| before.ends_with(end);
    let hash = ["sha256", "sha384", "sha512", "SHA256", "md5", "h1:", "blake2", "sri"];
    let is_hash = hash
        .iter()
        .any(|name| word.starts_with(name) || before.trim_end_matches([':', '-', '=', '/']).ends_with(name))
        || after("h1:");
    let is_public_key = word.starts_with("AAAA") || word.starts_with("ssh-");
    let is_symbol =
        word.starts_with("_ZN") || word.starts_with("_R") || word.contains("__") || is_dashed(word);
    let is_address = wallet::find(word).next().is_some() || is_like_an_address(word);
    let in_url = {
        let from = before.rfind(|c: char| c.is_whitespace() || c == '"' || c == '\'').map_or(0, |at| at + 1);
        let head = text.get(from..at).unwrap_or_default();
        head.contains("://") && !head.contains('?')
    };
    let is_path = word.starts_with('/')
        || after(".") && word.contains('/')
        || after("~")
        || word.matches('/').count() >= 3
        || before.ends_with('/');
    is_hash || is_public_key || is_symbol || is_address || in_url || is_path || is_text(word)
}

/// Words of addresses that carry no checksum that we know: one alphabet, a known length.
fn is_like_an_address(word: &str) -> bool {
    let word = word.split(['/', '_', '-', '+']).next().unwrap_or(word);
    let base58 =
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l'));
    base58
        && match word.len() {
            // Monero and its kin, Cardano's older ones.
            90..=110 => true,
            // IPFS, Solana, Polkadot, Zcash, Bitcoin.
            33..=36 => word.starts_with(['1', '3', 'D', 'L', 'M', 'R', 'T', 'X', 't', 'A', 'r', 'a']),
            43..=44 => !word.starts_with(['0']),
            46..=48 => word.starts_with(['Q', '5', '1']),
            _ => false,
        }
}

/// Words or numbers between dashes or underscores: a name of a file, a model, a unit, a UUID.
fn is_dashed(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '_', '/', '.']).filter(|part| !part.is_empty()).collect();
    let plain = |part: &&&str| switches(part) <= 2 || part.len() <= 4;
    parts.len() >= 3 && parts.iter().filter(plain).count() * 4 >= parts.len() * 3
}

/// Base64 of what a person can read, or of a script: that is what somebody ran.
fn is_text(word: &str) -> bool {
    let word = word.trim_end_matches('=');
    let printable = |engine: &GeneralPurpose| {
        let word = word.get(..word.len() / 4 * 4)?;
        let bytes = engine.decode(word).ok()?;
        let plain = bytes
            .iter()
            .filter(|byte| (b' '..=b'~').contains(byte) || matches!(byte, b'\n' | b'\t' | b'\r'))
            .count();
        Some(plain * 100 >= bytes.len() * 95)
    };
    printable(&STANDARD_NO_PAD).or_else(|| printable(&URL_SAFE_NO_PAD)).unwrap_or(false)
}

/// How often the kind of character changes.
fn switches(word: &str) -> usize {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    word.bytes().zip(word.bytes().skip(1)).filter(|(one, next)| kind(*one) != kind(*next)).count()
}

/// Bits that a character carries.
fn entropy(word: &str) -> f64 {
    let mut counts = [0_u32; 256];
    let mut all = 0_u32;
    for byte in word.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
        all += 1;
    }
    let all = f64::from(all);
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|part| -part * part.log2())
        .sum()
}
