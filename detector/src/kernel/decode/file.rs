//! File records become events: one for every name that the file has and that counts.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use detector_common::wire::{self, Header, flag};
use rustix::fs::Statx;

use super::mounts::Place;
use super::path::{self, Found, Name, Who};
use super::{Decoder, Malformed, part, string, take, twins};
use crate::event::{EventKind, FileEvent, FileOp, text};

const RENAME_EXCHANGE: u32 = 2;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
/// Most files of a directory that was moved to a place of the system which are reported one by one.
const CONTENTS: usize = 64;
/// How deep they may lie in it.
const DEPTH: usize = 4;

/// The strings of a record.
struct Strings<'a> {
    directory: &'a [u8],
    name: &'a [u8],
    new_directory: &'a [u8],
    new_name: &'a [u8],
    above: &'a [u8],
}

impl Decoder {
    /// The event of a file record. What else it means stands in `more` afterwards.
    pub(super) fn file(&mut self, header: &Header, op: FileOp, rest: &[u8]) -> Result<EventKind, Malformed> {
        let (file, rest) = take::<wire::File>(rest)?;
        let [first, second, third, fourth] = file.lens;
        let (directory, rest) = part(rest, first)?;
        let (name, rest) = part(rest, second)?;
        let (new_directory, rest) = part(rest, third)?;
        let (new_name, rest) = part(rest, fourth)?;
        let (above, _) = part(rest, file.above)?;
        let strings = Strings { directory, name, new_directory, new_name, above };
        let truncated = header.flags & flag::PATH_TRUNCATED != 0;
        let from_string = header.flags & flag::PATH_FROM_STRING != 0;
        let mut event = FileEvent {
            op,
            in_host: self.mounts.is_host(file.mntns),
            inode: file.inode,
            dev: file.dev,
            mode: file.mode,
            nlink: file.nlink,
            mntns: file.mntns,
            magic: file.magic,
            created: header.flags & flag::CREATED != 0,
            emptied: header.flags & flag::EMPTIED != 0,
            path_from_string: from_string,
            path_truncated: truncated,
            received: header.flags & flag::RECEIVED != 0,
            ..FileEvent::default()
        };
        if from_string {
            self.named(header.pid, &file, &strings, &mut event);
        } else {
            let mut walked = |walk, len| {
                let place = within(walk, len, above).map(|path| Place { dev: file.dev, path });
                (
                    path::walked(walk, truncated),
                    place.and_then(|place| self.mounts.on_host(&place, file.mntns)),
                )
            };
            let (first, first_on_host) = walked(directory, file.within[0]);
            (event.path, event.host_path) = match op {
                FileOp::Rename | FileOp::Link => {
                    (event.from, event.host_from) = (Some(first), first_on_host);
                    walked(new_directory, file.within[1])
                }
                FileOp::Symlink => {
                    event.from = Some(string(new_name));
                    (first, first_on_host)
                }
                FileOp::Open
                | FileOp::Truncate
                | FileOp::Unlink
                | FileOp::Chmod
                | FileOp::Access
                | FileOp::Copy
                | FileOp::Map => (first, first_on_host),
            };
        }
        if event.in_host && event.host_path.is_none() {
            event.host_path = Some(event.path.clone());
        }
        self.consequences(&file, &event);
        Ok(EventKind::File(event))
    }

    /// Fills in what the names of a record are.
    fn named(&mut self, pid: u32, file: &wire::File, strings: &Strings<'_>, event: &mut FileEvent) {
        let Strings { directory, name, new_directory, new_name, .. } = *strings;
        let follow = match event.op {
            FileOp::Truncate => true,
            FileOp::Chmod => file.oflags & AT_SYMLINK_NOFOLLOW == 0,
            FileOp::Open
            | FileOp::Rename
            | FileOp::Link
            | FileOp::Symlink
            | FileOp::Unlink
            | FileOp::Access
            | FileOp::Copy
            | FileOp::Map => false,
        };
        let truncated = event.path_truncated;
        let first = Name { directory, truncated, text: before_nul(name), follow };
        let moves = matches!(event.op, FileOp::Rename | FileOp::Link);
        let new = if moves {
            let second = Name { directory: new_directory, truncated, text: before_nul(new_name), follow };
            let old = self.resolve(pid, file, first, None);
            event.host_from = self.host_path(&old, file.mntns);
            event.from = Some(old.path);
            let mut new =
                self.resolve(pid, file, second, within(new_directory, file.within[1], strings.above));
            if event.op == FileOp::Link {
                // Two names of one file: the new one may be gone already.
                new.facts = new.facts.or(old.facts);
            }
            new
        } else {
            self.resolve(pid, file, first, within(directory, file.within[0], strings.above))
        };
        if event.op == FileOp::Symlink {
            event.from = Some(string(new_name));
        }
        event.host_path = self.host_path(&new, file.mntns);
        if let (Some(facts), true) = (&new.facts, event.op != FileOp::Unlink) {
            self.learn(facts, new.place.as_ref(), event);
        }
        event.path = new.path;
    }

