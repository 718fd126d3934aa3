//! What of a miner's command line stands in an argv, element by element and never as a substring.

use crate::wallet::{self, Coin};

/// One kind of evidence; [`Token::name`] is what rules compare `MinerTokens` with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Token {
    /// A pool URL such as `stratum+tcp://host:3333`.
    Scheme,
    /// `--donate-level`, `--donate-over-proxy`.
    Donate,
    /// An option that only RandomX miners have.
    Randomx,
    /// Another option that only one family of miners has.
    Xmrig,
    /// An option that several miners share.
    Option,
    /// Two or more of those.
    Pair,
    /// An algorithm option with a mining algorithm.
    Algo,
    /// An option that names a pool, with a value.
    Pool,
    /// A user option with the shape of a Monero address, or an address of another coin that is mined.
    Wallet,
}

impl Token {
    /// The word that rules use.
    pub(in crate::rules) fn name(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Donate => "donate",
            Self::Randomx => "randomx",
            Self::Xmrig => "xmrig",
            Self::Option => "option",
            Self::Pair => "pair",
            Self::Algo => "algo",
            Self::Pool => "pool",
            Self::Wallet => "wallet",
        }
    }
}

/// URL schemes of mining pools, without `://`. `stratum` also stands for its numbered forms.
const SCHEMES: &[&str] = &["stratum", "stratums", "stratumss", "ethproxy", "ethstratum", "nicehash", "zmp"];
const TRANSPORTS: &[&str] = &["tcp", "ssl", "tls", "tls12", "udp", "http", "https"];

/// Long options that only miners have.
const OPTIONS: &[(&str, Token)] = &[
    ("--donate-level", Token::Donate),
    ("--donate-over-proxy", Token::Donate),
    ("--cpu-max-threads-hint", Token::Xmrig),
    ("--cpu-memory-pool", Token::Xmrig),
    ("--cpu-no-yield", Token::Xmrig),
    ("--huge-pages-jit", Token::Xmrig),
    ("--rig-id", Token::Xmrig),
    ("--self-select", Token::Xmrig),
    ("--daemon-zmq-port", Token::Xmrig),
    ("--tls-fingerprint", Token::Xmrig),
    ("--cuda-bfactor-hint", Token::Xmrig),
    ("--farm-recheck", Token::Xmrig),
    ("--report-hashrate", Token::Xmrig),
    ("--cpu-priority", Token::Option),
    ("--no-huge-pages", Token::Option),
    ("--nicehash", Token::Option),
    ("--esm", Token::Option),
    ("--ethstratum", Token::Option),
    ("--dag-build-mode", Token::Option),
    ("--dag_mode", Token::Option),
    ("--extra-dag-epoch", Token::Option),
    ("--lhr-tune", Token::Option),
    ("--lhr_tune", Token::Option),
    ("--dualmode", Token::Option),
    ("--dualpool", Token::Option),
    ("--dualuser", Token::Option),
    ("--dual-algo", Token::Option),
    ("--contest_wallet", Token::Option),
    ("--disable-msr-tweaks", Token::Option),
    ("--force-msr-tweaks", Token::Option),
    ("--msr-use-preset", Token::Option),
    ("--verthash-dat-path", Token::Option),
    ("--coinbase-addr", Token::Option),
    ("--no-stratum", Token::Option),
    ("--no-gbt", Token::Option),
    ("--no-extranonce", Token::Option),
    ("--disable-extranonce-subscribe", Token::Option),
    ("--pool_force_ensub", Token::Option),
];

/// For each length, the first letters that options of that length have, as bits: nearly every other
/// option is told apart without a comparison.
static SHAPES: [u32; 32] = shapes();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn shapes() -> [u32; 32] {
    let mut shapes = [0; 32];
    let mut at = 0;
    while at < OPTIONS.len() {
        let name = OPTIONS[at].0.as_bytes();
        shapes[name.len()] |= 1 << (name[2] % 32);
        at += 1;
    }
    shapes
}

/// The option of this name and what it says.
fn option(name: &str) -> Option<(&'static str, Token)> {
    let letter = name.as_bytes().get(2)? % 32;
    if SHAPES.get(name.len())? >> letter & 1 == 0 {
        return None;
    }
    OPTIONS.iter().copied().find(|(known, _)| known.eq_ignore_ascii_case(name))
}

