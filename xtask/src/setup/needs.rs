//! What the machine must have, as one table.

use std::path::Path;

use super::apt;
use crate::shell::which;

/// What a thing is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building.
    Build,
    /// Live tests and the demo.
    Live,
    /// Other kernels in virtual machines.
    Vm,
    /// Fuzzing.
    Fuzz,
    /// The peers of the bench.
    Bench,
}

/// How one sees that a thing is there.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// A program on PATH.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// One of several programs on PATH: to install ours would push the other out.
    OneOf(&'static [&'static str]),
    /// A Debian package, asked for only where apt is.
    Package,
    /// The same, and not where one of these programs is, which it would push out.
    PackageUnless(&'static [&'static str]),
}

/// One thing that must be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    purpose: Purpose,
    sign: Sign,
    /// Debian's name of it.
    pub(super) package: &'static str,
    /// What for.
    pub(super) why: &'static str,
}

const fn need(purpose: Purpose, sign: Sign, package: &'static str, why: &'static str) -> Need {
    Need { purpose, sign, package, why }
}

/// Debian's keys.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Daemons of syslog, of which Debian allows one.
const SYSLOG: &[&str] = &["rsyslogd", "syslog-ng", "syslogd"];
/// Those that are not rsyslog.
const OTHER_SYSLOG: &[&str] = &["syslog-ng", "syslogd"];

