//! Addresses behind a prefix and a colon: Kaspa and Bitcoin Cash.
//!
//! Sources: kaspanet/rusty-kaspa (crypto/addresses/src/bech32.rs) and the CashAddr specification, which share
//! alphabet, checksum and generators.

use super::{Coin, Network};

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];

struct Prefix {
    text: &'static str,
    coin: Coin,
    network: Network,
    /// Characters behind the colon.
    lengths: &'static [usize],
}

const PREFIXES: &[Prefix] = &[
    Prefix { text: "kaspa:", coin: Coin::Kaspa, network: Network::Main, lengths: &[61, 63] },
    Prefix { text: "kaspatest:", coin: Coin::Kaspa, network: Network::Test, lengths: &[61, 63] },
    Prefix { text: "bitcoincash:", coin: Coin::BitcoinCash, network: Network::Main, lengths: &[42] },
    Prefix { text: "bchtest:", coin: Coin::BitcoinCash, network: Network::Test, lengths: &[42] },
];

/// The coin and network of an address without its prefix, by the text `before` it; and the prefix's length.
pub(super) fn of(before: &str, word: &str) -> Option<(Coin, Network, usize)> {
    if !before.ends_with(':') || !word.starts_with(['q', 'p', 'Q', 'P']) {
        return None;
    }
    let prefix = PREFIXES.iter().find(|prefix| {
        before
            .len()
            .checked_sub(prefix.text.len())
            .and_then(|start| before.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(prefix.text))
    })?;
    let is_mixed = word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase());
    let fits = prefix.lengths.contains(&word.len()) && !is_mixed && checks(prefix.text, word);
    fits.then_some((prefix.coin, prefix.network, prefix.text.len()))
}

fn checks(prefix: &str, word: &str) -> bool {
    // The colon stands for a zero.
    let named = prefix.bytes().map(|byte| if byte == b':' { Some(0) } else { Some(byte & 31) });
    let data = word.bytes().map(|byte| {
        let value = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_lowercase())?;
        u8::try_from(value).ok()
    });
    named.chain(data).try_fold(1, |sum, value| Some(step(sum, value?))) == Some(1)
}

/// The 40-bit code over five bits more.
fn step(sum: u64, value: u8) -> u64 {
    let shifted = (sum & 0x07_ffff_ffff) << 5 ^ u64::from(value);
    let top = sum >> 35;
    let chosen = GENERATORS.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
    chosen.fold(shifted, |sum, (_, generator)| sum ^ generator)
}