const ALGO_FLAGS: &[&str] = &["-a", "--algo", "--algorithm", "--coin"];
const POOL_FLAGS: &[&str] = &["-o", "--url", "--pool", "--server", "-P"];
const USER_FLAGS: &[&str] = &["-u", "--user", "--wallet", "-w"];

/// Values of an algorithm option that mean mining and nothing else.
const ALGOS: &[&str] = &[
    "argon2/chukwa",
    "argon2/chukwav2",
    "argon2/ninja",
    "autolykos2",
    "beamhash",
    "beamhashiii",
    "beamv3",
    "cn-heavy/0",
    "cn-heavy/tube",
    "cn-heavy/xhv",
    "cn-lite/0",
    "cn-lite/1",
    "cn-pico",
    "cn-pico/tlo",
    "cn/0",
    "cn/1",
    "cn/2",
    "cn/ccx",
    "cn/double",
    "cn/fast",
    "cn/half",
    "cn/r",
    "cn/rto",
    "cn/rwz",
    "cn/upx2",
    "cn/xao",
    "cn/zls",
    "cryptonight",
    "cryptonight-heavy",
    "cryptonight-lite",
    "cuckatoo32",
    "cuckoo29",
    "dynex",
    "equihash125_4",
    "equihash144_5",
    "etchash",
    "ethash",
    "firopow",
    "fishhash",
    "ghostrider",
    "gr",
    "karlsenhash",
    "karlsenhashv2",
    "kawpow",
    "kheavyhash",
    "monero",
    "nexapow",
    "octopus",
    "progpowz",
    "pyrinhash",
    "pyrinhashv2",
    "qhash",
    "randomx",
    "randomx/0",
    "rx/0",
    "rx/2",
    "rx/arq",
    "rx/graft",
    "rx/keva",
    "rx/sfx",
    "rx/wow",
    "rx/yada",
    "sha256ton",
    "sha3x",
    "verthash",
    "verushash",
    "xelishashv2",
    "xelishashv3",
    "yespower",
    "zelhash",
];

/// The tokens in an argv without its first element, each kind once.
pub(in crate::rules) fn tokens<'a>(args: impl Iterator<Item = &'a str>) -> Vec<Token> {
    let mut found = Vec::new();
    let mut add = |token: Token| {
        if !found.contains(&token) {
            found.push(token);
        }
    };
    let mut shared: Vec<&str> = Vec::new();
    let mut waiting: Option<&'a str> = None;
    for arg in args {
        let previous = waiting.take();
        if let Some(kind) = previous.and_then(|flag| valued(flag, arg)) {
            add(kind);
        }
        let value = arg.split_once('=').map(|(_, value)| value);
        if is_pool_url(arg) || value.is_some_and(is_pool_url) {
            add(Token::Scheme);
        }
        if !arg.starts_with('-') {
            continue;
        }
        let name = arg.split_once('=').map_or(arg, |(name, _)| name);
        if starts_with(name, "--randomx-") {
            add(Token::Randomx);
        } else if let Some((option, token)) = option(name) {
            add(token);
            if token == Token::Option && !shared.contains(&option) {
                shared.push(option);
                if shared.len() > 1 {
                    add(Token::Pair);
                }
            }
        } else if let Some(value) = value {
            if let Some(kind) = valued(name, value) {
                add(kind);
            }
        } else if let Some((flag, glued)) = glued(arg) {
            if let Some(kind) = valued(flag, glued) {
                add(kind);
            }
        } else {
            waiting = Some(arg);
        }
    }
    found
}

/// The tokens in program text, its words taken for arguments.
pub(in crate::rules) fn tokens_in_text(text: &str) -> Vec<Token> {
    let separates =
        |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | ';' | '(' | ')' | '[' | ']');
    tokens(text.split(separates).filter(|word| !word.is_empty()))
}

/// What an option with this value says.
fn valued(flag: &str, value: &str) -> Option<Token> {
    if ALGO_FLAGS.contains(&flag) {
        return one_of(value, ALGOS).then_some(Token::Algo);
    }
    if POOL_FLAGS.contains(&flag) {
        return has_host_and_port(value).then_some(Token::Pool);
    }
    if USER_FLAGS.contains(&flag) {
        return (is_monero_shaped(value) || is_mined_for(value)).then_some(Token::Wallet);
    }
    None
}

