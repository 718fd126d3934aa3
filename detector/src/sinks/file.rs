//! Alerts as JSON lines at the end of a file that only its owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::http::Http;
use super::stdout::{line, message_line};
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Alert;

/// JSON lines in a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; made with mode 0600, opened again after a rotation.
    pub path: PathBuf,
}

impl Kind for FileConfig {
    const NAME: &'static str = "file";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn open(&self, _name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(AlertFile::open(&self.path)?))
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

impl Sink for AlertFile {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        self.write_line(&message_line(message)?)?;
        Ok(Receipt::default())
    }
}

/// An alert file, opened again when it was moved away (logrotate) or a write failed.
#[derive(Debug)]
pub struct AlertFile {
    path: PathBuf,
    file: File,
}

impl AlertFile {
    /// Opens the file for appending, made with mode 0600 where it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let path = path.into();
        match open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(SinkError::Open { path, source }),
        }
    }

    /// Appends one alert in one write.
    pub fn write(&mut self, alert: &Alert) -> Result<(), SinkError> {
        self.write_line(&line(alert)?)
    }

    fn write_line(&mut self, line: &str) -> Result<(), SinkError> {
        if self.is_in_place() && self.append(line).is_ok() {
            return Ok(());
        }
        self.file = open(&self.path).map_err(|source| SinkError::Open { path: self.path.clone(), source })?;
        self.append(line).map_err(|source| SinkError::Write { path: self.path.clone(), source })
    }

    /// A write that stopped halfway (disk full) is taken back, so that no line is ever broken.
    fn append(&mut self, line: &str) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        self.file.write_all(line.as_bytes()).inspect_err(|_| {
            let _ = self.file.set_len(before);
        })
    }

    /// Whether the path still names the file that is open.
    fn is_in_place(&self) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let open = self.file.metadata().map(identity).ok();
        open.is_some() && open == std::fs::metadata(&self.path).map(identity).ok()
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sinks::human::tests::alert;

    #[test]
    fn lines_are_appended_to_a_private_file_and_follow_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let mut file = AlertFile::open(&path).unwrap();
        file.write(&alert()).unwrap();
        file.write(&alert()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::rename(&path, dir.path().join("alerts.jsonl.1")).unwrap();
        file.write(&alert()).unwrap();
        let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
        assert_eq!((lines("alerts.jsonl.1"), lines("alerts.jsonl")), (2, 1));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = AlertFile::open("/nowhere/alerts.jsonl").unwrap_err();
        assert_eq!(error.to_string(), "open alert file /nowhere/alerts.jsonl");
    }
}
