//! What else speaks SSH: dropbear, autossh, sshuttle, OpenSSH on a port that is not its own.

use std::process::Stdio;

use detector_tests::needs_root;
use detector_tests::netns::Netns;

use super::{Stage, program_of};

/// An echo on port 8000 of loopback.
const ECHO: [&str; 2] = ["TCP-LISTEN:8000,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat"];

fn echoed(side: &Netns, target: &str) -> String {
    let mut socat = side.command("sh");
    let script = format!("echo through | socat -t 5 - {target}");
    let output = socat.args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_reverse_tunnel_of_dropbear_is_told() {
    needs_root!();
    for name in ["dbclient", "indexer"] {
        let stage = Stage::new();
        let sshd = stage.sshd(&[22]);
        let key = sshd.dropbear_key().unwrap();
        stage.renamed("dbclient", name);
        let _echo = stage.bystander_at(8000, "socat", &ECHO);
        let key = key.display();
        let run = stage
            .start(&format!("./{name} -y -y -N -i {key} -R 9000:127.0.0.1:8000 root@$PEER &\nuntil_done"));
        stage.world.peer.until_listening(9000).unwrap();
        assert_eq!(echoed(&stage.world.peer, "TCP:127.0.0.1:9000"), "through\n", "{}", run.log());
        let alert = run.alert("network/ssh_client_tunnel.yml");
        assert_eq!((alert["level"].as_str(), program_of(&alert)), (Some("high"), name));
        run.end();
    }
}

#[test]
fn a_reverse_tunnel_that_autossh_keeps_is_told() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    let _echo = stage.bystander_at(8000, "socat", &ECHO);
    let run = stage.start(
        "AUTOSSH_GATETIME=0 autossh -M 0 -F ssh/config -N -R 9000:127.0.0.1:8000 h &\nuntil_done\nkill $!; wait $! || true",
    );
    stage.world.peer.until_listening(9000).unwrap();
    assert_eq!(echoed(&stage.world.peer, "TCP:127.0.0.1:9000"), "through\n", "{}", run.log());
    let alert = run.alert("network/ssh_client_tunnel.yml");
    assert_eq!((alert["level"].as_str(), program_of(&alert)), (Some("high"), "ssh"));
    run.end();
}

#[test]
fn whole_networks_through_sshuttle_are_told() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    let every = ["TCP-LISTEN:8000,fork,reuseaddr", "EXEC:cat"];
    let _echo = stage.peer_at(8000, "socat", &every);
    let run = stage.start(
        "sshuttle --method=nat -v -e \"ssh -F $PLACE/ssh/config\" -r h 10.88.0.0/16 > sshuttle.log 2>&1 &\n\
         until grep -q 'Connected to server' sshuttle.log; do sleep 0.02; done\n\
         said=$(echo through | socat -t 5 - TCP:10.88.0.1:8000)\n[ \"$said\" = through ]\nuntil_done\n\
         kill $!; wait $! || true; cat sshuttle.log",
    );
    run.alert("network/ssh_forward.yml");
    let alerts = run.end();
    alerts.of_any(&["network/tunnel_tool.yml", "network/ssh_forward.yml"]);
}

#[test]
fn ssh_on_another_port_than_its_own_is_told() {
    needs_root!();
    for port in [443, 2222] {
        let stage = Stage::new();
        let sshd = stage.sshd(&[port]);
        sshd.client("config", port, "").unwrap();
        let alerts = stage.run("[ \"$(ssh -F ssh/config h echo there)\" = there ]");
        alerts.of("network/ssh_unusual_port.yml", "medium");
    }
}

#[test]
fn an_ssh_client_by_another_name_is_told() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    stage.renamed("ssh", "node");
    let alerts = stage.run("[ \"$(./node -F ssh/config h echo there)\" = there ]");
    let alert = alerts.of("network/ssh_client_of_other_name.yml", "medium");
    assert_eq!(program_of(alert), "node");
}
