//! A program beside the one under test: started, spoken to, listened to, ended with its handle.

use std::fs;
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::wait::{LIMIT, wait_for};

/// A running program; dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    said: NamedTempFile,
}

impl Server {
    /// Starts it. Its standard output and error are kept together.
    pub fn start(command: &mut Command) -> Result<Self> {
        let said = NamedTempFile::new().context("cannot make a file for what it says")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(said.reopen()?)
            .stderr(fs::OpenOptions::new().append(true).open(said.path())?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, said })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.said.path()).unwrap_or_default()).into_owned()
    }

    /// Writes a line to its standard input.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its standard input is closed")?;
        writeln!(stdin, "{line}").context("it does not listen any more")
    }

    /// Waits until it has said a text; fails at once when it ends before.
    pub fn until_says(&mut self, text: &str) -> Result<()> {
        wait_for(&format!("`{text}`"), LIMIT, || {
            let ended = self.child.try_wait().context("cannot wait for it")?;
            if self.said().contains(text) {
                return Ok(Some(()));
            }
            if let Some(status) = ended {
                bail!("it ended with {status}");
            }
            Ok(None)
        })
        .with_context(|| format!("it said: {}", self.said()))
    }

    /// The first line that it says, as JSON.
    pub fn first_line(&mut self) -> Result<Value> {
        self.until_says("\n")?;
        let said = self.said();
        let line = said.lines().next().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("its line is no JSON: {line}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_hears_says_and_ends() {
        let mut server = Server::start(&mut Command::new("cat")).unwrap();
        server.say("{\"a\":1}").unwrap();
        assert_eq!(server.first_line().unwrap()["a"], 1);
        let gone = Server::start(&mut Command::new("true")).unwrap().until_says("never");
        assert!(format!("{:#}", gone.unwrap_err()).contains("it ended with"));
    }
}
