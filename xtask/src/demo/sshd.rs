//! A real sshd on loopback, with keys and configuration of its own, for the tunnel's other end.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::interrupt::wait_for;
use crate::live::{Guarded, terminate};
use crate::shell::{output, which};

/// Where sshd, started as root, wants to chroot its child.
const SEPARATION: &str = "/run/sshd";

/// A running sshd; dropped, it ends.
pub(super) struct Sshd {
    process: Guarded,
    port: u16,
    made_separation: bool,
}

impl Sshd {
    /// Starts it, with all its files below `scratch`.
    pub(super) fn start(scratch: &Path) -> Result<Self> {
        let place = scratch.join("ssh");
        fs::create_dir(&place).context("cannot make a directory for sshd")?;
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            output(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.join(key)))?;
        }
        fs::copy(place.join("client.pub"), place.join("authorized"))?;
        let made_separation = !Path::new(SEPARATION).exists();
        fs::create_dir_all(SEPARATION).with_context(|| format!("cannot make {SEPARATION}"))?;

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = place.join("sshd_config");
        fs::write(&config, configuration(&place, port))?;
        let program = which("sshd").context("sshd is missing; `cargo xtask setup` installs it")?;
        let mut command = Command::new(program);
        let process =
            Guarded::start("sshd", command.args(["-D", "-e", "-f"]).arg(&config), &place.join("log"))?;
        let mut sshd = Self { process, port, made_separation };
        wait_for("sshd on loopback", Duration::from_secs(10), || {
            sshd.process.check()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(sshd)
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
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

fn configuration(place: &Path, port: u16) -> String {
    let file = |name: &str| -> PathBuf { place.join(name) };
    // Without PAM sshd refuses an account whose password is locked, as root's often is.
    let pam = if root_is_locked() { "yes" } else { "no" };
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {authorized}\n\
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
