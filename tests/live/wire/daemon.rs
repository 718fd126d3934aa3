//! Daemons with a connection, and a login to the own machine.

use detector_tests::needs_root;
use detector_tests::sshd::Sshd;

use super::{Stage, says};

/// Port that the peer answers at, whatever the address.
const PORT: u16 = 4433;

#[test]
fn a_daemon_that_is_connected_to_the_internet_is_told_with_the_address() {
    needs_root!();
    let stage = Stage::new();
    let _peer = stage.peer_at(PORT, "socat", &["TCP-LISTEN:4433,fork,reuseaddr", "EXEC:cat"]);
    let run = stage.start(
        "bash -c '/usr/bin/python3 -c \"
import os, socket, time
os.setsid()
s = socket.create_connection((\\\"203.0.113.9\\\", 4433))
time.sleep(60)\" > /dev/null 2>&1 &'
until_done",
    );
    let alert = run.alert("persistence/daemon_connected.yml");
    assert_eq!(alert["level"], "medium");
    assert!(
        says(&alert, "Connects", "203.0.113.9:4433/tcp")
            || alert.to_string().contains("203.0.113.9:4433/tcp")
    );
    run.end();
}

#[test]
fn a_login_to_the_own_machine_is_told() {
    needs_root!();
    let stage = Stage::new();
    let sshd = Sshd::start(stage.place.path(), &stage.world.agent, &[22]).unwrap();
    sshd.client("config", 22, "").unwrap();
    let run = stage.start("ssh -F ssh/config -o HostName=127.0.0.1 -N h &\nuntil_done");
    let alert = run.alert("persistence/request_ssh_here.yml");
    assert_eq!(alert["level"], "medium");
    assert!(alert["summary"].as_str().unwrap().contains("-N h"), "{alert:#}");
    run.end();
}
