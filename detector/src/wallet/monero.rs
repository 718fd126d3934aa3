//! Monero addresses: base58 in blocks of eleven characters, checked by Keccak-256.
//!
//! Source: monero-project/monero (src/common/base58.cpp, src/cryptonote_config.h).

use sha3::{Digest, Keccak256};

use super::Network;

/// Bytes of the longest address: network, two keys, payment id, checksum.
const LONGEST: usize = 1 + 32 + 32 + 8 + 4;

/// The network of an address.
pub(super) fn of(word: &str) -> Option<Network> {
    if !matches!(word.len(), 95 | 106) {
        return None;
    }
    let mut bytes = [0; LONGEST];
    let mut length = 0;
    for block in word.as_bytes().chunks(11) {
        let size = match block.len() {
            11 => 8,
            7 => 5,
            _ => return None,
        };
        let number = decode(block)?.to_be_bytes();
        let (zeros, number) = number.split_at_checked(16 - size)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.get_mut(length..length + size)?.copy_from_slice(number);
        length += size;
    }
    let (payload, check) = bytes.get(..length)?.split_last_chunk::<4>()?;
    let integrated = word.len() == 106;
    let network = match (payload.first()?, integrated) {
        (18 | 42, false) | (19, true) => Network::Main,
        // Testnet and stagenet.
        (53 | 63 | 24 | 36, false) | (54 | 25, true) => Network::Test,
        _ => return None,
    };
    Keccak256::digest(payload).starts_with(check).then_some(network)
}

/// A block as a number; eleven characters need not fit into 64 bits.
fn decode(block: &[u8]) -> Option<u128> {
    let mut bytes = [0; 11];
    let length = bs58::decode(block).onto(&mut bytes[..]).ok()?;
    Some(bytes.get(..length)?.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}
