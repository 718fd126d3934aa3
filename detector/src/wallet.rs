//! Finds wallet addresses in text, by their shape and their checksum.
//!
//! A candidate is a run of ASCII letters and digits between others, so that `user=ADDRESS`, `ADDRESS.rig`,
//! `ADDRESS+5000` and `/miner/ADDRESS` are found as well as a word of its own; what a run inside base64 or a
//! lock file looks like is left to the checksum, which one run in 2^32 passes by chance (one in 2^40 of
//! Kaspa and Bitcoin Cash, about one in 4,000 of Ethereum, whose check is its capital letters).
//!
//! Addresses without a checksum are not looked for at all (Solana), nor are keys and seed phrases.

mod base58;
mod cash;
mod ethereum;
mod known;
mod monero;
mod segwit;

/// Most bytes of a text that are searched; an address behind them is not found.
pub const MOST_BYTES: usize = 64 * 1024;

/// Characters of the shortest address: of Bitcoin, where the hash begins with many zeros.
const SHORTEST: usize = 26;
/// Characters of the longest one, a Monero address with a payment id, and the letter of an escape before it.
const LONGEST: usize = 107;

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The coin, or the first of a family whose addresses are the same.
    pub coin: Coin,
    /// The address as it stands in the text, `kaspa:` and `bitcoincash:` included.
    pub text: &'a str,
    /// Whether its coins are worth anything.
    pub network: Network,
    /// What its checksum says.
    pub checksum: Checksum,
}

/// Coins whose addresses can be told by a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coin {
    /// Bitcoin: P2PKH, P2SH, SegWit, Taproot.
    Bitcoin,
    /// Bitcoin Cash, with its prefix.
    BitcoinCash,
    /// Dash.
    Dash,
    /// Dogecoin.
    Dogecoin,
    /// Ergo.
    Ergo,
    /// Ethereum and whatever shares its addresses: Ethereum Classic, EthereumPoW, BNB chain.
    Ethereum,
    /// Kaspa.
    Kaspa,
    /// Litecoin, SegWit included.
    Litecoin,
    /// Monero: standard, subaddress, integrated.
    Monero,
    /// Ravencoin, and Verus and Komodo, whose addresses are the same.
    Ravencoin,
    /// Tron.
    Tron,
    /// Zcash, transparent.
    Zcash,
}

impl Coin {
    /// Its ticker symbol, which is the word for rules.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Bitcoin => "BTC",
            Self::BitcoinCash => "BCH",
            Self::Dash => "DASH",
            Self::Dogecoin => "DOGE",
            Self::Ergo => "ERG",
            Self::Ethereum => "ETH",
            Self::Kaspa => "KAS",
            Self::Litecoin => "LTC",
            Self::Monero => "XMR",
            Self::Ravencoin => "RVN",
            Self::Tron => "TRX",
            Self::Zcash => "ZEC",
        }
    }
}

/// Where an address is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// Where coins are money.
    Main,
    /// A network for tests.
    Test,
}

/// What the checksum of an address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// It is right.
    Verified,
    /// There is none, only the shape: Ethereum in letters of one case.
    Weak,
}

/// Every address in the first [`MOST_BYTES`] of a text, in order, repeats included.
///
/// ```
/// use detector::wallet::{Coin, find};
/// let text = "./a --user=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa.rig1";
/// assert_eq!(find(text).next().unwrap().coin, Coin::Bitcoin);
/// ```
pub fn find(text: &str) -> impl Iterator<Item = Address<'_>> {
    let text = text.get(..text.floor_char_boundary(MOST_BYTES)).unwrap_or(text);
    Runs { text, at: 0 }.filter_map(move |(start, end)| address(text, start, end))
}

/// The addresses in a text that somebody can be paid at: checksum right, not of a network for tests, and
/// none of those that documentation and tests are full of (`rules/lists/known_addresses.txt`).
pub fn payable(text: &str) -> impl Iterator<Item = Address<'_>> {
    find(text).filter(Address::is_payable)
}

/// The symbols of the addresses' coins, each once, in order.
pub fn symbols(addresses: &[Address<'_>]) -> Vec<&'static str> {
    let mut symbols = Vec::new();
    for symbol in addresses.iter().map(|address| address.coin.symbol()) {
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    symbols
}

impl Address<'_> {
    /// Whether somebody can be paid there, as [`payable`] has it.
    pub fn is_payable(&self) -> bool {
        self.checksum == Checksum::Verified && self.network == Network::Main && !known::contains(self.text)
    }
}

/// Runs of letters and digits that are as long as an address.
///
/// A run of [`SHORTEST`] bytes covers every place that is a multiple of it, so that only such places are
/// looked at, and what surrounds them where they are a letter or a digit.
struct Runs<'a> {
    text: &'a str,
    /// Where the search goes on; no run reaches across.
    at: usize,
}

impl Iterator for Runs<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        loop {
            let place = self.at + SHORTEST - 1;
            let (before, from) = bytes.get(self.at..)?.split_at_checked(SHORTEST - 1)?;
            if !from.first()?.is_ascii_alphanumeric() {
                self.at = place + 1;
                continue;
            }
            let breaks = |byte: &u8| !byte.is_ascii_alphanumeric();
            let start = before.iter().rposition(breaks).map_or(self.at, |last| self.at + last + 1);
            let end = from.iter().position(breaks).map_or(bytes.len(), |first| place + first);
            self.at = end + 1;
            if (SHORTEST..=LONGEST).contains(&(end - start)) {
                return Some((start, end));
            }
        }
    }
}

/// The address that a run is, if any.
fn address(text: &str, start: usize, end: usize) -> Option<Address<'_>> {
    let before = text.get(..start)?;
    // The n of "\nADDRESS" is no part of it.
    let start = if before.ends_with('\\') { start + 1 } else { start };
    let word = text.get(start..end)?;
    let (coin, network, checksum, prefix) = if let Some((coin, network, prefix)) = cash::of(before, word) {
        (coin, network, Checksum::Verified, prefix)
    } else if let Some(checksum) = ethereum::of(word) {
        (Coin::Ethereum, Network::Main, checksum, 0)
    } else {
        let (coin, network) = base58::of(word)
            .or_else(|| segwit::of(word))
            .or_else(|| Some((Coin::Monero, monero::of(word)?)))?;
        (coin, network, Checksum::Verified, 0)
    };
    Some(Address { coin, text: text.get(start - prefix..end)?, network, checksum })
}

#[cfg(test)]
mod tests;
