//! Debian's and Ubuntu's packages: what is installed, what can be had, and installing it quietly.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::root::Root;
use crate::shell::{run, step, succeeds, which};

/// Whether this machine installs by apt.
pub(super) fn is_here() -> bool {
    which("apt-get").is_some() && which("dpkg-query").is_some()
}

/// Those of `packages` that are installed.
pub(super) fn installed<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    if packages.is_empty() {
        return vec![];
    }
    // dpkg-query fails when one of several is unknown, and still lists the others.
    let Ok(output) = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\n"])
        .args(packages)
        .output()
    else {
        return vec![];
    };
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_installed = |package: &&&str| {
        listing.lines().any(|line| line.strip_prefix("installed ").is_some_and(|name| name == **package))
    };
    packages.iter().filter(is_installed).copied().collect()
}

/// The version of a package that apt would install.
pub(super) fn candidate(package: &str) -> Option<String> {
    let output = Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Fetches the package lists.
pub(super) fn update() -> Result<()> {
    run(apt_get(Root::find()?).arg("update").arg("-q")).context("apt cannot fetch its package lists")
}

/// Installs packages, without what they merely recommend; services that come with them are neither
/// started nor enabled.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let root = Root::find()?;
    let wanted = |root| {
        let mut command = apt_get(root);
        command.args(["install", "-q", "-y", "--no-install-recommends"]).args(packages);
        command
    };
    if packages.iter().any(|package| candidate(package).is_none()) || run(&mut wanted(root)).is_err() {
        update()?;
        run(&mut wanted(root)).with_context(|| {
            format!("cannot install what is missing; try `apt-get install {}`", packages.join(" "))
        })?;
    }
    for (package, units) in SERVICES {
        if packages.contains(package) {
            keep_off(root, units);
        }
    }
    Ok(())
}

/// Packages that bring services, which the tests, the demo and the bench do not want running.
const SERVICES: &[(&str, &[&str])] = &[
    ("openssh-server", &["ssh.service", "ssh.socket"]),
    ("auditd", &["auditd.service"]),
    ("prometheus-alertmanager", &["prometheus-alertmanager.service"]),
    ("rsyslog", &["rsyslog.service"]),
    ("exim4-daemon-light", &["exim4.service", "exim4-base.timer"]),
];

/// Takes units out of the next boot; they were not started.
fn keep_off(root: Root, units: &[&str]) {
    if which("systemctl").is_none() {
        return;
    }
    step(&format!("leaving {} disabled: the program is wanted, not the service", units.join(", ")));
    for unit in units {
        // A unit that the package does not have needs no disabling.
        succeeds(root.command("systemctl").args(["--quiet", "disable", unit]).env("SYSTEMD_OFFLINE", "1"));
    }
}

/// apt-get that asks nothing and starts no service: SYSTEMD_OFFLINE makes systemctl ignore `start`,
/// RUNLEVEL does the same for init scripts.
fn apt_get(root: Root) -> Command {
    let mut command = root.command("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1", "RUNLEVEL=1", "apt-get"]);
    command
}
