//! Alerts as JSON lines at the end of a file that only its owner may read, rotated by size.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::http::Http;
use super::stdout::{line, message_line};
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Alert;

mod rotate;

use rotate::Rotation;

/// Size of a file that is turned over, where the configuration names none.
const MOST: &str = "64MiB";
/// Files that are kept, where the configuration names no number.
const KEEP: usize = 8;
/// Least size of a file that is turned over: a line has up to some 100 KiB.
const LEAST: u32 = 64 << 10;
/// How a line of ours begins.
const BEGINNING: &[u8] = b"{\"schema\":\"detector.";
/// How far back a line that has no end is looked for.
const TAIL: u64 = 1 << 20;

/// JSON lines in a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; made with mode 0600, opened again when somebody else (logrotate) moved it.
    pub path: PathBuf,
    /// Size at which it is moved to `PATH.TIME` and begun anew; `"64MiB"` where not given, `"0"` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<String>,
    /// How many moved files are kept, the newest ones; 8 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// Whether moved files are compressed, to `PATH.TIME.zst`; `false` where not given.
    #[serde(default)]
    pub compress: bool,
}

impl FileConfig {
    fn rotation(&self) -> Result<Option<Rotation>, Problem> {
        let Self { path, max_size, keep, compress } = self;
        let wrong = |what: &str| {
            Problem::new("max_size", format!("{what}; write e.g. \"64MiB\", or \"0\" for never"))
        };
        let size = max_size.as_deref().unwrap_or(MOST);
        let size = crate::config::bytes(size).ok_or_else(|| wrong("no size below 4GiB"))?;
        if size == 0 {
            return Ok(None);
        }
        if size < LEAST {
            return Err(wrong("less than 64KiB, which a single line can have"));
        }
        let keep = keep.unwrap_or(KEEP);
        if keep == 0 {
            let message = "0 would throw every moved file away at once; keep at least 1";
            return Err(Problem::new("keep", message));
        }
        Ok(Some(Rotation { path: path.clone(), size: u64::from(size), keep, compress: *compress }))
    }
}

impl Kind for FileConfig {
    const NAME: &'static str = "file";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        self.rotation()?;
        let wrong = |what: &str| Problem::new("path", format!("{}: {what}", self.path.display()));
        if !self.path.is_absolute() {
            return Err(wrong("write the whole path, from /"));
        }
        if let Ok(metadata) = std::fs::metadata(&self.path) {
            let kind = metadata.file_type();
            if kind.is_dir() {
                return Err(wrong("is a directory; name a file in it"));
            }
            if kind.is_socket() || kind.is_block_device() || kind.is_fifo() {
                return Err(wrong("is no regular file; name one"));
            }
        }
        Ok(())
    }

    fn open(&self, name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let rotation = self.rotation().map_err(|Problem { key, message }| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("{key}: {message}"),
        })?;
        let file = AlertFile::open(&self.path)?;
        if let Some(rotation) = &rotation {
            rotation.tidy();
        }
        Ok(Box::new(AlertFile { rotation, ..file }))
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
    /// When and how it is turned over; never, where the command line named it.
    rotation: Option<Rotation>,
}

