//! A program that is executed.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{AgentId, Nanos, ProcessId};

/// A program was executed. Facts come from the new address space and the opened executable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// Resolved path of the executable: the interpreter, where a script was run.
    pub exe: Box<str>,
    /// Inode of the executable.
    pub inode: u64,
    /// Device of the executable, `major << 20 | minor` as the kernel keeps it.
    pub dev: u32,
    /// Link count; 0 for a deleted file and for a memfd.
    pub nlink: u32,
    /// File type and permission bits.
    pub mode: u32,
    /// Arguments, the program's own name first.
    pub argv: Vec<Box<str>>,
    /// Bytes of argv in memory where not all of it was taken.
    pub argv_truncated: Option<u32>,
    /// Working directory.
    pub cwd: Box<str>,
    /// Path given to execve of a script that `exe` interprets.
    pub script: Option<Box<str>>,
    /// Parent process.
    pub parent: ProcessId,
    /// Group id.
    pub gid: u32,
    /// Task name.
    pub comm: Box<str>,
    /// Environment variables that decide which code runs, of [`Exec::WATCHED_ENV`], with values.
    pub env: Vec<(Box<str>, Box<str>)>,
    /// The environment was longer than what was looked at.
    pub env_truncated: bool,
    /// The path of the executable or cwd lacks its first components.
    pub path_truncated: bool,
    /// Which of its descriptors 0, 1 and 2 are TCP sockets.
    pub stdio: Vec<StdioSocket>,
    /// Which agent's process opened the executable for writing last, if the kernel half remembers one.
    pub written: Option<Written>,
    /// Whether it is a program of the distribution that writes where others have no business.
    pub trust: Trust,
}

/// How far what a program writes is taken for what the distribution wants. Told by the inode of the
/// executable and by its environment, never by a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trust {
    /// Not at all.
    #[default]
    None,
    /// What it writes itself.
    Writer,
    /// What it writes, and what the system's programs below it write: it runs the scripts of packages.
    Installer,
}

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// When it was opened for writing last; nanoseconds since the Unix epoch.
    pub time: Nanos,
    /// By whom.
    pub by: ProcessId,
    /// Agent of that process.
    pub agent: AgentId,
}

/// A TCP socket that a program was given as standard input, output or error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StdioSocket {
    /// 0, 1 or 2.
    pub fd: u8,
    /// Where it is connected to.
    pub remote: SocketAddr,
    /// Its own end.
    pub local: SocketAddr,
}

impl Exec {
    /// Environment variables that are kept; all others are dropped unread.
    pub const WATCHED_ENV: [&'static str; 7] =
        ["LD_PRELOAD", "LD_AUDIT", "BASH_ENV", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "PERL5LIB", "PERL5OPT"];

    /// Whether the executable lives in memory only.
    pub fn is_memfd(&self) -> bool {
        self.nlink == 0 && self.exe.starts_with("/memfd:")
    }

    /// Whether the executable had no name left when it was run.
    pub fn is_deleted(&self) -> bool {
        self.nlink == 0 && !self.is_memfd()
    }

    /// Arguments joined by one space, as Sigma's `CommandLine`.
    pub fn command_line(&self) -> String {
        self.argv.join(" ")
    }
}