    fn resolve(&mut self, pid: u32, file: &wire::File, name: Name<'_>, directory: Option<Box<str>>) -> Found {
        let Self { resolver, mounts, parents, .. } = self;
        let parent = |pid: u32| parents.peek(&pid).copied();
        let mut found = resolver.resolve(Who { pid, mntns: file.mntns }, name, mounts, &parent);
        // Nobody could be asked. A plain name is where the kernel half said that its directory is.
        let is_plain = !name.text.contains(&b'/') && !name.text.is_empty();
        if found.place.is_none()
            && is_plain
            && let Some(directory) = directory
        {
            let path = format!("{}/{}", directory.trim_end_matches('/'), text(name.text)).into();
            found.place = Some(Place { dev: file.dev, path });
        }
        found
    }

    fn host_path(&mut self, found: &Found, mntns: u32) -> Option<Box<str>> {
        self.mounts.on_host(found.place.as_ref()?, mntns)
    }

    /// Takes what a look at the file itself gave.
    fn learn(&mut self, facts: &Statx, place: Option<&Place>, event: &mut FileEvent) {
        event.inode = facts.stx_ino;
        event.nlink = facts.stx_nlink;
        event.dev = place.map_or_else(|| self.mounts.device(facts), |place| place.dev);
        let mode = u32::from(facts.stx_mode);
        // The bits that chmod asked for are what its event is about.
        event.mode = if event.op == FileOp::Chmod { mode & S_IFMT | event.mode & 0o7777 } else { mode };
    }

    /// What an operation means for other names than the one that it named.
    fn consequences(&mut self, file: &wire::File, event: &FileEvent) {
        let name = event.host_path.as_deref().unwrap_or(&event.path);
        let is_directory = event.mode & S_IFMT == S_IFDIR;
        match event.op {
            FileOp::Rename => {
                if file.oflags & RENAME_EXCHANGE != 0 {
                    self.more.push(FileEvent {
                        path: event.from.clone().unwrap_or_default(),
                        host_path: event.host_from.clone(),
                        from: Some(event.path.clone()),
                        host_from: event.host_path.clone(),
                        ..event.clone()
                    });
                }
                if is_directory && twins::is_watched(name) && (event.in_host || event.host_path.is_some()) {
                    self.contents(Path::new(name), "", DEPTH, event);
                }
            }
            FileOp::Link => {
                let key = (event.dev, event.inode);
                let old = event.host_from.as_deref().or(event.from.as_deref()).unwrap_or_default();
                self.twins.learn(key, old);
                self.twins.learn(key, name);
            }
            FileOp::Open | FileOp::Truncate | FileOp::Chmod if event.nlink > 1 && !is_directory => {
                for twin in self.twins.others((event.dev, event.inode), name) {
                    self.more.push(FileEvent {
                        path: twin.clone(),
                        host_path: Some(twin),
                        from: Some(event.path.clone()),
                        ..event.clone()
                    });
                }
            }
            FileOp::Open
            | FileOp::Truncate
            | FileOp::Chmod
            | FileOp::Symlink
            | FileOp::Unlink
            | FileOp::Access
            | FileOp::Copy
            | FileOp::Map => {}
        }
    }

    /// A directory was moved to a place that counts: so was every file in it.
    fn contents(&mut self, directory: &Path, below: &str, depth: usize, event: &FileEvent) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if self.more.len() >= CONTENTS {
                return;
            }
            let Ok(meta) = entry.metadata() else { continue };
            let below = format!("{below}/{}", text(entry.file_name().as_bytes()));
            if meta.is_dir() {
                if depth > 0 {
                    self.contents(&entry.path(), &below, depth - 1, event);
                }
                continue;
            }
            let join = |path: &str| format!("{path}{below}").into();
            self.more.push(FileEvent {
                path: join(&event.path),
                host_path: event.host_path.as_deref().map(join),
                from: event.from.as_deref().map(join),
                host_from: event.host_from.as_deref().map(join),
                inode: meta.ino(),
                mode: meta.mode(),
                nlink: u32::try_from(meta.nlink()).unwrap_or(u32::MAX),
                ..event.clone()
            });
        }
    }
}

/// The path on its file system of what a walk began at: what it wrote within the first mount, and what is above
/// the root of that.
fn within(walk: &[u8], len: u16, above: &[u8]) -> Option<Box<str>> {
    let inner = walk.get(..usize::from(len))?;
    // The very root of a file system is no place that a file is at: nobody said how far the walk was inside.
    (!inner.is_empty() || !above.is_empty()).then(|| path::walked(&[inner, above].concat(), false))
}

fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
