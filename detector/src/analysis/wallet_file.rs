//! `wallet_configuration`: a small file that says whom to mine for, and where.
//!
//! An address alone is everywhere: in sources, tests, documentation, web pages that ask for donations. What makes
//! a miner's configuration is a pool beside it. Files that hold programs, prose or data of others by their name
//! are left alone, whatever they say; so a configuration that is called `README.md`, or lies in `tests/`, passes
//! here, and is left to what sees the miner run and talk.

use serde_json::Value;

use super::{Around, Moment, Observation};
use crate::event::FileText;
use crate::wallet::{self, Address};

/// Most addresses and endpoints that are told.
const MOST: usize = 16;

/// Directories of programs, documentation and tests, at any depth.
const QUIET_DIRECTORIES: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".cargo",
    ".rustup",
    "__tests__",
    "dist-packages",
    "doc",
    "docs",
    "example",
    "examples",
    "fixtures",
    "node_modules",
    "site-packages",
    "spec",
    "target",
    "test",
    "testdata",
    "tests",
    "third_party",
    "vendor",
];

/// Endings of names of sources, prose, pages and data.
const QUIET_ENDINGS: &[&str] = &[
    "adoc", "c", "cc", "cjs", "cpp", "cs", "css", "csv", "cxx", "dart", "diff", "erl", "ex", "exs", "go",
    "h", "hpp", "hs", "htm", "html", "ipynb", "java", "js", "jsonl", "jsx", "kt", "kts", "lock", "log",
    "lua", "map", "markdown", "md", "mjs", "ml", "move", "ndjson", "patch", "php", "pl", "po", "py", "pyi",
    "rb", "rs", "rst", "scala", "scss", "snap", "sol", "sql", "sum", "svelte", "svg", "swift", "tex", "ts",
    "tsv", "tsx", "vue", "vy", "wasm", "zig",
];

/// Words that only the configuration of a miner has, and the name under which rules know them.
const WORDS: &[(&str, &str)] = &[
    ("stratum", "stratum"),
    ("pools", "pools"),
    ("pool_list", "pools"),
    ("pool_address", "pools"),
    ("pool_url", "pools"),
    ("pool-url", "pools"),
    ("donate-level", "pools"),
    ("rig-id", "pools"),
];

/// Whether a file of this name may hold what this analysis looks for: who reads files asks before.
pub fn is_worth_reading(path: &str) -> bool {
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
    let quiet = |known: &[&str], word: &str| known.iter().any(|quiet| quiet.eq_ignore_ascii_case(word));
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    !quiet(QUIET_ENDINGS, ending)
        && !directories.split('/').any(|directory| quiet(QUIET_DIRECTORIES, directory))
}

/// Takes what a file holds.
pub(super) fn file_text(around: Around<'_>, file: &FileText, out: &mut Vec<Observation>) {
    let Ok(text) = &file.text else { return };
    if !is_worth_reading(&file.path) {
        return;
    }
    let Some(found) = Configuration::of(text) else { return };
    // It was there before, and the file changed somewhere else.
    if file.before.as_deref().and_then(Configuration::of).is_some_and(|before| before == found) {
        return;
    }
    let Configuration { wallets, words, endpoints } = found;
    let texts: Vec<&str> = wallets.iter().map(|address| address.text).collect();
    let coins = wallet::symbols(&wallets);
    let sentence = format!("wrote {} with a wallet for {} and a mining pool", file.path, coins.join(", "));
    let mut fields = vec![
        ("WalletFile", Value::from(&*file.path)),
        ("Wallets", texts.into()),
        ("WalletCoins", coins.into()),
        ("PoolWords", words.into()),
    ];
    if !endpoints.is_empty() {
        fields.push(("PoolEndpoints", endpoints.into()));
    }
    let moment = Moment { time: file.written, received: file.time, agent: file.agent, cgroup: file.cgroup };
    out.push(moment.observation(around, file.process, "wallet_configuration", sentence, fields));
}

/// What makes a file the configuration of a miner.
#[derive(Debug, PartialEq, Eq)]
struct Configuration<'a> {
    wallets: Vec<Address<'a>>,
    words: Vec<&'static str>,
    endpoints: Vec<&'a str>,
}