/// `-opool:3333` is `-o` and `pool:3333`.
fn glued(arg: &str) -> Option<(&str, &str)> {
    if arg.starts_with("--") || arg.len() < 3 {
        return None;
    }
    arg.split_at_checked(2)
}

fn is_pool_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if rest.is_empty() || scheme.len() > 24 {
        return false;
    }
    let scheme = scheme.to_ascii_lowercase();
    match scheme.split_once('+') {
        Some((name, transport)) => {
            // stratum1+ssl, stratum2+tcp: the number is a dialect.
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
            SCHEMES.contains(&name) && TRANSPORTS.contains(&transport)
                || name == "daemon" && transport.starts_with("http")
        }
        None => scheme.starts_with("stratum") && SCHEMES.contains(&scheme.as_str()),
    }
}

/// `gcc -o pool.o` names no pool: a pool has a port.
fn has_host_and_port(value: &str) -> bool {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest);
    let value = value.split('/').next().unwrap_or(value);
    value
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// 95 or 106 characters of base58 that begin with 4 or 8; a suffix `.worker` or `+difficulty` may follow.
fn is_monero_shaped(value: &str) -> bool {
    let body = value.split(['.', '+', '/']).next().unwrap_or(value);
    matches!(body.len(), 95 | 106)
        && body.starts_with(['4', '8'])
        && body.bytes().all(|b| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l'))
}

/// Whether an address of a coin that is mined stands there.
fn is_mined_for(value: &str) -> bool {
    wallet::payable(value).any(|address| match address.coin {
        Coin::Bitcoin
        | Coin::BitcoinCash
        | Coin::Dash
        | Coin::Dogecoin
        | Coin::Ergo
        | Coin::Kaspa
        | Coin::Litecoin
        | Coin::Monero
        | Coin::Ravencoin
        | Coin::Zcash => true,
        // Whoever calls a contract names its address, and the node beside it.
        Coin::Ethereum | Coin::Tron => false,
    })
}

fn one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &[&str]) {
        let found: Vec<&str> = tokens(line.split(' ')).into_iter().map(Token::name).collect();
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn a_miners_options_are_seen_element_by_element() {
        check("-o stratum+tcp://pool.example:3333 -u x", &["pool", "scheme"]);
        check("--url=stratum2+ssl://pool.example:34254/9bXi", &["scheme", "pool"]);
        check("STRATUM+TCP://h:1", &["scheme"]);
        check("stratums://h:1", &["scheme"]);
        check("daemon+http://node:18081", &["scheme"]);
        check("--donate-level=1", &["donate"]);
        check("--donate-level 0", &["donate"]);
        check("--randomx-1gb-pages", &["randomx"]);
        check("-a rx/0 -o pool.example:443", &["algo", "pool"]);
        check("--algo=kawpow --server pool:1", &["algo", "pool"]);
        check("-akawpow -opool:1", &["algo", "pool"]);
        check("--coin monero", &["algo"]);
        check("--lhr-tune 3 --nicehash", &["option", "pair"]);
        check("--cpu-priority 5", &["option"]);
    }

    #[test]
    fn everyday_command_lines_carry_no_token_that_counts_alone() {
        check("-o pool.o -c pool.c", &[]);
        check("-a -o /tmp/out", &[]);
        check("clone https://example.org/stratum+tcp.git", &[]);
        check("-m fix_stratum+tcp://", &[]);
        check("-e stratum+tcp", &[]);
        check("--algo sha256 -o out:x", &[]);
        check("-u 1000:1000 -w /src", &[]);
        check("--url http://127.0.0.1:8000/", &["pool"]);
    }

    #[test]
    fn a_script_text_is_searched_word_by_word() {
        let found = tokens_in_text("cd /tmp && ./a -o 'stratum+tcp://p:1'; true");
        assert!(found.contains(&Token::Scheme));
        assert!(tokens_in_text("grep -r stratum .").is_empty());
    }

    #[test]
    fn a_monero_address_has_its_length_and_alphabet() {
        let address = format!("4{}", "A".repeat(94));
        check(&format!("-u {address}.rig1"), &["wallet"]);
        check(&format!("-u {}0", "4".repeat(94)), &[]);
    }

    #[test]
    fn an_address_of_another_coin_has_a_checksum() {
        check("-o pool:1 -u LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9.rig", &["pool", "wallet"]);
        check("-u LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH8", &[]);
        check("--wallet 0x52908400098527886E0F7030069857D2E4169EE7", &[]);
    }
}
