//! One line of `/proc/PID/maps`: how large an area of memory is and what is behind it.

/// An area of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area<'a> {
    /// Bytes.
    pub(super) size: u64,
    /// Whether it may be executed.
    pub(super) executable: bool,
    /// What is behind it.
    pub(super) backing: Backing<'a>,
}

/// What is behind an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backing<'a> {
    /// No file: memory that the process asked for, in whatever way.
    Nothing,
    /// A file, by its path.
    File(&'a [u8]),
    /// What the kernel maps itself: vdso, vvar, the stack.
    Kernel,
}

/// How maps calls memory that has a file in the kernel only: huge pages, shared and System V memory, memfd.
const NO_FILES: &[&[u8]] = &[b"/anon_hugepage", b"/dev/zero", b"/SYSV", b"/memfd:"];

impl<'a> Area<'a> {
    /// Reads a line: `START-END PERMISSIONS OFFSET DEVICE INODE PATH`.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = line.splitn(6, |byte| *byte == b' ');
        let range = std::str::from_utf8(words.next()?).ok()?;
        let (start, end) = range.split_once('-')?;
        let size = u64::from_str_radix(end, 16).ok()?.checked_sub(u64::from_str_radix(start, 16).ok()?)?;
        let executable = words.next()?.get(2) == Some(&b'x');
        let path = words.nth(3).unwrap_or_default().trim_ascii();
        Some(Self { size, executable, backing: backing(path) })
    }
}

fn backing(path: &[u8]) -> Backing<'_> {
    let is_memory = path.is_empty() || path == b"[heap]" || path.starts_with(b"[anon");
    if is_memory || NO_FILES.iter().any(|prefix| path.starts_with(prefix)) {
        return Backing::Nothing;
    }
    if path.starts_with(b"[") {
        return Backing::Kernel;
    }
    Backing::File(path.strip_suffix(b" (deleted)").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_an_area_is_told_by_its_name() {
        for (line, size, executable, backing) in [
            ("1000-3000 rw-p 00000000 00:00 0 ", 0x2000, false, Backing::Nothing),
            (
                "1000-3000 rwxp 00000000 00:00 0                          [heap]",
                0x2000,
                true,
                Backing::Nothing,
            ),
            ("0-1 r-xp 00000000 00:00 0 [vdso]", 1, true, Backing::Kernel),
            ("0-1 rw-p 00000000 00:00 0 [anon: jit (x)]", 1, false, Backing::Nothing),
            ("0-1 rw-s 00000000 00:01 7 /dev/zero (deleted)", 1, false, Backing::Nothing),
            ("0-1 r-xs 00000000 00:01 7 /memfd:code (deleted)", 1, true, Backing::Nothing),
            ("0-1 r-xp 00000000 08:01 7 /a b/c (deleted)", 1, true, Backing::File(b"/a b/c")),
        ] {
            let area = Area { size, executable, backing };
            assert_eq!(Area::parse(line.as_bytes()), Some(area), "{line}");
        }
        for line in ["", "-", "3000-1000 rw-p 0 0:0 0 ", "x-y rw-p", "0-1"] {
            assert_eq!(Area::parse(line.as_bytes()), None, "{line}");
        }
    }
}