const NEEDS: &[Need] = &[
    need(Purpose::Build, Sign::Program("cc"), "gcc", "links Rust programs, compiles zstd"),
    need(Purpose::Build, Sign::File("/usr/include/stdio.h"), "libc6-dev", "C headers"),
    need(Purpose::Build, Sign::Program("pkg-config"), "pkg-config", "finds C libraries"),
    need(Purpose::Live, Sign::Program("git"), "git", "the benign agent clones and commits"),
    need(Purpose::Live, Sign::Program("ssh"), "openssh-client", "the rogue agent opens a reverse tunnel"),
    need(Purpose::Live, Sign::Program("sshd"), "openssh-server", "the tunnel's other end, on loopback"),
    need(Purpose::Live, Sign::File("/usr/bin/python3"), "python3", "the agents' scripts"),
    need(Purpose::Live, Sign::Package, "python3-pip", "the benign agent installs a package"),
    need(Purpose::Live, Sign::Package, "python3-venv", "the benign agent installs a package"),
    need(Purpose::Live, Sign::Package, "python3-setuptools", "pip builds without the network"),
    need(Purpose::Live, Sign::Package, "python3-wheel", "pip builds without the network"),
    need(Purpose::Live, Sign::Package, "python3-pytest", "the benign agent runs tests"),
    need(Purpose::Live, Sign::Program("node"), "nodejs", "the benign agent installs a package"),
    need(Purpose::Live, Sign::Program("npm"), "npm", "the benign agent installs a package"),
    need(Purpose::Live, Sign::Program("ip"), "iproute2", "network namespaces, and wires between them"),
    need(Purpose::Live, Sign::Program("socat"), "socat", "echoes, relays and shells on the wire"),
    need(Purpose::Live, Sign::Program("ncat"), "ncat", "shells on the wire, a proxy's client"),
    need(Purpose::Live, Sign::Program("nc.traditional"), "netcat-traditional", "a shell that a socket feeds"),
    need(Purpose::Live, Sign::Program("openssl"), "openssl", "certificates, TLS at both ends"),
    need(Purpose::Live, Sign::Program("curl"), "curl", "the web as agents fetch it"),
    need(Purpose::Live, Sign::Program("dnsmasq"), "dnsmasq-base", "a resolver for the agent under test"),
    need(Purpose::Live, Sign::Program("dig"), "bind9-dnsutils", "asks a resolver"),
    need(Purpose::Live, Sign::Program("dbclient"), "dropbear-bin", "a tunnel by another SSH client"),
    need(Purpose::Live, Sign::Program("autossh"), "autossh", "a tunnel that is kept open"),
    need(Purpose::Live, Sign::Program("sshuttle"), "sshuttle", "a tunnel for whole networks"),
    need(Purpose::Live, Sign::Program("iptables"), "iptables", "sshuttle's way to catch connections"),
    need(Purpose::Live, Sign::Program("rsync"), "rsync", "files over SSH, which is no tunnel"),
    need(Purpose::Live, Sign::Program("g++"), "g++", "compiles RandomX, for a miner to catch"),
    need(Purpose::Live, Sign::Program("cmake"), "cmake", "builds RandomX"),
    need(Purpose::Live, Sign::Program("make"), "make", "builds RandomX"),
    need(Purpose::Live, Sign::Program("xz"), "xz-utils", "computes for long, and is no miner"),
    need(Purpose::Live, Sign::Program("zstd"), "zstd", "computes for long, and is no miner"),
    need(Purpose::Live, Sign::Program("sqlite3"), "sqlite3", "computes for long, and is no miner"),
    need(Purpose::Live, Sign::Program("ffmpeg"), "ffmpeg", "computes for long, and is no miner"),
    need(
        Purpose::Live,
        Sign::Program("prometheus-alertmanager"),
        "prometheus-alertmanager",
        "alerts are sent to a real one",
    ),
    need(
        Purpose::Live,
        Sign::Package,
        "python3-numpy",
        "products of matrices and training, which are no mining",
    ),
    need(Purpose::Live, Sign::Package, "libopenblas0-pthread", "products of matrices on all processors"),
    need(Purpose::Live, Sign::OneOf(SYSLOG), "rsyslog", "what the syslog sink sends to"),
    need(Purpose::Live, Sign::PackageUnless(OTHER_SYSLOG), "rsyslog-openssl", "the same over TLS"),
    need(
        Purpose::Live,
        Sign::Program("sendmail"),
        "exim4-daemon-light",
        "what the mail sink sends to; not in place of a mail server that is here",
    ),
    need(Purpose::Vm, Sign::Program("qemu-system-x86_64"), "qemu-system-x86", "the virtual machines"),
    need(Purpose::Vm, Sign::File("/usr/share/seabios/bios-256k.bin"), "seabios", "their firmware"),
    need(Purpose::Vm, Sign::Package, "busybox-static", "the shell and the tools inside, with no library"),
    need(Purpose::Vm, Sign::Program("cpio"), "cpio", "packs their file system"),
    need(Purpose::Vm, Sign::File(KEYRING), "debian-archive-keyring", "by which kernels are checked"),
    need(Purpose::Fuzz, Sign::Program("g++"), "g++", "compiles libFuzzer"),
    need(Purpose::Bench, Sign::Program("bpftrace"), "bpftrace", "a peer"),
    need(Purpose::Bench, Sign::Program("auditctl"), "auditd", "a peer"),
];

/// What is not there, of what these purposes need.
pub(super) fn missing(purposes: &[Purpose]) -> Vec<Need> {
    let wanted = || NEEDS.iter().filter(|need| purposes.contains(&need.purpose));
    let packages: Vec<&str> = wanted()
        .filter(|need| matches!(need.sign, Sign::Package | Sign::PackageUnless(_)))
        .map(|need| need.package)
        .collect();
    let installed = if apt::is_here() { apt::installed(&packages) } else { packages };
    wanted()
        .filter(|need| match need.sign {
            Sign::Program(name) => which(name).is_none(),
            Sign::File(path) => !Path::new(path).exists(),
            Sign::OneOf(names) => !names.iter().any(|name| which(name).is_some()),
            Sign::Package => !installed.contains(&need.package),
            Sign::PackageUnless(names) => {
                !installed.contains(&need.package) && !names.iter().any(|name| which(name).is_some())
            }
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_listed_once_for_a_purpose() {
        for (at, need) in NEEDS.iter().enumerate() {
            let is_it = |other: &Need| (other.purpose, other.package) == (need.purpose, need.package);
            assert!(!NEEDS[at + 1..].iter().any(is_it), "{}", need.package);
        }
    }
}
