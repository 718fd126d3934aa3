//! What TLS leaves in the clear: the name that a client asks for.

use detector_tests::needs_root;

use super::{Stage, program_of};

#[test]
fn mining_under_tls_is_told_by_the_name_of_the_pool() {
    needs_root!();
    let carriers = [
        // Between miner and carrier there are pipes and socket pairs, nothing on a wire.
        r#"./carrier EXEC:"$TRIGGER miner - cryptonote" OPENSSL:$PEER:443,verify=0,snihost=xmr.2miners.com"#,
        r#"mkfifo back
"$TRIGGER" miner - cryptonote < back | ./carrier s_client -quiet -no_ign_eof -connect "$PEER:443" -servername xmr.2miners.com > back"#,
    ];
    for (program, script) in ["socat", "openssl"].into_iter().zip(carriers) {
        let stage = Stage::new();
        stage.certificate();
        stage.renamed(program, "carrier");
        let _pool = stage.peer_trigger(&["pool", "127.0.0.1:3333"]);
        let listen = "OPENSSL-LISTEN:443,reuseaddr,fork,cert=cert.pem,key=key.pem,verify=0";
        let _tls = stage.peer_at(443, "socat", &[listen, "TCP:127.0.0.1:3333"]);
        let run = stage.start(script);
        let alert = run.alert("mining/pool_domain.yml");
        assert_eq!((alert["level"].as_str(), program_of(&alert)), (Some("medium"), "carrier"));
        let log = run.log();
        run.end();
        assert!(!log.contains("nobody says"), "{log}");
        let said = std::fs::read_to_string(stage.path("agent.out")).unwrap();
        assert!(said.is_empty(), "{said}");
    }
}

#[test]
fn names_over_https_are_told() {
    needs_root!();
    let stage = Stage::new();
    let _https = stage.https();
    let alerts = stage.run(
        "curl -fsSk --resolve dns.google:443:8.8.8.8 -H 'accept: application/dns-json' \
         'https://dns.google/' > /dev/null",
    );
    alerts.of("network/dns_over_https.yml", "low");
    alerts.are_quiet_but_for(&[]);
}

#[test]
fn a_tunnel_service_is_told_by_its_name() {
    needs_root!();
    let stage = Stage::new();
    let _https = stage.https();
    let alerts = stage.run(
        "curl -fsSk --resolve connect.ngrok-agent.com:443:$PEER https://connect.ngrok-agent.com/ > /dev/null",
    );
    alerts.of("network/tunnel_domain.yml", "medium");
}

#[test]
fn the_web_over_tls_is_quiet() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let _https = stage.https();
    let alerts = stage.run(
        "curl -fsSk https://docs.example.org/ > /dev/null\n\
         /usr/bin/python3 -c 'import ssl, urllib.request as u; u.urlopen(\"https://docs.example.org/\", \
         context=ssl._create_unverified_context()).read()'",
    );
    alerts.are_quiet_but_for(&[]);
}
