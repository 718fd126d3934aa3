//! Tunnel tools by their own protocols, as their clients begin.

use detector_tests::needs_root;

use super::Stage;

#[test]
fn chisel_is_told_by_its_header() {
    needs_root!();
    let stage = Stage::new();
    let _web = stage.peer_at(8080, "/usr/bin/python3", &["-m", "http.server", "--bind", "0.0.0.0", "8080"]);
    let alerts = stage.run(
        "curl -sS -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
         -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H 'Sec-WebSocket-Protocol: chisel-v3' \
         http://$PEER:8080/ > /dev/null",
    );
    alerts.of("network/chisel.yml", "high");
}

/// frp's login: a byte for its kind, eight for its length, JSON.
#[test]
fn frp_is_told_by_its_login() {
    needs_root!();
    let stage = Stage::new();
    let _server = stage.peer_at(7000, "socat", &["TCP-LISTEN:7000,fork,reuseaddr", "EXEC:cat"]);
    let alerts = stage.run(
        r#"/usr/bin/python3 - <<'PYTHON'
import json, os, socket, struct
login = json.dumps({"version": "0.58.1", "hostname": "", "os": "linux", "arch": "amd64", "user": "",
    "privilege_key": "d41d8cd98f00b204e9800998ecf8427e", "timestamp": 1700000000, "run_id": "", "pool_count": 1}).encode()
with socket.create_connection((os.environ["PEER"], 7000)) as server:
    server.sendall(b"o" + struct.pack(">q", len(login)) + login)
    assert server.recv(1) == b"o"
PYTHON"#,
    );
    alerts.of("network/tunnel_tool.yml", "high");
}

/// bore's hello: JSON that a zero byte ends.
#[test]
fn bore_is_told_by_its_hello() {
    needs_root!();
    let stage = Stage::new();
    let _server = stage.peer_at(7835, "socat", &["TCP-LISTEN:7835,fork,reuseaddr", "EXEC:cat"]);
    let alerts = stage.run("printf '{\"Hello\":0}\\0' | socat -t 1 - TCP:$PEER:7835 > /dev/null");
    alerts.of("network/tunnel_tool.yml", "high");
}