impl AlertFile {
    /// Opens the file for appending, made with mode 0600 where it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let path = path.into();
        match open(&path) {
            Ok(file) => Ok(Self { path, file, rotation: None }),
            Err(source) => Err(SinkError::Open { path, source }),
        }
    }

    /// Appends one alert in one write.
    pub fn write(&mut self, alert: &Alert) -> Result<(), SinkError> {
        self.write_line(&line(alert)?)
    }

    fn write_line(&mut self, line: &str) -> Result<(), SinkError> {
        if !self.is_in_place() {
            self.reopen()?;
        }
        self.turn_over(line)?;
        if self.append(line).is_ok() {
            return Ok(());
        }
        self.reopen()?;
        self.append(line).map_err(|source| SinkError::Write { path: self.path.clone(), source })
    }

    fn reopen(&mut self) -> Result<(), SinkError> {
        self.file = open(&self.path).map_err(|source| SinkError::Open { path: self.path.clone(), source })?;
        Ok(())
    }

    /// Begins a new file where this line would make the old one too large. A file that cannot be moved goes on: a
    /// large file is better than a lost line.
    fn turn_over(&mut self, line: &str) -> Result<(), SinkError> {
        let Some(rotation) = &self.rotation else { return Ok(()) };
        let size = self.file.metadata().map_or(0, |metadata| metadata.len());
        if size == 0 || size.saturating_add(line.len() as u64) <= rotation.size {
            return Ok(());
        }
        match rotation.turn() {
            Ok(()) => {
                self.reopen()?;
                if let Some(rotation) = &self.rotation {
                    rotation.tidy();
                }
            }
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the alert file cannot be moved; it grows on");
            }
        }
        Ok(())
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

fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        mend(path, &mut file)?;
    }
    Ok(file)
}

/// A line without an end is one that a crash cut off, and its alert comes again: what is there of it goes, if it is
/// ours, and gets its end otherwise.
fn mend(path: &Path, file: &mut File) -> io::Result<()> {
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(());
    }
    let Ok(mut read) = File::open(path) else { return Ok(()) };
    let from = size.saturating_sub(TAIL);
    read.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    read.take(TAIL).read_to_end(&mut tail)?;
    if tail.last().is_none_or(|last| *last == b'\n') {
        return Ok(());
    }
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let broken = tail.get(whole..).unwrap_or_default();
    let is_ours =
        (whole > 0 || from == 0) && broken.iter().zip(BEGINNING).all(|(found, wanted)| found == wanted);
    if is_ours { file.set_len(from + whole as u64) } else { file.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sinks::Body;
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

    #[test]
    fn a_line_that_a_crash_cut_off_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let whole = line(&alert()).unwrap();
        for cut in [1, 5, 30, whole.len() - 1] {
            std::fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            AlertFile::open(&path).unwrap().write(&alert()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{whole}"), "{cut}");
        }
        std::fs::write(&path, "somebody else's").unwrap();
        AlertFile::open(&path).unwrap().write(&alert()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("somebody else's\n{whole}"));
    }

    fn config(text: &str) -> Result<(), Problem> {
        toml::from_str::<FileConfig>(text).unwrap().check()
    }

    #[test]
    fn what_is_wrong_is_known_before_the_start() {
        assert_eq!(config("path = \"/var/log/a.jsonl\""), Ok(()));
        assert_eq!(config("path = \"/var/log/a.jsonl\"\nmax_size = \"0\""), Ok(()));
        for (text, key, what) in [
            ("path = \"a.jsonl\"", "path", "from /"),
            ("path = \"/etc\"", "path", "directory"),
            ("path = \"/a\"\nmax_size = \"big\"", "max_size", "64MiB"),
            ("path = \"/a\"\nmax_size = \"1KiB\"", "max_size", "less than"),
            ("path = \"/a\"\nkeep = 0", "keep", "at least 1"),
        ] {
            let problem = config(text).unwrap_err();
            assert_eq!(problem.key, key);
            assert!(problem.message.contains(what), "{problem:?}");
        }
    }

    #[test]
    fn hostile_texts_stay_within_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let mut hostile = alert();
        hostile.title = "a\r\nb\u{0}\u{2028}\u{202e}]\"\\<b>".to_owned();
        hostile.summary = "x".repeat(10_000);
        let mut file = AlertFile::open(&path).unwrap();
        for _ in 0..2 {
            file.deliver(&Message { key: "k", body: Body::Alert(&hostile), reference: None }).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        for line in lines {
            assert_eq!(serde_json::from_str::<Alert>(line).unwrap().title, hostile.title);
        }
    }
}
