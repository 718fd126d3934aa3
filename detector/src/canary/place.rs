//! Holds a file open without reading it, and says how the kernel half will know it.
//!
//! An open descriptor keeps the inode from being given to another file, follows renames, and tells how many
//! names are left. O_PATH reads nothing and changes no time of access.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use detector_common::wire::InodeKey;
use rustix::fs::{FileType, Mode, OFlags};

/// A file that is held.
#[derive(Debug)]
pub struct Held {
    /// The descriptor, opened with O_PATH.
    pub file: OwnedFd,
    /// How the kernel half knows it.
    pub key: InodeKey,
    /// Device and inode as stat(2) has them, which may differ on overlayfs and btrfs.
    pub stat: (u64, u64),
}

/// Holds the regular file at a path.
///
/// # Errors
/// It is not there, cannot be reached, or is no regular file.
pub fn hold(path: &Path) -> io::Result<Held> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let key = key(&file)?;
    Ok(Held { file, key, stat: (stat.st_dev, stat.st_ino) })
}

impl Held {
    /// Names that the file has.
    pub fn links(&self) -> u64 {
        rustix::fs::fstat(self.file.as_fd()).map_or(0, |stat| stat.st_nlink)
    }

    /// A path that leads to the file, whatever it is called now.
    pub fn by_descriptor(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Where it stands now.
    pub fn path(&self) -> Option<PathBuf> {
        fs::read_link(self.by_descriptor()).ok()
    }
}

/// Inode and device of an open file as the probes read them: `f_inode->i_ino`, which fdinfo tells since
/// 5.14, and `s_dev`, which the table of mounts tells. stat(2) tells a file system's own idea of both.
fn key(file: &OwnedFd) -> io::Result<InodeKey> {
    let stat = rustix::fs::fstat(file)?;
    let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let inode = field(&fdinfo, "ino:").unwrap_or(stat.st_ino);
    let of_stat = device(rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let dev = field(&fdinfo, "mnt_id:").and_then(|mount| device_of(&mounts, mount)).unwrap_or(of_stat);
    Ok(InodeKey { inode, dev, pad: 0 })
}

/// The kernel's own number of a device.
fn device(major: u32, minor: u32) -> u32 {
    (major << 20) | (minor & 0xf_ffff)
}

fn field(fdinfo: &str, name: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The device of a mount in a mountinfo table.
fn device_of(mounts: &str, mount: u64) -> Option<u32> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let number: u64 = words.next()?.parse().ok()?;
        let (major, minor) = words.nth(1)?.split_once(':')?;
        (number == mount).then_some(device(major.parse().ok()?, minor.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_held_file_is_followed_through_a_rename_and_its_end() {
        let place = tempfile::tempdir().unwrap();
        let (path, other) = (place.path().join("a"), place.path().join("b"));
        fs::write(&path, "x").unwrap();
        let held = hold(&path).unwrap();
        assert_eq!(held.stat.1, fs::metadata(&path).unwrap().ino());
        fs::rename(&path, &other).unwrap();
        assert_eq!(held.path().unwrap(), other.canonicalize().unwrap());
        assert_eq!(held.links(), 1);
        fs::remove_file(&other).unwrap();
        assert_eq!(held.links(), 0);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let place = tempfile::tempdir().unwrap();
        let fifo = place.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(hold(&fifo).unwrap_err().to_string().contains("no regular file"));
        assert!(hold(place.path()).is_err());
        assert_eq!(hold(&place.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_device_is_that_of_the_mount() {
        let mounts = "22 1 8:17 / / rw - ext4 /dev/sdb1 rw\n30 22 0:27 / /tmp rw - tmpfs tmpfs rw\n";
        assert_eq!(device_of(mounts, 30), Some(27));
        assert_eq!(device_of(mounts, 22), Some(8 << 20 | 17));
        assert_eq!(device_of("garbage\n", 1), None);
    }
}