impl<'a> Configuration<'a> {
    /// The address is looked for first: nearly every file has none.
    fn of(text: &'a str) -> Option<Self> {
        let mut wallets: Vec<Address<'a>> = Vec::new();
        for address in wallet::payable(text) {
            if wallets.len() < MOST && !wallets.iter().any(|known| known.text == address.text) {
                wallets.push(address);
            }
        }
        if wallets.is_empty() {
            return None;
        }
        let text = text.get(..text.floor_char_boundary(wallet::MOST_BYTES)).unwrap_or(text);
        let mut words = Vec::new();
        let lower = text.to_ascii_lowercase();
        for (word, name) in WORDS {
            if !words.contains(name) && contains_word(&lower, word) {
                words.push(*name);
            }
        }
        let endpoints: Vec<&str> = endpoints(text).take(MOST).collect();
        if !endpoints.is_empty() {
            words.push("endpoint");
        }
        if contains_word(&lower, "url") {
            words.push("url");
        }
        (!words.is_empty()).then_some(Self { wallets, words, endpoints })
    }
}

/// Whether a word stands there for itself: `pools` is none in `carpools`, and `stratum` is one in `stratum2+ssl`.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            && !after.is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_')
    })
}

/// `host:port` by itself or behind the scheme of a pool; what web pages and databases have is none.
fn endpoints(text: &str) -> impl Iterator<Item = &str> {
    let separates = |letter: char| {
        letter.is_whitespace()
            || matches!(letter, '"' | '\'' | '`' | ',' | ';' | '=' | '<' | '>' | '(' | ')' | '[' | ']')
    };
    text.split(separates).filter(|word| is_endpoint(word))
}

