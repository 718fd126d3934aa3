//! Root, where a task needs it: by being it, or by sudo.

use std::env;
use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell::{step, succeeds, which};

/// How this machine lets us be root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// We are.
    Already,
    /// sudo asks for nothing.
    SudoQuiet,
    /// sudo asks the person at the terminal.
    SudoAsks,
}

impl Root {
    /// Finds a way, or says in one sentence what to type.
    pub(crate) fn find() -> Result<Self> {
        if rustix::process::geteuid().is_root() {
            return Ok(Self::Already);
        }
        if which("sudo").is_none() {
            bail!("this needs root, and sudo is missing: run the same command as root");
        }
        if succeeds(Command::new("sudo").args(["-n", "true"])) {
            return Ok(Self::SudoQuiet);
        }
        if std::io::stdin().is_terminal() {
            return Ok(Self::SudoAsks);
        }
        bail!(
            "this needs root, and sudo asks for a password without a terminal: run `sudo -v`, then this again"
        )
    }

    /// Goes on as root: returns where we are, becomes `cargo xtask WORDS…` through sudo where we are not.
    pub(crate) fn become_it<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Result<()> {
        let root = Self::find()?;
        if root == Self::Already {
            return Ok(());
        }
        step("loading probes needs root: going on through sudo");
        let own = env::current_exe()?.display().to_string();
        Err(root.command(&own).args(words).exec()).context("cannot start sudo")
    }

    /// Words that stand before a command to run it as root, environment and PATH kept.
    pub(crate) fn prefix(self) -> Vec<String> {
        let path = format!("PATH={}", env::var("PATH").unwrap_or_default());
        let words: &[&str] = match self {
            Self::Already => return vec![],
            Self::SudoQuiet => &["sudo", "-n", "-E", "env", &path],
            Self::SudoAsks => &["sudo", "-E", "env", &path],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// A command that runs as root.
    pub(crate) fn command(self, program: &str) -> Command {
        let prefix = self.prefix();
        match prefix.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }
}
