//! Opens a file where its writer saw it, and reads its beginning; never waits for anybody.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use hashbrown::HashMap;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::lease::{Writers, writers};
use crate::event::{CgroupId, text};

/// Most bytes of a file that are read.
pub(super) const MOST: u64 = 65_536;

/// Most control groups and namespaces that are remembered.
const REMEMBERED: usize = 1_024;

/// statfs(2) of file systems that a process of the agent may serve, and make wait.
const FUSE: u32 = 0x6573_5546;

/// A mount namespace, 0 for our own.
pub(super) type Namespace = u32;

/// What a file is right now.
pub(super) enum Found {
    /// An ordinary file.
    File(Open),
    /// Nothing.
    Vanished,
    /// Something that is not read, and why.
    Other(String),
}

/// An ordinary file, open for reading.
pub(super) struct Open {
    file: File,
    /// What tells a changed file from an unchanged one.
    pub(super) stamp: Stamp,
}

/// What tells a changed file from an unchanged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dev: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    changed: (i64, i64),
}

impl Open {
    /// Who has it open for writing.
    pub(super) fn writers(&self) -> Writers {
        writers(self.file.as_fd())
    }

    /// The first bytes as text.
    pub(super) fn read(&self) -> std::io::Result<Box<str>> {
        let mut bytes = Vec::new();
        (&self.file).take(MOST).read_to_end(&mut bytes)?;
        Ok(text(&bytes))
    }
}

/// Finds the mount namespaces of processes that may be gone.
pub(super) struct Places {
    own: Namespace,
    /// Namespace that a control group was last seen in.
    of_group: HashMap<CgroupId, Namespace>,
    /// A process that lived in a namespace.
    member: HashMap<Namespace, u32>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { own: namespace_of("self").unwrap_or(0), of_group: HashMap::new(), member: HashMap::new() }
    }

    /// The namespace of a process, as its event or `/proc` says; 0 for our own, and where nobody knows.
    pub(super) fn namespace(&mut self, said: Namespace, pid: u32, cgroup: CgroupId) -> Namespace {
        let known = Some(said).filter(|said| *said != 0).or_else(|| namespace_of(&pid.to_string()));
        let namespace = match known {
            Some(namespace) => {
                if self.of_group.len() >= REMEMBERED {
                    self.of_group.clear();
                }
                self.of_group.insert(cgroup, namespace);
                namespace
            }
            None => self.of_group.get(&cgroup).copied().unwrap_or(self.own),
        };
        if namespace == self.own { 0 } else { namespace }
    }

    /// Opens what is at a resolved path in a namespace.
    pub(super) fn open(&mut self, namespace: Namespace, pid: u32, path: &str) -> Found {
        let Some(root) = self.root(namespace, pid) else {
            return Found::Other("the mount namespace of its writer is gone".to_owned());
        };
        // The path is resolved: a link in it was put there afterwards.
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat2(&root, path.trim_start_matches('/'), flags, Mode::empty(), how) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Found::Vanished,
            Err(Errno::LOOP) => {
                return Found::Other("a directory above it became a symbolic link".to_owned());
            }
            Err(error) => return Found::Other(format!("it cannot be opened: {error}")),
        };
        match ordinary(&found) {
            Ok(open) => Found::File(open),
            Err(why) => Found::Other(why),
        }
    }

    fn root(&mut self, namespace: Namespace, pid: u32) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if namespace == 0 {
            return openat(CWD, "/", flags, Mode::empty()).ok();
        }
        let lives_there = |pid: &u32| namespace_of(&pid.to_string()) == Some(namespace);
        let member = Some(pid)
            .filter(lives_there)
            .or_else(|| self.member.get(&namespace).copied().filter(lives_there))
            .or_else(|| pids().find(lives_there))?;
        if self.member.len() >= REMEMBERED {
            self.member.clear();
        }
        self.member.insert(namespace, member);
        openat(CWD, format!("/proc/{member}/root"), flags, Mode::empty()).ok()
    }
}

/// Whether files of this file system are served by an ordinary process.
pub(super) fn is_served(magic: u32) -> bool {
    magic == FUSE
}

fn ordinary(found: &OwnedFd) -> Result<Open, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let meta = std::fs::metadata(&path).map_err(cannot)?;
    let kind = meta.file_type();
    if !kind.is_file() {
        let what = if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else if kind.is_dir() {
            "a directory"
        } else if kind.is_symlink() {
            return Err(linked(found));
        } else {
            "a device"
        };
        return Err(format!("it is {what}"));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // A read that sets no access time; only the owner of a file and root may ask for that.
    let file = openat(CWD, &path, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| openat(CWD, &path, flags, Mode::empty()))
        .map_err(|error| cannot(error.into()))?;
    let stamp = Stamp {
        dev: meta.dev(),
        inode: meta.ino(),
        size: meta.size(),
        changed: (meta.ctime(), meta.ctime_nsec()),
    };
    Ok(Open { file: file.into(), stamp })
}

/// A link is named, not followed: what it leads to may be anything, secrets of root too.
fn linked(link: &OwnedFd) -> String {
    match rustix::fs::readlinkat(link, "", Vec::new()) {
        Ok(target) => format!("it is a symbolic link to {}", text(target.as_bytes())),
        Err(_) => "it is a symbolic link".to_owned(),
    }
}

/// The number of the mount namespace of a process.
fn namespace_of(pid: &str) -> Option<Namespace> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()?;
    link.to_str()?.strip_prefix("mnt:[")?.strip_suffix(']')?.parse().ok()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> Found {
        Places::new().open(0, 0, path.to_str().unwrap())
    }

    #[test]
    fn only_ordinary_files_are_read_and_only_their_beginning() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        let file = place.join("file");
        std::fs::write(&file, "x".repeat(100_000)).unwrap();
        let Found::File(found) = open(&file) else { panic!() };
        assert_eq!((found.read().unwrap().len(), found.stamp.size), (65_536, 100_000));

        let why = |path: &std::path::Path| match open(path) {
            Found::Other(why) => why,
            Found::File(_) => panic!("a file"),
            Found::Vanished => "vanished".to_owned(),
        };
        rustix::fs::mknodat(CWD, place.join("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(why(&place.join("fifo")), "it is a FIFO");
        std::os::unix::fs::symlink("/etc/shadow", place.join("link")).unwrap();
        assert_eq!(why(&place.join("link")), "it is a symbolic link to /etc/shadow");
        std::os::unix::fs::symlink(&place, place.join("around")).unwrap();
        assert_eq!(why(&place.join("around/file")), "a directory above it became a symbolic link");
        assert_eq!(why(&place.join("none")), "vanished");
        assert_eq!(why(&place), "it is a directory");
    }
}
