//! Proxies as clients use them.

use detector_tests::needs_root;

use super::Stage;

fn stage() -> (Stage, [detector_tests::server::Server; 2]) {
    let stage = Stage::new();
    let web = stage.peer_at(8080, "/usr/bin/python3", &["-m", "http.server", "--bind", "0.0.0.0", "8080"]);
    let proxy = stage.peer_trigger(&["proxy", "0.0.0.0:1080", "127.0.0.1:8080"]);
    (stage, [web, proxy])
}

#[test]
fn socks_is_told_and_no_more_than_low() {
    needs_root!();
    let (stage, _servers) = stage();
    let alerts = stage.run("curl -fsS --socks5-hostname $PEER:1080 http://docs.example.org/ > /dev/null");
    alerts.of("network/proxy_handshake.yml", "low");
    alerts.are_quiet_but_for(&[]);
}

#[test]
fn an_http_proxy_is_quiet() {
    needs_root!();
    let (stage, _servers) = stage();
    stage
        .run("curl -fsS -p -x http://$PEER:1080 http://docs.example.org/ > /dev/null")
        .are_quiet_but_for(&[]);
}

#[test]
fn what_follows_a_proxys_handshake_is_still_read() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    let _proxy = stage.peer_trigger(&["proxy", "0.0.0.0:1080", "127.0.0.1:22"]);
    sshd.client("config", 22, "ProxyCommand ncat --proxy 10.77.0.2:1080 --proxy-type socks5 %h %p").unwrap();
    let alerts = stage.run("[ \"$(ssh -F ssh/config h echo there)\" = there ]");
    // Who speaks SSH to the wire is ncat, to a port that is not SSH's.
    alerts.of_any(&["network/ssh_unusual_port.yml", "network/ssh_client_of_other_name.yml"]);
}
