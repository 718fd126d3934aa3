//! Addresses in base58 with a version before the hash and a checksum behind it.
//!
//! Versions: the chain parameters of each coin's own node (`base58Prefixes`; for Tron the byte 0x41). Ergo:
//! docs.ergoplatform.com, "Address".

use blake2::Blake2b;
use blake2::digest::consts::U32;
use sha2::{Digest, Sha256};

use super::{Coin, Network};

/// Longest payload: Ergo's prefix, key and checksum.
const LONGEST: usize = 38;

/// The coin and network of an address.
pub(super) fn of(word: &str) -> Option<(Coin, Network)> {
    // First what costs nothing: nearly every run that is long enough is a hash.
    if !matches!(word.len(), 26..=35 | 51)
        || word.bytes().any(|byte| matches!(byte, b'0' | b'O' | b'I' | b'l'))
    {
        return None;
    }
    let mut bytes = [0; LONGEST];
    let length = bs58::decode(word).onto(&mut bytes[..]).ok()?;
    let bytes = bytes.get(..length)?;
    let (payload, check) = bytes.split_last_chunk::<4>()?;
    let found = version(payload)?;
    let right = match found {
        (Coin::Ergo, _) => Blake2b::<U32>::digest(payload).starts_with(check),
        _ => Sha256::digest(Sha256::digest(payload)).starts_with(check),
    };
    right.then_some(found)
}

/// By the bytes before the hash of 20 bytes, or the key of 33.
fn version(payload: &[u8]) -> Option<(Coin, Network)> {
    Some(match payload {
        [version, hash @ ..] if hash.len() == 20 => match version {
            0x00 | 0x05 => (Coin::Bitcoin, Network::Main),
            0x30 | 0x32 => (Coin::Litecoin, Network::Main),
            0x1e => (Coin::Dogecoin, Network::Main),
            0x4c => (Coin::Dash, Network::Main),
            0x3c => (Coin::Ravencoin, Network::Main),
            0x41 => (Coin::Tron, Network::Main),
            // Most coins share these two for their tests.
            0x6f | 0xc4 => (Coin::Bitcoin, Network::Test),
            _ => return None,
        },
        [0x1c, 0xb8 | 0xbd, hash @ ..] if hash.len() == 20 => (Coin::Zcash, Network::Main),
        [0x1d, 0x25, hash @ ..] | [0x1c, 0xba, hash @ ..] if hash.len() == 20 => (Coin::Zcash, Network::Test),
        [0x01, key @ ..] if key.len() == 33 => (Coin::Ergo, Network::Main),
        [0x11, key @ ..] if key.len() == 33 => (Coin::Ergo, Network::Test),
        _ => return None,
    })
}
