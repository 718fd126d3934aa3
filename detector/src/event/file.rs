//! What is done to files, and what they held afterwards.

use serde::{Deserialize, Serialize};

use super::{AgentId, CgroupId, Nanos, ProcessId};

/// A file was touched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileEvent {
    /// How.
    pub op: FileOp,
    /// Resolved path as the process's mount namespace has it: of the file, or of the new name for rename, link
    /// and symlink.
    pub path: Box<str>,
    /// The old name of a rename or link; the target text of a symlink. For any other operation on a file with
    /// several names, the name that was used, where `path` is another that counts.
    pub from: Option<Box<str>>,
    /// Where the file is on the host's own mounts; `None` where it is on none of them (an image's own layer),
    /// or that is not known.
    pub host_path: Option<Box<str>>,
    /// The same for the old name of a rename or link.
    pub host_from: Option<Box<str>>,
    /// The mount namespace of the process is the host's, so that `path` is a path of the host too.
    pub in_host: bool,
    /// Inode, where the operation has an open file or the file was still there.
    pub inode: u64,
    /// Device.
    pub dev: u32,
    /// File type and permission bits; for chmod the bits asked for.
    pub mode: u32,
    /// Link count, where the operation has an open file.
    pub nlink: u32,
    /// Number of the mount namespace of the process; 0 where unknown.
    pub mntns: u32,
    /// Magic number of the file system (statfs(2)); 0 where unknown.
    pub magic: u32,
    /// The file did not exist before.
    pub created: bool,
    /// The open cut it to nothing (O_TRUNC).
    pub emptied: bool,
    /// The path comes from the caller's string (resolved afterwards), not from the open file.
    pub path_from_string: bool,
    /// The path lacks its first components.
    pub path_truncated: bool,
    /// Another process opened the file and this one received it over a socket.
    pub received: bool,
    /// Name of the canary that this file is; `copy of NAME` for a copy that was found.
    pub canary: Option<Box<str>>,
}

/// How a file was touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileOp {
    /// Opened for writing.
    #[default]
    Open,
    /// Cut or extended without an open for writing.
    Truncate,
    /// Renamed.
    Rename,
    /// Hard-linked.
    Link,
    /// Made as a symbolic link.
    Symlink,
    /// Removed.
    Unlink,
    /// Given other permission bits.
    Chmod,
    /// Opened whatever for: a canary.
    Access,
    /// Mapped executable.
    Map,
    /// Found to hold, after it was written, what a canary holds; the old name is that of the canary.
    Copy,
}

impl FileOp {
    /// One word for rules and evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Symlink => "symlink",
            Self::Unlink => "unlink",
            Self::Chmod => "chmod",
            Self::Access => "access",
            Self::Map => "map",
            Self::Copy => "copy",
        }
    }
}

/// What a small file held after its writer closed it. Secrets are masked before this is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileText {
    /// When it was read; nanoseconds since the Unix epoch.
    pub time: Nanos,
    /// The event that made it worth reading: its time, process, agent and control group.
    pub written: Nanos,
    /// Who wrote it.
    pub process: ProcessId,
    /// Agent of that process.
    pub agent: AgentId,
    /// Control group of that process.
    pub cgroup: CgroupId,
    /// Path as in that event's [`FileEvent::path`].
    pub path: Box<str>,
    /// Device.
    pub dev: u32,
    /// Inode.
    pub inode: u64,
    /// What it held before the first write, where that is known; empty for a file that was not there.
    pub before: Option<Box<str>>,
    /// What it holds now, or a sentence on why that cannot be said.
    pub text: Result<Box<str>, Box<str>>,
    /// Bytes of the whole file, of which the text is the beginning.
    pub size: u64,
    /// Somebody still had it open for writing: more may come.
    pub unfinished: bool,
}
