//! Addresses of Ethereum and of every chain that took them over; capitals are the checksum (EIP-55).

use sha3::{Digest, Keccak256};

use super::Checksum;

/// What the capitals of an address say; `None` for what is none.
pub(super) fn of(word: &str) -> Option<Checksum> {
    let digits = word.strip_prefix("0x").filter(|digits| digits.len() == 40)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let has_upper = digits.bytes().any(|digit| digit.is_ascii_uppercase());
    let has_lower = digits.bytes().any(|digit| digit.is_ascii_lowercase());
    if !(has_upper && has_lower) {
        return Some(Checksum::Weak);
    }
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    let halves = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let fits =
        |(digit, half): (u8, u8)| !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (half > 7);
    digits.bytes().zip(halves).all(fits).then_some(Checksum::Verified)
}
