//! A real sshd on the other side of the demo's wire, with keys and configuration of its own, for the tunnel's other end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::network::{Network, PEER};
use crate::live::{Guarded, terminate};
use crate::shell::{output, which};

/// Where sshd, started as root, wants to chroot its child.
const SEPARATION: &str = "/run/sshd";

/// A running sshd; dropped, it ends.
pub(super) struct Sshd {
    process: Guarded,
    made_separation: bool,
}

impl Sshd {
    /// Starts it, with all its files below `scratch`.
    pub(super) fn start(scratch: &Path, network: &Network) -> Result<Self> {
        let place = scratch.join("ssh");
        fs::create_dir(&place).context("cannot make a directory for sshd")?;
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            output(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.join(key)))?;
        }
        fs::copy(place.join("client.pub"), place.join("authorized"))?;
        let made_separation = !Path::new(SEPARATION).exists();
        fs::create_dir_all(SEPARATION).with_context(|| format!("cannot make {SEPARATION}"))?;

        let config = place.join("sshd_config");
        fs::write(&config, configuration(&place))?;
        let program = which("sshd").context("sshd is missing; `cargo xtask setup` installs it")?;
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(&config);
        let process = Guarded::start("sshd", &mut network.peer().inside(&command), &place.join("log"))?;
        let mut sshd = Self { process, made_separation };
        network.peer().until_listening(22, &mut sshd.process)?;
        Ok(sshd)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Its sessions would outlive it, and keep the other ends of their tunnels alive.
        let pid = self.process.pid();
        let sessions = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        self.process.stop();
        for session in sessions.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            terminate(session, Signal::TERM);
        }
        if self.made_separation {
            // Stays when another sshd uses it by now.
            let _ = fs::remove_dir(SEPARATION);
        }
    }
}

fn configuration(place: &Path) -> String {
    let file = |name: &str| -> PathBuf { place.join(name) };
    // Without PAM sshd refuses an account whose password is locked, as root's often is.
    let pam = if root_is_locked() { "yes" } else { "no" };
    format!(
        "Port 22\nListenAddress {PEER}\nHostKey {host}\nAuthorizedKeysFile {authorized}\n\
         PidFile none\nUsePAM {pam}\nStrictModes no\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication no\nAllowTcpForwarding yes\nUseDNS no\n",
        host = file("host").display(),
        authorized = file("authorized").display(),
    )
}

fn root_is_locked() -> bool {
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    shadow.lines().any(|line| line.starts_with("root:!"))
}
