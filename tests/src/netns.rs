//! Network namespaces that a test makes for itself: an agent's, and one that plays the rest of the world.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{LIMIT, wait_for};

/// Address of the agent's side.
pub const AGENT: &str = "10.77.0.1";
/// Address of the other side, which also answers for every address that there is.
pub const PEER: &str = "10.77.0.2";

/// A network namespace with loopback; dropped, what runs inside is killed and it is removed.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes one, with a name that no other test has.
    pub fn create() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("detector-test-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// Its file, which `nsenter --net=` takes.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A program that will run inside, nothing else about it changed: no mounts, as `ip netns exec` makes.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Runs `ip` on what is inside.
    pub fn ip(&self, words: &[&str]) -> Result<()> {
        ip(&[&["-n", &self.name], words].concat())
    }

    /// Whether somebody inside listens on a TCP port.
    pub fn listens(&self, port: u16) -> Result<bool> {
        let output = self.command("cat").args(["/proc/net/tcp", "/proc/net/tcp6"]).output();
        let output = output.context("cannot run nsenter")?;
        if !output.status.success() {
            bail!("cannot read sockets of {}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(listens(&String::from_utf8_lossy(&output.stdout), port))
    }

    /// Waits until somebody inside listens on a TCP port.
    pub fn until_listening(&self, port: u16) -> Result<()> {
        wait_for(&format!("a listener on port {port}"), LIMIT, || Ok(self.listens(port)?.then_some(())))
    }

    fn remove(&self) -> Result<()> {
        // Sessions of an sshd and what a shell left behind are nobody's children any more.
        wait_for("an empty network namespace", LIMIT, || {
            let output = Command::new("ip").args(["netns", "pids", &self.name]).output()?;
            let pids = String::from_utf8_lossy(&output.stdout).into_owned();
            for pid in pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
                // One that has ended in the meantime needs no signal.
                let _ = kill_process(pid, Signal::KILL);
            }
            Ok(pids.trim().is_empty().then_some(()))
        })?;
        ip(&["netns", "del", &self.name])
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("cannot remove the network namespace {}: {error:#}", self.name);
        }
    }
}

/// Two namespaces and a wire between them: nothing that an agent sends leaves this machine.
#[derive(Debug)]
pub struct World {
    /// Where the agent lives: [`AGENT`], its default route leads to the peer.
    pub agent: Netns,
    /// Where everybody else lives: [`PEER`] and any address that is asked for, of clouds and resolvers too.
    pub peer: Netns,
}

impl World {
    /// Makes both.
    pub fn create() -> Result<Self> {
        let world = Self { agent: Netns::create()?, peer: Netns::create()? };
        let Self { agent, peer } = &world;
        agent.ip(&["link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", &peer.name])?;
        for (side, address) in [(agent, AGENT), (peer, PEER)] {
            side.ip(&["address", "add", &format!("{address}/30"), "dev", "wire"])?;
            side.ip(&["link", "set", "wire", "up"])?;
        }
        agent.ip(&["route", "add", "default", "via", PEER])?;
        peer.ip(&["route", "add", "local", "default", "dev", "lo", "table", "main"])?;
        Ok(world)
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("cannot run ip, of iproute2")?;
    if !output.status.success() {
        bail!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
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
    use std::process::Stdio;

    use super::*;
    use crate::server::Server;

    #[test]
    fn the_peer_answers_for_every_address_and_all_goes_away() {
        crate::needs_root!();
        let world = World::create().unwrap();
        let names = [world.agent.name.clone(), world.peer.name.clone()];
        let mut listen = world.peer.command("socat");
        listen.args(["TCP-LISTEN:80,fork,reuseaddr", "SYSTEM:echo $SOCAT_SOCKADDR"]);
        let _server = Server::start(&mut listen).unwrap();
        world.peer.until_listening(80).unwrap();
        for address in [PEER, "169.254.169.254", "10.78.3.9", "8.8.8.8"] {
            let mut ask = world.agent.command("socat");
            let output = ask.args(["-", &format!("TCP:{address}:80")]).stdin(Stdio::null()).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), address);
        }
        // One that nobody waits for.
        world.agent.command("setsid").args(["-f", "sleep", "60"]).status().unwrap();
        drop(world);
        assert!(names.iter().all(|name| !std::fs::exists(format!("/run/netns/{name}")).unwrap()));
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let table = "  sl  local_address rem_address   st\n\
                     0: 00000000:0016 00000000:0000 0A 00000000:00000000\n\
                     1: 0100007F:0050 0100007F:C350 01 00000000:00000000\n";
        assert!(listens(table, 22));
        assert!(!listens(table, 80));
        assert!(!listens(table, 2));
    }
}
