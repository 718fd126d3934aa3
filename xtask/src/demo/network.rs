//! A network for the demo alone: the agents on one side of a wire, everybody whom they talk to on the other.
//!
//! Nothing that the agents send leaves this machine, and nothing of the machine's own network is touched.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::interrupt::wait_for;
use crate::live::{Guarded, terminate};
use crate::shell::output;

/// Address of the other side, which also answers for every other address.
pub(super) const PEER: &str = "10.77.0.2";
const AGENT: &str = "10.77.0.1";
/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);

/// Two network namespaces and what serves in them; dropped, all is gone.
pub(super) struct Network {
    servers: Vec<Guarded>,
    agent: Namespace,
    peer: Namespace,
}

/// One network namespace; dropped, what still runs inside is killed and it is removed.
pub(super) struct Namespace {
    name: String,
}

impl Network {
    /// Makes both sides and the wire between them.
    pub(super) fn create() -> Result<Self> {
        let network =
            Self { servers: vec![], agent: Namespace::create("agent")?, peer: Namespace::create("peer")? };
        let Self { agent, peer, servers: _ } = &network;
        agent.ip(&["link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", &peer.name])?;
        for (side, address) in [(agent, AGENT), (peer, PEER)] {
            side.ip(&["address", "add", &format!("{address}/30"), "dev", "wire"])?;
            side.ip(&["link", "set", "wire", "up"])?;
        }
        agent.ip(&["route", "add", "default", "via", PEER])?;
        peer.ip(&["route", "add", "local", "default", "dev", "lo", "table", "main"])?;
        Ok(network)
    }

    /// The agents' side.
    pub(super) fn agent(&self) -> &Namespace {
        &self.agent
    }

    /// The other side.
    pub(super) fn peer(&self) -> &Namespace {
        &self.peer
    }

    /// Starts whom the rogue agent talks to: a pool, in the clear and behind TLS, a hand for its shell, a web
    /// server that has a program for it, and on its own side an echo that a tunnel leads to.
    pub(super) fn serve(&mut self, scratch: &Path) -> Result<()> {
        let (certificate, key) = (scratch.join("pool.pem"), scratch.join("pool.key"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", "/CN=pool", "-days", "2", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
        output(&mut openssl)?;
        let tls = format!(
            "OPENSSL-LISTEN:443,reuseaddr,fork,verify=0,cert={},key={}",
            certificate.display(),
            key.display()
        );
        let hand = format!("SYSTEM:\"printf 'id\\nexit\\n'; cat > {}\"", scratch.join("held").display());
        let mut pool = Command::new(super::trigger()?);
        pool.args(["pool", "0.0.0.0:8443"]);
        let socat = |words: [&str; 2]| {
            let mut socat = Command::new("socat");
            socat.args(words);
            socat
        };
        let share = scratch.join("share");
        fs::create_dir(&share).context("cannot make a directory for the web server")?;
        fs::copy(super::trigger()?, share.join("tool")).context("cannot copy the trigger program")?;
        let mut web = Command::new("/usr/bin/python3");
        web.args(["-m", "http.server", "8080", "--directory"]).arg(&share);
        let echo = "TCP-LISTEN:8000,bind=127.0.0.1,reuseaddr,fork";
        let servers = [
            ("pool", &self.peer, 8443, pool),
            ("tls", &self.peer, 443, socat([&tls, "TCP:127.0.0.1:8443"])),
            ("hand", &self.peer, 4444, socat(["TCP-LISTEN:4444,reuseaddr,fork", &hand])),
            ("web", &self.peer, 8080, web),
            ("echo", &self.agent, 8000, socat([echo, "EXEC:cat"])),
        ];
        for (name, side, port, command) in servers {
            let log = scratch.join(format!("{name}.log"));
            let mut server = Guarded::start(name, side.inside(&command).stdout(Stdio::null()), &log)?;
            side.until_listening(port, &mut server)?;
            self.servers.push(server);
        }
        Ok(())
    }
}

impl Namespace {
    fn create(side: &str) -> Result<Self> {
        let name = format!("detector-demo-{}-{side}", std::process::id());
        ip(&["netns", "add", &name])?;
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// The same command, inside; nothing else about it changed: no mounts, as `ip netns exec` makes.
    pub(super) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/run/netns/{}", self.name)).arg("--");
        inside.arg(command.get_program()).args(command.get_args());
        inside
    }

    /// Waits until somebody inside listens on a TCP port; fails when the one who should has ended.
    pub(super) fn until_listening(&self, port: u16, server: &mut Guarded) -> Result<()> {
        let mut read = Command::new("cat");
        read.args(["/proc/net/tcp", "/proc/net/tcp6"]);
        wait_for(&format!("a listener on port {port}"), START, || {
            server.check()?;
            let table = output(&mut self.inside(&read))?;
            Ok(listens(&table, port).then_some(()))
        })
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name], words].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Sessions of an sshd are nobody's children any more.
        let pids = output(own_group(Command::new("ip").args(["netns", "pids", &self.name])));
        for pid in pids.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()) {
            terminate(pid, Signal::KILL);
        }
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("cannot remove the network namespace {}: {error:#}", self.name);
        }
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let done = output(own_group(Command::new("ip").args(words)));
    done.map(drop).context("the demo needs network namespaces and veth")
}

/// Keeps a terminal's second Ctrl-C from what cleans up.
fn own_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Whether a table of `/proc/net/tcp`'s form has a listener on a port.
fn listens(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 00000000:0016 00000000:0000 0A 00000000:00000000\n\
                     1: 0100007F:0050 0100007F:C350 01 00000000:00000000\n";
        assert!(listens(table, 22));
        assert!(!listens(table, 80));
    }
}
