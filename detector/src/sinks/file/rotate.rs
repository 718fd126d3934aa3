//! Turning an alert file over: moved to a name that nobody else uses, compressed, and the oldest thrown away.
//!
//! The name is `PATH.20261121T230000.123456Z`. logrotate's names are `PATH.1` and `PATH-20261121`, so that neither
//! ever replaces a file of the other. Turning over is one rename that replaces nothing; a crash before or after it
//! leaves every line where it can be found. A compressed file has its name only once it is whole on disk, and the plain
//! one goes after that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// Names sort by time.
const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");
/// Characters of a stamp.
const STAMP_LENGTH: usize = "20261121T230000.123456Z".len();
const COMPRESSED: &str = ".zst";
/// What a compressed file is called until it is whole.
const PARTIAL: &str = ".zst.partial";
/// How often a name is tried that somebody took first.
const TRIES: u32 = 8;

/// When and how a file is turned over.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    pub(super) path: PathBuf,
    /// Bytes at which it is.
    pub(super) size: u64,
    /// Moved files that are kept.
    pub(super) keep: usize,
    /// Whether those are compressed.
    pub(super) compress: bool,
}

/// A moved file: plain, compressed, or for a moment both.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moved {
    stamp: String,
    plain: bool,
    compressed: bool,
    partial: bool,
}

impl Rotation {
    /// Moves the file away.
    pub(super) fn turn(&self) -> io::Result<()> {
        let newest = self.moved().pop().map(|moved| moved.stamp);
        let mut at = OffsetDateTime::now_utc();
        if let Some(newest) = newest.and_then(|stamp| parse(&stamp))
            && newest >= at
        {
            // The clock was set back: the order of names stays that of the lines.
            at = newest + time::Duration::microseconds(1);
        }
        for _ in 0..TRIES {
            let stamp = at.format(STAMP).map_err(io::Error::other)?;
            match renameat_with(CWD, &self.path, CWD, self.named(&stamp, ""), RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::EXIST) => at += time::Duration::microseconds(1),
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Throws away what is too much and compresses what is to be; what a crash left is put in order.
    pub(super) fn tidy(&self) {
        let moved = self.moved();
        let old = moved.len().saturating_sub(self.keep);
        for (at, file) in moved.into_iter().enumerate() {
            if let Err(error) = self.settle(&file, at < old) {
                let path = self.named(&file.stamp, "");
                tracing::warn!(path = %path.display(), %error, "a moved alert file stays as it is");
            }
        }
    }

    fn settle(&self, file: &Moved, is_old: bool) -> io::Result<()> {
        let Moved { stamp, plain, compressed, partial } = file;
        let name = |end: &str| self.named(stamp, end);
        if *partial {
            fs::remove_file(name(PARTIAL))?;
        }
        if is_old {
            for (is_there, end) in [(plain, ""), (compressed, COMPRESSED)] {
                if *is_there {
                    fs::remove_file(name(end))?;
                }
            }
            return Ok(());
        }
        if *plain && !*compressed && self.compress {
            compress(&name(""), &name(PARTIAL), &name(COMPRESSED))?;
        }
        if *plain && (*compressed || self.compress) {
            fs::remove_file(name(""))?;
        }
        Ok(())
    }

    /// Files that were moved, oldest first.
    fn moved(&self) -> Vec<Moved> {
        let Some(prefix) = self.path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut found: Vec<Moved> = Vec::new();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_prefix('.'))
            else {
                continue;
            };
            let Some((stamp, end)) = rest.split_at_checked(STAMP_LENGTH) else { continue };
            if parse(stamp).is_none() || !["", COMPRESSED, PARTIAL].contains(&end) {
                continue;
            }
            let at = found.iter().position(|known| known.stamp == stamp).unwrap_or_else(|| {
                found.push(Moved { stamp: stamp.to_owned(), ..Moved::default() });
                found.len() - 1
            });
            if let Some(known) = found.get_mut(at) {
                known.plain |= end.is_empty();
                known.compressed |= end == COMPRESSED;
                known.partial |= end == PARTIAL;
            }
        }
        found.sort_by(|a, b| a.stamp.cmp(&b.stamp));
        found
    }

    fn named(&self, stamp: &str, end: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{stamp}{end}"));
        name.into()
    }
}

fn parse(stamp: &str) -> Option<OffsetDateTime> {
    Some(time::PrimitiveDateTime::parse(stamp, STAMP).ok()?.assume_utc())
}

/// Compresses a file under another name, which it gets once it is whole on disk.
fn compress(plain: &Path, partial: &Path, whole: &Path) -> io::Result<()> {
    let mut from = File::open(plain)?;
    let into = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    let mut encoder = zstd::Encoder::new(into, 0)?;
    io::copy(&mut from, &mut encoder)?;
    let mut into = encoder.finish()?;
    into.flush()?;
    into.sync_all()?;
    renameat_with(CWD, partial, CWD, whole, RenameFlags::NOREPLACE)?;
    if let Some(directory) = whole.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(directory: &Path, compress: bool) -> Rotation {
        Rotation { path: directory.join("a.jsonl"), size: 100, keep: 2, compress }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_crash_left_halfway_is_put_in_order_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = rotation(dir.path(), true);
        let (one, two) = ("20260101T000000.000001Z", "20260101T000000.000002Z");
        // Killed while compressing the first, and before the second's plain file went.
        fs::write(rotation.named(one, ""), "one\n").unwrap();
        fs::write(rotation.named(one, PARTIAL), "half").unwrap();
        fs::write(rotation.named(two, ""), "two\n").unwrap();
        compress(&rotation.named(two, ""), &rotation.named(two, PARTIAL), &rotation.named(two, COMPRESSED))
            .unwrap();
        rotation.tidy();
        assert_eq!(names(dir.path()), [format!("a.jsonl.{one}.zst"), format!("a.jsonl.{two}.zst")]);
        let read = |stamp| {
            let bytes = fs::read(rotation.named(stamp, COMPRESSED)).unwrap();
            String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap()
        };
        assert_eq!((read(one), read(two)), ("one\n".to_owned(), "two\n".to_owned()));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_the_newest_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = rotation(dir.path(), false);
        fs::write(rotation.named("99990101T000000.000000Z", ""), "").unwrap();
        fs::write(&rotation.path, "new\n").unwrap();
        rotation.turn().unwrap();
        let newest = rotation.moved().pop().unwrap().stamp;
        assert_eq!(newest, "99990101T000000.000001Z");
        assert_eq!(fs::read_to_string(rotation.named(&newest, "")).unwrap(), "new\n");
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let rotation = rotation(dir.path(), false);
        let others =
            ["a.jsonl.1", "a.jsonl.2.gz", "a.jsonl-20260101", "a.jsonl.20260101T000000.000001Zé", "b.jsonl"];
        for name in others {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for _ in 0..5 {
            fs::write(&rotation.path, "line\n").unwrap();
            rotation.turn().unwrap();
            rotation.tidy();
        }
        assert_eq!(rotation.moved().len(), 2);
        assert_eq!(names(dir.path()).len(), others.len() + 2);
    }
}
