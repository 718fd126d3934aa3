//! Other names of files: who writes to a second name of a file writes to the first as well.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use lru::LruCache;

use crate::event::text;

/// Most files whose names are remembered.
const FILES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Most names of one file.
const NAMES: usize = 4;
/// Most entries that the look at the start goes through.
const ENTRIES: usize = 50_000;
/// How deep it goes.
const DEPTH: usize = 5;
/// Where files lie that something runs or reads by itself.
const PLACES: [&str; 9] =
    ["/etc/", "/var/spool/", "/usr/lib/", "/usr/share/", "/usr/local/", "/lib", "/boot/", "/run/", "/opt/"];
/// Hidden directories of a home where builds and caches make links by the thousand.
const CACHES: [&str; 8] =
    [".cache", ".cargo", ".rustup", ".npm", ".local/share/pnpm", ".pnpm-store", ".conda", ".gradle"];

/// Device and inode.
type Key = (u32, u64);

/// Names of files that have more than one.
pub(super) struct Twins(LruCache<Key, Vec<Box<str>>>);

impl Twins {
    pub(super) fn new() -> Self {
        Self(LruCache::new(FILES))
    }

    /// A file has this name, beside others. Only names count that a write to another one should be told of.
    pub(super) fn learn(&mut self, key: Key, name: &str) {
        if key.1 == 0 || !is_watched(name) {
            return;
        }
        let names = self.0.get_or_insert_mut(key, Vec::new);
        if names.len() < NAMES && !names.iter().any(|known| &**known == name) {
            names.push(name.into());
        }
    }

    /// The names of a file other than this one.
    pub(super) fn others(&mut self, key: Key, name: &str) -> Vec<Box<str>> {
        let names = self.0.get(&key).into_iter().flatten();
        names.filter(|known| &***known != name).cloned().collect()
    }

    /// Learns of files that have several names already.
    pub(super) fn look(&mut self) {
        let mut left = ENTRIES;
        for place in ["/etc", "/var/spool/cron", "/root", "/home"] {
            self.look_below(Path::new(place), DEPTH, &mut left);
        }
    }

    fn look_below(&mut self, directory: &Path, depth: usize, left: &mut usize) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Some(rest) = left.checked_sub(1) else { return };
            *left = rest;
            let path = entry.path();
            let Ok(meta) = entry.metadata() else { continue };
            let name = text(path.as_os_str().as_bytes());
            let is_home = name.starts_with("/home");
            if meta.is_dir() {
                if depth > 0 && (is_watched(&name) || (is_home && depth >= DEPTH)) {
                    self.look_below(&path, depth - 1, left);
                }
            } else if meta.is_file() && meta.nlink() > 1 {
                let dev = meta.dev();
                let dev = (rustix::fs::major(dev) << 20) | rustix::fs::minor(dev);
                self.learn((dev, meta.ino()), &name);
            }
        }
    }
}

/// Whether a file of this name may run or decide by itself: the system's own, hidden ones of homes, Git hooks.
pub(super) fn is_watched(name: &str) -> bool {
    let home = name.strip_prefix("/root/").or_else(|| Some(name.strip_prefix("/home/")?.split_once('/')?.1));
    let is_in = |home: &str, cache: &str| home.strip_prefix(cache).is_some_and(|rest| rest.starts_with('/'));
    let is_hidden = |home: &str| home.starts_with('.') && !CACHES.iter().any(|cache| is_in(home, cache));
    name.contains("/.git/hooks/")
        || PLACES.iter().any(|place| name.starts_with(place))
        || home.is_some_and(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_to_a_second_name_is_one_to_the_first() {
        let mut twins = Twins::new();
        twins.learn((1, 7), "/etc/crontab");
        twins.learn((1, 7), "/etc/crontab");
        twins.learn((1, 7), "/tmp/x");
        assert_eq!(twins.others((1, 7), "/tmp/x"), ["/etc/crontab".into()]);
        assert!(twins.others((1, 7), "/etc/crontab").is_empty());
        assert!(twins.others((2, 7), "/tmp/x").is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut twins = Twins::new();
        for inode in 1..10_000 {
            for name in 0..10 {
                twins.learn((1, inode), &format!("/etc/{name}"));
            }
        }
        assert_eq!(twins.0.len(), FILES.get());
        assert_eq!(twins.others((1, 9_999), "").len(), NAMES);
    }

    #[test]
    fn builds_that_link_thousands_of_files_push_nothing_out() {
        for name in ["/work/node_modules/a", "/root/.cache/uv/a", "/home/u/.npm/a", "/home/u/file", "/tmp/x"]
        {
            assert!(!is_watched(name), "{name}");
        }
        for name in ["/etc/cron.d/x", "/root/.ssh/authorized_keys", "/home/u/.bashrc", "/root/.npmrc"] {
            assert!(is_watched(name), "{name}");
        }
    }
}
