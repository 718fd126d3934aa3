//! The detector as a process: started, listened to, stopped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::trigger::program;
use crate::wait::{LIMIT, wait_for};

/// The variable that names the store.
pub const STORE: &str = "DETECTOR_STORE";

/// A running `detector`; dropped, it is told to end, and killed when it does not.
#[derive(Debug)]
pub struct Detector {
    child: Child,
    store: PathBuf,
    _place: tempfile::TempDir,
    log: Arc<Mutex<String>>,
}

impl Detector {
    /// Starts `detector wrap --alerts ALERTS … -- COMMAND`.
    pub fn wrap<W: AsRef<OsStr>>(name: &str, alerts: &Path, command: &[W]) -> Result<Self> {
        let mut wrap = Command::new(program("detector")?);
        wrap.args(["wrap", "--name", name, "--alerts"]).arg(alerts).arg("--").args(command);
        Self::start(wrap)
    }

    /// Starts `detector run --config CONFIG`.
    pub fn run(config: &Path) -> Result<Self> {
        let mut run = Command::new(program("detector")?);
        run.args(["run", "--config"]).arg(config);
        Self::start(run)
    }

    /// Starts `detector record -o RECORDING`, with more words after.
    pub fn record<W: AsRef<OsStr>>(recording: &Path, words: &[W]) -> Result<Self> {
        let mut record = Command::new(program("detector")?);
        record.args(["record", "-o"]).arg(recording).args(words);
        Self::start(record)
    }

    /// Starts any command line of the detector; its standard error is kept as the log. Its store is its own, unless
    /// the command's environment names one.
    pub fn start(mut command: Command) -> Result<Self> {
        let place = tempfile::tempdir()?;
        let named = command.get_envs().find(|(name, _)| *name == STORE).and_then(|(_, value)| value);
        let store = named.map_or_else(|| place.path().join("state.db"), PathBuf::from);
        command.env(STORE, &store);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the detector")?;
        let stderr = child.stderr.take().context("the detector has no standard error")?;
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = vec![];
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Ok(Self { child, log, store, _place: place })
    }

    /// Its store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its log contains a text; fails at once when it ends before.
    pub fn wait_for_log(&mut self, text: &str) -> Result<()> {
        wait_for(&format!("`{text}` in the detector's log"), LIMIT, || {
            if self.log().contains(text) {
                return Ok(Some(()));
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for the detector")?
                && !self.log().contains(text)
            {
                bail!("the detector ended with {status}: {}", self.log());
            }
            Ok(None)
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("the detector has no pid")?;
        kill_process(pid, signal).context("cannot signal the detector")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait_for("the detector's end", limit, || {
            self.child.try_wait().context("cannot wait for the detector")
        })
    }

    /// Tells it to end, and waits.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(LIMIT)
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let ended = self.signal(Signal::TERM).and_then(|()| self.wait(LIMIT));
        if ended.is_err() {
            // By its handle, so that no other process of that pid can be meant.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A file of JSON lines that somebody is still writing.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    taken: u64,
    seen: Vec<Value>,
}

impl JsonLines {
    /// Follows a file, which need not exist yet.
    pub fn follow(path: &Path) -> Self {
        Self { path: path.to_owned(), taken: 0, seen: vec![] }
    }

    /// Every whole line so far; a line that is no JSON is an error.
    pub fn all(&mut self) -> Result<&[Value]> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(&self.seen) };
        file.seek(SeekFrom::Start(self.taken))?;
        let mut fresh = vec![];
        file.read_to_end(&mut fresh)?;
        for line in fresh.split_inclusive(|&byte| byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let value = serde_json::from_slice(text).with_context(|| {
                format!("a line of {} is no JSON: {}", self.path.display(), String::from_utf8_lossy(text))
            })?;
            self.seen.push(value);
            self.taken += u64::try_from(line.len())?;
        }
        Ok(&self.seen)
    }

    /// Waits for a line that passes; the first such.
    pub fn wait_for(&mut self, what: &str, limit: Duration, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = wait_for(what, limit, || Ok(self.all()?.iter().find(|line| is_it(line)).cloned()));
        found.with_context(|| format!("{} lines were seen", self.seen.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_counts_once_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = JsonLines::follow(file.path());
        file.write_all(b"{\"a\":1}\n{\"a\"").unwrap();
        assert_eq!(lines.all().unwrap().len(), 1);
        file.write_all(b":2}\n").unwrap();
        assert_eq!(lines.wait_for("the second", LIMIT, |line| line["a"] == 2).unwrap()["a"], 2);
        file.write_all(b"no json\n").unwrap();
        assert!(lines.all().is_err());
    }
}