fn is_endpoint(word: &str) -> bool {
    let (scheme, rest) = word.split_once("://").unwrap_or(("", word));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = if scheme.is_empty() { rest } else { rest.split('/').next().unwrap_or(rest) };
    let Some((host, port)) = rest.rsplit_once(':') else { return false };
    let pool = scheme.is_empty()
        || ["stratum", "eth", "zmp", "nicehash", "tcp", "ssl", "tls"]
            .iter()
            .any(|known| scheme.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)));
    let named = host
        .rsplit_once('.')
        .is_some_and(|(_, top)| top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let host_letters = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let address = host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok();
    pool && host_letters && (named || address) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::world::{World, field, id};
    use crate::event::{AgentId, CgroupId, Nanos};

    const XMR: &str =
        "49Xgwx3RfyV3ZMEVyrUNuUMzgQ1WHjkWL5T6Xk7QaTszggbtPbRPEkZQau9yACYEmUCHPNrU2MBdnJf4s4xLK5AyLDP5ucd";
    const LTC: &str = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9";

    fn written(path: &str, before: Option<&str>, text: &str) -> Vec<Observation> {
        let world = World::new();
        let around =
            Around { table: &world.table, names: &world.names, tasks: &world.tasks, now: Nanos(world.time) };
        let file = FileText {
            time: Nanos(2),
            written: Nanos(1),
            process: id(7),
            agent: AgentId(1),
            cgroup: CgroupId(9),
            path: path.into(),
            dev: 1,
            inode: 1,
            before: before.map(Into::into),
            text: Ok(text.into()),
            size: text.len() as u64,
            unfinished: false,
        };
        let mut out = Vec::new();
        file_text(around, &file, &mut out);
        out
    }

    /// The words beside the wallet, or nothing.
    fn words(path: &str, text: &str) -> String {
        let seen = written(path, None, text);
        assert!(seen.len() <= 1);
        seen.first().map_or(String::new(), |seen| field(seen, "PoolWords").to_string())
    }

    #[test]
    fn configurations_of_miners_are_told() {
        let xmrig = format!(
            r#"{{"autosave": true, "pools": [{{"algo": null, "url": "pool.example:3333", "user": "{XMR}", "pass": "x"}}]}}"#
        );
        let seen = written("/home/a/.cache/.x/config.json", None, &xmrig);
        assert_eq!(seen[0].name, "wallet_configuration");
        assert_eq!(field(&seen[0], "WalletCoins").to_string(), r#"["XMR"]"#);
        assert_eq!(field(&seen[0], "PoolWords").to_string(), r#"["pools","endpoint","url"]"#);
        assert_eq!(field(&seen[0], "PoolEndpoints").to_string(), r#"["pool.example:3333"]"#);
        let cgminer =
            format!(r#"{{"pools" : [{{"url" : "stratum+tcp://p.example:3333", "user" : "{LTC}.1"}}]}}"#);
        assert_eq!(words("/root/cgminer.conf", &cgminer), r#"["stratum","pools","endpoint","url"]"#);
        let stak = format!(
            "\"pool_list\" :\n[ {{\"pool_address\" : \"p.example:5555\", \"wallet_address\" : \"{XMR}\"}} ],"
        );
        assert_eq!(words("/opt/pools.txt", &stak), r#"["pools","endpoint"]"#);
        let script = format!("#!/bin/sh\nexec ./a -o 10.0.0.5:3333 -u {XMR} -k\n");
        assert_eq!(words("/tmp/start.sh", &script), r#"["endpoint"]"#);
        let unit = format!("[Service]\nExecStart=/opt/a --url=ssl://p.example:443 --user={XMR}\n");
        assert_eq!(words("/etc/systemd/system/a.service", &unit), r#"["endpoint","url"]"#);
        assert_eq!(words("/srv/x", &format!("pool=p.example:1\nuser={LTC}\n")), r#"["endpoint"]"#);
    }

    #[test]
    fn an_address_without_a_pool_is_nothing() {
        for text in [
            XMR.to_owned(),
            format!("donate: {XMR}\nhome: https://example.org:8443/\n"),
            format!("DATABASE_URL=postgres://u:p@db.example:5432/x\nADDRESS={LTC}\n"),
            format!("image: nginx:1.25\nports:\n  - \"8080:80\"\naddress: {LTC}\n"),
            format!("carpools: 3\nspools: 1\ncurl: {XMR}"),
        ] {
            assert_eq!(words("/work/config.yml", &text), "", "{text}");
        }
    }

    #[test]
    fn a_pool_without_an_address_is_nothing() {
        assert_eq!(
            words("/work/config.json", r#"{"pools": [{"url": "stratum+tcp://p.example:1", "user": "me"}]}"#),
            ""
        );
        let example = r#"{"pools": [{"url": "p.example:1", "user": "YOUR_WALLET_ADDRESS"}]}"#;
        assert_eq!(words("/work/config.json", example), "");
        // Of documentation.
        let genesis = "pools: stratum+tcp://p.example:1 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
        assert_eq!(words("/work/config.yml", genesis), "");
    }

    #[test]
    fn sources_documents_and_packages_are_left_alone() {
        let text = format!("stratum+tcp://p.example:3333 {XMR}");
        for path in [
            "/work/a/README.md",
            "/work/a/src/wallet.rs",
            "/work/a/tests/pool.json",
            "/work/a/Docs/mining.txt",
            "/work/a/.git/objects/ab/cd",
            "/work/a/node_modules/x/config.json",
            "/usr/lib/python3/dist-packages/x/a.conf",
            "/work/a/test_pool.PY",
        ] {
            assert_eq!(words(path, &text), "", "{path}");
        }
        assert_ne!(words("/work/a/tests.conf", &text), "");
    }

    #[test]
    fn what_stood_there_before_is_not_told_again() {
        let old = format!("pools: p.example:3333\nuser: {XMR}\n");
        assert!(written("/srv/a.yml", Some(&old), &format!("{old}threads: 2\n")).is_empty());
        assert_eq!(written("/srv/a.yml", Some(&old), &old.replace(XMR, LTC)).len(), 1);
        assert_eq!(written("/srv/a.yml", Some(""), &old).len(), 1);
    }

    #[test]
    fn endpoints_are_hosts_with_ports() {
        for word in [
            "p.example:3333",
            "10.0.0.1:1",
            "localhost:3333",
            "stratum+ssl://me.1:x@p.example:443",
            "ssl://p.example:1/x",
        ] {
            assert!(is_endpoint(word), "{word}");
        }
        for word in [
            "",
            ":",
            "a:1",
            "1.25:80",
            "http://p.example:80",
            "p.example:0",
            "p.example:65536",
            "x.y:1",
            "\u{e9}.example:1",
        ] {
            assert!(!is_endpoint(word), "{word}");
        }
    }
}
