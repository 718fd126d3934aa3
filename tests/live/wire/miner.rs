//! Mining in the clear: every dialect, in pieces, through proxies, from the middle of a talk on.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::wait::LIMIT;
use detector_tests::{needs_root, trigger};

use super::{Stage, program_of};

/// What content proves; a share of Ethereum's or a template of a node may be a wallet's or a test's as well.
const STRATUM: [&str; 2] = ["mining/stratum.yml", "mining/stratum_likely.yml"];

/// A renamed miner speaks a dialect: as it is, a byte at a time, through SOCKS, through CONNECT in pieces.
fn is_told(dialect: &str) {
    for manner in ["", "--split 1", "--socks $PEER:1080", "--connect $PEER:1080 --split 7"] {
        let stage = Stage::new();
        let _pool = stage.peer_trigger(&["pool", "0.0.0.0:8443", dialect]);
        let _proxy = stage.peer_trigger(&["proxy", "0.0.0.0:1080"]);
        stage.renamed(super::trigger_path().to_str().unwrap(), "indexer");
        let alerts = stage.run(&format!("./indexer miner $PEER:8443 {dialect} {manner}"));
        let alert = alerts.of_any(&STRATUM);
        assert_eq!(program_of(alert), "indexer", "{manner}");
        if !matches!(dialect, "getwork" | "getblocktemplate" | "stratum2") {
            alerts.of("mining/stratum.yml", "critical");
        }
    }
}

macro_rules! dialects {
    ($($name:ident $dialect:literal)*) => {
        $(
            #[test]
            fn $name() {
                needs_root!();
                is_told($dialect);
            }
        )*
    };
}

dialects! {
    cryptonote_is_told "cryptonote"
    xmr_stak_is_told "xmr-stak"
    bitcoin_is_told "bitcoin"
    a_method_that_comes_last_is_told "bitcoin-method-last"
    ethereum_stratum_1_is_told "ethereumstratum1"
    ethereum_stratum_2_is_told "ethereumstratum2"
    ethproxy_is_told "ethproxy"
    grin_is_told "grin"
    beam_is_told "beam"
    getwork_over_http_is_told "getwork"
    getblocktemplate_over_http_is_told "getblocktemplate"
    stratum_2_in_the_clear_is_told "stratum2"
}

#[test]
fn a_pool_on_loopback_is_told() {
    needs_root!();
    let stage = Stage::new();
    let trigger = super::trigger_path();
    let words = ["pool", "127.0.0.1:3333"];
    let _relay = stage.bystander_at(3333, trigger.to_str().unwrap(), &words);
    stage.run("\"$TRIGGER\" miner 127.0.0.1:3333 cryptonote").of("mining/stratum.yml", "critical");
}

#[test]
fn a_pool_by_name_is_told_by_its_name_too() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let _pool = stage.peer_trigger(&["pool", "0.0.0.0:8443"]);
    let alerts = stage.run("\"$TRIGGER\" miner xmr.2miners.com:8443 cryptonote");
    let alert = alerts.of("mining/stratum.yml", "critical");
    assert!(super::says(alert, "DestinationHostname", "xmr.2miners.com"), "{alert:#}");
    alerts.of("mining/pool_domain_query.yml", "medium");
    alerts.of("mining/pool_domain_connect.yml", "medium");
}

/// A detector that starts when the miner has long logged in knows it by its next share.
#[test]
fn a_miner_from_before_the_start_is_told_by_its_next_share() {
    needs_root!();
    for dialect in ["cryptonote", "xmr-stak", "bitcoin", "bitcoin-method-last", "ethproxy", "grin"] {
        let stage = Stage::new();
        let _pool = stage.peer_trigger(&["pool", "0.0.0.0:8443", dialect]);
        let group = Cgroup::create("late").unwrap();
        let mut miner = stage.world.agent.command(super::trigger_path().to_str().unwrap());
        miner.args(["miner", "10.77.0.2:8443", dialect, "--late"]);
        miner.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut miner = group.hold(&mut miner).unwrap().spawn().unwrap();
        let mut heard = BufReader::new(miner.stdout.take().unwrap());
        let mut line = String::new();
        heard.read_line(&mut line).unwrap();
        assert!(line.contains("\"waits\":true"), "{dialect}: {line}");

        let file = stage.path("late.jsonl");
        let config = format!(
            "[[agent]]\nname = \"miner\"\ncgroup = \"{}\"\n\n[sinks.file]\npath = \"{}\"\n",
            group.below_mount(),
            file.display()
        );
        fs::write(stage.path("config.toml"), config).unwrap();
        let mut detector = Detector::run(&stage.path("config.toml")).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        writeln!(miner.stdin.take().unwrap(), "go").unwrap();
        assert!(miner.wait().unwrap().success(), "{dialect}");
        let is_it = |alert: &serde_json::Value| {
            STRATUM.iter().any(|rule| alert["rule"]["file"] == format!("rules/{rule}").as_str())
        };
        let found = JsonLines::follow(&file).wait_for("an alert about the share", LIMIT, is_it);
        let alert = found.unwrap_or_else(|error| panic!("{dialect}: {error:#}\n{}", detector.log()));
        assert_eq!(trigger::number(&alert["process"], "pid").unwrap(), u64::from(miner.id()));
        assert!(detector.stop().unwrap().success());
    }
}
