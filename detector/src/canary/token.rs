//! Strings that look like secrets and carry a checksum of ours: unmistakable to us, plausible to a reader.
//!
//! The last characters of a token are a hash of those before. So the tokens of a planted file can be read
//! back from the file, which is the only place that needs to know them.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Upper case letters and digits as in the ids of AWS access keys.
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Characters of a base64 line of OpenSSH.
const LINE: usize = 70;
/// Most tokens that are taken from one file.
const MOST: usize = 16;
const SEED: u64 = 0x6465_7465_6374_6f72;

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    prefix: &'static str,
    alphabet: &'static [u8],
    random: usize,
    check: usize,
    /// Characters of the run of token characters that it stands in.
    run: usize,
    /// How many of those stand before it.
    skip: usize,
}

/// Id of an AWS access key.
pub const AWS_ID: Shape = Shape { prefix: "AKIA", alphabet: UPPER, random: 11, check: 5, run: 20, skip: 0 };
/// Secret of an AWS access key.
pub const AWS_SECRET: Shape = Shape { prefix: "", alphabet: BASE64, random: 33, check: 7, run: 40, skip: 0 };
/// In the line of an OpenSSH key of Ed25519 that holds the secret.
pub const KEY_LINE: Shape = Shape { prefix: "", alphabet: BASE64, random: 25, check: 7, run: LINE, skip: 6 };
/// Thirty-two bytes in hexadecimal.
pub const HEX_64: Shape = Shape { prefix: "", alphabet: HEX, random: 54, check: 10, run: 64, skip: 0 };
/// Twenty bytes in hexadecimal.
pub const HEX_40: Shape = Shape { prefix: "", alphabet: HEX, random: 30, check: 10, run: 40, skip: 0 };
/// What looks like an address of Bitcoin and has none of its checksums.
pub const ADDRESS: Shape = Shape { prefix: "bc1q", alphabet: BECH32, random: 30, check: 8, run: 42, skip: 0 };
/// A password.
pub const PASSWORD: Shape = Shape { prefix: "", alphabet: ALNUM, random: 17, check: 7, run: 24, skip: 0 };

const SHAPES: [Shape; 7] = [AWS_ID, AWS_SECRET, KEY_LINE, HEX_64, HEX_40, ADDRESS, PASSWORD];

impl Shape {
    /// A token of this shape from random bytes; too few of them repeat.
    pub fn token(self, random: impl IntoIterator<Item = u8>) -> String {
        let mut text = self.prefix.to_owned();
        text.extend(random.into_iter().take(self.random).map(|byte| self.letter(byte.into())));
        let check = self.check_of(&text);
        text + &check
    }

    /// How many random bytes it takes.
    pub fn random(self) -> usize {
        self.random
    }

    fn letter(self, number: u64) -> char {
        let at = usize::try_from(number).unwrap_or_default() % self.alphabet.len();
        self.alphabet.get(at).copied().unwrap_or(b'0').into()
    }

    fn check_of(self, text: &str) -> String {
        let mut hash = xxh3_64_with_seed(text.as_bytes(), SEED);
        let base = u64::try_from(self.alphabet.len()).unwrap_or(1).max(1);
        (0..self.check)
            .map(|_| {
                let letter = self.letter(hash % base);
                hash /= base;
                letter
            })
            .collect()
    }

    /// The token in a run of characters, if there is one.
    fn of_run(self, run: &str) -> Option<&str> {
        let body = self.prefix.len() + self.random;
        let inner = run.get(self.skip..)?;
        if run.len() != self.run || !inner.starts_with(self.prefix) {
            return None;
        }
        let token = inner.get(..body + self.check)?;
        let (text, check) = token.split_at_checked(body)?;
        (self.check_of(text) == check).then_some(token)
    }
}

/// The tokens in a text, in the order that they stand there; no more than a few.
pub fn find(bytes: &[u8]) -> Vec<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut tokens: Vec<String> = Vec::new();
    for run in bytes.split(|byte| !is_part(byte)).filter_map(|run| std::str::from_utf8(run).ok()) {
        if let Some(token) = SHAPES.iter().find_map(|shape| shape.of_run(run))
            && !tokens.iter().any(|known| known == token)
        {
            tokens.push(token.to_owned());
            if tokens.len() == MOST {
                break;
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_found_again_and_nothing_else() {
        for (at, shape) in (1u8..).zip(SHAPES) {
            let token = shape.token((0..64).map(|n: u8| n.wrapping_mul(37).wrapping_add(at)));
            let (before, after) = ("A".repeat(shape.skip), "A".repeat(shape.run - shape.skip - token.len()));
            let text = format!("key = \"{before}{token}{after}\"\n");
            assert_eq!(find(text.as_bytes()), std::slice::from_ref(&token));
            let mut other = token.into_bytes();
            other[6] = if other[6] == b'2' { b'3' } else { b'2' };
            let text = format!("key = \"{before}{}{after}\"\n", String::from_utf8(other).unwrap());
            assert_eq!(find(text.as_bytes()), [""; 0], "{text}");
        }
        // AWS's own example.
        assert_eq!(find(b"AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), [""; 0]);
    }

    #[test]
    fn any_bytes_are_looked_through() {
        assert_eq!(find(&[0xff; 300]), [""; 0]);
        assert_eq!(find(b""), [""; 0]);
    }
}
