//! Control groups as directories: where cgroup2 is mounted, which groups there are, who is in them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::event::CgroupId;

use super::KernelError;

/// The cgroup2 file system of this host.
#[derive(Clone, Debug)]
pub struct Cgroups {
    mount: PathBuf,
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Inode of its directory.
    pub id: CgroupId,
    /// Path below the mount, with a leading slash.
    pub path: String,
}

impl Cgroups {
    /// Finds the cgroup2 mount in mountinfo; on hybrid hosts that is `/sys/fs/cgroup/unified`. One that
    /// another mount hides does not count.
    ///
    /// # Errors
    /// None is mounted.
    pub fn find() -> Result<Self, KernelError> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mount = mounts_of(&mountinfo, "cgroup2").map(PathBuf::from).find(|place| is_cgroup2(place));
        Ok(Self { mount: mount.ok_or(KernelError::NoCgroup2)? })
    }

    /// Where it is mounted.
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// The directory of a path below the mount.
    pub fn directory(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }

    /// The group at a path below the mount.
    ///
    /// # Errors
    /// It does not exist.
    pub fn group(&self, path: &str) -> Result<Group, KernelError> {
        let directory = self.directory(path);
        let id = id_of(&directory).map_err(|source| KernelError::Cgroup {
            action: "reading",
            path: directory,
            source,
        })?;
        Ok(Group { id, path: format!("/{}", path.trim_matches('/')) })
    }

    /// Every group at and below `path`, parents before children. Groups that vanish meanwhile are left out.
    pub fn tree(&self, path: &str) -> Vec<Group> {
        let mut found = Vec::new();
        let mut open: Vec<Group> = self.group(path).into_iter().collect();
        while let Some(group) = open.pop() {
            let entries = fs::read_dir(self.directory(&group.path)).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let Ok(name) = entry.file_name().into_string() else { continue };
                open.extend(self.group(&format!("{}/{name}", group.path)));
            }
            found.push(group);
        }
        found
    }

    /// The processes of one group.
    pub fn processes(&self, path: &str) -> Vec<u32> {
        let text = fs::read_to_string(self.directory(path).join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Makes a group.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn create(&self, path: &str) -> Result<Group, KernelError> {
        let directory = self.directory(path);
        fs::create_dir_all(&directory).map_err(|source| KernelError::Cgroup {
            action: "making",
            path: directory,
            source,
        })?;
        self.group(path)
    }

    /// Removes a group, children first.
    ///
    /// # Errors
    /// Something still runs in it.
    pub fn remove(&self, path: &str) -> Result<(), KernelError> {
        for group in self.tree(path).iter().rev() {
            let directory = self.directory(&group.path);
            fs::remove_dir(&directory).map_err(|source| KernelError::Cgroup {
                action: "removing",
                path: directory,
                source,
            })?;
        }
        Ok(())
    }

    /// Path of the group that a process is in.
    pub fn of_process(pid: u32) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
    }
}

/// Where a file system of `kind` is mounted, if it is.
pub fn mounts(kind: &str) -> Option<String> {
    mounts_of(&fs::read_to_string("/proc/self/mountinfo").ok()?, kind).next()
}

/// Where file systems of `kind` are mounted, by the text of mountinfo; the last mount first.
fn mounts_of<'a>(mountinfo: &'a str, kind: &'a str) -> impl Iterator<Item = String> + 'a {
    mountinfo.lines().rev().filter_map(move |line| {
        let (fields, rest) = line.split_once(" - ")?;
        (rest.split(' ').next()? == kind).then(|| unescape(fields.split(' ').nth(4).unwrap_or_default()))
    })
}

/// Whether the directory that a path leads to now is one of cgroup2.
fn is_cgroup2(place: &Path) -> bool {
    rustix::fs::statfs(place).is_ok_and(|about| about.f_type == libc::CGROUP2_SUPER_MAGIC)
}

/// mountinfo writes blanks and backslashes as octal escapes.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn id_of(directory: &Path) -> io::Result<CgroupId> {
    Ok(CgroupId(fs::metadata(directory)?.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_mount_of_a_hybrid_host_is_found() {
        let text = "25 20 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    26 20 0:23 / /sys/fs/my\\040group rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounts_of(text, "cgroup2").collect::<Vec<_>>(), ["/sys/fs/my group"]);
        assert_eq!(mounts_of("25 20 0:22 / /x rw - cgroup cgroup rw,cpu\n", "cgroup2").next(), None);
    }
}
