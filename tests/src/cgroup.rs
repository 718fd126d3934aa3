//! Control groups that a test makes for itself and that go away with it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use crate::wait::{LIMIT, wait_for};

/// A control group of cgroup2; dropped, everything in it is killed and it is removed.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    mount: PathBuf,
}

impl Cgroup {
    /// Makes a group below the cgroup2 mount, with a name that no other test has.
    pub fn create(name: &str) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mount = mount()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = mount.join(format!("detector-test-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make the control group {}", path.display()))?;
        Ok(Self { path, mount })
    }

    /// Makes a group inside this one.
    pub fn child(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make the control group {}", path.display()))?;
        Ok(Self { path, mount: self.mount.clone() })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path below the cgroup2 mount, with a leading slash: as `/proc/PID/cgroup` and events give it.
    pub fn below_mount(&self) -> String {
        let relative = self.path.strip_prefix(&self.mount).unwrap_or(&self.path);
        format!("/{}", relative.display())
    }

    /// Its id: the inode of its directory.
    pub fn id(&self) -> Result<u64> {
        Ok(self.path.metadata().with_context(|| format!("cannot stat {}", self.path.display()))?.ino())
    }

    /// Has a command run inside from its first instruction on.
    pub fn hold<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let procs = self.path.join("cgroup.procs");
        let procs = OpenOptions::new()
            .write(true)
            .open(&procs)
            .with_context(|| format!("cannot open {}", procs.display()))?;
        let enter = move || (&procs).write_all(b"0");
        // SAFETY: between fork and exec this only writes to a file that is already open: no allocation,
        // no lock.
        Ok(unsafe { command.pre_exec(enter) })
    }

    /// Whether a process is inside, or in a group below.
    pub fn is_populated(&self) -> Result<bool> {
        let events = self.path.join("cgroup.events");
        let text =
            fs::read_to_string(&events).with_context(|| format!("cannot read {}", events.display()))?;
        Ok(text.lines().any(|line| line == "populated 1"))
    }

    fn remove(&self) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        // Since 5.14; before that the test's own children have ended by now.
        if let Ok(mut kill) = File::options().write(true).open(self.path.join("cgroup.kill")) {
            kill.write_all(b"1").context("cannot kill the control group")?;
        }
        wait_for("an empty control group", LIMIT, || Ok((!self.is_populated()?).then_some(())))?;
        remove_all(&self.path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("cannot remove {}: {error:#}", self.path.display());
        }
    }
}

/// Removes a group and those below it, deepest first.
fn remove_all(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_all(&entry.path())?;
        }
    }
    // A dead process leaves its group a moment after it stops counting as inside.
    wait_for("a removable control group", LIMIT, || Ok(fs::remove_dir(path).is_ok().then_some(())))
}

/// Where cgroup2 is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` beside v1.
pub fn mount() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    mount_in(&table).context("no cgroup2 is mounted")
}

/// Finds the mount of cgroup2 in the text of a mountinfo file.
fn mount_in(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_cgroup2 = after.split(' ').next() == Some("cgroup2");
        let place = before.split(' ').nth(4)?;
        is_cgroup2.then(|| PathBuf::from(place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_host_is_understood() {
        let table = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                     41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(table), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_in("garbage"), None);
    }

    #[test]
    fn a_group_goes_away_with_what_runs_inside() {
        crate::needs_root!();
        let group = Cgroup::create("harness").unwrap();
        let path = group.path().to_owned();
        let mut sleeper = group.hold(Command::new("sleep").arg("60")).unwrap().spawn().unwrap();
        assert!(group.is_populated().unwrap());
        drop(group);
        assert!(!path.exists());
        assert!(!sleeper.wait().unwrap().success());
    }
}
