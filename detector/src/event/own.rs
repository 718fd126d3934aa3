//! What the detector itself is on this machine: what an agent must not touch.

use serde::{Deserialize, Serialize};

use super::ProcessId;

/// How the detector's own process, control group and files are recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// Its process.
    pub process: ProcessId,
    /// Number of its mount namespace, taken for the host's; 0 where unknown.
    pub mntns: u32,
    /// Directory of its control group, as an absolute path.
    pub cgroup: Option<Box<str>>,
    /// Its executable, configuration, rules and alerts, as absolute paths of files or directories.
    pub files: Vec<Box<str>>,
}

impl Own {
    /// Whether this is its process.
    pub fn is_process(&self, process: ProcessId) -> bool {
        process.pid != 0 && process == self.process
    }

    /// Whether a path is one of its files, is about its process below `/proc`, or steers its control group or
    /// one above.
    pub fn has_file(&self, path: &str) -> bool {
        let Self { process, mntns: _, cgroup, files } = self;
        if let Some(rest) = path.strip_prefix("/proc/") {
            return rest.split_once('/').is_some_and(|(pid, _)| pid.parse() == Ok(process.pid));
        }
        let steers = path.rsplit_once('/').is_some_and(|(directory, name)| {
            let steering = name.contains('.') && name != "cgroup.procs" && name != "cgroup.threads";
            steering && cgroup.as_deref().is_some_and(|own| is_within(own, directory))
        });
        steers || files.iter().any(|file| is_within(path, file))
    }
}

/// Whether a path is a directory or lies below it.
fn is_within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    !directory.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Ticks;

    fn own() -> Own {
        Own {
            process: ProcessId { pid: 70, start: Ticks(5) },
            mntns: 1,
            cgroup: Some("/sys/fs/cgroup/system.slice/detector.service".into()),
            files: vec!["/usr/bin/detector".into(), "/etc/detector".into()],
        }
    }

    #[test]
    fn a_reused_pid_is_not_the_detector() {
        assert!(own().is_process(ProcessId { pid: 70, start: Ticks(5) }));
        assert!(!own().is_process(ProcessId { pid: 70, start: Ticks(6) }));
        assert!(!Own::default().is_process(ProcessId::default()));
    }

    #[test]
    fn its_files_and_groups_are_known_and_no_others() {
        for path in [
            "/proc/70/oom_score_adj",
            "/proc/70/task/71/comm",
            "/sys/fs/cgroup/system.slice/detector.service/cgroup.freeze",
            "/sys/fs/cgroup/system.slice/cpu.max",
            "/usr/bin/detector",
            "/etc/detector/config.toml",
        ] {
            assert!(own().has_file(path), "{path}");
        }
        for path in [
            "/proc/700/oom_score_adj",
            "/proc/70",
            "/sys/fs/cgroup/user.slice/cgroup.freeze",
            "/sys/fs/cgroup/system.slice/cgroup.procs",
            "/sys/fs/cgroup/system.slice/detector.service/below/cgroup.freeze",
            "/usr/bin/detector-trigger",
            "/etc/detectors",
            "",
        ] {
            assert!(!own().has_file(path), "{path}");
        }
        assert!(!Own::default().has_file("/etc/passwd"));
    }
}
