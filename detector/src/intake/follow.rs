//! Files of JSON lines that are followed as they grow, however they are rotated.
//!
//! What stands in a file at the start is the past; a file that comes later is read from its beginning. A file that
//! shrinks is read again from its beginning, one that is replaced is read to its end first. Each kind of trouble is
//! said once a file, and the rest goes on.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::{Ear, directory, line};
use crate::kernel::clock;

/// Most bytes of a line.
const LINE: usize = 64 << 10;
/// Most bytes that are read of one file at a time, so that each has its turn.
const TURN: usize = 1 << 20;
/// How often is looked where the kernel says nothing: file systems of other machines, and what was missed.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
/// How long is waited between two looks at files that keep growing.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Files that are followed, and what tells that they change.
pub(super) struct Files {
    files: Vec<Followed>,
    changes: Option<OwnedFd>,
}

impl Files {
    /// Opens those that are there.
    pub(super) fn open(paths: &[PathBuf]) -> Self {
        let changes = changes(paths);
        Self { files: paths.iter().map(|path| Followed::new(path)).collect(), changes }
    }

    /// Follows until `stop` is readable.
    pub(super) fn run(self, stop: &OwnedFd, ear: &Ear) {
        let Self { mut files, changes } = self;
        loop {
            let mut more = false;
            for file in &mut files {
                more |= file.look(&mut |text| line::hear(text, clock::now(), ear));
            }
            let wait = if more { Timespec { tv_sec: 0, tv_nsec: 0 } } else { LOOK };
            let mut ends: Vec<PollFd<'_>> = [Some(stop), changes.as_ref()]
                .into_iter()
                .flatten()
                .map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN))
                .collect();
            let _ = poll(&mut ends, Some(&wait));
            if ends.first().is_some_and(|end| end.revents().contains(PollFlags::IN)) {
                return;
            }
            if let Some(changes) = &changes {
                let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&PAUSE));
                let mut dropped = [0_u8; 4096];
                while rustix::io::read(changes, &mut dropped).is_ok_and(|read| read > 0) {}
            }
        }
    }
}
/// Tells when something happens in the directories of the files; none where the kernel has no more to give.
fn changes(paths: &[PathBuf]) -> Option<OwnedFd> {
    let changes = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    let kinds = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    for path in paths {
        if let Err(error) = inotify::add_watch(&changes, directory(path), kinds) {
            tracing::debug!(path = %path.display(), %error, "changes are looked for from time to time");
        }
    }
    Some(changes)
}

/// A file that is followed.
struct Followed {
    path: PathBuf,
    open: Option<Open>,
    /// What was said of it already.
    said: Vec<Trouble>,
    invalid: u64,
}

struct Open {
    file: File,
    identity: (u64, u64),
    at: u64,
    /// The beginning of a line that is not complete.
    partial: Vec<u8>,
    /// The rest of the line is too much, and passed over.
    skips: bool,
}

/// What is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Absent,
    Unreadable,
    Shrunk,
    Vanished,
    Long,
    Invalid,
}

impl Followed {
    /// From its end on, where there is one.
    fn new(path: &Path) -> Self {
        let mut followed = Self { path: path.to_owned(), open: None, said: Vec::new(), invalid: 0 };
        match open(path) {
            Ok(mut file) => {
                let from = file.file.seek(SeekFrom::End(0)).unwrap_or(0);
                // In the middle of a line: its end is no line of its own.
                file.skips = from > 0 && !ends_a_line(&mut file.file, from);
                file.at = from;
                followed.open = Some(file);
                tracing::info!(path = %path.display(), "tool calls are read as they are written");
            }
            Err(error) => followed.unreadable(&error),
        }
        followed
    }

