//! Work that looks alike and must stay quiet: git and rsync over SSH, waiting for a service.

use std::path::Path;
use std::process::Command;

use detector_tests::needs_root;

use super::Stage;

/// A repository with a commit, at `origin`.
fn origin(place: &Path) {
    let script = "git init -q -b main origin && cd origin && seq 4000 > file && git add . && \
                  git -c user.name=a -c user.email=a@b commit -qm first";
    let made =
        Command::new("sh").args(["-c", script]).current_dir(place).env("HOME", place).status().unwrap();
    assert!(made.success());
}

#[test]
fn git_over_ssh_is_quiet_on_the_port_of_the_web_too() {
    needs_root!();
    for port in [22, 443] {
        let stage = Stage::new();
        let sshd = stage.sshd(&[port]);
        sshd.client("config", port, "").unwrap();
        origin(stage.place.path());
        // git reads no repository of somebody else's home; the session's is root's.
        let alerts = stage.run(&format!(
            "export GIT_SSH_COMMAND=\"ssh -F $PLACE/ssh/config -p {port}\"\n\
             git clone -q \"h:$PLACE/origin\" clone\ncd clone\ngit fetch -q\n\
             git -c user.name=a -c user.email=a@b commit -q --allow-empty -m second\n\
             git push -q origin HEAD:refs/heads/more"
        ));
        alerts.are_quiet_but_for(&[]);
    }
}

#[test]
fn rsync_and_sftp_over_ssh_are_quiet() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    let alerts = stage.run(
        "mkdir data && seq 20000 > data/numbers\n\
         rsync -a -e \"ssh -F $PLACE/ssh/config\" data/ \"h:$PLACE/copy/\"\ncmp data/numbers copy/numbers\n\
         scp -q -F ssh/config data/numbers \"h:$PLACE/second\"\ncmp data/numbers second",
    );
    alerts.are_quiet_but_for(&[]);
}

#[test]
fn waiting_for_a_service_here_is_quiet() {
    needs_root!();
    let stage = Stage::new();
    let alerts = stage.run(
        "/usr/bin/python3 -m http.server --bind 127.0.0.1 8000 > /dev/null 2>&1 &\n\
         until timeout 1 bash -c '</dev/tcp/127.0.0.1/8000' 2> /dev/null; do sleep 0.02; done",
    );
    alerts.are_quiet_but_for(&[]);
}

#[test]
fn a_database_on_another_machine_is_quiet() {
    needs_root!();
    let stage = Stage::new();
    let _dns = stage.dns();
    let server = "import socketserver
class Redis(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line == b'PING\\r\\n': self.wfile.write(b'+PONG\\r\\n')
socketserver.TCPServer(('', 6379), Redis).serve_forever()";
    let _redis = stage.peer_at(6379, "/usr/bin/python3", &["-c", server]);
    let alerts = stage.run(
        r#"/usr/bin/python3 - <<'PYTHON'
import socket
with socket.create_connection(("cache.example.org", 6379)) as server:
    for _ in range(20):
        server.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert server.recv(64).startswith(b"+PONG")
PYTHON"#,
    );
    alerts.are_quiet_but_for(&[]);
}
