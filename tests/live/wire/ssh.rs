//! Forwards of an OpenSSH client that are used, by command line or by configuration alone, under its own name
//! or another.

use std::process::Stdio;

use detector_tests::needs_root;

use super::{Stage, program_of};

/// A client's name and whether its command line says what it does.
const FORMS: [(&str, bool); 4] =
    [("ssh", true), ("ssh", false), ("backup-agent", true), ("backup-agent", false)];

/// What tells a client that connects on for the other side, and one that listens for it.
const CONNECTS: (&str, &str) = ("network/ssh_client_tunnel.yml", "high");
const LISTENS: (&str, &str) = ("network/ssh_client_listens.yml", "medium");

/// Opens a forward in every form, uses it by `through`, and wants the tunnel told.
fn forwards(
    option: &str,
    keyword: &str,
    spec: &str,
    (rule, level): (&str, &str),
    ready: impl Fn(&Stage),
    through: impl Fn(&Stage) -> String,
) {
    for (client, by_words) in FORMS {
        let stage = Stage::new();
        let sshd = stage.sshd(&[22]);
        stage.renamed("ssh", "backup-agent");
        // A configuration has a space where a command line has a colon.
        let configured = format!("{keyword} {}\nSessionType none\nStdinNull yes", spec.replacen(':', " ", 1));
        let more = if by_words { "" } else { &configured };
        sshd.client("config", 22, more).unwrap();
        let program = if client == "ssh" { client } else { "./backup-agent" };
        let words = if by_words { format!("-N {option} {spec}") } else { String::new() };
        let run = stage.start(&format!("{program} -F ssh/config {words} h &\nuntil_done"));
        ready(&stage);
        assert_eq!(through(&stage), "through\n", "{client} {option}, by words: {by_words}\n{}", run.log());
        let alert = run.alert(rule);
        assert_eq!((alert["level"].as_str(), program_of(&alert)), (Some(level), client));
        let alerts = run.end();
        if client != "ssh" {
            alerts.of("network/ssh_client_of_other_name.yml", "medium");
        }
    }
}

/// What an echo on the other end gives back.
fn echoed(side: &detector_tests::netns::Netns, words: &str) -> String {
    let mut socat = side.command("sh");
    let output =
        socat.args(["-c", &format!("echo through | {words}")]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// An echo on port 8000 of loopback.
const ECHO: [&str; 2] = ["TCP-LISTEN:8000,bind=127.0.0.1,fork,reuseaddr", "EXEC:cat"];

#[test]
fn a_remote_forward_that_is_used_is_told() {
    needs_root!();
    let through = |stage: &Stage| {
        let _echo = stage.bystander_at(8000, "socat", &ECHO);
        echoed(&stage.world.peer, "socat -t 5 - TCP:127.0.0.1:9000")
    };
    let ready = |stage: &Stage| stage.world.peer.until_listening(9000).unwrap();
    forwards("-R", "RemoteForward", "9000:127.0.0.1:8000", CONNECTS, ready, through);
}

#[test]
fn a_local_forward_that_is_used_is_told() {
    needs_root!();
    let through = |stage: &Stage| {
        let _echo = stage.peer_at(8000, "socat", &ECHO);
        echoed(&stage.world.agent, "socat -t 5 - TCP:127.0.0.1:9000")
    };
    let ready = |stage: &Stage| stage.world.agent.until_listening(9000).unwrap();
    forwards("-L", "LocalForward", "9000:127.0.0.1:8000", LISTENS, ready, through);
}

#[test]
fn a_socks_forward_that_is_used_is_told() {
    needs_root!();
    let through = |stage: &Stage| {
        let _echo = stage.peer_at(8000, "socat", &ECHO);
        echoed(&stage.world.agent, "socat -t 5 - SOCKS4:127.0.0.1:127.0.0.1:8000,socksport=9000")
    };
    let ready = |stage: &Stage| stage.world.agent.until_listening(9000).unwrap();
    forwards("-D", "DynamicForward", "9000", LISTENS, ready, through);
}

#[test]
fn a_network_device_that_is_refused_is_no_more_than_its_command_line() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    let alerts = stage.run(
        "ssh -F ssh/config -v -N -w 0:0 h 2> ssh.log &\n\
         until grep -q 'open failed' ssh.log; do sleep 0.02; done",
    );
    alerts.are_quiet_but_for(&["network/ssh_forward.yml"]);
    alerts.of("network/ssh_forward.yml", "medium");
}

#[test]
fn a_client_that_carries_nothing_is_no_tunnel() {
    needs_root!();
    let stage = Stage::new();
    let sshd = stage.sshd(&[22]);
    sshd.client("config", 22, "").unwrap();
    stage.run("[ \"$(ssh -F ssh/config h echo there)\" = there ]").are_quiet_but_for(&[]);
}
