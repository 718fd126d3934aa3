//! Small files of `/proc` and of control groups, read into one buffer, with a bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file into `buffer`, at most `most` bytes of it, in place of what was there.
///
/// # Errors
/// It cannot be opened or read: often, since processes end.
pub(super) fn read(path: &Path, most: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    File::open(path)?.take(most).read_to_end(buffer)?;
    Ok(())
}

/// What follows a key at the start of a line: `Threads:` in `Threads:\t4`, without blanks around it.
pub(super) fn value<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key.as_bytes()))?;
    Some(line.trim_ascii())
}

/// The number that follows a key, whatever its unit.
pub(super) fn number(text: &[u8], key: &str) -> Option<u64> {
    let digits = value(text, key)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// How many numbers a list such as `0-3,8` names.
pub(super) fn count(list: &[u8]) -> Option<u32> {
    let mut count = 0_u32;
    for range in std::str::from_utf8(list).ok()?.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.saturating_add(last.checked_sub(first)?.saturating_add(1));
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_and_numbers_end_where_digits_do() {
        let text = b"Threads:\t4\nHugetlbPages:\t    2048 kB\nvoluntary_ctxt_switches:\t7\nbad:\tx\n";
        assert_eq!(number(text, "Threads:"), Some(4));
        assert_eq!(number(text, "HugetlbPages:"), Some(2048));
        assert_eq!(number(text, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!((number(text, "bad:"), number(text, "none:")), (None, None));
        assert_eq!(number(b"x: 99999999999999999999999", "x:"), None);
    }

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!((count(b"0-3,8\n"), count(b"5"), count(b"")), (Some(5), Some(1), None));
        assert_eq!((count(b"3-1"), count(b"0-x"), count(b"\xff")), (None, None, None));
        assert_eq!(count(b"0-4294967295,0-4294967295"), Some(u32::MAX));
    }

    #[test]
    fn a_file_is_read_so_far_and_no_further() {
        let mut buffer = vec![1, 2, 3];
        read(Path::new("/proc/self/status"), 5, &mut buffer).unwrap();
        assert_eq!(buffer, b"Name:");
        assert!(read(Path::new("/proc/none"), 5, &mut buffer).is_err());
    }
}
