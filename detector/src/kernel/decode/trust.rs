//! Which programs are trusted to write what the distribution wants, told by inode and environment.

use rustix::fs::CWD;

use super::mounts::{self, Mounts};
use crate::event::{Exec, Trust};

/// Programs that put packages in place and run their scripts, by their path on the host.
const INSTALLERS: [&str; 10] = [
    "/usr/bin/dpkg",
    "/usr/bin/rpm",
    "/usr/bin/dnf5",
    "/usr/bin/microdnf",
    "/usr/bin/zypper",
    "/usr/bin/pacman",
    "/usr/bin/rpm-ostree",
    "/usr/sbin/apk",
    "/sbin/apk",
    "/usr/lib/snapd/snapd",
];
/// Programs that write such files themselves; what they run may be anybody's. Not among them: clients that copy
/// where they are told (dpkg-deb, podman, docker, systemctl, systemd-tmpfiles).
const WRITERS: [&str; 20] = [
    "/usr/bin/apt",
    "/usr/bin/apt-get",
    "/usr/bin/aptitude",
    "/usr/lib/systemd/systemd",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-logind",
    "/lib/systemd/systemd-logind",
    "/usr/bin/dockerd",
    "/usr/sbin/dockerd",
    "/usr/local/bin/dockerd",
    "/usr/bin/containerd",
    "/usr/local/bin/containerd",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/local/bin/containerd-shim-runc-v2",
    "/usr/bin/runc",
    "/usr/sbin/runc",
    "/usr/local/bin/runc",
    "/usr/bin/crun",
    "/usr/bin/conmon",
    "/usr/bin/buildkitd",
];
/// Where libraries may come from without a doubt.
const LIBRARIES: [&str; 4] = ["/usr/", "/lib", "/opt/", "/nix/store/"];

/// How far a program that was just executed is trusted.
pub(super) fn of(exec: &Exec, mounts: &mut Mounts) -> Trust {
    let exe = &*exec.exe;
    let trust = if INSTALLERS.contains(&exe) {
        if runs_hooks(exec) { Trust::Writer } else { Trust::Installer }
    } else if WRITERS.contains(&exe) {
        Trust::Writer
    } else {
        return Trust::None;
    };
    if exec.written.is_some() || exec.nlink == 0 || has_foreign_code(exec) || !is_the_hosts(exec, mounts) {
        return Trust::None;
    }
    trust
}

/// Whether the command line names programs to run beside the work, or another configuration or database.
fn runs_hooks(exec: &Exec) -> bool {
    const OPTIONS: [&str; 12] = [
        "--pre-invoke",
        "--post-invoke",
        "--status-logger",
        "--hookdir",
        "--config",
        "--root",
        "--admindir",
        "--instdir",
        "--rcfile",
        "--macros",
        "--define",
        "--eval",
    ];
    exec.argv.iter().any(|arg| OPTIONS.iter().any(|option| arg.starts_with(option)))
}

/// Whether the environment brings code of others into the program or into the scripts that it runs.
fn has_foreign_code(exec: &Exec) -> bool {
    exec.env_truncated
        || exec.env.iter().any(|(name, value)| match &**name {
            "LD_LIBRARY_PATH" | "PERL5LIB" => value.split([':', ';']).any(|directory| {
                !directory.is_empty() && !LIBRARIES.iter().any(|place| directory.starts_with(place))
            }),
            "PYTHONSTARTUP" => false,
            _ => !value.is_empty(),
        })
}

/// Whether the executable is the file that the host has at its path.
fn is_the_hosts(exec: &Exec, mounts: &mut Mounts) -> bool {
    ["/proc/1/root", ""].iter().any(|root| {
        let path = format!("{root}{}", exec.exe);
        let Some(facts) = mounts::facts(CWD, path.as_bytes()) else { return false };
        let is_regular = facts.stx_mode & 0o170_000 == 0o100_000;
        is_regular && facts.stx_ino == exec.inode && mounts.device(&facts) == exec.dev
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::event::{AgentId, Nanos, ProcessId, Written};

    /// An exec of the host's own program at a path that packages have.
    fn exec(exe: &str) -> Option<Exec> {
        let meta = std::fs::metadata(exe).ok()?;
        let dev = (rustix::fs::major(meta.dev()) << 20) | rustix::fs::minor(meta.dev());
        Some(Exec { exe: exe.into(), inode: meta.ino(), dev, nlink: 1, ..Exec::default() })
    }

    #[test]
    fn a_package_manager_is_known_by_its_inode_and_clean_environment() {
        let mut mounts = Mounts::new();
        let Some(dpkg) = exec("/usr/bin/dpkg") else { return };
        assert_eq!(of(&dpkg, &mut mounts), Trust::Installer);
        let other_file = Exec { inode: dpkg.inode + 1, ..dpkg.clone() };
        let other_device = Exec { dev: dpkg.dev + 1, ..dpkg.clone() };
        let elsewhere = Exec { exe: "/tmp/dpkg".into(), ..dpkg.clone() };
        let deleted = Exec { nlink: 0, ..dpkg.clone() };
        let with = |name: &str, value: &str| Exec { env: vec![(name.into(), value.into())], ..dpkg.clone() };
        let written = Written { time: Nanos(1), by: ProcessId::default(), agent: AgentId(1) };
        let changed = Exec { written: Some(written), ..dpkg.clone() };
        for exec in [
            other_file,
            other_device,
            elsewhere,
            deleted,
            changed,
            with("LD_PRELOAD", "/tmp/x.so"),
            with("LD_LIBRARY_PATH", "/usr/lib:/tmp"),
            with("PERL5OPT", "-Mx"),
        ] {
            assert_eq!(of(&exec, &mut mounts), Trust::None, "{exec:?}");
        }
        assert_eq!(of(&with("LD_LIBRARY_PATH", "/usr/local/cuda/lib64"), &mut mounts), Trust::Installer);
        let hooks = Exec { argv: vec!["dpkg".into(), "--pre-invoke=/tmp/x".into()], ..dpkg };
        assert_eq!(of(&hooks, &mut mounts), Trust::Writer, "its children may be anything");
    }

    #[test]
    fn what_runs_hooks_of_anybody_is_trusted_for_itself_alone() {
        let Some(apt) = exec("/usr/bin/apt-get") else { return };
        assert_eq!(of(&apt, &mut Mounts::new()), Trust::Writer);
    }
}
