//! Private keys in PEM, and the keys and seed phrases of wallets.

use bip39::Language;
use sha2::{Digest, Sha256};

use super::{Rank, Span};

/// Least words of a seed phrase (BIP-39).
const WORDS: usize = 12;

/// Longest word of the list of BIP-39.
const LONGEST: usize = 8;

/// Adds private keys and seed phrases.
pub(super) fn find(text: &str, found: &mut Vec<Span<'static>>) {
    pem(text, found);
    phrase(text, found);
    wallet_keys(text, found);
}

/// `-----BEGIN ... PRIVATE KEY-----` to its end, or to the end of the text.
fn pem(text: &str, found: &mut Vec<Span<'static>>) {
    const BEGIN: &str = "-----BEGIN ";
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find(BEGIN)).map(|at| from + at) {
        let label = start + BEGIN.len();
        from = label;
        let Some(head) = text.get(label..text.floor_char_boundary(label + 64)) else { return };
        let Some(length) = head.find("-----") else { continue };
        if !head.get(..length).is_some_and(|name| name.contains("PRIVATE KEY")) {
            continue;
        }
        let body = label + length;
        let rest = text.get(body..).unwrap_or_default();
        let end = rest.find("-----END ").map_or(text.len(), |at| {
            let tail = body + at + "-----END ".len();
            let close =
                text.get(tail..text.floor_char_boundary(tail + 64)).and_then(|tail| tail.find("-----"));
            close.map_or(tail, |close| tail + close + 5)
        });
        found.push(Span { start, end, kind: "private-key", rank: Rank::Form, whole: false });
        from = end;
    }
}

/// Twelve or more words of the list of BIP-39 in a row: prose never has so many without `the` or `of`.
fn phrase(text: &str, found: &mut Vec<Span<'static>>) {
    let bytes = text.as_bytes();
    // Twelve words of three letters, and what parts them.
    if bytes.len() < 4 * WORDS - 1
        || bytes.iter().filter(|byte| !byte.is_ascii_alphanumeric()).take(WORDS).count() < WORDS - 1
    {
        return;
    }
    let (mut first, mut last, mut count, mut at) = (0, 0, 0, 0);
    let mut close = |first: usize, last: usize, count: usize| {
        if count >= WORDS {
            found.push(Span { start: first, end: last, kind: "seed-phrase", rank: Rank::Form, whole: false });
        }
    };
    while at < bytes.len() {
        let Some(rest) = bytes.get(at..) else { break };
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if length == 0 {
            let is_room =
                rest.first().is_some_and(|byte| matches!(byte, b' ' | b',' | b'\n' | b'\t' | b'\r'));
            if !is_room || at - last > 3 {
                close(first, last, count);
                count = 0;
            }
            at += 1;
            continue;
        }
        let word = text.get(at..at + length).unwrap_or_default();
        if (3..=LONGEST).contains(&length) && is_listed(word) {
            if count == 0 {
                first = at;
            }
            count += 1;
            last = at + length;
        } else {
            close(first, last, count);
            count = 0;
        }
        at += length;
    }
    close(first, last, count);
}

fn is_listed(word: &str) -> bool {
    let mut lower = [0; LONGEST];
    let Some(lower) = lower.get_mut(..word.len()) else { return false };
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).is_ok_and(|word| Language::English.find_word(word).is_some())
}

/// Private keys of Bitcoin and its kin as wallets export them: base58 with a checksum (WIF).
fn wallet_keys(text: &str, found: &mut Vec<Span<'static>>) {
    let mut at = 0;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let start = at;
        at += word.len();
        at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        if matches!(word.len(), 51 | 52)
            && word.starts_with(['5', 'K', 'L', '6', 'T', 'Q', '9', 'c'])
            && is_wif(word)
        {
            let end = start + word.len();
            found.push(Span { start, end, kind: "wallet-key", rank: Rank::Form, whole: false });
        }
    }
}

fn is_wif(word: &str) -> bool {
    let mut bytes = [0; 40];
    let Ok(length) = bs58::decode(word).onto(&mut bytes[..]) else { return false };
    let Some((payload, check)) = bytes.get(..length).and_then(|bytes| bytes.split_last_chunk::<4>()) else {
        return false;
    };
    matches!(payload.len(), 33 | 34) && Sha256::digest(Sha256::digest(payload)).starts_with(check)
}
