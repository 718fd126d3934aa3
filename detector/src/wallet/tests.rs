//! Known addresses of every coin, broken ones, and ordinary text that has none.

use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::*;

const XMR: &str =
    "4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge";

/// Addresses from the specifications and documentation of each coin; sources stand in
/// `rules/lists/known_addresses.txt` and in the last column.
const VECTORS: &[(Coin, Network, &str, &str)] = &[
    (Coin::Bitcoin, Network::Main, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "genesis block"),
    (Coin::Bitcoin, Network::Main, "1111111111111111111114oLvT2", "hash of zeros"),
    (Coin::Bitcoin, Network::Main, "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "en.bitcoin.it"),
    (Coin::Bitcoin, Network::Test, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "en.bitcoin.it, Testnet"),
    (Coin::Bitcoin, Network::Test, "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "en.bitcoin.it, Testnet"),
    (Coin::Bitcoin, Network::Main, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BIP 173"),
    (Coin::Bitcoin, Network::Main, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "BIP 173"),
    (
        Coin::Bitcoin,
        Network::Main,
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        "BIP 173",
    ),
    (Coin::Bitcoin, Network::Test, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "BIP 173"),
    (
        Coin::Bitcoin,
        Network::Main,
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "BIP 350",
    ),
    (
        Coin::Bitcoin,
        Network::Test,
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "BIP 350",
    ),
    (
        Coin::Bitcoin,
        Network::Main,
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        "BIP 86",
    ),
    (Coin::Litecoin, Network::Main, "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", "multicoin-address-validator"),
    (
        Coin::Litecoin,
        Network::Main,
        "MQMcJhpWHYVeQArcZR3sBgyPZxxRtnH441",
        "multicoin-address-validator, P2SH",
    ),
    (
        Coin::Litecoin,
        Network::Main,
        "ltc1qg42tkwuuxefutzxezdkdel39gfstuap288mfea",
        "multicoin-address-validator",
    ),
    (Coin::Dogecoin, Network::Main, "DDogepartyxxxxxxxxxxxxxxxxxxw1dfzr", "Dogeparty"),
    (Coin::Dogecoin, Network::Main, "DFpN6QqFfUm3gKNaxN6tNcab1FArL9cZLE", "the private key 1"),
    (Coin::Dash, Network::Main, "XmN7PQYWKn5MJFna5fRYgP6mxT2F7xpekE", "the private key 1"),
    (Coin::Ravencoin, Network::Main, "RXissueAssetXXXXXXXXXXXXXXXXXhhZGt", "Ravencoin, chainparams.cpp"),
    (Coin::Zcash, Network::Main, "t1Hsc1LR8yKnbbe3twRp88p6vFfC5t7DLbs", "librustzcash, hash of zeros"),
    (Coin::Zcash, Network::Main, "t3Vz22vK5z2LcKEdg16Yv4FFneEL1zg9ojd", "zcashd, chainparams.cpp"),
    (Coin::Tron, Network::Main, "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "account of zeros"),
    (Coin::Tron, Network::Main, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "contract of USDT"),
    (Coin::Ergo, Network::Main, "9fRAWhdxEsTcdb8PhGNrZfwqa65zfkuYHAMmkQLcic1gdLSV5vA", "sigma-rust"),
    (Coin::Monero, Network::Main, XMR, "tests of many projects"),
    (
        Coin::Monero,
        Network::Main,
        "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
        "getmonero.org",
    ),
    (
        Coin::Monero,
        Network::Main,
        "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD",
        "xmrig",
    ),
    (
        Coin::Monero,
        Network::Main,
        "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H",
        "getmonero.org, a subaddress",
    ),
    (
        Coin::Monero,
        Network::Main,
        "4BUqMSeJfNQGudzEJNvzQ2LXh4tbUdW4YCM7mq55edxBT7t1297vwCMZSnJwGvEKEKbH8hGmhZZAGhdHbp2te6AA38ZMi4knaCKLprMPni",
        "mrtnetwork/blockchain_utils, an integrated address",
    ),
    (
        Coin::Kaspa,
        Network::Main,
        "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j",
        "rusty-kaspa",
    ),
    (
        Coin::BitcoinCash,
        Network::Main,
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "CashAddr specification",
    ),
    (
        Coin::BitcoinCash,
        Network::Main,
        "BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A",
        "CashAddr specification",
    ),
    (
        Coin::BitcoinCash,
        Network::Main,
        "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
        "CashAddr specification, P2SH",
    ),
    (
        Coin::Ethereum,
        Network::Main,
        "0x00112233445566778899aaBbcCDdEEFF0123ABCd",
        "made up, for exemplars of rules",
    ),
    (
        Coin::Monero,
        Network::Main,
        "49Xgwx3RfyV3ZMEVyrUNuUMzgQ1WHjkWL5T6Xk7QaTszggbtPbRPEkZQau9yACYEmUCHPNrU2MBdnJf4s4xLK5AyLDP5ucd",
        "mrtnetwork/blockchain_utils",
    ),
    (Coin::Ethereum, Network::Main, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "EIP-55"),
    (Coin::Ethereum, Network::Main, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", "EIP-55"),
    (Coin::Ethereum, Network::Main, "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "EIP-55"),
    (Coin::Ethereum, Network::Main, "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", "EIP-55"),
];

fn found(text: &str) -> Vec<(Coin, &str)> {
    find(text).map(|address| (address.coin, address.text)).collect()
}

#[test]
fn documented_addresses_are_found_with_coin_and_network() {
    for (coin, network, text, source) in VECTORS {
        let all: Vec<_> = find(text).collect();
        let expect = Address { coin: *coin, text, network: *network, checksum: Checksum::Verified };
        assert_eq!(all, [expect], "{source}");
    }
}

/// One letter more or less of a kind that the alphabet has.
fn other(letter: u8) -> u8 {
    match letter {
        b'2' => b'3',
        b'a'..=b'z' if letter != b'q' => b'q',
        b'A'..=b'Z' if letter != b'Q' => b'Q',
        b'q' => b'z',
        b'Q' => b'Z',
        _ => b'2',
    }
}

#[test]
fn one_changed_letter_anywhere_is_no_address() {
    let mut changed = 0;
    for (coin, _, text, source) in VECTORS {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = other(bytes[at]);
            let broken = String::from_utf8(bytes).unwrap();
            // A letter that the checksum of Ethereum leaves alone may pass; a digit as a letter may not.
            let passes = find(&broken).any(|found| found.checksum == Checksum::Verified);
            assert!(!passes || *coin == Coin::Ethereum, "{source}: {broken}");
            changed += 1;
        }
    }
    println!("{changed} broken addresses");
}

#[test]
fn capitals_are_the_checksum_of_ethereum() {
    let checksum = |text: &str| find(text).next().map(|address| address.checksum);
    let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    assert_eq!(checksum(right), Some(Checksum::Verified));
    assert_eq!(checksum(&right.to_lowercase()), Some(Checksum::Weak));
    assert_eq!(
        checksum("0x52908400098527886E0F7030069857D2E4169EE7"),
        Some(Checksum::Weak),
        "EIP-55, capitals"
    );
    assert_eq!(checksum("0x0000000000000000000000000000000000000000"), Some(Checksum::Weak));
    for at in 2..right.len() {
        let mut bytes = right.as_bytes().to_vec();
        if bytes[at].is_ascii_alphabetic() {
            bytes[at] ^= 0x20;
            assert_eq!(checksum(std::str::from_utf8(&bytes).unwrap()), None, "{at}");
        }
    }
}

#[test]
fn addresses_are_found_the_way_miners_and_configurations_write_them() {
    for text in [
        format!("-u {XMR}"),
        format!("--user={XMR}.rig1"),
        format!("{XMR}+50000"),
        format!("{XMR}/worker/me@example.org"),
        format!("stratum+tcp://{XMR}:x@pool.example:3333"),
        format!("{{\"user\":\"{XMR}\"}}"),
        format!("\\n{XMR}\\n"),
        format!("\u{1f4b0}{XMR}\u{1f4b0}"),
        format!("worker_{XMR}_x"),
        format!("\0{XMR}\0"),
    ] {
        assert_eq!(found(&text), [(Coin::Monero, XMR)], "{text}");
    }
    let two = format!("{XMR},1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    assert_eq!(found(&two).len(), 2);
}

#[test]
fn a_part_of_a_longer_word_is_no_address() {
    for text in [
        format!("x{XMR}"),
        format!("{XMR}x"),
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedff".to_owned(),
        "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a".to_owned(),
        "kaspatest:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j".to_owned(),
    ] {
        assert!(found(&text).is_empty(), "{text}");
    }
}

#[test]
fn a_long_text_is_searched_to_its_limit_and_no_further() {
    let far = format!("{}{XMR}", " ".repeat(MOST_BYTES - XMR.len()));
    assert_eq!(found(&far).len(), 1);
    let farther = format!(" {far}");
    assert!(found(&farther).is_empty());
    // A limit within a letter of several bytes.
    let wide = "\u{e9}".repeat(MOST_BYTES);
    assert!(found(&wide).is_empty());
    assert!(found(&format!("x{wide}")).is_empty());
}

#[test]
fn only_what_somebody_is_paid_at_is_payable() {
    let count = |text: &str| payable(text).count();
    assert_eq!(count("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"), 1);
    // Listed, in capitals, of a test network, without a checksum.
    assert_eq!(count("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), 0);
    assert_eq!(count("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"), 0);
    assert_eq!(count("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"), 0);
    assert_eq!(count("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), 0);
}

#[test]
fn every_listed_address_is_one_and_stands_once() {
    let mut seen = HashSet::new();
    for entry in known::entries() {
        let all: Vec<_> = find(entry).collect();
        assert!(all.len() == 1 && all[0].text == entry, "{entry}: {all:?}");
        assert!(all[0].checksum == Checksum::Verified && all[0].network == Network::Main, "{entry}");
        assert!(seen.insert(entry), "{entry} stands twice");
    }
    assert!(seen.len() > 50);
}

/// Regular files below a directory, in no order, links not followed.
fn files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" => {
                files(&entry.path(), out);
            }
            Ok(kind) if kind.is_file() => out.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
}

#[test]
fn ordinary_text_of_this_machine_holds_no_address() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    files(repository, &mut paths);
    files(Path::new("/usr/share/doc"), &mut paths);
    let (mut texts, mut bytes, mut wrong) = (0, 0, Vec::new());
    for path in paths {
        // Lines that hold addresses on purpose: they are no secrets.
        if path.ends_with("redact/benign.txt") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let mut rest = text.as_str();
        texts += 1;
        // As many as keeps the test short.
        while !rest.is_empty() && bytes < 64 << 20 {
            let (now, later) = rest.split_at(rest.floor_char_boundary(MOST_BYTES));
            bytes += now.len();
            let unknown = |address: &Address<'_>| {
                address.is_payable() && !VECTORS.iter().any(|(_, _, known, _)| *known == address.text)
            };
            wrong.extend(
                find(now).filter(unknown).map(|found| format!("{} in {}", found.text, path.display())),
            );
            rest = later;
        }
    }
    println!("{texts} files, {bytes} bytes");
    assert!(texts > 100, "{texts}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hostile_text_harms_nothing() {
    for text in [
        "1".repeat(100_000),
        "0x".repeat(50_000),
        format!("{} ", "4".repeat(95)).repeat(700),
        format!("{} ", "z".repeat(106)).repeat(600),
        format!("{} ", "z".repeat(51)).repeat(1_200),
        format!("bc1{} ", "1".repeat(87)).repeat(700),
        format!("kaspa:{} ", "q".repeat(61)).repeat(900),
        "\\\u{e9}\\".repeat(30_000),
        format!("\\{}", "n".repeat(26)),
    ] {
        assert!(found(&text).is_empty(), "{}", &text[..40.min(text.len())]);
    }
}
