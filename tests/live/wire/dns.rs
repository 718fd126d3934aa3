//! Names: what an agent asks a resolver, and whose address it connects to afterwards.

use detector_tests::needs_root;

use super::{Stage, says};

#[test]
fn an_address_bears_the_name_that_led_to_it() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let _echo = stage.peer_at(8080, "socat", &["TCP-LISTEN:8080,fork,reuseaddr", "EXEC:cat"]);
    for ask in ["getent hosts build.example.org", "dig +short build.example.org"] {
        let alerts =
            stage.run(&format!("{ask}\nbash -c 'exec 3<> /dev/tcp/{}/8080'", detector_tests::netns::PEER));
        let alert = alerts.of("network/shell_connects.yml", "low");
        assert!(says(alert, "DestinationHostname", "build.example.org"), "{ask}: {alert:#}");
    }
}

#[test]
fn an_answer_over_tcp_names_an_address_too() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let _echo = stage.peer_at(8080, "socat", &["TCP-LISTEN:8080,fork,reuseaddr", "EXEC:cat"]);
    let alerts = stage.run("dig +tcp +short build.example.org\nbash -c \"exec 3<> /dev/tcp/$PEER/8080\"");
    let alert = alerts.of("network/shell_connects.yml", "low");
    assert!(says(alert, "DestinationHostname", "build.example.org"), "{alert:#}");
}

#[test]
fn asking_for_a_pool_is_told() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    for ask in [
        "getent hosts pool.supportxmr.com",
        "dig +short pool.supportxmr.com",
        "dig +tcp +short A pool.supportxmr.com",
    ] {
        stage.run(ask).of("mining/pool_domain_query.yml", "medium");
    }
}

#[test]
fn asking_for_a_tunnel_service_is_told() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    stage.run("getent hosts region1.v2.argotunnel.com").of("network/tunnel_domain_query.yml", "medium");
}

#[test]
fn data_in_names_is_told() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let alerts = stage.run(
        r#"/usr/bin/python3 - <<'PYTHON'
import os, socket, struct
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.settimeout(5)
resolver.connect((os.environ["PEER"], 53))
for number in range(400):
    labels = [os.urandom(28).hex(), os.urandom(20).hex(), "t", "example", "org"]
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    resolver.send(struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", 16 if number % 2 else 1, 1))
    resolver.recv(4096)
PYTHON"#,
    );
    alerts.of("network/dns_tunnel.yml", "high");
}

#[test]
fn the_names_of_an_ordinary_build_are_quiet() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let alerts = stage.run(
        "for name in github.com crates.io static.crates.io index.crates.io pypi.org files.pythonhosted.org \
         registry.npmjs.org deb.debian.org objects.githubusercontent.com e7a1f0c2d9b84.cloudfront.net; do\n\
         getent hosts $name; dig +short AAAA $name; done",
    );
    alerts.are_quiet_but_for(&[]);
}
