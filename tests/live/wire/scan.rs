//! Looking around: many hosts, many ports, the address where clouds keep credentials.

use detector_tests::needs_root;

use super::Stage;

/// Connects to every address of a list, a refusal is an answer.
const CONNECTS: &str = r#"
import os, socket
def knock(host, port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port))
"#;

fn python(stage: &Stage, what: &str) -> super::Alerts {
    stage.run(&format!("/usr/bin/python3 - <<'PYTHON'\n{CONNECTS}\n{what}\nPYTHON"))
}

#[test]
fn one_port_of_many_hosts_is_told() {
    needs_root!();
    let stage = Stage::new();
    let alerts = python(&stage, "for host in range(1, 61): knock(f'10.78.0.{host}', 22)");
    alerts.of("network/internal_scan.yml", "high");
}

#[test]
fn many_ports_of_one_host_are_told() {
    needs_root!();
    let stage = Stage::new();
    let alerts = python(&stage, "for port in range(1, 301): knock('10.78.0.9', port)");
    alerts.of("network/internal_scan.yml", "high");
}

#[test]
fn a_scan_by_a_shell_alone_is_told() {
    needs_root!();
    let stage = Stage::new();
    let alerts = stage
        .run("for host in $(seq 1 60); do (exec 3<> /dev/tcp/10.78.0.$host/22) 2> /dev/null || true; done");
    alerts.of("network/internal_scan.yml", "high");
}

#[test]
fn a_few_services_are_no_scan() {
    needs_root!();
    let stage = Stage::new();
    let what = "for _ in range(40):\n    for host in range(1, 5): knock(f'10.78.0.{host}', 5432)\n\
                for port in (80, 443, 5432, 6379, 9200): knock('10.78.0.9', port)";
    python(&stage, what).are_quiet_but_for(&[]);
}

#[test]
fn the_metadata_service_is_told() {
    needs_root!();
    let stage = Stage::new();
    let _web = stage.peer_at(80, "/usr/bin/python3", &["-m", "http.server", "--bind", "0.0.0.0", "80"]);
    let alerts = stage.run("curl -sS http://169.254.169.254/latest/meta-data/iam/ > /dev/null");
    alerts.of("network/metadata_service.yml", "medium");
}
