//! SegWit and Taproot addresses: bech32 and bech32m (BIP 173, 350).

use bech32::primitives::decode::SegwitHrpstring;

use super::{Coin, Network};

/// What stands before the separator.
const PREFIXES: &[(&str, Coin, Network)] = &[
    ("bc1", Coin::Bitcoin, Network::Main),
    ("tb1", Coin::Bitcoin, Network::Test),
    ("bcrt1", Coin::Bitcoin, Network::Test),
    ("ltc1", Coin::Litecoin, Network::Main),
    ("tltc1", Coin::Litecoin, Network::Test),
];

/// The coin and network of an address.
pub(super) fn of(word: &str) -> Option<(Coin, Network)> {
    let begins =
        |prefix: &str| word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let (_, coin, network) = PREFIXES.iter().find(|(prefix, _, _)| begins(prefix))?;
    let address = SegwitHrpstring::new(word).ok()?;
    // Later versions are valid and nobody's yet.
    let known =
        matches!((address.witness_version().to_u8(), address.byte_iter().len()), (0, 20 | 32) | (1, 32));
    known.then_some((*coin, *network))
}
