//! A real sshd for one test, with keys and configuration of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::netns::{Netns, PEER};
use crate::server::Server;

/// A running sshd; its sessions end with its namespace.
#[derive(Debug)]
pub struct Sshd {
    place: PathBuf,
    _server: Server,
}

impl Sshd {
    /// Starts one inside a namespace, on some ports of every address, with its files below `place`.
    pub fn start(place: &Path, inside: &Netns, ports: &[u16]) -> Result<Self> {
        let place = place.join("ssh");
        fs::create_dir(&place).context("cannot make a directory for sshd")?;
        for key in ["host", "client"] {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(place.join(key)))?;
        }
        fs::copy(place.join("client.pub"), place.join("authorized"))?;
        let config = place.join("sshd_config");
        fs::write(&config, configuration(&place, ports))?;
        // sshd wants a directory in /run, which is nothing to leave behind: it gets a /run of its own.
        let script =
            "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec \"$(command -v sshd)\" \"$@\"";
        let mut command = inside.command("unshare");
        command.args(["--mount", "sh", "-c", script, "sshd", "-D", "-e", "-f"]).arg(&config);
        let path = std::env::var("PATH").unwrap_or_default();
        let server = Server::start(command.env("PATH", format!("{path}:/usr/sbin:/sbin")))?;
        let sshd = Self { place, _server: server };
        for port in ports {
            inside.until_listening(*port).with_context(|| format!("sshd: {}", sshd._server.said()))?;
        }
        Ok(sshd)
    }

    /// Writes a configuration of an OpenSSH client where the host is called `h`, with more lines about it.
    pub fn client(&self, name: &str, port: u16, more: &str) -> Result<PathBuf> {
        let file = self.place.join(name);
        let place = self.place.display();
        let text = format!(
            "Host h\nHostName {PEER}\nPort {port}\nUser root\nIdentityFile {place}/client\nIdentitiesOnly yes\n\
             StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nBatchMode yes\nExitOnForwardFailure yes\n\
             LogLevel ERROR\n{more}\n"
        );
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// Makes a key of dropbear's own format that may log in.
    pub fn dropbear_key(&self) -> Result<PathBuf> {
        let file = self.place.join("dropbear");
        let said = run(Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&file))?;
        let public = said.lines().find(|line| line.starts_with("ssh-")).context("dropbearkey gave no key")?;
        fs::write(self.place.join("authorized"), format!("{public}\n"))?;
        Ok(file)
    }
}

fn configuration(place: &Path, ports: &[u16]) -> String {
    let ports: String = ports.iter().map(|port| format!("Port {port}\n")).collect();
    let place = place.display();
    // Without PAM sshd refuses an account whose password is locked, as root's often is.
    let pam = if root_is_locked() { "yes" } else { "no" };
    format!(
        "{ports}HostKey {place}/host\nAuthorizedKeysFile {place}/authorized\nPidFile none\nUsePAM {pam}\n\
         StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nPrintLastLog no\n\
         PrintMotd no\nAllowTcpForwarding yes\nPermitTunnel no\nSubsystem sftp internal-sftp\nUseDNS no\nMaxStartups 100\n"
    )
}

fn root_is_locked() -> bool {
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    shadow.lines().any(|line| line.starts_with("root:!") || line.starts_with("root:*"))
}

fn run(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::World;

    #[test]
    fn an_agent_logs_in_at_a_peer_by_either_client() {
        crate::needs_root!();
        let world = World::create().unwrap();
        let place = tempfile::tempdir().unwrap();
        let sshd = Sshd::start(place.path(), &world.peer, &[22, 443]).unwrap();
        let config = sshd.client("config", 443, "").unwrap();
        let said =
            run(world.agent.command("ssh").arg("-F").arg(config).args(["h", "echo", "$SSH_CONNECTION"]));
        assert!(said.unwrap().trim().ends_with(&format!("{PEER} 443")));
        let key = sshd.dropbear_key().unwrap();
        let mut client = world.agent.command("dbclient");
        client.args(["-y", "-y", "-i"]).arg(key).args([&format!("root@{PEER}"), "echo", "in"]);
        assert_eq!(run(&mut client).unwrap().trim(), "in");
    }
}
