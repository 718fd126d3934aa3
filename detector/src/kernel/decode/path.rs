//! Paths: walks from the leaf up become text, and names below directories are resolved afterwards.

use std::borrow::Cow;
use std::os::fd::AsFd;

use hashbrown::HashMap;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};

use crate::event::text;

/// What stands for the components that a truncated path lacks.
const MISSING: &str = "\u{2026}";
/// Most directories that are remembered within a batch.
const REMEMBERED: usize = 256;

/// The path of a walk: components from the leaf up, each with its NUL.
pub(super) fn walked(bytes: &[u8], truncated: bool) -> Box<str> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let mut path = String::with_capacity(bytes.len() + 4);
    if truncated {
        path.push_str(MISSING);
    }
    for component in bytes.rsplit(|byte| *byte == 0).filter(|component| !component.is_empty()) {
        path.push('/');
        match std::str::from_utf8(component) {
            Ok(component) => path.push_str(component),
            Err(_) => path.push_str(&text(component)),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.into()
}

/// Resolves names that a syscall was given, after the fact: the directory part is followed as the
/// process sees it, symbolic links included; as this process sees it, where that one is gone. A
/// directory that is gone leaves the path as it was written, without `.` and `..`.
#[derive(Default)]
pub struct Resolver {
    remembered: HashMap<(u32, Box<str>), Option<Box<str>>>,
}

impl Resolver {
    /// The path of `name`, relative to `directory`, as process `pid` sees it.
    pub fn resolve(&mut self, pid: u32, directory: &str, name: &str) -> Box<str> {
        let full = if name.starts_with('/') {
            Cow::Borrowed(name)
        } else {
            Cow::Owned(format!("{directory}/{name}"))
        };
        let plain = normalised(&full);
        let Some((parent, leaf)) = plain.rsplit_once('/') else { return plain.into() };
        if parent.is_empty() || parent.starts_with(MISSING) {
            return plain.into();
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        let resolved =
            self.remembered.entry((pid, parent.into())).or_insert_with(|| real_directory(pid, parent));
        match resolved {
            Some(parent) if &**parent == "/" => format!("/{leaf}").into(),
            Some(parent) => format!("{parent}/{leaf}").into(),
            None => plain.into(),
        }
    }

    /// As [`Self::resolve`], with a symbolic link at the name itself followed where that leads to a directory, as
    /// mount(2) and its kin follow it.
    pub fn resolve_whole(&mut self, pid: u32, directory: &str, name: &str) -> Box<str> {
        let named = self.resolve(pid, directory, name);
        if named.starts_with(MISSING) { named } else { real_directory(pid, &named).unwrap_or(named) }
    }

    /// Forgets what was resolved: directories change.
    pub fn forget(&mut self) {
        self.remembered.clear();
    }
}

/// Where a directory really is, within the root directory of a process.
fn real_directory(pid: u32, directory: &str) -> Option<Box<str>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty())
        .or_else(|_| openat(CWD, "/", flags, Mode::empty()))
        .ok()?;
    let found =
        openat2(&root, directory.trim_start_matches('/'), flags, Mode::empty(), ResolveFlags::IN_ROOT)
            .ok()?;
    let link = |fd: &dyn AsFd| {
        use std::os::fd::AsRawFd as _;
        let path = readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()), Vec::new()).ok()?;
        Some(text(path.as_bytes()))
    };
    let (root, found) = (link(&root)?, link(&found)?);
    let below = if &*root == "/" { &*found } else { found.strip_prefix(&*root)? };
    Some(if below.is_empty() { "/".into() } else { below.into() })
}

/// The path without empty, `.` and `..` components.
fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    for part in parts {
        if part != MISSING || !out.is_empty() {
            out.push('/');
        }
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_turned_round() {
        assert_eq!(&*walked(b"xmrig\0bin\0tmp\0", false), "/tmp/bin/xmrig");
        assert_eq!(&*walked(b"xmrig\0bin\0", true), "\u{2026}/bin/xmrig");
        assert_eq!(&*walked(b"", false), "/");
        assert_eq!(&*walked(b"a\xff\0", false), "/a\\xff");
    }

    #[test]
    fn names_are_joined_and_normalised() {
        let mut resolver = Resolver::default();
        let own = std::process::id();
        assert_eq!(&*resolver.resolve(own, "/proc", "./x/../self-not"), "/proc/self-not");
        assert_eq!(&*resolver.resolve(0, "/a", "../../etc/cron.d/x"), "/etc/cron.d/x");
        assert_eq!(&*resolver.resolve(0, "/a/b", "/etc/passwd"), "/etc/passwd");
        assert_eq!(&*resolver.resolve(0, "\u{2026}/b", "c"), "\u{2026}/b/c");
    }

    #[test]
    fn a_symbolic_link_in_the_directory_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        std::fs::create_dir(place.join("real")).unwrap();
        std::os::unix::fs::symlink("real", place.join("link")).unwrap();
        let mut resolver = Resolver::default();
        let resolved = resolver.resolve(std::process::id(), place.to_str().unwrap(), "link/file");
        assert_eq!(&*resolved, place.join("real/file").to_str().unwrap());
    }
}