    /// Reads what is new; whether there is more at once.
    fn look(&mut self, hear: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> bool {
        let more = self.read(hear);
        if more {
            return true;
        }
        let current = std::fs::metadata(&self.path).map(|found| (found.dev(), found.ino()));
        match (current, &self.open) {
            (Ok(identity), Some(open)) if open.identity == identity => return false,
            (Err(_), Some(_)) => {
                // Whoever has it open may still write; it is read until another takes its place.
                self.say(Trouble::Vanished, "is gone; it is waited for");
                return false;
            }
            (Err(error), None) => {
                self.unreadable(&error);
                return false;
            }
            (Ok(_), _) => {}
        }
        match open(&self.path) {
            Ok(file) => {
                self.said.retain(|said| !matches!(said, Trouble::Vanished | Trouble::Unreadable));
                self.open = Some(file);
                true
            }
            Err(error) => {
                self.unreadable(&error);
                false
            }
        }
    }

    fn read(&mut self, hear: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> bool {
        let Some(open) = &mut self.open else { return false };
        let size = open.file.metadata().map_or(open.at, |found| found.len());
        let mut trouble = Vec::new();
        if size < open.at {
            trouble.push((Trouble::Shrunk, "was cut; it is read from its beginning".to_owned()));
            if open.file.seek(SeekFrom::Start(0)).is_err() {
                self.open = None;
                return false;
            }
            (open.at, open.skips) = (0, false);
            open.partial.clear();
        }
        let mut fresh = Vec::new();
        let limit = u64::try_from(TURN).unwrap_or(u64::MAX);
        let read = (&open.file).take(limit).read_to_end(&mut fresh);
        if let Err(error) = &read {
            trouble.push((Trouble::Unreadable, format!("cannot be read: {error}")));
        }
        open.at = open.at.saturating_add(u64::try_from(fresh.len()).unwrap_or(0));
        for piece in fresh.split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.strip_suffix(b"\n");
            let text = whole.unwrap_or(piece);
            if open.skips {
                open.skips = whole.is_none();
                continue;
            }
            if open.partial.len() + text.len() > LINE {
                trouble.push((
                    Trouble::Long,
                    format!("has a line of more than {LINE} bytes; it is passed over"),
                ));
                open.partial.clear();
                open.skips = whole.is_none();
                continue;
            }
            open.partial.extend_from_slice(text);
            if whole.is_none() {
                continue;
            }
            let line = std::mem::take(&mut open.partial);
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Err(error) = hear(&line) {
                self.invalid = self.invalid.saturating_add(1);
                trouble.push((
                    Trouble::Invalid,
                    format!("has a line that is no tool call: {error}; later ones are counted"),
                ));
                trouble.truncate(8);
            }
        }
        let more = fresh.len() >= TURN;
        for (kind, text) in trouble {
            self.say(kind, &text);
        }
        more
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        if error.kind() == std::io::ErrorKind::NotFound {
            self.say(Trouble::Absent, "is not there yet; it is waited for");
        } else {
            self.say(Trouble::Unreadable, &format!("cannot be read: {error}"));
        }
    }

    fn say(&mut self, kind: Trouble, text: &str) {
        if self.said.contains(&kind) {
            tracing::debug!(path = %self.path.display(), invalid = self.invalid, "a file of tool calls {text}");
            return;
        }
        self.said.push(kind);
        tracing::warn!(path = %self.path.display(), "a file of tool calls {text}");
    }
}

/// Opens a regular file; a pipe would block, and a device is none.
fn open(path: &Path) -> std::io::Result<Open> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let identity = (found.dev(), found.ino());
    Ok(Open { file, identity, at: 0, partial: Vec::new(), skips: false })
}

/// Whether the byte before this place ends a line; the place is kept.
fn ends_a_line(file: &mut File, at: u64) -> bool {
    let mut last = [0_u8];
    let read = file.seek(SeekFrom::Start(at.saturating_sub(1))).and_then(|_| file.read_exact(&mut last));
    read.is_ok() && last == *b"\n"
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::*;

    struct Stage {
        place: tempfile::TempDir,
        followed: Option<Followed>,
    }

    impl Stage {
        fn new() -> Self {
            Self { place: tempfile::tempdir().unwrap(), followed: None }
        }

        fn path(&self) -> PathBuf {
            self.place.path().join("calls.jsonl")
        }

        fn write(&self, text: &str) {
            let mut file = OpenOptions::new().create(true).append(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn heard(&mut self) -> Vec<String> {
            let path = self.path();
            let followed = self.followed.get_or_insert_with(|| Followed::new(&path));
            let mut heard = Vec::new();
            let mut hear = |line: &[u8]| {
                if line.starts_with(b"bad") {
                    return Err("bad".to_owned());
                }
                heard.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            };
            while followed.look(&mut hear) {}
            heard
        }
    }

    #[test]
    fn what_is_there_at_the_start_is_the_past_and_half_a_line_waits() {
        let mut stage = Stage::new();
        stage.write("old\nhal");
        assert!(stage.heard().is_empty());
        stage.write("f\nnew\npart");
        assert_eq!(stage.heard(), ["new"]);
        stage.write("ial\n\n  \n");
        assert_eq!(stage.heard(), ["partial"]);
    }

    #[test]
    fn a_file_that_is_cut_rotated_or_gone_is_followed_on_and_said_once() {
        let mut stage = Stage::new();
        assert!(stage.heard().is_empty());
        stage.write("a\n");
        assert_eq!(stage.heard(), ["a"]);
        fs::write(stage.path(), "").unwrap();
        assert!(stage.heard().is_empty());
        stage.write("b\n");
        assert_eq!(stage.heard(), ["b"]);
        stage.write("last\n");
        fs::rename(stage.path(), stage.place.path().join("calls.1")).unwrap();
        stage.write("c\n");
        assert_eq!(stage.heard(), ["last", "c"]);
        fs::remove_file(stage.path()).unwrap();
        assert!(stage.heard().is_empty() && stage.heard().is_empty());
        stage.write("d\n");
        assert_eq!(stage.heard(), ["d"]);
        let followed = stage.followed.unwrap();
        assert_eq!(followed.said, [Trouble::Absent, Trouble::Shrunk]);
    }

    #[test]
    fn lines_that_are_too_long_or_no_call_are_passed_over_and_said_once() {
        let mut stage = Stage::new();
        assert!(stage.heard().is_empty());
        stage.write(&format!("{}\na\nbad 1\nbad 2\n", "x".repeat(3 * TURN)));
        stage.write("b\n");
        assert_eq!(stage.heard(), ["a", "b"]);
        let followed = stage.followed.unwrap();
        assert_eq!(followed.said, [Trouble::Absent, Trouble::Long, Trouble::Invalid]);
        assert_eq!(followed.invalid, 2);
    }

    #[test]
    fn a_pipe_and_a_directory_are_not_followed() {
        let stage = Stage::new();
        fs::create_dir(stage.path()).unwrap();
        assert!(open(&stage.path()).is_err());
        assert!(open(Path::new("/dev/zero")).is_err());
    }
}
