//! Addresses that stand in documentation and tests everywhere and are nobody's wallet.

use std::sync::LazyLock;

use hashbrown::HashSet;

static LIST: &str = include_str!("../../../rules/lists/known_addresses.txt");

static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| entries().collect());

/// Whether an address is listed.
pub(super) fn contains(address: &str) -> bool {
    // Bech32 may be written in capitals throughout.
    KNOWN.contains(address) || KNOWN.contains(address.to_ascii_lowercase().as_str())
}

/// The listed addresses.
pub(super) fn entries() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}
