//! Mining protocols by their samples.

use super::samples::{NEGATIVE, POSITIVE};
use super::*;

fn prefix(bytes: &[u8]) -> Prefix<'_> {
    Prefix { transport: Transport::Tcp, bytes, other: b"", sender_initiated: None }
}

fn field(verdict: &Verdict, name: &str) -> Option<Value> {
    let Verdict::Is(found) = verdict else { panic!("{verdict:?}") };
    found.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

fn sample(name: &str) -> Verdict {
    let sample = POSITIVE.iter().find(|sample| sample.name == name).expect(name);
    recognise(&prefix(sample.bytes))
}

#[test]
fn every_sample_is_known_from_its_decisive_byte_on_and_possible_before() {
    for sample in POSITIVE {
        for cut in 0..=sample.bytes.len() {
            match recognise(&prefix(&sample.bytes[..cut])) {
                Verdict::Is(found) => assert_eq!(found.speaker, sample.from, "{} at {cut}", sample.name),
                Verdict::More => {
                    assert!(cut < sample.decisive, "{} at {cut} of {}", sample.name, sample.decisive);
                }
                Verdict::No => panic!("{} at {cut}", sample.name),
            }
        }
    }
}

#[test]
fn nothing_else_is_taken_for_mining_wherever_it_is_cut() {
    for (name, text) in NEGATIVE {
        for cut in 0..=text.len() {
            let verdict = recognise(&prefix(&text.as_bytes()[..cut]));
            assert!(!matches!(verdict, Verdict::Is(_)), "{name} at {cut}: {verdict:?}");
        }
    }
}

#[test]
fn what_cannot_become_mining_is_let_go_at_once() {
    for text in [
        "{ x",
        "[1]",
        "GET x",
        "PUT /",
        "HTTP/2",
        "SSH-2.0",
        "{\"method\":\"initialize\"",
        "{\"a\":1}\n",
        "\0\0\x02",
        "{\"jsonrpc\":\"2.0\",\"method\":\"eth_call\"",
        "{\"Hello\":0}\0",
        "\x16\x03",
    ] {
        assert_eq!(recognise(&prefix(text.as_bytes())), Verdict::No, "{text:?}");
    }
    let long = format!("{{\"text\":\"{}", "x".repeat(600));
    assert_eq!(recognise(&prefix(long.as_bytes())), Verdict::No);
    let udp = Prefix { transport: Transport::Udp, ..prefix(POSITIVE[0].bytes) };
    assert_eq!(recognise(&udp), Verdict::No);
}

#[test]
fn a_login_tells_who_mines_what_for_whom() {
    let verdict = sample("xmrig login");
    assert_eq!(field(&verdict, "StratumDialect"), Some("cryptonote".into()));
    assert_eq!(field(&verdict, "StratumMethod"), Some("login".into()));
    assert_eq!(field(&verdict, "StratumCertainty"), Some("certain".into()));
    assert_eq!(
        field(&verdict, "StratumAgent"),
        Some("XMRig/6.26.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0".into())
    );
    let login = field(&verdict, "StratumLogin").unwrap();
    assert!(login.as_str().unwrap().starts_with("48A7") && login.as_str().unwrap().len() == 95);
    let algo = field(&verdict, "StratumAlgo").unwrap();
    assert_eq!(algo.as_array().unwrap().len(), 5);
    assert_eq!(algo[0], "rx/0");

    let verdict = sample("bitcoin authorize");
    assert_eq!(field(&verdict, "StratumLogin"), Some("bc1qexampleexampleexampleexample.rig1".into()));
    assert_eq!(field(&sample("nicehash marker"), "StratumAgent"), Some("NiceHash/1.0.0".into()));
    assert_eq!(field(&sample("getwork over HTTP"), "StratumAgent"), Some("cpuminer/2.5.1".into()));
    assert_eq!(field(&sample("beam login"), "StratumLogin"), Some("skjdb7343636gucgjdjgd.worker".into()));
}

#[test]
fn each_dialect_has_its_name() {
    for (name, dialect) in [
        ("xmr-stak login", "cryptonote"),
        ("cryptonote job, parameters first", "cryptonote"),
        ("cgminer submit", "bitcoin"),
        ("bitcoin notify, method last", "bitcoin"),
        ("ethereum stratum 1 subscribe", "ethereumstratum1"),
        ("ethereum stratum 1 answer", "ethereumstratum1"),
        ("ethereum stratum 2 hello", "ethereumstratum2"),
        ("ethereum stratum 2 set", "ethereumstratum2"),
        ("ethproxy login", "ethproxy"),
        ("grin login", "grin"),
        ("grin job", "grin"),
        ("beam login", "beam"),
        ("beam job", "beam"),
        ("fishhash subscribe", "fishhash"),
        ("getwork over HTTP", "getwork"),
        ("ethereum work over HTTP", "getwork"),
        ("block template over HTTP", "getblocktemplate"),
        ("stratum 2 setup", "stratum2"),
    ] {
        assert_eq!(field(&sample(name), "StratumDialect"), Some(dialect.into()), "{name}");
    }
}

#[test]
fn what_a_node_of_ones_own_is_also_told_is_only_likely() {
    for name in [
        "ethproxy asks for work",
        "ethproxy work",
        "a login that says no more",
        "getwork over HTTP without its headers",
        "block template over HTTP",
        "monero block template answer",
    ] {
        assert_eq!(field(&sample(name), "StratumCertainty"), Some("likely".into()), "{name}");
    }
    let web =
        recognise(&prefix(b"{\"method\":\"login\",\"params\":{\"user\":\"bob\",\"password\":\"x\"}}\n"));
    assert_eq!(field(&web, "StratumCertainty"), Some("likely".into()));
}

#[test]
fn a_certain_line_beats_a_likely_one_before_it() {
    let both =
        b"{\"id\":1,\"method\":\"eth_getWork\"}\n{\"id\":2,\"method\":\"eth_submitWork\",\"params\":[]}\n";
    assert_eq!(field(&recognise(&prefix(both)), "StratumMethod"), Some("eth_submitWork".into()));
}

#[test]
fn hostile_json_ends_without_harm() {
    let nested = format!("{{\"a\":{}", "[".repeat(5_000));
    assert_eq!(recognise(&prefix(nested.as_bytes())), Verdict::No);
    for text in [
        "{\"\\u12",
        "{\"\\ud800\":1}",
        "{\"a\":\"\\",
        "{\"a\":1e",
        "{\"a\":-}",
        "{,}",
        "{\"a\":[,]}",
        "{}{}{}",
        "{\"a\" 1",
    ] {
        assert!(!matches!(recognise(&prefix(text.as_bytes())), Verdict::Is(_)), "{text}");
    }
    // Each byte of each sample wrong in turn: anything but a panic will do.
    for sample in POSITIVE {
        for at in 0..sample.bytes.len() {
            let mut bytes = sample.bytes.to_vec();
            bytes[at] ^= 0x41;
            let _verdict = recognise(&prefix(&bytes));
        }
    }
}
